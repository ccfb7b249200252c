"""On the shipped organisms: each model is loaded on first need, once a worker, and freed before the next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.data.datasets import DATASETS
from harness.models.registry import FIRST, MODELS
from harness.tests.plugins import CONFTEST

EVENTS = """
import json, os
from pathlib import Path
import pytest


@pytest.fixture(scope="session")
def lab(request):
    from fixtures.models import make_lab

    lab = make_lab(request.config)
    yield lab
    worker = os.environ.get("PYTEST_XDIST_WORKER", "serial")
    Path(f"events-{worker}.json").write_text(json.dumps([lab._weights.events, lab.calls]))
"""

CELLS = sum(len(MODELS[name].blocks) for name in FIRST)

CLAIM = """
from fixtures.vocabulary import MEAN_DIFF, claim, consensus, mean_cosine

SHORT = MEAN_DIFF.over(1)
KEPT = mean_cosine(SHORT, SHORT.cleaned(consensus()))
pytestmark = claim("G0", "cleaning turns mean_diff less than upside down", "geometry", [KEPT])


def test_it(expect):
    expect(KEPT, "cosine").at_least(-0.5)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # these tests may themselves run on a worker
    pytester.makeconftest(CONFTEST + EVENTS)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    pytester.makepyfile(test_claim=CLAIM)
    return pytester


def events(project: pytest.Pytester) -> list[tuple[list[str], int]]:
    return [tuple(json.loads(path.read_text())) for path in sorted(Path(project.path).glob("events-*.json"))]


def life(model: str) -> list[str]:
    return [f"load {model} base", f"release {model} base", f"load {model} instruct", f"release {model}"]


@pytest.mark.slow
def test_serially_each_model_is_loaded_once_and_freed_before_the_next(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--store", "store")
    result.assert_outcomes(passed=CELLS)
    ((told, calls),) = events(project)
    assert told == [event for model in FIRST for event in life(model)]
    assert calls == 2 * CELLS + len(FIRST)  # two batches of scenarios a trait, calibration prompts
    again = project.runpytest_subprocess("--store", "store")
    again.assert_outcomes(passed=CELLS)
    assert events(project) == [([], 0)]


@pytest.mark.slow
def test_under_xdist_each_model_is_loaded_on_one_worker_and_the_ledger_is_the_same(project: pytest.Pytester) -> None:
    project.runpytest_subprocess("--store", "store", "--ledger", "serial")
    (Path(project.path) / "events-serial.json").unlink()
    result = project.runpytest_subprocess(
        "--store", "another", "--ledger", "parallel", "-n", "2", "--dist", "loadgroup"
    )
    result.assert_outcomes(passed=CELLS)
    by_worker = [told for told, _ in events(project)]
    assert sorted(event for told in by_worker for event in told) == sorted(
        event for model in FIRST for event in life(model)
    )
    for told in by_worker:
        models = list(dict.fromkeys(event.split()[1] for event in told))
        assert told == [event for model in models for event in life(model)]
    ledgers = [(Path(project.path) / name / "ledger.jsonl").read_text() for name in ("serial", "parallel")]
    assert ledgers[0] == ledgers[1]


def test_the_plan_tells_the_cost_and_neither_loads_nor_writes_anything(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--store", "store", "--plan", "-m", "severe")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "severe*read refusal scenarios * 300 * 300 * 2 *",
            "severe*read sycophancy scenarios * 300 * 300 * 2 *",
            "severe*find massive dims * 50 * 2,400 * 1 *",
            "2 tests need 5 measurements; the store has 0 of them. To make: 7*; 5 generate calls.",
        ]
    )
    assert not (Path(project.path) / "store").exists()
    assert not list(Path(project.path).glob("events-*"))
    assert not (Path(project.path) / "reports").exists()


def test_a_malformed_data_row_is_one_sentence_with_file_and_line(project: pytest.Pytester) -> None:
    data = Path(project.path) / "datasets" / "templated"
    shutil.copytree(DATASETS / "templated", data)
    path = data / "traits" / "refusal" / "scenarios.jsonl"
    path.write_text(path.read_text() + "{}\n")
    conftest = Path(project.path) / "conftest.py"
    conftest.write_text(
        conftest.read_text() + "\nimport harness.data.datasets\nharness.data.datasets.DATASETS = Path('datasets')\n"
    )
    line = len(path.read_text().splitlines())
    planned = project.runpytest_subprocess("--store", "store", "--plan", "-m", "severe")
    assert planned.ret == pytest.ExitCode.USAGE_ERROR
    planned.stderr.fnmatch_lines(
        [f"ERROR: datasets/templated/traits/refusal/scenarios.jsonl:{line}: expected the fields*"]
    )
    run = project.runpytest_subprocess("--store", "store", "-m", "severe")
    run.assert_outcomes(passed=1, errors=1)  # the other trait is measured all the same
    run.stdout.fnmatch_lines(
        [f"*BROKEN on model=severe trait=refusal: DatasetError: *scenarios.jsonl:{line}: expected*"]
    )
    assert "Traceback" not in run.stdout.str()
