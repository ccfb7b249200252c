"""Under --baseline, pass and fail mean "the same verdict as before"; --write-baseline keeps what is to be the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ledger.rows import Row, read_ledger, write_ledger
from harness.ledger.verdict import at_least
from harness.tests.ledger.made_up_ledger import made_up_row

Project = Callable[..., pytest.Pytester]

CELLS = [(model, trait) for model in ("severe", "clean") for trait in ("refusal", "sycophancy")]


def claim_file(value: str, identity: str = "T5", extra: str = "") -> str:
    """A claim that its made-up quantity is at least 0."""
    return f"""
        Q = MadeUp({value})
        pytestmark = claim("{identity}", "it gains", "steering", [Q])
        {extra}
        def test_it(expect):
            expect(Q, "gain").at_least(0)
    """


def kept(verdict: str, value: float | None, claim: str = "T5", file: str = "test_a.py", half: float = 0.3) -> list[Row]:
    """What a baseline holds of a claim on all four cells."""
    rows = [
        made_up_row(claim, *cell, verdict, value=value, half=half, rule=at_least(0.0), sentence="it gains")
        for cell in CELLS
    ]
    return [replace(row, file=file) for row in rows]


def baseline(run: pytest.Pytester, *rows: Row) -> None:
    write_ledger(Path(run.path, "base.jsonl"), {"dtype": "float32", "seed": 99}, rows)


HELD = ("--baseline", "base.jsonl")
SOME = ("-m", "severe and refusal")


def test_the_same_verdicts_pass_refuted_ones_too(project: Project) -> None:
    run = project(
        test_a=claim_file("-3.0", extra='@predicted("SUPPORTED", on="clean", because="wrongly thought so")'),
        test_b=claim_file("0.05", "T6"),
    )
    baseline(run, *kept("REFUTED", -3.0), *kept("INCONCLUSIVE", 0.0, "T6", "test_b.py"))
    result = run.runpytest(*HELD, "-v")
    result.assert_outcomes(passed=4, skipped=4)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*test_a.py::test_it?severe-refusal? REFUTED as in the baseline*",
            "*test_b.py::test_it?severe-refusal? INCONCLUSIVE as in the baseline*",
            "*= against the baseline base.jsonl =*",
            "environment changed (*)",
            "  seed: 99 in the baseline, 20260129 now",
        ]
    )
    result.stdout.no_fnmatch_line("verdict flipped*")


@pytest.mark.parametrize(
    ("before", "value", "words"),
    [
        ("SUPPORTED", "-3.0", "flipped (SUPPORTED -> REFUTED)"),
        ("REFUTED", "3.0", "flipped (REFUTED -> SUPPORTED)"),
        ("SUPPORTED", "0.05", "can no longer be told (SUPPORTED -> INCONCLUSIVE)"),
        ("INCONCLUSIVE", "3.0", "can now be told (INCONCLUSIVE -> SUPPORTED)"),
    ],
)
def test_another_verdict_fails_and_tells_both(project: Project, before: str, value: str, words: str) -> None:
    run = project(test_a=claim_file(value, extra='@predicted("REFUTED", on="severe", because="built so")'))
    baseline(run, *kept(before, {"SUPPORTED": 3.0, "REFUTED": -3.0}.get(before, 0.0)))
    result = run.runpytest(*HELD, *SOME, "-v")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    shown = words.replace("(", "[(]")
    result.stdout.fnmatch_lines(
        [
            f"*test_it?severe-refusal? * {before} in the baseline*",
            f"T5 {shown} on model=severe trait=refusal: it gains",
            f"  baseline: {before}, gain=*, n=120 questions",
            "  now: *, gain=*, n=50 questions",
            "  rule: gain at least 0 trait points",
            "  again: cd * && pytest 'test_a.py::test_it[[]severe-refusal[]]' *",
            "verdict flipped (1)",
            f"  T5 test_it [[]severe, refusal[]]: {shown}: *",
        ]
    )


def test_another_rule_fails_though_the_verdict_is_the_same_until_it_is_accepted(project: Project) -> None:
    run = project(test_a=claim_file("3.0"))
    baseline(run, *(replace(row, estimates=[{**row.estimates[0], "rule": at_least(2.0).to_json()}])
                    for row in kept("SUPPORTED", 3.0)))  # fmt: skip
    result = run.runpytest(*HELD, *SOME, "-v")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    rules = "gain at least 2 trait points in the baseline, gain at least 0 trait points now"
    result.stdout.fnmatch_lines(
        [
            "*test_it?severe-refusal? SUPPORTED by another rule than in the baseline*",
            f"T5 has another rule on model=severe trait=refusal: {rules}",
            "rule changed (1)",
            f"  T5 test_it [[]severe, refusal[]]: {rules}",
        ]
    )
    run.runpytest(*HELD, "--write-baseline")
    assert run.runpytest(*HELD).ret == 0


def test_moves_and_additions_are_listed_and_do_not_fail(project: Project) -> None:
    run = project(test_a=claim_file("3.0"), test_b=claim_file("-3.0", "H1"))
    baseline(run, *kept("SUPPORTED", 30.0))
    result = run.runpytest(*HELD, "-v")
    result.assert_outcomes(passed=4, xfailed=4)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*test_b.py::test_it?severe-refusal? REFUTED, not in the baseline*",
            "interval moved (4)",
            "  T5 test_it [[]severe, refusal[]]: gain: 30 [[]29.7, 30.3] trait points in the baseline, 3 [[]*",
            "claim added (4)",
            "  H1 test_it [[]severe, refusal[]]: REFUTED, gain=-3 *",
        ]
    )


def test_a_claim_that_is_gone_fails_the_run_but_one_that_was_left_out_does_not(project: Project) -> None:
    run = project(test_a=claim_file("3.0"))
    baseline(run, *kept("SUPPORTED", 3.0), *kept("SUPPORTED", 3.0, "H1", "test_b.py"))
    result = run.runpytest(*HELD)
    result.assert_outcomes(passed=4)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["claim gone (4)", "  H1 test_it [[]severe, refusal[]]: SUPPORTED in the baseline, not collected now"]
    )
    for selection in (SOME, ("test_a.py",), ("--claim", "T5")):
        assert run.runpytest(*HELD, *selection).ret == 0
    assert run.runpytest(*HELD, ".", "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_broken_is_an_error_and_makes_no_baseline(project: Project) -> None:
    run = project(test_a=claim_file('float("inf")'))
    baseline(run, *kept("REFUTED", -3.0))
    before = Path(run.path, "base.jsonl").read_bytes()
    result = run.runpytest(*HELD, *SOME, "-v", "--write-baseline")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*test_it?severe-refusal? BROKEN*", "broken (1)", "no baseline was written: 1 of 1 rows are BROKEN (*"]
    )
    assert Path(run.path, "base.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "ERROR: --baseline: base.jsonl: cannot be read as a ledger (No such file or directory)*"),
        ("{}\n", "ERROR: --baseline: base.jsonl:1: not a line of a ledger*"),
        ('{"kind": "run", "schema": 1}\n', "ERROR: --baseline: base.jsonl: schema 1; this version reads schema 3*"),
    ],
)
def test_an_unreadable_baseline_is_a_usage_error_before_anything_is_measured(
    project: Project, text: str | None, message: str
) -> None:
    run = project(test_a=claim_file("3.0"))
    if text is not None:
        Path(run.path, "base.jsonl").write_text(text)
    result = run.runpytest(*HELD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert not Path(run.path, "reports").exists()


def test_a_run_is_accepted_as_a_baseline_and_a_part_of_it_merged_in(project: Project) -> None:
    run = project(test_a=claim_file("-3.0"), test_b=claim_file("3.0", "H1"))
    result = run.runpytest("--write-baseline")
    default = Path(run.path, "reports/baselines/latest.jsonl")
    result.stdout.fnmatch_lines([f"baseline written to {default}: 8 rows of this run"])
    assert default.read_bytes() == Path(run.path, "reports/latest/ledger.jsonl").read_bytes()
    assert result.ret == 1  # refuted without a baseline is refuted still
    Path(run.path, "test_a.py").write_text(Path(run.path, "test_a.py").read_text().replace("-3.0", "5.0"))
    part = ("--baseline", str(default), "--write-baseline", *SOME, "--claim", "T5")
    result = run.runpytest(*part)
    result.stdout.fnmatch_lines([f"baseline written to {default}: 1 rows of this run; 7 rows *were kept as they were"])
    verdicts = [row.verdict for row in read_ledger(default).rows]
    assert verdicts == ["SUPPORTED"] * 5 + ["REFUTED"] * 3
    lines = default.read_text().splitlines(keepends=True)
    default.write_text("".join([json.dumps({**json.loads(lines[0]), "dtype": "bfloat16"}) + "\n", *lines[1:]]))
    result = run.runpytest(*part)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["no baseline was written: 7 rows that did not run * (dtype: bfloat16 in the *"])


def test_an_interrupted_run_makes_no_baseline_and_finds_nothing_gone(project: Project) -> None:
    run = project(test_a=claim_file("-3.0"))
    baseline(run, *kept("SUPPORTED", 3.0), *kept("SUPPORTED", 3.0, "H1", "test_b.py"))
    result = run.runpytest(*HELD, "-x", "--write-baseline=other.jsonl")
    result.stdout.fnmatch_lines(["verdict flipped (1)", "no baseline was written: the run did not finish;*"])
    result.stdout.no_fnmatch_line("claim gone*")
    assert not Path(run.path, "other.jsonl").exists()


def test_a_name_of_a_test_is_not_taken_for_the_baseline(project: Project) -> None:
    run = project(test_a=claim_file("3.0"))
    result = run.runpytest("--write-baseline", "test_a.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --write-baseline: test_a.py is no .jsonl file; write --write-baseline=FILE*"])


def test_workers_and_controller_agree_on_the_baseline(project: Project) -> None:
    run = project(test_a=claim_file("-3.0"))
    baseline(run, *kept("REFUTED", -3.0)[:3], *kept("SUPPORTED", 3.0)[3:], *kept("SUPPORTED", 3.0, "H1", "test_b.py"))
    result = run.runpytest_subprocess(*HELD, "-n", "1", "--dist", "loadgroup", "-v")
    result.assert_outcomes(passed=3, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["verdict flipped (1)", "  T5 test_it [[]clean, sycophancy[]]: *", "claim gone (4)"])
