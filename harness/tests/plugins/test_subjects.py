"""Which models a run is about, where they run, who judges them, and a sentence for what cannot be meant."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fixtures.subjects import placed
from fixtures.workers import pytest_xdist_auto_num_workers
from harness.lab.store import FILE
from harness.models.registry import EMBEDDED, FIRST, find_model
from harness.tests.models.checkpoints import VOCABULARY, write_checkpoint
from harness.tests.plugins import CONFTEST

CLAIMS = """
import pytest
from fixtures.vocabulary import MEAN_DIFF, best, claim, consensus, cosine

KEPT = cosine(MEAN_DIFF, MEAN_DIFF.cleaned(consensus()))
pytestmark = claim("G0", "cleaning turns mean_diff", "geometry", [KEPT])


def test_it(expect):
    expect(KEPT, "cosine").at_least(-0.5)
"""
ACROSS = CLAIMS.replace('"geometry", [KEPT]', '"across", [KEPT], pair=True').replace('claim("G0"', 'claim("A0"')
STEERED = CLAIMS.replace("KEPT = cosine(MEAN_DIFF, MEAN_DIFF.cleaned(consensus()))", "KEPT = best(MEAN_DIFF)").replace(
    'claim("G0"', 'claim("S0"'
)
SEVERE = CLAIMS.replace('"geometry", [KEPT]', '"geometry", [KEPT], above=100.0').replace('claim("G0"', 'claim("G9"')

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest on three claims, with an empty cache of the hub and a token that must never be shown."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    pytester.makepyfile(test_claim=CLAIMS, test_pair=ACROSS, test_severe=SEVERE)
    return lambda *arguments: pytester.runpytest_subprocess("--store", "store", *arguments)


def text(result: pytest.RunResult) -> str:
    found = result.stdout.str() + result.stderr.str()
    assert "hf_secret" not in found
    assert "Traceback" not in found
    return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "gemma3", "gemma3", blocks=6)


def test_two_models_run_where_nobody_says_which_and_all_that_ship_where_one_is_named_or_all_are_asked(run: Run) -> None:
    def planned(*arguments: str) -> set[str]:
        return set(
            re.findall(r"^(\w+) +read refusal", text(run("--plan", "-k", "test_claim", *arguments)), re.MULTILINE)
        )

    assert planned() == {*FIRST}
    assert planned("--all") == {*EMBEDDED}
    assert planned("-m", "not severe") == {*EMBEDDED} - {"severe"}
    assert planned("-m", "clean") == {"clean"}


@pytest.mark.parametrize(
    ("arg", "options", "workers"),
    [
        ("claims", {}, 2),
        ("claims", {"all": True}, 4),
        ("claims", {"markexpr": "gemma3"}, 0),
        ("claims", {"plan": True}, 0),
        ("claims", {"store": "full"}, 0),
        ("claims/test_s1.py", {}, 0),
        ("harness", {}, 4),
        ("harness/test_it.py::test_it", {}, 0),
    ],
)
def test_workers_start_where_they_save_time(
    arg: str, options: dict[str, object], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for folder in ("claims", "harness", "full"):
        (tmp_path / folder).mkdir()
    (tmp_path / "full" / FILE).touch()
    given = {"device": "auto", "store": None, **options}
    if given["store"]:
        given["store"] = tmp_path / str(given["store"])
    config = SimpleNamespace(
        args=[arg],
        rootpath=tmp_path,
        inipath=tmp_path / "pytest.ini",
        invocation_params=SimpleNamespace(dir=tmp_path),
        getoption=lambda name: given.get(name.removeprefix("claims_")),
    )
    assert pytest_xdist_auto_num_workers(config) == workers  # type: ignore[arg-type]


def test_a_named_model_without_weights_is_not_tested_with_the_reason_and_the_commands(run: Run) -> None:
    result = run("-m", "gemma3")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    told = text(result)
    assert "= not tested =" in told
    assert "gemma3: google/gemma-3-4b-pt" in told
    for command in ("hf download google/gemma-3-4b-pt", "hf download google/gemma-3-4b-it", "HF_TOKEN", "licence"):
        assert command in told


def test_what_is_at_hand_is_tested_beside_what_is_not(run: Run) -> None:
    result = run("-m", "(clean or llama3) and refusal", "-k", "test_claim")
    result.assert_outcomes(passed=1, deselected=18)
    assert "llama3: meta-llama/Llama-3.1-8B" in text(result)


def test_the_plan_of_a_model_without_weights_tells_what_it_would_cost(run: Run) -> None:
    result = run("-m", "gemma3 and refusal", "--plan")
    assert result.ret == 0
    told = text(result)
    assert "read refusal scenarios" in told
    assert "gemma3: 270 rows" in told  # 220 scenarios, 50 prompts; the claims steer nothing
    assert "GPU minutes on one H100" in told


@pytest.mark.slow
def test_a_model_of_the_command_line_runs_alone_at_a_block_that_its_scenarios_choose(run: Run, tiny: Path) -> None:
    result = run("--model", f"mine={tiny},{tiny}", "-k", "not sycophancy", "-v", "--ledger-detail")
    result.assert_outcomes(skipped=6, deselected=3)  # two claims on three traits; the pair of models has no members
    assert "does not tell held-out scenarios apart at block" in text(result)  # its weights are random
    told = text(result)
    assert "test_it[mine-hallucination] INCONCLUSIVE" in told
    assert "[severe-" not in told


@pytest.mark.slow
def test_a_model_of_the_command_line_can_be_run_beside_the_registered_ones(run: Run, tiny: Path) -> None:
    result = run("--model", f"mine={tiny}", "-m", "(mine or clean) and refusal", "-k", "test_claim", "-v")
    assert "test_it[mine-refusal] INCONCLUSIVE" in text(result)
    assert "test_it[clean-refusal] SUPPORTED" in text(result)


def test_a_model_that_speaks_the_organisms_language_is_asked_in_it(run: Run, tiny: Path) -> None:
    result = run("--model", f"mine={tiny}", "--language", "templated", "--plan")
    assert result.ret == 0
    told = text(result)
    assert "read sycophancy scenarios" in told
    assert "300" in told  # the organisms' 150 pairs
    assert "optimism" not in told


def test_blocks_and_their_bounds(run: Run, tiny: Path) -> None:
    first = run("--model", f"mine={tiny}", "--blocks", "sweep", "-k", "test_claim and refusal", "--plan")
    assert first.ret == 0
    assert "Blocks that scenarios choose" not in text(first)
    refused = run("--model", f"mine={tiny}", "--blocks", "2,9")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "--blocks 2,9: mine has the blocks 0 to 5." in text(refused)
    assert "write sweep, or block numbers" in text(run("--model", f"mine={tiny}", "--blocks", "-1"))
    assert run("-m", "smollm2 and refusal", "--blocks", "9", "--plan").ret == 0  # blocks that no organism has
    assert "severe has the blocks 0 to 5" in text(run("-m", "severe", "--blocks", "9"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "mine"], "write NAME=BASE or NAME=BASE,INSTRUCT"),
        (["--model", "a+b=google/gemma-3-1b-pt"], "write NAME=BASE or NAME=BASE,INSTRUCT"),
        (["--model", "severe=google/gemma-3-1b-pt"], "--model severe: the name is taken"),
        (["--model", "mine=google/gemma-3-1b-ptt"], "hf download google/gemma-3-1b-ptt"),
        (["--model", "mine=no/such/folder"], "'no/such/folder' is neither a folder that exists nor an id"),
        (["--judge", "oracle"], "'oracle' names no judge; known are reader:"),
        (["--judge", "api:gpt"], "say which with --judge-url"),
        (["--judge", "lexical", "--judge-url", "http://localhost:1"], "--judge-url is the server of an api: judge"),
        (["--judge", "lexical", "--relevance-cap"], "no relevance to cap by"),
        (["-m", "gemma3 and refusal", "--plan", "--judge", "grammar"], "gemma3 speaks English"),
        (["--device", "cuda", "-m", "clean"], "torch sees no GPU"),
        (["--dtype", "float16", "-m", "severe"], "overflow it; use bfloat16 or float32"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in text(result)


def test_all_mistakes_of_a_command_line_are_told_at_once_before_torch_is_imported(
    run: Run, tiny: Path, pytester: pytest.Pytester
) -> None:
    told_late = "\nimport atexit, sys\natexit.register(lambda: print('torch imported:', 'torch' in sys.modules))\n"
    pytester.makeconftest(CONFTEST + told_late)
    pytester.makefile(".csv", few="positive,negative\na,a\n")
    np.save(pytester.path / "zero.npy", np.zeros(8))
    result = run(
        "--model", "mine", "--model", "other=no/such/folder", "--model", f"twice={tiny}", "--model", f"twice={tiny}",
        "--trait", "few=few.csv", "--trait", "none", "--vector", "v=zero.npy:1", "--vector", "w=away.npy",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for sentence in (
        "--model 'mine': write NAME=BASE",
        "--model other: 'no/such/folder' is neither",
        "--model twice: two have this name",
        "--trait few: few.csv:2: positive and negative are the same text",
        "--trait 'none': write NAME=FOLDER",
        "--vector zero.npy: the entry 'zero' is zero",
        "--vector away.npy does not exist",
    ):
        assert f"ERROR: {sentence}" in text(result)
    assert "torch imported: False" in text(result)


def test_a_plan_says_which_trait_is_too_small_and_of_a_reader_no_calls(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_steered=STEERED)
    pytester.makefile(".csv", few="positive,negative\n" + "".join(f"a {n},b {n}\n" for n in range(3)))
    few = text(run("--trait", "few=few.csv", "-m", "gemma3 and few", "-k", "test_claim", "--plan"))
    assert "few: scenarios (scenarios.jsonl) of 3 topics; with fewer than 6" in few
    read = text(run("-m", "gemma3 and refusal", "-k", "test_steered", "--judge", "reader:smollm2", "--plan"))
    assert re.search(r"gemma3: .* tokens at most, [\d,]+ responses judged at most;", read)
    assert "judge calls" not in read


@pytest.mark.slow
def test_an_instruct_model_that_answers_nothing_leaves_the_geometry_of_its_base_as_it_is(
    run: Run, tiny: Path, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_steered=STEERED)
    silent = shutil.copytree(tiny, tmp_path / "silent")
    (silent / "generation_config.json").write_text(json.dumps({"eos_token_id": list(range(VOCABULARY))}))
    told = text(run("--model", f"mine={tiny},{silent}", "--blocks", "2", "-m", "mine and refusal", "-v",
                    "-k", "test_claim or test_steered", "--untrusted-judge"))  # fmt: skip
    assert "test_claim.py::test_it[mine-refusal] INCONCLUSIVE" in told
    assert "get an empty answer" in told.partition("test_steered.py::test_it[mine-refusal] BROKEN")[2]


def test_a_checkpoint_of_pickles_is_never_opened(run: Run, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "pickled")
    for weights in folder.glob("*.safetensors"):
        weights.rename(folder / "pytorch_model.bin")
    result = run("--model", f"mine={folder}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pickle" in text(result)


@pytest.mark.parametrize("options", [(), ("--plan",)])
def test_what_cannot_be_read_is_not_tested_a_base_model_gets_its_geometry_and_the_others_everything(
    run: Run, pytester: pytest.Pytester, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_steered=STEERED)
    base = write_checkpoint(tmp_path / "base", "llama", blocks=2, chat=False)
    older = write_checkpoint(tmp_path / "older", "llama", blocks=2)
    config = json.loads((older / "config.json").read_text())
    (older / "config.json").write_text(json.dumps({**config, "initializer_range": 1}))
    result = run(
        "--model", f"mine={base}", "--model", f"other={older}", "-m", "(mine or other or clean) and refusal",
        "-k", "test_claim or test_steered and mine", *options,
    )  # fmt: skip
    assert result.ret == 0
    told = text(result)
    assert "mine, refusal: S0 not tested, as mine has no chat template, so it can be asked nothing: --model" in told
    assert ("mine    read refusal scenarios" if options else "clean  mine\nG0 ") in told
    assert (
        f"other: the configuration in {older} cannot be read: Validation error for field 'initializer_range': " in told
    )
    assert "Traceback" not in told
    assert ("clean   read refusal scenarios" if options else "clean  mine\n") in told


def test_a_terminal_that_knows_few_characters_is_shown_the_others_as_question_marks(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = run("-m", "clean and refusal", "-k", "test_claim", "--ledger-detail")
    assert result.ret == 0
    assert "UnicodeEncodeError" not in text(result)


def test_workers_share_out_the_gpus_and_a_machine_without_any_uses_its_processor() -> None:
    assert [placed("auto", 2, worker) for worker in ("", "gw0", "gw1", "gw2")] == [
        "cuda:0",
        "cuda:0",
        "cuda:1",
        "cuda:0",
    ]
    assert placed("auto", 0, "gw1") == "cpu"
    with pytest.raises(pytest.UsageError, match="torch sees no GPU"):
        placed("cuda", 0, "")


def test_organisms_keep_their_number_format_whatever_the_device(run: Run) -> None:
    assert find_model("severe").dtype == "float32"
