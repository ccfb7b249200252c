"""A run that runs out of memory, loses its judge or is interrupted says so in a sentence, and the next one goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.datasets import judging_folder, load_definition, trait_folder
from harness.data.gold import load_gold
from harness.judges.api import CONCURRENCY
from harness.ledger.rows import Row, read_ledger
from harness.tests.judges.api_server import hangs_up, serving
from harness.tests.plugins import CONFTEST

FAULTS = """
import os, signal
from pathlib import Path
import pytest
import torch
import harness.judges.api
from harness.lab.store import Store

harness.judges.api.FIRST_WAIT = 0.01
# A shell starts what it puts in the background deaf to Ctrl-C, and the tests may be there.
signal.signal(signal.SIGINT, signal.default_int_handler)
fault, _, number = os.environ.get("FAULT", "").partition(" ")
append, embedding, batches = Store.put_responses, torch.nn.functional.embedding, []


def counted_append(self, *batch):
    append(self, *batch)
    batches.append(batch)
    if fault == "ctrl-c" and len(batches) == int(number):
        os.kill(os.getpid(), signal.SIGINT)


def embedding_where_few_rows_fit(ids, *arguments, **options):
    if len(ids) > int(number):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return embedding(ids, *arguments, **options)


def embedding_after_some_batches(*arguments, **options):
    if len(batches) >= int(number):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return embedding(*arguments, **options)


Store.put_responses = counted_append
if fault == "rows":
    torch.nn.functional.embedding = embedding_where_few_rows_fit
if fault == "full":
    torch.nn.functional.embedding = embedding_after_some_batches


@pytest.fixture(scope="session")
def lab(request):
    from fixtures.models import make_lab

    lab = make_lab(request.config)
    yield lab
    Path("calls").write_text(str(lab.calls))
"""

CLAIM = """
from fixtures.vocabulary import MEAN_DIFF, best, claim

DELTA = best(MEAN_DIFF)
pytestmark = claim("T1", "mean_diff steers", "steering", [DELTA])


def test_mean_diff_raises_the_trait(expect):
    expect(DELTA, "best Delta of mean_diff").at_least(10.0)
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(fault, store, *options)` runs the claim on an organism in a process in which something goes wrong."""
    pytester.makeconftest(CONFTEST + FAULTS)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    pytester.makepyfile(test_claim=CLAIM)

    def start(fault: str, store: str, *options: str) -> pytest.RunResult:
        monkeypatch.setenv("FAULT", fault)
        asked = ("-m", "mild and refusal", "--questions", "8", "--batch-rows", "16", "--store", store)
        result = pytester.runpytest_subprocess(*asked, *options)
        told = result.stdout.str() + result.stderr.str()
        assert "Traceback" not in told
        # Where a stored failure is raised again; a warning names its place on such a line too.
        assert not re.search(r"harness/lab/lab\.py:\d+: (?!LabWarning)", told)
        return result

    return start


def row_and_calls(pytester: pytest.Pytester) -> tuple[Row, int]:
    """The row of the last run and the generate calls it took."""
    (row,) = read_ledger(Path(pytester.path) / "reports" / "latest" / "ledger.jsonl").rows
    return row, int((Path(pytester.path) / "calls").read_text())


@pytest.fixture(scope="module")
def once() -> list[tuple[Row, int]]:
    """What `undisturbed` came to; its run is the same for every test, but `pytester` is a test's own."""
    return []


@pytest.fixture
def undisturbed(run: Run, pytester: pytest.Pytester, once: list[tuple[Row, int]]) -> tuple[Row, int]:
    """The row and the generate calls of a run in which nothing goes wrong."""
    if not once:
        run("", "undisturbed")
        once.append(row_and_calls(pytester))
    ((row, calls),) = once
    assert row.error == ""
    assert row.estimates[0]["estimate"] is not None
    return row, calls


def test_after_ctrl_c_the_same_command_goes_on_from_there(
    run: Run, pytester: pytest.Pytester, undisturbed: tuple[Row, int]
) -> None:
    result = run("ctrl-c 2", "store")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (told,) = [line for line in result.outlines if line.startswith("Interrupted;")]
    assert told.endswith("is kept in store: the same command goes on from there.")
    kept = int((Path(pytester.path) / "calls").read_text())  # the stages before the one that was interrupted
    run("", "store")
    row, calls = row_and_calls(pytester)
    assert calls == undisturbed[1] - kept - 2  # two batches of the sweep were finished
    assert row == undisturbed[0]


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_halved_and_the_verdict_is_the_same(
    run: Run, pytester: pytest.Pytester, undisturbed: tuple[Row, int]
) -> None:
    result = run("rows 5", "store")
    assert "Out of memory: the batch size is now 4 rows." in result.stdout.str()
    row, calls = row_and_calls(pytester)
    assert calls > 3 * undisturbed[1]
    assert (row.verdict, row.error) == (undisturbed[0].verdict, "")


@pytest.mark.slow
def test_memory_that_runs_out_for_good_is_one_sentence_and_costs_nothing_that_was_measured(
    run: Run, pytester: pytest.Pytester, undisturbed: tuple[Row, int]
) -> None:
    result = run("full 1", "store")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    row, kept = row_and_calls(pytester)
    assert row.verdict == "BROKEN"
    assert row.error.startswith("ModelError: memory ran out with a single row of ")
    assert "(--device split)" in row.error
    assert row.error in result.stdout.str()
    run("", "store")
    again, calls = row_and_calls(pytester)
    assert calls == undisturbed[1] - kept - 1  # the one batch of the sweep that was finished
    assert again == undisturbed[0]


@pytest.mark.slow
def test_a_judge_that_is_lost_halfway_is_one_sentence_and_is_not_asked_again_what_it_has_said(
    run: Run, pytester: pytest.Pytester
) -> None:
    folder = judging_folder("templated")
    gold = {name: load_gold(folder / f"{name}.jsonl") for name in ("refusal", "coherence")}
    statement = load_definition(trait_folder("templated", "refusal") / "definition.yaml")["statement"]
    enough = sum(map(len, gold.values())) * 2 + 24
    answered: list[str] = []

    def oracle(text: str) -> list[tuple[str, float]]:
        """The gold score of a gold response, and for all others hardly any refusal and fluent language."""
        what, otherwise = ("refusal", 20.0) if statement in text else ("coherence", 90.0)
        found = [one for one in gold[what] if one.response and one.response in text]
        score = max(found, key=lambda one: len(one.response)).score if found else otherwise
        answered.append(text)
        return [(str(round(score)), 0.9), ("The", 0.1)]

    with serving(oracle) as server:
        server.always = lambda handler: len(answered) >= enough and hangs_up(handler)
        judge = ("--judge", "api:oracle", "--judge-url", server.url)
        result = run("", "store", *judge)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        row, calls = row_and_calls(pytester)
        assert row.verdict == "BROKEN"
        assert row.error.startswith("JudgeUnavailable: oracle at http://127.0.0.1")
        assert "could not be reached" in row.error
        assert row.error in result.stdout.str()
        assert calls > 0
        server.always, first, before = None, len(server.requests), set(answered)
        result = run("", "store", *judge)
        asked = [request["messages"][0]["content"] for request in server.requests[first:]]
    row, calls = row_and_calls(pytester)
    assert row.verdict in ("REFUTED", "INCONCLUSIVE")  # whatever is steered, this judge finds no refusal
    assert calls == 0
    assert asked
    # An exchange is kept once both of its questions are answered: at most those under way are asked again.
    assert len(set(asked) & before) <= CONCURRENCY
