"""Between the runs of a curve the best is found where it lies, and nothing is claimed where nothing was measured."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.montecarlo.report import remark
from harness.montecarlo.worlds import scores
from harness.stats.averages import NoValidRun
from harness.stats.curves import Curve, at_amount
from harness.stats.interpolation import UNSTEERED, best_on_curves, search_on_curves
from harness.stats.resampling import CannotTell, Resampling

examples = settings(deadline=None, derandomize=True, max_examples=40)
UNITS = 40
RESAMPLING = Resampling(UNITS, resamples=200)
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
    return best_on_curves(list(curves), BASELINE, COHERENT, RESAMPLING, **options)


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
    assert (round(peak.delta.value, 9), peak.between, peak.at_edge) == (60, (1, 1, 0.0), False)
    edge = best(level([1, 2, 3], [20, 40, 60], [90, 90, 90]))
    assert (round(edge.delta.value, 9), edge.between, edge.at_edge) == (60, (2, 2, 0.0), True)
    on_the_gate = best(level([1, 2, 3], [20, 40, 60], [90, 90, 70]))
    assert (round(on_the_gate.delta.value, 9), on_the_gate.at_edge) == (60, False)


def test_behind_a_dip_of_coherence_only_runs_that_reach_the_gate_count():
    point = best(level([1, 2, 3], [10, 80, 40], [90, 50, 90]))
    assert (point.delta.value, point.between) == (pytest.approx(45), (0, 1, pytest.approx(0.5)))
    higher = best(level([1, 2, 3], [10, 80, 60], [90, 50, 90]))
    assert (round(higher.delta.value, 9), higher.between) == (60, (2, 2, 0.0))


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
            at_amount(curve, BASELINE, COHERENT, amount, RESAMPLING)
    assert at_amount(curve, BASELINE, COHERENT, 3.5, RESAMPLING)[0].value == pytest.approx(75)
    curve.coherence[3] = np.nan
    assert best(curve).between == (2, 2, 0.0)
    assert best(curve).at_edge
    low_in_the_gap = level([1, 2, 3], [20, 90, 10], [90, 60, 90])
    low_in_the_gap.trait[1, : UNITS // 4] = np.nan
    assert best(low_in_the_gap).delta.value == pytest.approx(
        20
    )  # no crossing of the gate on the way to what was not judged
    out_of_the_gap = level([1, 2, 3], [20, 90, 90], [90, 90, 50])
    out_of_the_gap.trait[1, : UNITS // 4] = np.nan
    assert best(out_of_the_gap).delta.value == pytest.approx(20)  # nor on the way from it
    before_the_gap = level([1, 2, 3], [50, 90, 10], [90, 90, 90])
    before_the_gap.trait[1] = np.nan
    assert (best(before_the_gap).between, best(before_the_gap).at_edge) == ((0, 0, 0.0), True)


def test_doing_nothing_is_never_the_best_steering():
    harmful = level([1, 2], [10, 5], [90, 90])
    found = best_on_curves([harmful], np.full(UNITS, 30.0), COHERENT, RESAMPLING)
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
    rising = best_on_curves([level([2], [10], [80])], np.full(UNITS, 30.0), np.full(UNITS, 60.0), RESAMPLING)
    assert (rising.between, round(rising.delta.value, 9)) == ((0, 0, 0.0), -20)


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
    grid = [best(curve, between_runs=False).delta.value for curve in curves]
    assert grid == pytest.approx([60, 20])
    assert abs(interpolated[0] - interpolated[1]) < 0.5


means = st.lists(st.integers(5, 95), min_size=3, max_size=6)


@examples
@given(seed=st.integers(0, 9999), trait=means, coherence=means, scale=st.floats(0.01, 100))
def test_amounts_name_points_and_change_nothing_else(seed, trait, coherence, scale):
    """Amounts may be scaled, or stretched in any order-keeping way; and no grid run is better than where it lies."""
    runs = min(len(trait), len(coherence))
    curve = noisy(seed, trait[:runs], [max(80, coherence[0]), *coherence[1:runs]])
    found = best(curve)
    scaled = best(Curve(curve.amounts * scale, curve.trait, curve.coherence))
    np.testing.assert_allclose(scaled.delta.replicates, found.delta.replicates, atol=1e-9)
    assert scaled.between == (*found.between[:2], pytest.approx(found.between[2]))
    np.testing.assert_allclose(scaled.amount.replicates, scale * found.amount.replicates, rtol=1e-9)
    stretched = best(Curve(curve.amounts**2, curve.trait, curve.coherence))
    np.testing.assert_allclose(stretched.delta.replicates, found.delta.replicates, atol=1e-9)
    reached = curve.trait.mean(axis=1)[curve.coherence.mean(axis=1) >= 70]
    left, right, share = found.between
    runs_ = np.vstack([BASELINE, curve.trait]).mean(axis=1)
    at_point = (1 - share) * runs_[left + 1] + share * runs_[right + 1]
    assert at_point >= max([*reached, -100]) - 1e-9  # where it lies is asked of all questions


def test_a_gain_pairs_a_question_only_where_both_answers_are_judged():
    baseline = np.repeat([80.0, 0.0], UNITS // 2)
    curve = level([1, 2], [80, 80], [90, 60])
    curve.trait[:, : UNITS // 2] = 80.0
    curve.trait[:, UNITS // 2 :] = 40.0
    curve.trait[:, -5:] = np.nan
    found = best_on_curves([curve], baseline, COHERENT, RESAMPLING)
    assert found.delta.value == pytest.approx(40 * 15 / 35)
    assert found.delta.n == 35


@pytest.mark.parametrize(("blocks", "runs"), [(1, 6), (6, 6)])
def test_a_best_of_many_equal_runs_is_no_better_than_they_are(blocks, runs):
    """Read where it was chosen, the best of 6 runs looked 5 points better than each of them is, of 36 runs 8."""
    resampling, found = Resampling(60, resamples=100), []
    for seed in range(60):
        curves = [noisy(1000 * seed + block, [50] * runs, [95] * runs, 60) for block in range(blocks)]
        found.append(best_on_curves(curves, np.zeros(60), np.full(60, 95.0), resampling).delta.estimate())
    error = np.std([each.value for each in found]) / np.sqrt(len(found))
    assert abs(np.mean([each.value for each in found]) - 50) < 3 * error < 2.5
    assert np.mean([each.low > 50 for each in found]) <= 0.05


def test_a_block_whose_coherence_lasts_longer_by_chance_is_no_better():
    resampling, found = Resampling(60, resamples=50), []
    for seed in range(60):
        curves = [noisy(1000 * seed + block, [30, 60, 90], [90, 76, 56], 60) for block in range(4)]
        found.append(best_on_curves(curves, np.zeros(60), np.full(60, 95.0), resampling).delta.value)
    assert abs(np.mean(found) - 69) < 2.5  # the gate lies 30 % of the way; chosen and read together it came to 75


def test_where_coherence_lies_along_the_gate_over_several_runs_the_best_is_not_known():
    """Which runs are valid is then chance, and their gains are far apart: 20 to 40 % of such verdicts were false."""
    resampling, told = Resampling(60, resamples=200), {}
    for name, coherence in (("along", [90, 70, 70, 70, 40]), ("through", [90, 85, 75, 50, 30])):
        told[name] = 0
        for seed in range(20):
            curve = noisy(seed, [10, 20, 35, 50, 70], coherence, 60)
            try:
                best_on_curves([curve], np.zeros(60), np.full(60, 95.0), resampling)
                told[name] += 1
            except CannotTell:
                continue
    assert told == {"along": pytest.approx(1, abs=2), "through": 20}


@pytest.mark.parametrize("correlation", [0.8, -0.8])
def test_a_crossing_is_read_in_its_own_resample_so_that_trait_may_go_with_coherence(correlation):
    resampling, n, above, below, repeats, widths = Resampling(120, resamples=300), 120, 0, 0, 250, []
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
        try:
            estimate = best_on_curves([curve], np.zeros(n), np.full(n, 95.0), resampling).delta.estimate()
        except CannotTell:  # no decision
            continue
        above, below = above + (estimate.low > truth), below + (estimate.high < truth)
        widths.append(estimate.high - estimate.low)
    assert remark(max(above, below) / repeats, repeats) != "**ABOVE 5 %**"
    assert np.mean(widths) < (40 if correlation > 0 else 25)


def test_bests_over_one_baseline_are_paired_and_the_baseline_cancels():
    curve = noisy(5, [20, 50, 70], [90, 80, 60])
    one, other = best(curve).delta, best(Curve(2 * curve.amounts, curve.trait, curve.coherence)).delta
    assert np.abs((one - other).replicates).max() < 1e-9
    assert (one - other).bounds == (-100, 100)
    grid = best(curve, between_runs=False).delta
    assert (one - grid).bounds == (-100, 100)
    elsewhere = best_on_curves([curve], BASELINE + 1, COHERENT, RESAMPLING).delta
    assert (one - elsewhere).bounds == (-200, 200)


def best_of_walk(curve: Curve, start: float) -> float:
    """The published search by hand: five trials, each factor a tenth of the last and nine tenths of 1.3 or 0.85."""
    amounts, traits, coherences = [0, *curve.amounts], [0, *curve.trait[:, 0]], [90, *curve.coherence[:, 0]]
    amount, factor, best = start, 1.0, -math.inf
    for _ in range(5):
        measured = curve.amounts[0] / 2 <= amount <= curve.amounts[-1]
        valid = measured and np.interp(amount, amounts, coherences) >= 70
        if valid:
            best = max(best, float(np.interp(amount, amounts, traits)))
        factor = 0.1 * factor + 0.9 * (1.3 if valid else 0.85)
        amount *= factor
    return best


# Published for gemma3, refusal, block 15, response[:5]: coefficient, mean trait, mean coherence.
PUBLISHED = level(
    [784, 902, 1037, 1192, 1371, 1577], [1.8, 1.9, 11.4, 26.8, 53.4, 88.1], [93.3, 93.0, 93.6, 70.7, 53.7, 42.4]
)


def test_the_search_on_a_curve_is_the_published_search():
    curve = level([1, 2, 3, 4], [20, 40, 60, 75], [95, 90, 82, 60])
    peaked = level([1, 2, 3, 4], [20, 60, 10, 5], [95] * 4)  # its best trial is neither the last nor the largest
    walks = [(curve, start) for start in (0.8, 1.5, 2.2, 3.4, 4.5)]
    for searched, start in [*walks, (peaked, 1.5), (PUBLISHED, 784), (PUBLISHED, 1300)]:
        found = search_on_curves([searched], BASELINE, COHERENT, [start], RESAMPLING)
        assert found.value == pytest.approx(best_of_walk(searched, start))
    both = search_on_curves([curve, level([1, 2], [1, 2], [90, 90])], BASELINE, COHERENT, [2.2, 1.0], RESAMPLING)
    assert both.value == pytest.approx(best_of_walk(curve, 2.2))


def test_the_published_search_finds_a_valid_run_from_the_corrected_start_and_none_from_the_uncorrected_one():
    assert 15 < search_on_curves([PUBLISHED], BASELINE, COHERENT, [784], RESAMPLING).value < 30
    with pytest.raises(NoValidRun, match="None of 5 trials"):
        search_on_curves([PUBLISHED], BASELINE, COHERENT, [18_189], RESAMPLING)


def test_a_search_beyond_what_was_measured_goes_down_and_finds_nothing_where_nothing_was():
    curve = level([1, 2], [30, 60], [95, 90])
    assert search_on_curves([curve], BASELINE, COHERENT, [2.2], RESAMPLING).value == pytest.approx(30 * 2.2 * 0.865)
    with pytest.raises(NoValidRun, match="None of 5 trials"):
        search_on_curves([curve], BASELINE, COHERENT, [20.0], RESAMPLING)
    with pytest.raises(NoValidRun, match="None of 5 trials"):
        search_on_curves([curve], BASELINE, COHERENT, [0.49], RESAMPLING)
    with pytest.raises(CannotTell, match=r"cannot be told|None of 5"):
        search_on_curves([noisy(9, [50, 60], [70, 69])], BASELINE, COHERENT, [1.5], RESAMPLING)
    for starts in ([0.0], [math.inf], [1.0, 1.0]):
        with pytest.raises(ValueError, match="cannot run"):
            search_on_curves([curve], BASELINE, COHERENT, starts, RESAMPLING)
