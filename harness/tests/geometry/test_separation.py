"""Scenarios are read along directions that have not seen their topic, and what is said of them has honest intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.geometry.directions import mean_diff
from harness.geometry.separation import (
    HeldOut,
    Share,
    _effects,
    accuracy,
    effect_size,
    folds_by,
    folds_of,
    held_out,
    right_orders,
    right_sides,
    ways_of,
)
from harness.stats.resampling import CannotTell, Resampling

examples = settings(deadline=None, derandomize=True, max_examples=40)


def fit(positive: np.ndarray, negative: np.ndarray, _fold: int) -> np.ndarray:
    return mean_diff(positive, negative)


@examples
@given(topics=st.lists(st.integers(0, 20), min_size=2, max_size=80), number=st.integers(2, 10))
def test_folds_tear_no_topic_apart_and_are_about_equally_large(topics: list[int], number: int) -> None:
    if len(set(topics)) < 2:
        with pytest.raises(CannotTell, match="none can be held out"):
            folds_of(topics, number)
        return
    folds = folds_of(topics, number)
    assert all(len({fold for fold, own in zip(folds, topics, strict=True) if own == topic}) == 1 for topic in topics)
    sizes = np.bincount(folds)
    assert len(sizes) == min(number, len(set(topics)))
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= max(topics.count(topic) for topic in topics)


def test_a_pair_is_read_along_a_direction_that_has_not_seen_its_topic() -> None:
    """Noise in many dims that four pairs of a topic share: known to a direction that has seen one of them."""
    rng, topics = np.random.default_rng(0), [pair // 4 for pair in range(80)]
    positive, negative = rng.normal(size=(2, 20, 200))[:, topics]
    apart = right_sides(held_out(positive, negative, folds_by(ways_of(topics)), fit)).mean()
    torn = right_sides(held_out(positive, negative, np.arange(80)[None] % 4, fit)).mean()
    assert torn > 0.95
    assert apart == pytest.approx(0.5, abs=0.2)


def test_threshold_and_polarity_come_from_the_other_folds() -> None:
    """Two folds, the second the wrong way round and around another middle."""
    east = np.array([1.0, 0.0])

    def at(*cosines: float) -> np.ndarray:
        return np.array([[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines])

    read = held_out(at(0.3, 0.4, -0.1, 0.0), at(-0.1, 0.0, 0.5, 0.2), np.array([[0, 0, 1, 1]]), lambda *_: east)
    np.testing.assert_allclose(read.positive, [0.3 - 0.15, 0.4 - 0.15, -0.1 - 0.15, 0.0 - 0.15])
    np.testing.assert_allclose(read.negative, [-0.1 - 0.15, 0.0 - 0.15, 0.5 - 0.15, 0.2 - 0.15])
    assert read.polarity.tolist() == [-1, -1, 1, 1]
    assert right_sides(read).tolist() == [0, 0, 0, 0]
    flat = HeldOut(np.zeros(2), np.array([0.0, -1.0]), np.ones(2))
    assert right_sides(flat).tolist() == [0.5, 0.75]  # on the threshold counts one half


def test_accuracy_counts_topics_and_what_folds_share_and_is_never_sure() -> None:
    rng = np.random.default_rng(1)
    of_topics = (rng.random(30) < 0.8).astype(float)
    topics = [pair // 4 for pair in range(120)]
    alike = accuracy(np.repeat(of_topics, 4), topics)  # four pairs say no more than one
    assert alike.n == 30
    assert alike.effective == pytest.approx(29 / (1 + 10 / 9))
    apart = accuracy((rng.random(120) < 0.8).astype(float), topics)
    assert apart.effective > 1.5 * alike.effective
    all_right = accuracy(np.ones(40), list(range(40))).estimate()
    assert (all_right.value, all_right.high) == (1.0, 1.0)
    assert all_right.low == pytest.approx(0.025 ** (1 / 40))


@examples
@given(right=st.integers(0, 20), level=st.floats(0.5, 0.999))
def test_a_share_of_whole_rows_has_the_exact_interval(right: int, level: float) -> None:
    from scipy.stats import binomtest

    found, exact = Share(right / 20, 20.0, 20).estimate(level), binomtest(right, 20).proportion_ci(level, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@examples
@given(value=st.floats(0.02, 0.98), effective=st.floats(3.0, 200.0), level=st.floats(0.5, 0.9999))
def test_the_level_at_which_a_share_reaches_a_bound_is_that_of_its_interval(
    value: float, effective: float, level: float
) -> None:
    share = Share(value, effective, 30)
    found = share.estimate(level)
    for end, bound in (("low", found.low), ("high", found.high)):
        assert share.level_of_end(end, bound, False) == pytest.approx(1 - level, rel=1e-6)  # type: ignore[arg-type]
    assert share.level_of_end("low", value + 0.01, False) == 1
    assert share.level_of_end("low", 0.0, False) < 1e-300
    assert Share(0.0, effective, 30).level_of_end("low", 0.0, True) == 1


def test_the_effect_size_is_cohens_d_and_goes_with_the_direction() -> None:
    read = HeldOut(np.array([0.1, 0.3, 0.5]), np.array([-0.2, 0.0, 0.2]), -np.ones(3))
    found = effect_size(read, ["a", "b", "c"], Resampling(3, resamples=50))
    assert found.value == pytest.approx(0.3 / 0.2)
    assert (
        effect_size(HeldOut(read.negative, read.positive, read.polarity), ["a", "b", "c"], found.resampling).value < 0
    )
    with pytest.raises(ValueError, match="resample the topics"):
        effect_size(read, ["a", "b", "b"], found.resampling)


def test_the_standard_error_of_an_effect_size_is_that_of_its_derivatives_by_topic() -> None:
    """Infinitesimal jackknife (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6)."""
    rng, topics = np.random.default_rng(2), 40
    sums = np.stack([np.full(topics, 5.0), *rng.normal((4.0, 1.0), 1.0, (topics, 2)).T * 5.0])
    sums = np.concatenate([sums, 5.0 * ((sums[1:] / 5.0) ** 2 + rng.uniform(0.5, 2.0, (2, topics)))])
    ones, step = np.ones((1, topics)), 1e-5 * np.eye(topics)
    slopes = (_effects(sums, ones + step)[0] - _effects(sums, ones - step)[0]) / 2e-5
    expected = np.sqrt(topics / (topics - 1) * (slopes**2).sum())
    assert float(_effects(sums, ones)[1][0]) == pytest.approx(expected, rel=0.01)


def test_constant_projections_give_a_finite_effect_size() -> None:
    found = effect_size(HeldOut(np.full(4, 0.5), np.full(4, -0.5), np.ones(4)), list(range(4)), Resampling(4))
    assert found.estimate().value == pytest.approx(1e6)


def test_either_end_of_the_effect_size_is_that_of_the_noncentral_t_where_this_is_right() -> None:
    """Independent normal classes of one spread, far apart; the folds' own share of variance is taken out."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    n, rng, ratios = 30, np.random.default_rng(2), []

    def misses(mean: float, statistic: float, tail: float) -> float:
        return float(nct.cdf(statistic, 2 * n - 2, mean)) - tail

    for _ in range(40):
        read = HeldOut(rng.normal(4.0, 1.0, n), rng.normal(0.0, 1.0, n), np.ones(n))
        found = effect_size(read, list(range(n)), Resampling(n)).estimate()
        exact = (brentq(misses, 0, 40, args=(found.value * np.sqrt(n / 2), tail)) for tail in (0.975, 0.025))
        low, high = (end / np.sqrt(n / 2) - found.value for end in exact)
        ratios.append(((found.low - found.value) / low, (found.high - found.value) / high))
    assert np.mean(ratios, axis=0) / np.sqrt(1 + 10 / 9) == pytest.approx([1.1, 1.1], abs=0.2)


