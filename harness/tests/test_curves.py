"""Curves are read on the line between their runs, and two of them coincide only within the noise of halves."""

import math

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from harness.curves import Curve, at_amount, curve_gap
from harness.interpolation import best_on_curves
from harness.montecarlo_worlds import scores
from harness.resampling import Replicated
from harness.stats import Plan, PlanMismatch, paired_difference
from harness.tests.test_interpolation import BASELINE, COHERENT, PLAN, UNITS, best, level, noisy
from harness.verdict import Verdict, at_most


def test_one_amount_is_read_on_the_line_between_its_neighbours():
    curve = noisy(6, [20, 50, 70], [90, 80, 40])
    at_run, coherent = at_amount(curve, BASELINE, COHERENT, 2.0, PLAN)
    direct = paired_difference(curve.trait[1], BASELINE, PLAN)
    np.testing.assert_allclose(at_run.replicates, direct.replicates)
    assert coherent.value == pytest.approx(curve.coherence[1].mean())
    gain, coherence = at_amount(curve, BASELINE, COHERENT, 2.25, PLAN)
    assert gain.value == pytest.approx(0.75 * curve.trait[1].mean() + 0.25 * curve.trait[2].mean())
    assert coherence.value == pytest.approx(0.75 * curve.coherence[1].mean() + 0.25 * curve.coherence[2].mean())
    assert (gain.unit, gain.bounds, coherence.unit) == ("trait points", (-100, 100), "coherence points")
    half, _ = at_amount(curve, BASELINE, COHERENT, 0.5, PLAN)
    np.testing.assert_allclose(half.replicates, at_amount(curve, BASELINE, COHERENT, 1, PLAN)[0].replicates / 2)
    np.testing.assert_array_equal(at_amount(curve, BASELINE, COHERENT, 0, PLAN)[0].replicates, 0)
    for amount in (3.01, -0.1):
        with pytest.raises(ValueError, match=r"was not measured: ask between neighbours of \[0\.0, 1\.0, 2\.0, 3\.0\]"):
            at_amount(curve, BASELINE, COHERENT, amount, PLAN)


def two_curves(seed: int, apart: float, n: int = 120) -> tuple[Curve, Curve]:
    rng = np.random.default_rng(seed)
    questions, chances, coherent = rng.normal(size=n), np.linspace(0.15, 0.7, 6), np.full((6, n), 90.0)
    one, other = (scores(rng, chances + by / 100, questions, graded=False) for by in (0, apart))
    return Curve(np.arange(1.0, 7), one, coherent), Curve(np.arange(1.0, 7), other, coherent)


@pytest.mark.parametrize(("apart", "least_refuted", "most_refuted"), [(0, 0, 0.05), (20, 0.9, 1)])
def test_curves_that_coincide_are_not_refuted_and_curves_20_points_apart_are(apart, least_refuted, most_refuted):
    plan = Plan((120,), resamples=300)
    decided = [at_most(0).decide(curve_gap(*two_curves(seed, apart), plan, splits=10).estimate()) for seed in range(60)]
    assert least_refuted <= np.mean([verdict is Verdict.REFUTED for verdict in decided]) <= most_refuted
    assert apart == 0 or Verdict.SUPPORTED not in decided


def test_coinciding_curves_are_supported_within_a_small_margin():
    plan = Plan((120,), resamples=300)
    decided = [at_most(5).decide(curve_gap(*two_curves(seed, 0), plan, splits=10).estimate()) for seed in range(30)]
    assert np.mean([verdict is Verdict.SUPPORTED for verdict in decided]) > 0.9


def test_a_gap_is_the_distance_of_the_means_less_that_of_halves():
    one, other = level([1, 2, 3], [10, 20, 30], [90, 80, 70]), level([2, 3, 4], [26, 22, 9], [90, 75, 60])
    assert curve_gap(one, other, PLAN).value == pytest.approx((6 + 8) / 2)  # halves of equal scores do not differ
    assert curve_gap(one, other, PLAN, of="coherence").value == pytest.approx((10 + 5) / 2)
    there, back = (curve_gap(*pair, PLAN) for pair in (two_curves(1, 5, UNITS), two_curves(1, 5, UNITS)[::-1]))
    np.testing.assert_allclose(there.replicates, back.replicates)
    assert there.replicates.mean() == pytest.approx(there.value)
    same = two_curves(1, 0, UNITS)[0]
    assert curve_gap(same, same, PLAN).value < -3  # only the noise of halves is left


def test_a_gap_compares_only_what_both_measured_and_pairs_the_questions():
    one, other = level([1, 2], [10, 20], [90, 90]), level([1, 2], [30, 90], [90, 90])
    other.trait[1, :20] = np.nan
    assert curve_gap(one, other, PLAN).value == pytest.approx(20)
    one.trait[0] = np.repeat([0.0, 100.0], UNITS // 2)
    other.trait[0] = np.repeat([0.0, 100.0], UNITS // 2)
    other.trait[0, :5] = np.nan
    alone = Curve(one.amounts[:1], one.trait[:1], one.coherence[:1])
    unpaired = 100 / 2 - 100 * 20 / 35
    assert abs(unpaired) > 7
    assert curve_gap(one, other, PLAN).value == pytest.approx(curve_gap(alone, alone, PLAN).value, abs=2)
    other.trait[:] = np.nan
    with pytest.raises(ValueError, match="0 measured in common"):
        curve_gap(one, other, PLAN)
    with pytest.raises(ValueError, match="split at least once"):
        curve_gap(one, one, PLAN, splits=0)


def test_what_makes_no_curve_is_refused():
    good = level([1, 2], [30, 60], [95, 90])
    for amounts in ([2.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, math.inf]):
        with pytest.raises(ValueError, match="strictly ascending"):
            Curve(np.array(amounts), good.trait, good.coherence)
    with pytest.raises(ValueError, match="one row of scores per amount"):
        Curve(np.array([1.0]), good.trait, good.coherence)
    with pytest.raises(ValueError, match="check the judge"):
        best(level([1], [120], [90]))
    with pytest.raises(PlanMismatch):
        best_on_curves([good], BASELINE, COHERENT, Plan((UNITS + 1,)))
    with pytest.raises(TypeCheckError):
        best_on_curves([good], BASELINE[1:], COHERENT, PLAN)
    with pytest.raises(ValueError, match="baseline responses are judged"):
        best_on_curves([good], np.where(np.arange(UNITS) < 9, np.nan, 0.0), COHERENT, PLAN)


def test_recentred_replicates_lie_around_their_value_and_keep_their_spread_and_gaps():
    replicates = np.array([2.0, 4.0, np.nan, 6.0])
    found = Replicated(3.0, replicates, Plan((9,), resamples=4), "cosine", 9).recentred()
    np.testing.assert_array_equal(found.replicates, [1.0, 3.0, np.nan, 5.0])
    assert found.value == 3.0
    nothing = Replicated(3.0, np.full(4, np.nan), Plan((9,), resamples=4), "cosine", 9)
    assert np.isnan(nothing.recentred().replicates).all()
