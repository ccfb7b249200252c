"""Between the runs of a curve the best is found where it lies, and nothing is claimed where nothing was measured."""

import math
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calibration import Scored, search
from harness.curves import Knots, knots
from harness.interpolation import UNSTEERED, Curve, at_amount, best_on_curves, search_on_curve
from harness.montecarlo_worlds import scores
from harness.stats import CannotTell, NoValidRun, Plan, best_of_grid

examples = settings(deadline=None, derandomize=True, max_examples=40)
UNITS = 40
PLAN = Plan((UNITS,), resamples=200)
BASELINE, COHERENT = np.zeros(UNITS), np.full(UNITS, 90.0)


def level(amounts: list[float], trait: list[float], coherence: list[float], units: int = UNITS) -> Curve:
    """A curve on which every question scores alike."""
    flat = np.ones((1, units))
    return Curve(np.array(amounts), np.array(trait)[:, None] * flat, np.array(coherence)[:, None] * flat)


def noisy(seed: int, trait: list[float], coherence: list[float], units: int = UNITS) -> Curve:
    """A curve of scattered scores with these means, at amounts 1, 2, 3, ..."""
    rng = np.random.default_rng(seed)
    questions = rng.normal(size=units)
    return Curve(
        np.arange(1.0, len(trait) + 1),
        scores(rng, np.array(trait) / 100, questions, graded=True),
        scores(rng, np.array(coherence) / 100, rng.normal(size=units), graded=True),
    )


def best(*curves: Curve, **options: float):
    return best_on_curves(list(curves), BASELINE, COHERENT, PLAN, **options)


def test_the_best_lies_where_coherence_falls_through_the_gate():
    point = best(level([1, 2, 4], [20, 40, 90], [88, 80, 60]))
    assert point.delta.value == pytest.approx(65)  # halfway from 80 to 60
    assert point.amount.value == pytest.approx(3)
    assert (point.curve, point.between) == (0, (1, 2, pytest.approx(0.5)))
    assert not point.at_edge
    np.testing.assert_allclose(point.delta.replicates, 65)
    np.testing.assert_allclose(point.amount.replicates, 3)
    assert (point.delta.unit, point.amount.unit, point.delta.n) == ("trait points", "dose", UNITS)


def test_the_best_lies_at_a_run_where_the_trait_peaks_and_at_the_edge_where_it_still_rises():
    peak = best(level([1, 2, 3], [20, 60, 40], [90, 90, 90]))
    assert (peak.delta.value, peak.between, peak.at_edge) == (60, (1, 1, 0.0), False)
    edge = best(level([1, 2, 3], [20, 40, 60], [90, 90, 90]))
    assert (edge.delta.value, edge.between, edge.at_edge) == (60, (2, 2, 0.0), True)
    on_the_gate = best(level([1, 2, 3], [20, 40, 60], [90, 90, 70]))
    assert (on_the_gate.delta.value, on_the_gate.at_edge) == (60, False)


def test_a_rising_crossing_of_the_gate_counts_too():
    point = best(level([1, 2, 3], [10, 80, 10], [90, 50, 90]))
    assert point.delta.value == pytest.approx(45)
    assert point.amount.value in (pytest.approx(1.5), pytest.approx(2.5))
    steeper = best(level([1, 2, 3], [10, 80, 40], [90, 50, 90]))
    assert (steeper.delta.value, steeper.between) == (pytest.approx(60), (1, 2, pytest.approx(0.5)))


def test_the_best_of_several_curves_is_the_best_of_the_best_one():
    one, other = level([1, 2], [10, 30], [90, 80]), level([2, 6, 8], [10, 80, 90], [90, 75, 65])
    point = best(one, other)
    assert point.curve == 1
    assert point.delta.value == pytest.approx(85)
    assert point.amount.value == pytest.approx(7)
    assert best(other, one).curve == 0
    assert best(other, one).delta.value == point.delta.value


