"""How good a judge is: figures that are right, and intervals that never vanish and know which responses go together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, linregress, spearmanr

from harness.judges.quality import Figure, JudgeQuality, auroc, offset, quality, share, slope, slope_figure

Array = np.ndarray[Any, Any]
NAN = float("nan")
GOLD = np.asarray([100.0] * 40 + [0.0] * 40 + [50.0] * 10)
EACH = np.arange(90)  # a question for each response


def noisy(gold: Array, spread: float, seed: int = 1) -> Array:
    """Scores that follow the gold ones with noise."""
    return np.clip(gold + np.random.default_rng(seed).normal(0, spread, len(gold)), 0, 100)


def values(found: JudgeQuality) -> dict[str, float | None]:
    return {name: figure["value"] for name, figure in found.to_json().items()}


def test_a_perfect_judge_is_perfect_with_intervals_that_keep_a_width() -> None:
    found = quality(GOLD, GOLD, EACH, (70.0,))
    assert values(found) == {
        "auroc": 1, "rank_correlation": pytest.approx(1), "sensitivity": 1, "specificity": 1, "missing": 0,
        "agreement": 1, "slope": pytest.approx(1), "offset": pytest.approx(0),
    }  # fmt: skip
    assert all(figure["low"] < figure["high"] for figure in found.to_json().values())


def test_a_judge_that_has_everything_the_wrong_way_round_is_told_so() -> None:
    found = quality(GOLD, 100 - GOLD, EACH, (70.0,))
    assert values(found) | {"missing": None} == {
        "auroc": 0, "rank_correlation": pytest.approx(-1), "sensitivity": 0, "specificity": 0, "missing": None,
        "agreement": pytest.approx(1 / 9), "slope": pytest.approx(-1), "offset": pytest.approx(-40),
    }  # fmt: skip


def test_figures_count_positives_negatives_cuts_and_missing_scores_as_they_say() -> None:
    gold = np.asarray([100.0, 80, 75, 75, 50, 25, 20, 0, 0])
    scores = np.asarray([90.0, NAN, 70, 10, 60, 49.9, 50, NAN, 0])
    found = quality(gold, scores, np.arange(9), (70.0,))
    # Positives 90, 70, 10 against negatives 49.9, 50, 0: above in 3 + 3 + 1 pairs.
    assert (found.auroc.value, found.auroc.n) == (pytest.approx(7 / 9), 6)
    assert (found.sensitivity.value, found.specificity.value) == (pytest.approx(2 / 4), pytest.approx(2 / 4))
    assert found.missing.value == pytest.approx(2 / 9)
    assert found.agreement.value == pytest.approx(
        6 / 9
    )  # 70 is on the side of 75; 80 and a 0 are missing; a 75 is at 10
    assert (found.rank_correlation.n, found.slope.n) == (7, 7)
    assert quality(gold, scores, np.arange(9), (25.0, 75.0)).agreement.value == pytest.approx(4 / 9)
    assert quality(gold, scores, np.arange(9)).agreement.why == "nothing is decided at a score"


@settings(deadline=None)
@given(
    positives=st.lists(st.integers(0, 100), min_size=1, max_size=12),
    negatives=st.lists(st.integers(0, 100), min_size=1, max_size=12),
)
def test_an_auroc_is_the_share_of_pairs_in_the_right_order(positives: list[int], negatives: list[int]) -> None:
    pairs = [(one > other) + (one == other) / 2 for one in positives for other in negatives]
    found = auroc(np.asarray(positives, np.float64), np.asarray(negatives, np.float64))
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_slope_and_offset_are_those_of_the_library_and_their_interval_that_of_cr3() -> None:
    rng = np.random.default_rng(3)
    questions = np.arange(90) % 30
    scores = np.clip(noisy(GOLD, 15) + rng.normal(0, 10, 30)[questions], 0, 100)
    line = linregress(GOLD, scores)
    assert slope(GOLD, scores) == pytest.approx(line.slope)
    assert offset(GOLD, scores) == pytest.approx(line.intercept + 70 * line.slope - 70)
    # CR3: the residuals of a question, multiplied by the inverse of 1 minus its part of the hat matrix.
    design = np.stack([np.ones(90), GOLD], axis=1)
    bread = np.linalg.inv(design.T @ design)
    residuals, meat = scores - line.intercept - line.slope * GOLD, np.zeros((2, 2))
    for one in range(30):
        rows = design[questions == one]
        moved = rows.T @ np.linalg.solve(np.eye(len(rows)) - rows @ bread @ rows.T, residuals[questions == one])
        meat += np.outer(moved, moved)
    error = math.sqrt(29 / 30 * (bread @ meat @ bread)[1, 1] + (2 / 30) ** 2)
    found = slope_figure(GOLD, scores, questions)
    assert found.high == pytest.approx(line.slope + 2.04523 * error, rel=1e-5)


def test_a_share_of_responses_that_each_have_their_question_is_nearly_that_of_the_library() -> None:
    right = np.arange(90) % 10 != 0
    expected = binomtest(81, 90).proportion_ci(0.95, method="exact")
    found = share(right, EACH)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_responses_that_are_right_or_wrong_with_their_question_count_as_one() -> None:
    together = share(np.arange(90) // 3 % 10 != 0, np.arange(90) // 3)  # 3 of 30 questions are wholly wrong
    expected = binomtest(27, 30).proportion_ci(0.95, method="exact")
    assert (together.low, together.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    apart = share(np.arange(90) % 10 != 0, np.arange(90) // 3)
    assert (apart.low or 0) > (together.low or 1) + 0.03
    # Where all are right nothing tells how they hang together: as few as there are questions.
    assert share(np.ones(90, bool), np.arange(90) // 3).low == pytest.approx(0.025 ** (1 / 30), abs=0.02)


@pytest.mark.parametrize("name", ["auroc", "slope", "offset", "agreement"])
def test_the_same_responses_tell_less_when_few_questions_were_asked(name: str) -> None:
    scores = np.clip(noisy(GOLD, 30) + 15 * np.sign(np.arange(90) % 9 - 4), 0, 100)
    few, many = (getattr(quality(GOLD, scores, asked, (70.0,)), name) for asked in (np.arange(90) % 9, EACH))
    assert few.value == many.value
    assert few.high - few.low > many.high - many.low


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([0.0, 25, 50, 75, 100]), st.sampled_from([0.0, 10, 50, 90, 100, NAN]), st.integers(0, 5)
        ),
        min_size=1,
        max_size=25,
    )
)
def test_every_figure_has_a_finite_interval_around_it_or_says_why_not(rows: list[tuple[float, float, int]]) -> None:
    gold, scores, questions = (np.asarray(column) for column in zip(*rows, strict=True))
    for name, figure in quality(gold.astype(np.float32), scores.astype(np.float32), questions).to_json().items():
        if figure["value"] is None:
            assert figure["low"] is figure["high"] is None
            assert figure["why"]
        else:
            assert figure["low"] <= figure["value"] <= figure["high"], name
            assert figure["low"] < figure["high"], name
            assert not figure["why"]


def test_a_judge_that_always_says_the_same_has_no_rank_correlation_an_auroc_of_a_half_and_no_slope() -> None:
    found = quality(GOLD, np.full(len(GOLD), 70.0), EACH)
    assert (found.auroc.value, found.slope.value) == (0.5, 0)
    assert found.rank_correlation == Figure(None, None, None, 90, "all scores of the judge are 70")


def test_figures_that_cannot_be_told_say_why() -> None:
    silent = quality(GOLD, np.full(len(GOLD), NAN), EACH, (70.0,))
    assert (silent.missing.value, silent.agreement.value, silent.sensitivity.value) == (1, 0, 0)
    assert silent.slope.why == "responses to 0 questions are judged, 2 are needed"
    assert silent.auroc.why == "positives or negatives of 0 questions are judged, 2 of each are needed"
    one_class = quality(np.full(30, 100.0), noisy(np.full(30, 90.0), 5), np.arange(30))
    assert one_class.auroc.why == "positives or negatives of 0 questions are judged, 2 of each are needed"
    assert one_class.specificity.why == "no gold response is a negative"
    assert one_class.slope.why == "too few gold responses differ for it"


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
        quality(np.asarray(gold, np.float64), np.asarray(scores, np.float64), np.arange(len(gold)))


def test_the_rank_correlation_is_spearmans() -> None:
    scores = noisy(GOLD, 30)
    assert quality(GOLD, scores, EACH).rank_correlation.value == pytest.approx(spearmanr(GOLD, scores).statistic)
