"""Intervals cover what they claim to, and quantities are compared on the same resamples or not at all."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from harness.stats.averages import mean_of
from harness.stats.resampling import (
    CannotTell,
    Estimate,
    Replicated,
    Resampling,
    ResamplingMismatch,
    crossing,
    interval,
    parts_taken,
    resample_groups,
    resample_indices,
    shared,
)
from harness.stats.tails import FEWEST, level_of_end

examples = settings(deadline=None, derandomize=True, max_examples=60)
seeds = st.integers(0, 10_000)
PERCENT = (0.0, 100.0)


def covers(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_an_estimate_survives_json():
    estimate = Estimate(0.1 + 0.2, -1 / 3, 2.0, 60, "trait points", 0.9, "scenarios")
    assert Estimate.from_json(json.loads(json.dumps(estimate.to_json()))) == estimate


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(1, 2, 3), (4, 2, 3), (math.nan, 0, 1), (0, math.nan, 1), (0, -1, math.inf), (0, -math.inf, 1)],
)
def test_an_estimate_outside_its_interval_or_not_finite_is_refused(value, low, high):
    with pytest.raises(ValueError, match="makes no sense"):
        Estimate(value, low, high, 10, "points")


def test_the_detectable_effect_is_the_one_seen_with_80_percent_power():
    standard_error = 2.0
    half = 1.959964 * standard_error
    assert Estimate(5, 5 - half, 5 + half, 50, "points").detectable == pytest.approx(2.801585 * standard_error)
    draws = np.random.default_rng(0).normal(2.801585 * standard_error, standard_error, 200_000)
    assert (draws - half > 0).mean() == pytest.approx(0.8, abs=0.01)


def test_percentiles_are_expanded_as_hesterberg_has_it():
    from scipy import stats as reference

    replicates = np.random.default_rng(0).normal(size=4000)
    for n in (5, 30, 300):
        tail = reference.norm.cdf(reference.t.ppf(0.025, n - 1) * math.sqrt(n / (n - 1)))
        assert tail < 0.025
        assert interval(0.0, replicates, n) == pytest.approx(tuple(np.quantile(replicates, [tail, 1 - tail])))


@examples
@given(
    seed=seeds,
    n=st.integers(2, 200),
    value=st.floats(0, 100),
    bounds=st.sampled_from([None, PERCENT]),
    shift=st.floats(-50, 50),
)
def test_an_interval_contains_its_value_is_finite_and_keeps_to_the_bounds(seed, n, value, bounds, shift):
    replicates = value + shift + np.random.default_rng(seed).normal(size=50)
    low, high = interval(value, replicates, n, bounds)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low <= value <= high
    if bounds is not None:
        assert low >= 0
        assert high <= 100


@pytest.mark.parametrize("n", [10, 60, 120])
@pytest.mark.parametrize("constant", [0.0, 100.0])
def test_constant_scores_at_a_bound_get_the_exact_binomial_interval(n, constant):
    from scipy.stats import binomtest

    exact = binomtest(int(n * constant / 100), n).proportion_ci(0.95, method="exact")
    estimate = mean_of(np.full(n, constant), Resampling(n), bounds=PERCENT).estimate()
    assert (estimate.low, estimate.high) == pytest.approx((100 * exact.low, 100 * exact.high))


def test_constant_scores_keep_a_width_when_bounds_are_known_and_have_none_when_not():
    scores = np.full(60, 30.0)
    bounded = mean_of(scores, Resampling(60), bounds=PERCENT).estimate()
    assert 0 < bounded.low < 30 < bounded.high < 100
    free = mean_of(scores, Resampling(60)).estimate()
    assert (free.low, free.value, free.high) == (30.0, 30.0, 30.0)
    assert free.detectable == 0


def test_a_few_missing_replicates_are_left_out_and_many_are_refused():
    replicates = np.arange(100.0)
    replicates[45:55] = np.nan
    low, high = interval(50.0, replicates, 40)
    assert math.isfinite(low)
    assert math.isfinite(high)
    replicates[0] = np.nan
    with pytest.raises(CannotTell, match="11 of 100 resamples give no value"):
        interval(50.0, replicates, 40)
    with pytest.raises(CannotTell, match="at least 2"):
        interval(50.0, np.arange(100.0), 1)


@pytest.mark.parametrize("n", [30, 60, 120])
def test_intervals_of_normal_scores_cover_95_percent(n):
    rng, resampling, repeats = np.random.default_rng(n), Resampling(n, resamples=1000), 2000
    hits = sum(covers(mean_of(rng.normal(50, 10, n), resampling).estimate(), 50) for _ in range(repeats))
    assert hits / repeats == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("n", "chance"), [(30, 0.5), (60, 0.3), (60, 0.1), (120, 0.7), (120, 0.1)])
def test_intervals_of_all_or_nothing_scores_cover_95_percent(n, chance):
    rng, resampling, repeats = np.random.default_rng(n), Resampling(n, resamples=1000), 2000
    hits = sum(
        covers(mean_of(100.0 * (rng.random(n) < chance), resampling, bounds=PERCENT).estimate(), 100 * chance)
        for _ in range(repeats)
    )
    assert hits / repeats == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("chance", [0.01, 0.97])
def test_intervals_of_rare_events_cover_at_least_95_percent_only_thanks_to_the_bounds(chance):
    rng, resampling, repeats = np.random.default_rng(3), Resampling(30, resamples=500), 600
    drawn = [100.0 * (rng.random(30) < chance) for _ in range(repeats)]
    with_bounds = [covers(mean_of(scores, resampling, bounds=PERCENT).estimate(), 100 * chance) for scores in drawn]
    without = [covers(mean_of(scores, resampling).estimate(), 100 * chance) for scores in drawn]
    assert np.mean(with_bounds) >= 0.95
    assert np.mean(without) < 0.75


def test_intervals_of_paired_differences_cover_95_percent():
    rng, n, repeats = np.random.default_rng(7), 60, 1500
    resampling = Resampling(n, resamples=1000)
    hits = 0
    for _ in range(repeats):
        question = rng.normal(0, 20, n)
        one, other = 50 + question + rng.normal(0, 5, n), 45 + question + rng.normal(0, 5, n)
        hits += covers(mean_of(one - other, resampling).estimate(), 5)
    assert hits / repeats == pytest.approx(0.95, abs=0.02)


def test_the_same_seed_draws_the_same_resamples_and_another_draws_others():
    np.testing.assert_array_equal(resample_indices(9, 50, 3), resample_indices(9, 50, 3))
    assert (resample_indices(9, 50, 3) != resample_indices(9, 50, 4)).any()
    assert resample_indices(9, 50, 3).shape == (50, 9)
    assert set(resample_indices(9, 50, 3).ravel()) == set(range(9))


def test_counts_say_how_often_each_unit_was_drawn():
    resampling = Resampling(5, resamples=30)
    for drawn, counts in zip(resampling.indices(), resampling.counts(), strict=True):
        assert [int((drawn == unit).sum()) for unit in range(5)] == list(counts)


@pytest.mark.parametrize("n", [0, 1])
def test_a_resampling_of_too_few_units_is_refused(n):
    with pytest.raises(CannotTell, match="tell nothing"):
        Resampling(n).indices()


def test_units_of_a_topic_are_drawn_together_and_units_of_their_own_topics_as_if_none_were_said():
    topics = (0, 1, 2, 0, 1, 0)
    counts = Resampling(6, resamples=50, topics=topics).counts()
    np.testing.assert_array_equal(counts[:, [0, 1]], counts[:, [3, 4]])
    np.testing.assert_array_equal(counts[:, :3], Resampling(3, resamples=50).counts())
    assert Resampling(6, topics=(5, 4, 3, 2, 1, 0)) == Resampling(6)
    with pytest.raises(CannotTell, match="have one topic, and so are one witness"):
        Resampling(6, topics=(7,) * 6).counts()


def test_units_grouped_in_two_ways_are_drawn_as_often_as_one_way_times_the_other():
    ways = crossing([0, 0, 1, 1, 2, 2], ["a", "b", "a", "b", "a", "b"])
    for chosen in resample_groups(ways, 60, 0):
        table = np.bincount(chosen, minlength=6).reshape(3, 2)
        assert np.linalg.matrix_rank(table) == 1
    (nested,) = crossing([0, 0, 1, 1, 2, 2], range(6))
    assert nested.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("topics", [FEWEST, 24])
def test_intervals_of_questions_alike_within_topics_cover_their_mean(topics):
    rng, each, missed = np.random.default_rng(0), 5, 0
    resampling = Resampling(topics * each, resamples=400, topics=tuple(range(topics)) * each)
    for _ in range(200):
        estimate = mean_of(
            np.tile(rng.normal(size=topics), each) + rng.normal(size=topics * each), resampling
        ).estimate()
        missed += not estimate.low <= 0 <= estimate.high
    assert missed <= 0.09 * 200
    assert estimate.size == f"{topics * each} questions of {topics} topics"


def test_few_topics_tell_nothing_however_many_their_questions():
    resampling = Resampling(60, topics=tuple(range(FEWEST - 1)) * 12)
    quantity = mean_of(np.arange(60.0), resampling)
    with pytest.raises(CannotTell, match="60 units of 5 topics tells nothing"):
        quantity.estimate()
    with pytest.raises(CannotTell, match="60 units of 5 topics tells nothing"):
        quantity.level_of_end("low", 0.0, strict=True)


def correlated_scores(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    question = rng.normal(50, 20, n)
    return question + rng.normal(5, 3, n), question + rng.normal(0, 3, n)


@examples
@given(seed=seeds)
def test_a_difference_of_quantities_of_one_resampling_is_the_paired_difference(seed):
    one, other = correlated_scores(seed)
    resampling = Resampling(60, resamples=200)
    subtracted = mean_of(one, resampling) - mean_of(other, resampling)
    direct = mean_of(one - other, resampling)
    assert subtracted.value == pytest.approx(direct.value)
    np.testing.assert_allclose(subtracted.replicates, direct.replicates)


@examples
@given(seed=seeds)
def test_paired_differences_are_narrower_than_unpaired_ones_when_scores_are_correlated(seed):
    one, other = correlated_scores(seed)
    resampling = Resampling(60, resamples=300)
    shuffled = other[np.random.default_rng(seed).permutation(60)]
    assert width(mean_of(one - other, resampling).estimate()) < 0.6 * width(
        mean_of(one - shuffled, resampling).estimate()
    )


@pytest.mark.parametrize(
    "other_resampling",
    [
        Resampling(60, seed=1),
        Resampling(60, resamples=300),
        Resampling(60, units="other"),
        Resampling(60, sample="scenarios"),
    ],
    ids=str,
)
def test_quantities_of_different_resamplings_are_never_paired(other_resampling):
    one, other = correlated_scores(0)
    left, right = mean_of(one, Resampling(60)), mean_of(other, other_resampling)
    for combine in (lambda: left - right, lambda: left + right, lambda: left / right):
        with pytest.raises(ResamplingMismatch, match="cannot be paired"):
            combine()


def test_quantities_of_different_units_of_measurement_are_never_subtracted():
    one, other = correlated_scores(0)
    with pytest.raises(ValueError, match="cosine and points cannot be added or subtracted"):
        mean_of(one, Resampling(60), "cosine") - mean_of(other, Resampling(60), "points")


def test_arithmetic_acts_on_value_replicates_and_bounds_alike():
    one, other = correlated_scores(1)
    resampling = Resampling(60, resamples=100)
    a, b = mean_of(one, resampling, bounds=(-100, 200)), mean_of(other, resampling, bounds=(-100, 200))
    for result, expected, bounds in [
        (a + b, np.add, (-200, 400)),
        (a - b, np.subtract, (-300, 300)),
        (2 * a, lambda x, _: 2 * x, (-200, 400)),
        (a * -2, lambda x, _: -2 * x, (-400, 200)),
        (a / 4, lambda x, _: x / 4, (-25, 50)),
        (a / b, np.divide, None),
    ]:
        assert result.value == pytest.approx(expected(a.value, b.value))
        np.testing.assert_allclose(result.replicates, expected(a.replicates, b.replicates))
        assert result.bounds == (None if bounds is None else pytest.approx(bounds))
        assert result.n == 60
    assert (a / b).unit == "ratio"


def test_a_ratio_to_what_may_be_0_is_refused_or_has_no_bound():
    resampling = Resampling(4, resamples=100)
    ones, zeros = mean_of(np.ones(4), resampling), mean_of(np.zeros(4), resampling)
    with pytest.raises(ValueError, match="ratio to 0"):
        ones / zeros
    sometimes_zero = mean_of(np.array([0.0, 0.0, 0.0, 1.0]), resampling)
    assert np.isinf((ones / sometimes_zero).replicates).sum() == (sometimes_zero.replicates == 0).sum() > 5
    with pytest.raises(CannotTell, match="has no bound"):
        (ones / sometimes_zero).estimate()


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_students_t_over_extractions_that_share_parts_errs_in_at_most_5_percent_at_an_end(count):
    parts = np.random.default_rng(99).normal(size=(20_000, count))  # what each part of the pairs adds
    taken = (np.arange(count) - np.arange(count)[:, None]) % count < parts_taken(count)
    extracted = parts @ (taken / taken.sum(axis=1, keepdims=True)).T
    half = shared(count) * t.ppf(0.975, count - 1) * extracted.std(axis=1, ddof=1) / np.sqrt(count)
    assert 0.02 < (extracted.mean(axis=1) > half).mean() < 0.054


def test_clusters_widen_an_interval_to_students_t_over_leaving_each_out():
    clusters = tuple(number % 5 for number in range(100))
    scores = np.random.default_rng(0).normal(size=100) + np.array([9.0, -9.0, 4.0, -4.0, 0.0])[list(clusters)]
    plain, clustered = (mean_of(scores, Resampling(100, clusters=of)) for of in ((), clusters))
    means = [scores[np.array(clusters) == cluster].mean() for cluster in range(5)]
    half = shared(5) * t.ppf(0.975, 4) * np.std(means, ddof=1) / np.sqrt(5)
    estimate = clustered.estimate()
    assert (estimate.low, estimate.high) == pytest.approx((clustered.value - half, clustered.value + half))
    assert clustered.level_of_end("low", clustered.value - half, strict=False) == pytest.approx(0.05, rel=1e-6)
    assert replace(clustered, clustered=False).estimate() == plain.estimate()
    difference = clustered - replace(clustered, clustered=False)
    assert difference.clustered
    assert (difference.estimate().low, difference.estimate().high) == (0.0, 0.0)
    gone = replace(clustered, replicates=np.where(np.arange(2005) < 2004, clustered.replicates, np.nan))
    with pytest.raises(CannotTell, match="Without one of 5 extractions"):
        gone.estimate()


def test_a_quantity_without_a_value_or_with_the_wrong_number_of_replicates_is_refused():
    with pytest.raises(ValueError, match="no measurement"):
        Replicated(math.nan, np.zeros(2000), Resampling(5), "points", 5)
    with pytest.raises(ResamplingMismatch, match="one replicate per resample"):
        Replicated(1.0, np.zeros(10), Resampling(5), "points", 5)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("away", [1.5, 6.0, 30.0])  # within the replicates, beyond them, near what is possible
def test_the_level_at_which_an_end_reaches_a_bound_does_not_hang_on_where_zero_is(end, away):
    replicates = np.random.default_rng(5).normal(0.0, 1.0, 400)
    sign = 1.0 if end == "low" else -1.0

    def level(zero):
        return level_of_end(zero, replicates + zero, 30, (zero - 40.0, zero + 40.0), end, zero - sign * away, False)

    assert level(70.0) == pytest.approx(level(0.0), rel=1e-6)
    assert level(-9.0) == pytest.approx(level(0.0), rel=1e-6)
    assert 0 < level(0.0) < 1