def test_a_curve_is_cut_where_a_run_was_not_judged_and_the_gap_is_not_bridged():
    curve = level([1, 2, 3, 4], [20, 90, 60, 90], [90, 90, 80, 60])
    curve.coherence[1, : UNITS // 4] = np.nan
    point = best(curve)
    assert point.between == (2, 3, pytest.approx(0.5))
    for amount in (1.5, 2.0, 2.5):
        with pytest.raises(ValueError, match="was not measured"):
            at_amount(curve, BASELINE, COHERENT, amount, PLAN)
    assert at_amount(curve, BASELINE, COHERENT, 3.5, PLAN)[0].value == pytest.approx(75)
    curve.coherence[3] = np.nan
    assert best(curve).between == (2, 2, 0.0)
    assert best(curve).at_edge
    low_in_the_gap = level([1, 2, 3], [20, 90, 10], [90, 60, 90])
    low_in_the_gap.trait[1, : UNITS // 4] = np.nan
    assert best(low_in_the_gap).delta.value == 20  # no crossing of the gate on the way to what was not judged
    before_the_gap = level([1, 2, 3], [50, 90, 10], [90, 90, 90])
    before_the_gap.trait[1] = np.nan
    assert (best(before_the_gap).between, best(before_the_gap).at_edge) == ((0, 0, 0.0), True)


def test_doing_nothing_is_never_the_best_steering():
    harmful = level([1, 2], [10, 5], [90, 90])
    found = best_on_curves([harmful], np.full(UNITS, 30.0), COHERENT, PLAN)
    assert found.delta.value == pytest.approx(-20)
    with pytest.raises(NoValidRun, match=r"None of 2 runs, and no amount near them, .*\(best seen: 40\.0\)"):
        best(level([1, 2], [50, 90], [40, 20]))


def test_the_stretch_before_the_first_run_counts_only_from_half_way_on():
    """Coherence 90 unsteered falls to 51 at the first run: the gate is crossed 51 % of the way; to 49: 49 %."""
    found = best(level([2, 3], [50, 90], [51, 20]))
    assert found.between == (UNSTEERED, 0, pytest.approx(20 / 39))
    assert found.delta.value == pytest.approx(50 * 20 / 39)
    assert found.amount.value == pytest.approx(2 * 20 / 39)
    with pytest.raises(NoValidRun, match="sweep smaller amounts"):
        best(level([2, 3], [50, 90], [49, 20]))
    rising = best_on_curves([level([2], [10], [80])], np.full(UNITS, 30.0), np.full(UNITS, 60.0), PLAN)
    assert (rising.between, rising.delta.value) == ((0, 0, 0.0), -20)


def test_a_sweep_nobody_judged_or_that_is_now_and_then_valid_gives_no_best():
    unjudged = level([1, 2], [50, 90], [90, 90])
    unjudged.trait[:] = np.nan
    with pytest.raises(NoValidRun, match="was judged often enough"):
        best(unjudged)
    sometimes = noisy(3, [50], [47])
    with pytest.raises(NoValidRun, match=r"cannot be told: \d+ of 200 resamples have none|no amount near them"):
        best(sometimes)
    with pytest.raises(ValueError, match="no curve"):
        best()


def test_the_best_moves_continuously_where_a_grid_jumps_at_the_gate():
    curves = [level([1, 2], [20, 60], [90, 70 + above]) for above in (0.1, -0.1)]
    interpolated = [best(curve).delta.value for curve in curves]
    grid = [best_of_grid(curve.trait, curve.coherence, BASELINE, PLAN).delta.value for curve in curves]
    assert grid == [60, 20]
    assert abs(interpolated[0] - interpolated[1]) < 0.5


means = st.lists(st.integers(5, 95), min_size=3, max_size=6)


@examples
@given(seed=st.integers(0, 9999), trait=means, coherence=means, scale=st.floats(0.01, 100))
def test_amounts_name_points_and_change_nothing_else(seed, trait, coherence, scale):
    """Units may be permuted; amounts scaled, or stretched in any order-keeping way; and no grid run is better."""
    runs = min(len(trait), len(coherence))
    curve = noisy(seed, trait[:runs], [max(80, coherence[0]), *coherence[1:runs]])
    found = best(curve)
    scaled = best(Curve(curve.amounts * scale, curve.trait, curve.coherence))
    np.testing.assert_array_equal(scaled.delta.replicates, found.delta.replicates)
    assert scaled.between == (*found.between[:2], pytest.approx(found.between[2]))
    np.testing.assert_allclose(scaled.amount.replicates, scale * found.amount.replicates, rtol=1e-9)
    stretched = best(Curve(curve.amounts**2, curve.trait, curve.coherence))
    np.testing.assert_array_equal(stretched.delta.replicates, found.delta.replicates)
    order = np.random.default_rng(seed).permutation(UNITS)
    permuted = best(Curve(curve.amounts, curve.trait[:, order], curve.coherence[:, order]))
    assert permuted.delta.value == pytest.approx(found.delta.value)
    assert permuted.amount.value == pytest.approx(found.amount.value)
    reached = curve.coherence.mean(axis=1) >= 70
    assert found.delta.value >= curve.trait.mean(axis=1)[reached].max() - 1e-9


def test_a_gain_pairs_a_question_only_where_both_answers_are_judged():
    baseline = np.repeat([80.0, 0.0], UNITS // 2)
    curve = level([1, 2], [80, 80], [90, 60])
    curve.trait[:, : UNITS // 2] = 80.0
    curve.trait[:, UNITS // 2 :] = 40.0
    curve.trait[:, -5:] = np.nan
    found = best_on_curves([curve], baseline, COHERENT, PLAN)
    assert found.delta.value == pytest.approx(40 * 15 / 35)
    assert found.delta.n == 35


def test_the_gain_is_read_in_another_resample_than_the_one_that_chose():
    """Eight equally good runs: read where it was chosen, the best of them would flatter itself by some points."""
    plan, flattered, repeats = Plan((60,), resamples=300), 0, 150
    for seed in range(repeats):
        curve = noisy(seed, [50] * 8, [95] * 8, 60)
        found = best_on_curves([curve], np.zeros(60), np.full(60, 95.0), plan)
        flattered += found.delta.estimate().low > 50
    assert flattered / repeats <= 0.05


@pytest.mark.parametrize("correlation", [0.8, -0.8])
def test_a_crossing_is_read_in_its_own_resample_so_that_trait_may_go_with_coherence(correlation):
    plan, n, above, below, repeats, widths = Plan((120,), resamples=300), 120, 0, 0, 250, []
    truth = 50 + 20 * 0.5
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        one = rng.normal(size=n)
        other = correlation * one + math.sqrt(1 - correlation**2) * rng.normal(size=n)
        curve = Curve(
            np.array([1.0, 2.0, 3.0]),
            scores(rng, np.array([0.3, 0.5, 0.7]), one, graded=True),
            scores(rng, np.array([0.9, 0.75, 0.65]), other, graded=True),
        )
        estimate = best_on_curves([curve], np.zeros(n), np.full(n, 95.0), plan).delta.estimate()
        above, below = above + (estimate.low > truth), below + (estimate.high < truth)
        widths.append(estimate.high - estimate.low)
    assert max(above, below) / repeats <= 0.05
    assert np.mean(widths) < (40 if correlation > 0 else 25)


def test_bests_over_one_baseline_are_paired_and_the_baseline_cancels():
    curve = noisy(5, [20, 50, 70], [90, 80, 60])
    one, other = best(curve).delta, best(curve, level([1], [0], [90])).delta
    assert np.abs((one - other).replicates).max() < 1e-9
    assert (one - other).bounds == (-100, 100)
    grid = best_of_grid(curve.trait, curve.coherence, BASELINE, PLAN).delta
    assert (one - grid).bounds == (-100, 100)
    elsewhere = best_on_curves([curve], BASELINE + 1, COHERENT, PLAN).delta
    assert (one - elsewhere).bounds == (-200, 200)


def test_the_search_on_a_curve_is_the_published_search():
    for seed in range(12):
        curve = noisy(seed, [20, 40, 60, 75], [95, 90, 82, 60])
        points = knots(curve, BASELINE, COHERENT, PLAN)

        def sweep(amount: float, curve: Curve = curve, points: Knots = points) -> Scored:
            if not 0.5 * curve.amounts[0] <= amount <= curve.amounts[-1]:
                return Scored(math.nan, math.nan)
            return Scored(
                *(float(np.interp(amount, points.amounts, each[0])) for each in (points.gain, points.coherence))
            )

        for start in (0.8, 1.5, 2.2, 3.4, 4.5):
            chosen = search(sweep, start).best
            found = search_on_curve(curve, BASELINE, COHERENT, start, PLAN)
            assert found.value == pytest.approx(chosen.trait)


def test_a_search_walks_by_its_own_coherence_and_is_chosen_by_the_gains_of_another_resample():
    curve, start = noisy(8, [55, 40, 50, 55], [92, 85, 75, 62]), 1.2
    points = knots(curve, BASELINE, COHERENT, PLAN)
    found = search_on_curve(curve, BASELINE, COHERENT, start, PLAN)
    flattered = 0
    for row in range(1, 1 + PLAN.resamples):

        def line(amount: float, values: np.ndarray, row: int = row) -> float:
            return float(np.interp(amount, points.amounts, values[row])) if amount <= 4 else math.nan

        def sweep(amount: float, line=line) -> Scored:
            return Scored(line(amount, points.gain), line(amount, points.coherence))

        before = row - 1 or PLAN.resamples
        valid = [trial for trial in search(sweep, start).trials if trial.valid]
        chosen = max(valid, key=lambda trial: line(trial.coefficient, points.gain, before))
        assert found.replicates[row - 1] == pytest.approx(chosen.trait)
        flattered += chosen.trait < max(trial.trait for trial in valid)
    assert flattered > 10  # the resamples do not agree on the best, or this test would see nothing


def test_a_search_beyond_what_was_measured_goes_down_and_finds_nothing_where_nothing_was():
    curve = level([1, 2], [30, 60], [95, 90])
    assert search_on_curve(curve, BASELINE, COHERENT, 2.2, PLAN).value == pytest.approx(30 * 2.2 * 0.865)
    with pytest.raises(NoValidRun, match="None of 5 trials"):
        search_on_curve(curve, BASELINE, COHERENT, 20.0, PLAN)
    with pytest.raises(NoValidRun, match="None of 1 trials"):
        search_on_curve(curve, BASELINE, COHERENT, 0.49, PLAN, steps=1)
    with pytest.raises(CannotTell, match=r"cannot be told|None of 1"):
        search_on_curve(noisy(9, [50, 60], [70, 69]), BASELINE, COHERENT, 1.5, PLAN, steps=1)
    for wrong in ({"steps": 0}, {"momentum": 1.0}, {"down": 1.1}, {"up": 0.9}, {"start_amount": 0.0}):
        with pytest.raises(ValueError, match="cannot run"):
            search_on_curve(curve, BASELINE, COHERENT, **{"start_amount": 1.0, "plan": PLAN} | wrong)


def test_2000_resamples_of_10_runs_and_120_questions_take_well_under_100_ms():
    curve, plan = noisy(0, list(range(5, 95, 9)), list(range(95, 45, -5)), 120), Plan((120,))
    plan.counts()
    took = []
    for _ in range(5):
        started = process_time()
        best_on_curves([curve], np.zeros(120), np.full(120, 95.0), plan)
        took.append(process_time() - started)
    assert min(took) < 0.1