def test_what_both_of_a_pair_share_hides_a_side_and_not_an_order() -> None:
    read = HeldOut(np.array([5.1, -4.9, 2.0, 1.0]), np.array([5.0, -5.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, -1.0]))
    assert right_orders(read).tolist() == [1.0, 1.0, 0.5, 1.0]
    assert right_sides(read)[:2].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("questions", [6, 20])
def test_a_question_that_recurs_under_other_phrasings_is_held_out_with_them(questions: int) -> None:
    """Twenty phrasings, and nothing to find but that each question moves each side by a deviation and a half."""
    rng, pairs = np.random.default_rng(0), np.arange(120)
    phrasing, question = (pairs // 6).tolist(), (pairs % questions).tolist()
    falsely_there = {"both held out": 0, "phrasings alone": 0}
    for _ in range(100):
        rows = rng.normal(size=(120, 2, 24)) + 1.5 * rng.normal(size=(questions, 2, 24))[question]
        for what, asked in (("both held out", question), ("phrasings alone", None)):
            read = held_out(rows[:, 0], rows[:, 1], folds_by(ways_of(phrasing, asked)), fit)
            falsely_there[what] += accuracy(right_orders(read), phrasing, asked, rows=1).estimate().low > 0.5
    assert falsely_there["both held out"] <= 8
    assert falsely_there["phrasings alone"] >= 60


def test_the_fit_shares_neither_topic_nor_question_with_what_it_is_read_on() -> None:
    topics, questions = np.arange(40) // 4, np.arange(40) % 7
    rows = np.eye(40)
    seen = []

    def fit_seen(one: np.ndarray, _other: np.ndarray, _number: int) -> np.ndarray:
        seen.append(np.flatnonzero(one.sum(axis=0)))
        return np.full(40, 40**-0.5)

    folds = folds_by(ways_of(topics.tolist(), questions.tolist()))
    held_out(rows, rows, folds, fit_seen)
    for held, fitted in zip(np.unique(folds, axis=1).T, seen, strict=True):
        inside = (folds == held[:, None]).all(axis=0)
        assert not {*topics[inside]} & {*topics[fitted]}
        assert not {*questions[inside]} & {*questions[fitted]}


def test_where_no_pair_is_free_of_what_is_held_out_no_direction_can_be_told() -> None:
    ways = ways_of([0, 0, 1], ["a", "b", "a"])
    with pytest.raises(CannotTell, match="none is left to make a direction from"):
        held_out(np.eye(3), np.eye(3)[::-1], np.stack(ways), fit)


def test_with_nothing_to_find_phrasings_must_be_held_out_and_questions_would_not_do() -> None:
    """Five phrasings with six questions each, where each phrasing moves each side by a deviation and a half of its own.

    A direction is said to be there where more than half of the held-out pairs are shown to be in order.
    """
    rng, phrasings = np.random.default_rng(0), np.arange(30) // 6
    falsely_there = {"phrasings": 0, "questions": 0}
    for _ in range(100):
        rows = rng.normal(size=(30, 2, 24)) + 0.7 * rng.normal(size=(30, 1, 24))
        rows += 1.5 * rng.normal(size=(5, 2, 24))[phrasings]
        for what, topics in (("phrasings", phrasings.tolist()), ("questions", (np.arange(30) % 20).tolist())):
            folds = folds_by(ways_of(topics))
            read = held_out(rows[:, 0], rows[:, 1], folds, lambda one, other, _: mean_diff(one, other))
            share = accuracy(right_orders(read), topics, rows=1)
            falsely_there[what] += share.estimate().low > 0.5
    assert falsely_there["phrasings"] <= 8
    assert falsely_there["questions"] >= 80
