"""Expressions of published values: their arithmetic, their units, and what rounding and sampling leave open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.sources.expressions import check, evaluate, ids_of, sampling, unit_of
from harness.sources.published import load_published
from harness.sources.table import PublishedTable

TABLE = """
editions: {e: one}
models: {m: one}
groups:
  - shared: {model: m, edition: e, unit: trait points, source: s}
    entries:
      - {id: base, what: w, value: 10.0}
      - {id: plain, what: w, value: 40.0}
      - {id: half, what: w, value: 50.0, n: 100}
      - {id: delta, what: w, value: 40.0, n: 100, baseline: base}
      - {id: nothing, what: w, value: 0.0, n: 10}
      - {id: everything, what: w, value: 100.0, n: 10}
      - {id: below, what: w, value: -3.0, n: 10}
      - {id: c, what: w, value: 2500, unit: coefficient}
      - {id: d, what: w, value: 1000, unit: activation norm}
      - {id: e, what: w, value: 0.5, unit: cosine}
claims: {}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PublishedTable:
    path: Path = tmp_path_factory.mktemp("table") / "published.yaml"
    path.write_text(TABLE)
    return load_published(path)


@pytest.mark.parametrize(
    ("expression", "value", "half"),
    [
        ({"value": "plain"}, 40.0, 0.05),
        ({"difference": ["plain", "base"]}, 30.0, 0.1),
        ({"least": ["plain", "base"]}, 10.0, 0.05),
        ({"largest": ["plain", "base"]}, 40.0, 0.05),
        ({"difference": [{"least": ["plain", "base"]}, {"largest": ["plain", "base"]}]}, -30.0, 0.1),
    ],
)
def test_rounding_adds_up(table: PublishedTable, expression: Any, value: float, half: float) -> None:
    result = evaluate(expression, table)
    assert (result.value, result.low, result.high) == pytest.approx((value, value - half, value + half))


def test_a_ratio_has_rounding_alone(table: PublishedTable) -> None:
    result = evaluate({"ratio": ["c", "d"]}, table)
    assert (result.value, result.low, result.high) == pytest.approx((2.5, 2499.5 / 1000.5, 2500.5 / 999.5))
    assert evaluate({"ratio": ["half", "plain"]}, table).high == pytest.approx(50.05 / 39.95)


def test_sampling_is_that_of_all_or_nothing_answers(table: PublishedTable) -> None:
    result = sampling(table["half"], table)
    assert (result.low, result.high) == pytest.approx((50 - 9.8, 50 + 9.8))  # 1.96 x sqrt(.25 / 100)
    assert sampling(table["plain"], table).low == 40.0  # no number of questions, nothing known


def test_a_delta_varies_as_the_score_behind_it(table: PublishedTable) -> None:
    delta, score = sampling(table["delta"], table), sampling(table["half"], table)
    assert (delta.low + 10, delta.high + 10) == pytest.approx((score.low, score.high))


def test_what_was_never_seen_cannot_be_excluded(table: PublishedTable) -> None:
    nothing, everything = sampling(table["nothing"], table), sampling(table["everything"], table)
    assert (nothing.low, nothing.high) == pytest.approx((0, 30.85), abs=0.01)  # the exact bound of 0 in 10
    assert (everything.low, everything.high) == pytest.approx((69.15, 100), abs=0.01)
    assert sampling(table["below"], table).high == pytest.approx(27.85, abs=0.01)  # a share is never below 0


def test_sampling_of_a_difference_adds_in_quadrature_and_rounding_on_top(table: PublishedTable) -> None:
    result = evaluate({"difference": ["half", "delta"]}, table)
    half = np.hypot(9.8, 9.8) + 0.1
    assert (result.value, result.low, result.high) == pytest.approx((10, 10 - half, 10 + half))


def test_a_difference_varies_only_to_the_sides_that_its_parts_do(table: PublishedTable) -> None:
    most, fewest = {"difference": ["everything", "nothing"]}, {"difference": ["nothing", "everything"]}
    half = np.hypot(30.85, 30.85) + 0.1
    above, below = evaluate(most, table), evaluate(fewest, table)
    assert (above.low, above.high) == pytest.approx((100 - half, 100.1), abs=0.02)
    assert (below.low, below.high) == pytest.approx((-100.1, half - 100), abs=0.02)


def test_sampling_of_a_difference_holds_at_its_level_when_simulated() -> None:
    generator = np.random.default_rng(0)
    held, draws, n = 0, 2_000, 200
    for one, other in generator.binomial(n, [0.5, 0.3], (draws, 2)):
        shares = np.array([one, other]) / n
        half = 196 * np.sqrt((shares * (1 - shares) / n).sum())
        held += abs(100 * (one - other) / n - 20) <= half
    assert 0.93 < held / draws < 0.97


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ({"value": "c"}, "coefficient"),
        ({"difference": ["plain", "half"]}, "trait points"),
        ({"ratio": ["c", "c"]}, "ratio"),
        ({"ratio": ["c", "d"]}, "ratio"),  # a coefficient times a unit direction is a norm
        ({"least": ["e", "e", "e"]}, "cosine"),
    ],
)
def test_units_follow_from_the_values(table: PublishedTable, expression: Any, unit: str) -> None:
    assert unit_of(expression, table) == unit


@pytest.mark.parametrize(
    "expression", [{"difference": ["c", "d"]}, {"ratio": ["c", "e"]}, {"least": ["c", {"difference": ["e", "e"]}]}]
)
def test_units_that_do_not_fit_are_refused(table: PublishedTable, expression: Any) -> None:
    with pytest.raises(ValueError, match="means nothing; use values of one unit"):
        unit_of(expression, table)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a", "is no expression"),
        ({}, "is no expression"),
        ({"sum": ["a", "b"]}, "is no expression"),
        ({"value": "a", "ratio": ["a", "b"]}, "is no expression"),
        ({"value": ["a", "b"]}, "value of 2 values takes 1 to 1"),
        ({"difference": ["a"]}, "difference of 1 values takes 2 to 2"),
        ({"least": ["a", 3]}, "3 is no expression"),
        ({"ratio": ["a", {"largest": ["b"]}]}, "largest of 1 values takes 2 to 9"),
    ],
)
def test_a_malformed_expression_is_refused(expression: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(expression)


def test_ids_come_in_their_order() -> None:
    assert list(ids_of({"difference": [{"least": ["a", "b"]}, "c"]})) == ["a", "b", "c"]
