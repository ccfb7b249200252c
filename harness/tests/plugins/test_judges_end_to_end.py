"""A steering claim is decided by a local judge: the shipped grader, checked on gold, agrees with the grammar."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.organisms.train_grader import FOLDER
from harness.ledger.rows import Ledger, Row, read_ledger
from harness.tests.plugins import CONFTEST

CLAIM = """
from fixtures.vocabulary import MEAN_DIFF, best, claim

DELTA = best(MEAN_DIFF)
pytestmark = claim("T1", "mean_diff steers", "steering", [DELTA])


def test_mean_diff_raises_the_trait(expect):
    expect(DELTA, "best Delta of mean_diff").at_least(10.0)
"""

RUN = ("-m", "mild and refusal", "--questions", "40", "--store", "store", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    pytester.makepyfile(test_claim=CLAIM)
    return pytester


def ledger_of(project: pytest.Pytester, name: str, *options: str) -> Ledger:
    """The ledger of one run of the claim, which must come to a verdict."""
    result = project.runpytest_subprocess(*RUN, "--ledger", name, *options)
    result.assert_outcomes(passed=1)
    return read_ledger(Path(project.path) / name / "ledger.jsonl")


def best_of(row: Row) -> float:
    """The estimate of the one expectation of a row, in trait points."""
    (expectation,) = row.estimates
    return float(expectation["estimate"]["value"])


@pytest.mark.slow
def test_the_shipped_grader_supports_what_the_grammar_supports_and_its_figures_are_in_the_ledger(
    project: pytest.Pytester,
) -> None:
    by_grader = ledger_of(project, "grader", "--judge", f"local:{FOLDER}")
    by_grammar = ledger_of(project, "grammar")
    (row,), (expected,) = by_grader.rows, by_grammar.rows
    assert row.verdict == expected.verdict == "SUPPORTED"
    assert best_of(row) == pytest.approx(best_of(expected), abs=15)
    (table,) = [table for table in by_grader.tables if table.key == "judge"]
    assert (table.model, table.trait) == ("mild", "refusal")
    assert f"local:{FOLDER}" in table.title
    assert [line[0] for line in table.rows] == ["trait", "coherence"]
    assert all(line[-1] == "passed" for line in table.rows)
    aurocs = [str(line[table.columns.index("AUROC")]) for line in table.rows]
    assert min(float(auroc.split()[0]) for auroc in aurocs) >= 0.95
