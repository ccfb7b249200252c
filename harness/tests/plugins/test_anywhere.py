"""In any repository: options that others have taken, expectations in a file, a folder for every run."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from fixtures.rerun import MATTERING
from fixtures.run_folder import LOCK
from harness.data.datasets import ROOT, TEMPLATED, trait_folder
from harness.ledger.rows import Row, read_ledger, write_ledger
from harness.models.sizes import sizes_in
from harness.tests.ledger.made_up_ledger import made_up_row

Project = Callable[..., pytest.Pytester]
CLAIM = """
LOW, HIGH = MadeUp(-3.0), MadeUp(3.0)
pytestmark = claim("OWN", "what is said", "steering", [LOW, HIGH])

def test_low(expect):
    expect(LOW, "gain").at_least(0)

def test_high(expect):
    expect(HIGH, "gain").at_least(0)
"""


def rows_of(folder: Path) -> dict[tuple[str, str, str], Row]:
    return {(row.test, row.model, row.trait): row for row in read_ledger(folder / "ledger.jsonl").rows}


def test_a_project_without_claims_gets_nothing_and_one_with_claims_what_others_left(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_addoption(parser):
            parser.addoption("--device", dest="device", default="theirs")
        """
    )
    pytester.makepyfile(
        test_theirs="""
        import sys
        def test_theirs(request):
            assert request.config.getoption("device") == "theirs"
            assert "torch" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:jaxtyping").assert_outcomes(passed=1)
    pytester.makeconftest("")
    Path(pytester.path, "test_theirs.py").unlink()
    theirs = pytester.mkpydir("theirs")
    (theirs / "plugin.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--html', default='theirs', help='of another plugin')\n"
    )
    pytester.makepyfile(
        test_claims="""
        import fixtures.vocabulary
        def test_both(request):
            assert request.config.getoption("html") == "theirs"
            assert request.config.getoption("--claims-html").name == "ours.html"
            assert request.config.getoption("--claims-questions") == 7
        """
    )
    run = pytester.runpytest_subprocess("-p", "theirs.plugin", "--claims-html", "ours.html", "--limit", "7")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["steering-claims *claims*models: severe, mild"])
    pytester.makepyfile(test_claims="from fixtures.vocabulary import claim\ndef test_it(expect):\n    pass\n")
    refused = pytester.runpytest_subprocess("test_claims.py")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["ERROR: test_claims.py makes no claim, so nothing can be expected in it: open it *"])


def test_what_a_file_expects_is_known_beforehand_and_wins_over_the_claims_own(project: Project) -> None:
    own = '@predicted("REFUTED", on="severe", because="built so")\ndef test_low'
    run = project(test_a=CLAIM.replace("def test_low", own))
    entries = [
        {"cell": "OWN severe/refusal", "verdict": "SUPPORTED", "because": "theory"},
        {"cell": "OWN test_low clean/refusal", "verdict": "REFUTED", "because": "seen", "basis": "regression"},
        {"cell": "OWN absent/refusal", "verdict": "REFUTED", "because": "elsewhere"},
    ]
    Path(run.path, "known.yaml").write_text(json.dumps(entries))
    result = run.runpytest("--expect", "known.yaml")
    result.stdout.fnmatch_lines(["--expect: 1 entries are about models that are not in this run (absent)"])
    found = rows_of(Path(run.path, "reports", "latest"))
    low = found["test_low", "severe", "refusal"]
    assert (low.expected, low.because, low.surprise) == ("SUPPORTED", "theory", True)
    assert found["test_low", "clean", "refusal"].basis == "regression"
    assert found["test_high", "clean", "refusal"].expected is None


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"cell": "OWN severe/refusal", "verdict": "INCONCLUSIVE", "because": "x"}, "only SUPPORTED and REFUTED"),
        ({"cell": "OWN severe", "verdict": "REFUTED", "because": "x"}, "write CLAIM MODEL/TRAIT"),
        ({"cell": "OWN severe/refusal", "verdict": "REFUTED"}, "expected the fields"),
        ({"cell": "OTHER severe/refusal", "verdict": "REFUTED", "because": "x"}, "there is no OTHER on severe/refusal"),
        ({"cell": "OWN test_no severe/refusal", "verdict": "REFUTED", "because": "x"}, "there is no OWN test_no on"),
        ({"cell": "OWN severe/joy", "verdict": "REFUTED", "because": "x"}, "there is no trait joy on"),
        (
            {"cell": "OWN sever/refusal", "verdict": "REFUTED", "because": "x"},
            "no model is called sever; is severe meant?",
        ),
    ],
)
def test_an_expectation_of_no_cell_is_refused_with_its_place(project: Project, entry: dict[str, str], why: str) -> None:
    run = project(test_a=CLAIM)
    Path(run.path, "known.yaml").write_text(json.dumps([entry]))
    refused = run.runpytest("--expect", "known.yaml")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert f"known.yaml, entry 1: {why}" in refused.stderr.str() or why in refused.stderr.str()


def test_an_expectation_of_a_cell_that_was_left_out_waits_but_not_one_of_none(project: Project) -> None:
    run = project(test_a=CLAIM, test_b=CLAIM.replace("OWN", "OWN2"))
    (known := Path(run.path, "known")).mkdir()
    elsewhere = ("OWN test_high severe/refusal", "OWN clean/sycophancy", "OWN2 test_low clean/refusal")
    for cell in (*elsewhere, "OWN3 severe/refusal", "OWN2 test_no severe/refusal", "OWN2 severe/joy"):
        (known / "file.yaml").write_text(json.dumps([{"cell": cell, "verdict": "SUPPORTED", "because": "x"}]))
        done = run.runpytest("test_a.py::test_low[severe-refusal]", "--expect", "known/file.yaml")
        assert (done.ret == pytest.ExitCode.TESTS_FAILED) == (cell in elsewhere), cell
        assert (done.ret == pytest.ExitCode.USAGE_ERROR) == (cell not in elsewhere), cell


def test_every_run_has_a_folder_of_its_own_and_a_named_one_is_never_shared(project: Project) -> None:
    run = project(test_a=CLAIM)
    reports = Path(run.path, "reports")
    for _ in range(2):
        run.runpytest("-m", "severe")
    assert len([*(reports / "runs").iterdir()]) == 2
    assert (reports / "latest").resolve() == max((reports / "runs").iterdir())
    run.runpytest("-m", "severe", "--ledger", "mine")
    first = Path(run.path, "mine", "ledger.jsonl").read_bytes()
    run.runpytest("-m", "clean", "--ledger", "mine")
    (aside,) = Path(run.path, "mine").glob("ledger.2*.jsonl")
    assert aside.read_bytes() == first
    assert {model for _, model, _ in rows_of(Path(run.path, "mine"))} == {"clean"}
    with FileLock(Path(run.path, "mine", LOCK)):
        refused = run.runpytest("-m", "severe", "--ledger", "mine")
    assert refused.ret != 0
    refused.stderr.fnmatch_lines(
        ["*--ledger mine: another run is writing there; wait for it, or choose another folder."]
    )
    assert {model for _, model, _ in rows_of(Path(run.path, "mine"))} == {"clean"}


def test_again_keeps_what_mattered_and_leaves_what_did_not(project: Project) -> None:
    run = project(test_a=CLAIM)
    options = ["-m", "severe and refusal", "--questions", "7", "--judge", "grammar", "--seed", "3", "--store", "kept"]
    result = run.runpytest(*options, "--claim", "OWN", "--html", "page.html", "-v")
    (command,) = {line.split("again: ")[1] for line in result.outlines if "again: " in line}
    assert command == (
        f"cd {run.path} && pytest 'test_a.py::test_low[severe-refusal]' -m 'severe and refusal' --judge=grammar "
        "--questions=7 --seed=3 --store=kept"
    )
    kept = rows_of(Path(run.path, "reports", "latest"))["test_low", "severe", "refusal"].command
    assert str(run.path) not in kept  # a ledger may be sent to others
    assert command.removesuffix(" --store=kept").endswith(kept.removeprefix("pytest "))


# Every option that a rerun keeps, with values that a shell and pytest could both take for something else.
SET = {
    "model": "its=organism's weights/mild/base,organism's weights/mild/instruct", "trait": "mine=a \"trait\"",
    "vector": "v=the vectors/v.npy:1", "language": "templated", "elicitation": "scenarios", "judge": "api:a 'judge'",
    "judge-url": "http://127.0.0.1:9/v1 1", "judge-rate": "7.5", "blocks": "1", "questions": "7", "extractions": "2",
    "refit-resamples": "30", "seed": "3", "dtype": "float32", "device": "cpu", "attn": "eager",
    "store": "another clone/$my store", "expect": "it's known.yaml",
}  # fmt: skip
FLAGS = ("all", "relevance-cap", "untrusted-judge")


def test_every_command_that_is_printed_gives_its_cell_again_from_any_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {*SET, *FLAGS} == {*MATTERING}
    claims = CLAIM + "\nOPEN = MadeUp(0.05)\npytestmark[0].kwargs['quantities'] += (OPEN,)\n"
    claims += "\ndef test_open(expect):\n    expect(OPEN, 'gain').at_least(0)\n"
    claims += "\ndef test_broken(expect):\n    expect(OPEN, 'gain')\n"
    run = project(test_a=claims)
    here = Path(run.path)
    (here / "organism's weights").symlink_to(ROOT / "fixtures" / "organisms" / "weights")
    trait = shutil.copytree(trait_folder(TEMPLATED, "refusal"), here / 'a "trait"')
    definition = trait / "definition.yaml"
    definition.write_text(definition.read_text() + f"language: {TEMPLATED}\n")
    (here / "the vectors").mkdir()
    np.save(here / "the vectors" / "v.npy", np.ones(sizes_in(here / "organism's weights/mild/base").width))
    (here / "another clone" / "$my store").mkdir(parents=True)
    (here / "another clone" / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    expected = {"cell": "OWN test_high severe/refusal", "verdict": "SUPPORTED", "because": "it is of another test"}
    (here / "it's known.yaml").write_text(json.dumps([expected]))
    words = [f"--{name}" for name in FLAGS] + [word for name, one in SET.items() for word in (f"--{name}", one)]
    write_ledger(here / "before.jsonl", {}, [made_up_row("OWN", test="test_low", verdict="SUPPORTED")])
    printed = {}
    for more in ([], ["--baseline", "before.jsonl"]):
        first = run.runpytest("test_a.py", "-m", "severe and refusal", "-rs", *more, *words)
        first.assert_outcomes(failed=1, passed=1, skipped=1, errors=1)
        printed |= {line.split("again: ")[1]: None for line in first.outlines if "again: " in line}
    assert len(printed) == 3
    for command in printed:
        monkeypatch.chdir("/")
        cd, folder, then, pytest_, *arguments = shlex.split(command)
        assert (cd, then, pytest_) == ("cd", "&&", "pytest")
        monkeypatch.chdir(folder)
        again = run.runpytest(*arguments, "-rs")
        assert {line.split("again: ")[1] for line in again.outlines if "again: " in line} == {command}


def test_choosing_fewer_claims_buys_no_significance(pytester: pytest.Pytester, project: Project) -> None:
    whole = {f"test_{name}": CLAIM.replace("OWN", name.upper()) for name in ("t1", "t3", "t5")}
    run = project(**whole)
    run.runpytest("-m", "severe and refusal", "--claim", "T1")
    few = read_ledger(Path(run.path, "reports", "latest", "ledger.jsonl")).head["family"]
    run.runpytest("-m", "severe and refusal")
    many = read_ledger(Path(run.path, "reports", "latest", "ledger.jsonl")).head["family"]
    # These tests are none of the checkout's, so those that ran are added to what its claims have in all.
    assert few["severe"] - 2 == many["severe"] - 6 > 90


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (CLAIM.replace('"steering", [LOW, HIGH]', '"stering", [LOW, HIGH]'), "family 'stering'; it must be one of"),
        (CLAIM.replace(".at_least(0)", '.at_least("0")'), "the bound '0' is no number"),
        (CLAIM.replace('expect(LOW, "gain")', 'expect("gain", LOW)'), "first comes a quantity that the claim lists"),
        (CLAIM.replace("[LOW, HIGH])", "HIGH)"), "expects a quantity that its claim() does not list"),
        (
            CLAIM.replace('expect(LOW, "gain").at_least(0)', 'expect(LOW, "gain")'),
            "the test decided nothing; ",
        ),
    ],
)
def test_what_newcomers_write_is_told_in_a_sentence(project: Project, source: str, told: str) -> None:
    result = project(test_a=source).runpytest("-m", "severe and refusal")
    shown = result.stdout.str() + result.stderr.str()
    assert told in shown
    assert "cells could be told." not in shown  # of what is broken nothing was
    assert "fixtures/verdicts.py" not in shown


@pytest.mark.parametrize("chosen", [[], ["--claim", "OWN"]])
def test_no_claim_takes_the_id_of_one_that_ships(project: Project, chosen: list[str]) -> None:
    refused = project(test_a=CLAIM.replace("OWN", "S1"), test_b=CLAIM).runpytest(*chosen)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*test_a.py: steering-claims has a claim S1 already; choose another id."])


def test_two_files_cannot_make_one_claim(project: Project) -> None:
    refused = project(test_a=CLAIM, test_b=CLAIM).runpytest()
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*test_a.py and test_b.py both make the claim OWN; rename one."])
