"""What a direction needs is read on the way up, where the curve is steep, and not at a best that chance decides."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from harness.stats.curves import Curve
from harness.stats.need import gain_where_needed, isotonic, needed_amount
from harness.stats.resampling import CannotTell
from harness.tests.stats.test_interpolation import BASELINE, COHERENT, RESAMPLING, level, noisy

ARGUMENTS = (BASELINE, COHERENT, RESAMPLING)
RISING = level([1, 2, 3, 4], [10, 30, 60, 90], [95, 90, 85, 55])  # best 75, where coherence falls through 70


def test_it_is_where_half_of_the_best_is_reached_on_the_line_between_runs():
    found = needed_amount([RISING], *ARGUMENTS)
    assert found.value == pytest.approx(2 + 7.5 / 30)
    np.testing.assert_allclose(found.replicates, found.value)
    weaker = level([1, 2, 3], [5, 10, 20], [95, 90, 85])
    assert needed_amount([weaker, RISING], *ARGUMENTS).value == pytest.approx(found.value)  # the block that steers best


def test_two_directions_that_answer_alike_need_the_same_whatever_their_top():
    one = noisy(1, [20, 55, 94, 95, 95], [95, 95, 93, 92, 90])
    other = Curve(3 * one.amounts * (1 + 1e-9), one.trait, one.coherence)
    ratio = needed_amount([other], *ARGUMENTS) / needed_amount([one], *ARGUMENTS)
    np.testing.assert_allclose(ratio.replicates, 3.0)


def test_a_half_that_is_reached_before_the_first_run_is_not_known():
    with pytest.raises(CannotTell, match="run smaller amounts"):
        needed_amount([level([1, 2], [50, 60], [90, 90])], *ARGUMENTS)
    unjudged = level([1, 2, 3], [10, 30, 90], [90, 90, 90])
    unjudged.trait[1, : len(BASELINE) // 4] = np.nan
    with pytest.raises(CannotTell, match="run more"):  # the half lies in the gap
        needed_amount([unjudged], *ARGUMENTS)


def test_another_is_read_at_that_amount_and_pairs_the_questions():
    behind = level([1, 2, 3, 4], [0, 10, 20, 30], [90] * 4)
    found = gain_where_needed([behind], [RISING], *ARGUMENTS)
    assert found.value == pytest.approx(12.5 - 37.5)
    curve = noisy(3, [20, 50, 70], [90, 85, 80])
    rounded = Curve(curve.amounts * (1 + 1e-8), curve.trait, curve.coherence)
    np.testing.assert_allclose(gain_where_needed([rounded], [curve], *ARGUMENTS).replicates, 0, atol=1e-5)
    with pytest.raises(CannotTell, match="run both at the same amounts"):
        gain_where_needed([level([1], [50], [90])], [RISING], *ARGUMENTS)


def test_a_half_near_the_first_run_counts_as_0_where_a_resample_reaches_it_before():
    near = noisy(5, [30, 85, 90], [90, 90, 90])
    found = needed_amount([near], *ARGUMENTS)
    before = found.replicates == 0
    assert 0 < before.mean() < 0.2
    assert found.replicates[~before].min() >= 1  # of the first run
    with pytest.raises(CannotTell, match="within a standard error"):
        needed_amount([noisy(5, [44, 85, 90], [90, 90, 90])], *ARGUMENTS)


def test_a_flat_stretch_reaches_no_half_by_the_chance_of_one_of_its_runs():
    gains = level([1, 2, 3, 4, 5], [10, 40, 10, 30, 80], [95] * 5)  # made to rise: 10, 25, 25, 30, 80
    assert needed_amount([gains], *ARGUMENTS).value == pytest.approx(4 + (40 - 30) / 50)


def test_isotonic_is_the_nearest_rising_sequence():
    rows = np.random.default_rng(0).normal(size=(50, 9))
    np.testing.assert_allclose(isotonic(rows), [isotonic_regression(row).x for row in rows])
