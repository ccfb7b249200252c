"""Curves are read on the line between their runs, and two of them coincide only where the questions can tell."""

import math

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from harness.ledger.verdict import Verdict, at_most
from harness.montecarlo.worlds import scores
from harness.stats.averages import mean_of
from harness.stats.crossfit import Places
from harness.stats.curves import Curve, at_amount, curve_gap
from harness.stats.interpolation import best_on_curves
from harness.stats.resampling import CannotTell, Replicated, Resampling, ResamplingMismatch
from harness.tests.stats.test_interpolation import BASELINE, COHERENT, RESAMPLING, UNITS, best, level, noisy


def test_one_amount_is_read_on_the_line_between_its_neighbours():
    curve = noisy(6, [20, 50, 70], [90, 80, 40])
    at_run, coherent = at_amount(curve, BASELINE, COHERENT, 2.0, RESAMPLING)
    direct = mean_of(curve.trait[1] - BASELINE, RESAMPLING)
    np.testing.assert_allclose(at_run.replicates, direct.replicates)
    assert coherent.value == pytest.approx(curve.coherence[1].mean())
    gain, coherence = at_amount(curve, BASELINE, COHERENT, 2.25, RESAMPLING)
    assert gain.value == pytest.approx(0.75 * curve.trait[1].mean() + 0.25 * curve.trait[2].mean())
    assert coherence.value == pytest.approx(0.75 * curve.coherence[1].mean() + 0.25 * curve.coherence[2].mean())
    assert (gain.unit, gain.bounds, coherence.unit) == ("trait points", (-100, 100), "coherence points")
    half, _ = at_amount(curve, BASELINE, COHERENT, 0.5, RESAMPLING)
    np.testing.assert_allclose(half.replicates, at_amount(curve, BASELINE, COHERENT, 1, RESAMPLING)[0].replicates / 2)
    np.testing.assert_array_equal(at_amount(curve, BASELINE, COHERENT, 0, RESAMPLING)[0].replicates, 0)
    for amount in (3.01, -0.1):
        with pytest.raises(ValueError, match=r"was not measured: ask between neighbours of \[0\.0, 1\.0, 2\.0, 3\.0\]"):
            at_amount(curve, BASELINE, COHERENT, amount, RESAMPLING)


def two_curves(seed: int, apart: float, n: int = 120) -> tuple[Curve, Curve]:
    rng = np.random.default_rng(seed)
    questions, chances, coherent = rng.normal(size=n), np.linspace(0.15, 0.7, 6), np.full((6, n), 90.0)
    one, other = (scores(rng, chances + by / 100, questions, graded=False) for by in (0, apart))
    return Curve(np.arange(1.0, 7), one, coherent), Curve(np.arange(1.0, 7), other, coherent)


@pytest.mark.parametrize("n", [60, 120])
def test_curves_8_points_apart_do_not_pass_as_within_5_nor_those_within_5_as_apart(n):
    """With the noise of half the questions subtracted from the distance, a quarter and more of the former did."""
    resampling = Resampling(n, resamples=300)
    passed = [at_most(5).decide(curve_gap(*two_curves(seed, 8, n), resampling).estimate()) for seed in range(80)]
    assert np.mean([verdict is Verdict.SUPPORTED for verdict in passed]) <= 0.05
    within = [at_most(5).decide(curve_gap(*two_curves(seed, 5, n), resampling).estimate()) for seed in range(80)]
    assert np.mean([verdict is Verdict.REFUTED for verdict in within]) <= 0.05
    far = [at_most(5).decide(curve_gap(*two_curves(seed, 25, n), resampling).estimate()) for seed in range(20)]
    assert np.mean([verdict is Verdict.REFUTED for verdict in far]) > 0.9


def test_curves_of_the_same_answers_coincide_where_questions_are_many_and_cannot_be_told_where_they_are_few():
    for n, verdict in ((120, Verdict.SUPPORTED), (60, Verdict.INCONCLUSIVE)):
        same = two_curves(1, 0, n)[0]
        found = curve_gap(same, same, Resampling(n, resamples=300)).estimate()
        assert at_most(5).decide(found) is verdict
        assert (found.value, found.low) == (0, 0)


