"""How good a judge is: figures that are right, intervals that never vanish, and a gate that opens for proof alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, spearmanr

from harness.judge_quality import (
    Figure,
    Quality,
    auroc,
    clopper_pearson,
    passes,
    quality,
    rank_correlation,
    why_not,
)

Array = np.ndarray[Any, Any]
NAN = float("nan")
GOLD = np.asarray([100.0] * 40 + [0.0] * 40 + [50.0] * 10)


def noisy(gold: Array, spread: float, seed: int = 1) -> Array:
    """Scores that follow the gold ones with noise."""
    return np.clip(gold + np.random.default_rng(seed).normal(0, spread, len(gold)), 0, 100)


def values(found: Quality) -> dict[str, float | None]:
    return {name: figure["value"] for name, figure in found.to_json().items()}


def test_a_perfect_judge_is_perfect_with_intervals_that_keep_a_width() -> None:
    found = quality(GOLD, GOLD)
    assert values(found) == {
        "auroc": 1, "rank_correlation": pytest.approx(1), "sensitivity": 1, "specificity": 1, "missing": 0,
    }  # fmt: skip
    assert found.auroc.low == pytest.approx(0.025 ** (1 / 40))
    assert found.auroc.high == 1
    assert 0.9 < (found.rank_correlation.low or 0) < 0.99
    assert found.sensitivity.low == pytest.approx(1 - 0.0881, abs=1e-4)
    assert found.missing.high == pytest.approx(0.0402, abs=1e-4)
    assert passes(found)


def test_a_judge_that_has_everything_the_wrong_way_round_is_told_so() -> None:
    found = quality(GOLD, 100 - GOLD)
    assert values(found) | {"missing": None} == {
        "auroc": 0, "rank_correlation": pytest.approx(-1), "sensitivity": 0, "specificity": 0, "missing": None,
    }  # fmt: skip
    assert (found.auroc.high or 0) > 0
    assert "its AUROC of 0.00 [0.00, 0.09] is not shown to reach 0.80" in why_not(found)


def test_figures_count_positives_negatives_and_missing_scores_as_they_say() -> None:
    gold = np.asarray([100.0, 80, 75, 75, 50, 25, 20, 0, 0])
    scores = np.asarray([90.0, NAN, 50, 10, 60, 49.9, 50, NAN, 0])
    found = quality(gold, scores)
    # Positives 90, 50, 10 against negatives 49.9, 50, 0: above in 3 + 2 + 1 pairs, one of 9 a tie.
    assert found.auroc == Figure(pytest.approx(6.5 / 9), found.auroc.low, found.auroc.high, 6)
    assert found.sensitivity.value == pytest.approx(2 / 4)
    assert found.specificity.value == pytest.approx(2 / 4)
    assert found.missing.value == pytest.approx(2 / 9)
    assert found.rank_correlation.n == 7


def test_the_scores_between_positive_and_negative_count_for_the_rank_correlation_alone() -> None:
    moved = GOLD.copy()
    moved[80:] = 0
    one, other = quality(GOLD, noisy(GOLD, 20)), quality(GOLD, np.where(GOLD == 50, moved, noisy(GOLD, 20)))
    assert one.auroc == other.auroc
    assert one.rank_correlation != other.rank_correlation


@settings(deadline=None)
@given(
    positives=st.lists(st.integers(0, 100), min_size=1, max_size=12),
    negatives=st.lists(st.integers(0, 100), min_size=1, max_size=12),
)
def test_an_auroc_is_the_share_of_pairs_in_the_right_order(positives: list[int], negatives: list[int]) -> None:
    pairs = [(one > other) + (one == other) / 2 for one in positives for other in negatives]
    found = auroc(np.asarray(positives, np.float64), np.asarray(negatives, np.float64))
    assert found == pytest.approx(sum(pairs) / len(pairs))


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_a_rank_correlation_is_that_of_the_library(rows: list[tuple[int, int]]) -> None:
    one, other = (np.asarray(column, np.float64) for column in zip(*rows, strict=True))
    found = rank_correlation(one, other)
    if np.ptp(one) and np.ptp(other):
        assert found == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
    else:
        assert math.isnan(found)


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (37, 90)])
def test_an_exact_interval_is_that_of_the_library(count: int, n: int) -> None:
    expected = binomtest(count, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(count, n) == pytest.approx((expected.low, expected.high))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.0, 25, 50, 75, 100]), st.sampled_from([0.0, 10, 50, 90, 100, NAN])),
        min_size=1,
        max_size=25,
    )
)
def test_every_figure_has_a_finite_interval_around_it_or_says_why_not(rows: list[tuple[float, float]]) -> None:
    gold, scores = (np.asarray(column, np.float32) for column in zip(*rows, strict=True))
    for name, figure in quality(gold, scores, resamples=100).to_json().items():
        if figure["value"] is None:
            assert figure["low"] is figure["high"] is None
            assert figure["why"]
        else:
            assert figure["low"] <= figure["value"] <= figure["high"], name
            assert figure["low"] < figure["high"], name
            assert not figure["why"]


def test_a_judge_that_always_says_the_same_has_no_rank_correlation_and_an_auroc_of_a_half() -> None:
    found = quality(GOLD, np.full(len(GOLD), 70.0))
    assert found.auroc.value == 0.5
    assert (found.auroc.low or 1) < 0.5 < (found.auroc.high or 0)
    assert found.rank_correlation == Figure(None, None, None, 90, "all scores of the judge are 70")
    assert not passes(found)


def test_a_judge_that_says_nothing_does_not_pass() -> None:
    found = quality(GOLD, np.full(len(GOLD), NAN))
    assert found.auroc.value is None
    assert found.missing.value == 1
    assert (found.sensitivity.value, found.specificity.value) == (0, 0)
    reason = why_not(found)
    assert "its AUROC cannot be told (0 positives and 0 negatives are judged, 2 of each are needed)" in reason
    assert "its share of missing scores of 1.00 [0.96, 1.00] is not shown to stay within 0.20" in reason


def test_a_gold_set_of_one_class_gives_no_auroc_and_no_pass() -> None:
    found = quality(np.full(30, 100.0), noisy(np.full(30, 90.0), 5))
    assert found.auroc.why == "30 positives and 0 negatives are judged, 2 of each are needed"
    assert found.specificity.why == "no gold response is a negative"
    assert not passes(found)


@pytest.mark.parametrize(("classes", "passing"), [(16, False), (17, True)])
def test_a_perfect_judge_passes_only_on_enough_gold_responses(classes: int, passing: bool) -> None:
    gold = np.asarray([100.0, 0.0] * classes)
    assert passes(quality(gold, gold)) == passing


@pytest.mark.parametrize(("missing", "passing"), [(10, True), (11, False)])
def test_a_judge_that_is_often_silent_does_not_pass(missing: int, passing: bool) -> None:
    scores = GOLD.copy()
    scores[::8][:missing] = NAN
    found = quality(GOLD, scores)
    assert (found.auroc.low or 0) > 0.8
    assert passes(found) == passing
    assert passes(found, missing_high=0.5)


def test_the_gate_asks_for_the_lower_end_of_the_auroc() -> None:
    found = quality(GOLD, noisy(GOLD, 90))
    low, value = found.auroc.low or 0, found.auroc.value or 0
    assert 0.7 < low < 0.8 < value, "this is the case that tells the lower end from the value"
    assert not passes(found)
    assert passes(found, auroc_low=low)


def test_the_intervals_of_a_noisy_judge_hold_the_truth_as_often_as_they_say() -> None:
    truth = 0.8413447  # of scores one apart in standard deviations of their difference
    held = 0
    for seed in range(60):
        draws = np.random.default_rng(seed)
        gold = np.asarray([100.0] * 30 + [0.0] * 30)
        scores = np.clip(50 + 10 * (draws.normal(0, 1, 60) + np.sqrt(2) * (gold == 100)), 0, 100)
        figure = quality(gold, scores, resamples=200, seed=seed).auroc
        held += (figure.low or 0) <= truth <= (figure.high or 0)
    assert held >= 53, "an interval of 95 % holds it in 53 of 60 or more, but for a chance of 1 in 100"


@pytest.mark.parametrize(
    ("gold", "scores", "message"),
    [
        ([], [], "no gold response"),
        ([NAN, 1.0], [1.0, 1.0], "1 gold responses have no gold score"),
        ([101.0], [1.0], "gold scores go from 101 to 101"),
        ([1.0], [-1.0], "scores of the judge go from -1 to -1"),
        ([1.0], [math.inf], "scores of the judge go from inf"),
    ],
)
def test_scores_that_cannot_be_are_an_error(gold: list[float], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quality(np.asarray(gold, np.float64), np.asarray(scores, np.float64))