def test_a_gap_is_the_mean_distance_of_the_means_whichever_curve_comes_first():
    one, other = level([1, 2, 3], [10, 20, 30], [90, 80, 70]), level([2, 3, 4], [26, 22, 9], [90, 75, 60])
    assert curve_gap(one, other, RESAMPLING).value == pytest.approx((6 + 8) / 2)
    assert curve_gap(one, other, RESAMPLING, of="coherence").value == pytest.approx((10 + 5) / 2)
    there, back = (curve_gap(*pair, RESAMPLING) for pair in (two_curves(1, 5, UNITS), two_curves(1, 5, UNITS)[::-1]))
    assert there.estimate() == back.estimate()
    assert there.below.value <= there.above.value


def test_a_gap_compares_only_what_both_measured_and_pairs_the_questions():
    one, other = level([1, 2], [10, 20], [90, 90]), level([1, 2], [30, 90], [90, 90])
    other.trait[1, :20] = np.nan
    assert curve_gap(one, other, RESAMPLING).value == pytest.approx(20)
    one.trait[0] = np.repeat([0.0, 100.0], UNITS // 2)
    other.trait[0] = np.repeat([0.0, 100.0], UNITS // 2)
    other.trait[0, :5] = np.nan
    assert curve_gap(one, other, RESAMPLING).value == 0  # unpaired, 50 against 57
    one.trait[0], other.trait[0] = 10.0, 0.0
    one.trait[0, 5::10] = 50.0  # a fold, of which only three of four questions are judged
    one.trait[0, -5:] = np.nan
    gap = curve_gap(one, other, RESAMPLING)
    assert (gap.below.value, gap.above.value) == pytest.approx((470 / 35, 470 / 35))
    other.trait[:] = np.nan
    with pytest.raises(ValueError, match="none measured in common"):
        curve_gap(one, other, RESAMPLING)


def test_what_makes_no_curve_is_refused():
    good = level([1, 2], [30, 60], [95, 90])
    for amounts in ([2.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, math.inf]):
        with pytest.raises(ValueError, match="strictly ascending"):
            Curve(np.array(amounts), good.trait, good.coherence)
    with pytest.raises(ValueError, match="one row of scores per amount"):
        Curve(np.array([1.0]), good.trait, good.coherence)
    with pytest.raises(ValueError, match="check the judge"):
        best(level([1], [120], [90]))
    with pytest.raises(ResamplingMismatch):
        best_on_curves([good], BASELINE, COHERENT, Resampling(UNITS + 1))
    with pytest.raises(TypeCheckError):
        best_on_curves([good], BASELINE[1:], COHERENT, RESAMPLING)
    with pytest.raises(CannotTell, match="baseline responses are judged"):
        best_on_curves([good], np.where(np.arange(UNITS) < 9, np.nan, 0.0), COHERENT, RESAMPLING)


def test_recentred_replicates_lie_around_their_value_and_keep_their_spread_and_gaps():
    replicates = np.array([2.0, 4.0, np.nan, 6.0])
    found = Replicated(3.0, replicates, Resampling(9, resamples=4), "cosine", 9).recentred()
    np.testing.assert_array_equal(found.replicates, [1.0, 3.0, np.nan, 5.0])
    assert found.value == 3.0
    nothing = Replicated(3.0, np.full(4, np.nan), Resampling(9, resamples=4), "cosine", 9)
    assert np.isnan(nothing.recentred().replicates).all()


def test_one_place_of_each_part_and_row_reads_what_all_places_read_there():
    rng, (parts, rows, knots_) = np.random.default_rng(4), (3, 5, 6)
    places = Places(rng.integers(0, knots_, (1, rows, 4)), rng.uniform(0, 1, (1, rows, 4)), np.ones((1, rows, 4), bool))
    values, chosen = rng.normal(size=(parts, rows, knots_)), rng.integers(0, 4, (parts, rows))
    found = places.at(chosen).along(values)[..., 0]
    np.testing.assert_array_equal(found, np.take_along_axis(places.along(values), chosen[..., None], axis=-1)[..., 0])
    left, weight = places.left[0, 2, 1], places.weight[0, 2, 1]
    right = min(left + 1, knots_ - 1)
    assert places.along(values)[1, 2, 1] == pytest.approx(
        (1 - weight) * values[1, 2, left] + weight * values[1, 2, right]
    )
