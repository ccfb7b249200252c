"""Means leave out what is missing, and the best run of a grid pays for being picked."""

import math

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from harness.directions import DegenerateDirection
from harness.stats import (
    Estimate,
    NoValidRun,
    Plan,
    PlanMismatch,
    best_of_grid,
    best_valid_coefficient,
    best_valid_delta,
    bootstrap,
    mean_of,
    paired_difference,
)

PERCENT = (0.0, 100.0)


def covers(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_a_missing_score_is_left_out_and_never_counted_as_0():
    scores = np.array([90.0, np.nan, 80.0, np.nan, 100.0, 90.0])
    found = mean_of(scores, Plan((6,), resamples=500))
    assert found.value == pytest.approx(90)
    assert found.n == 4
    assert np.nanmin(found.replicates) >= 80
    for drawn, replicate in zip(found.plan.indices()[0], found.replicates, strict=True):
        judged = scores[drawn][~np.isnan(scores[drawn])]
        np.testing.assert_allclose(replicate, judged.mean() if judged.size else np.nan)


def test_a_pair_with_one_missing_score_is_left_out_whole():
    one, other = np.array([10.0, np.nan, 30.0, 40.0]), np.array([0.0, 0.0, np.nan, 10.0])
    assert paired_difference(one, other, Plan((4,))).value == pytest.approx((10 + 30) / 2)
    assert paired_difference(one, other, Plan((4,))).n == 2


def test_a_difference_of_bounded_scores_is_bounded_both_ways():
    same = np.full(60, 100.0)
    estimate = paired_difference(same, same, Plan((60,)), bounds=PERCENT).estimate()
    assert (estimate.low, estimate.high) == (
        pytest.approx(-estimate.high),
        pytest.approx(100 - 100 * 0.025 ** (1 / 60)),
    )


def test_scores_that_cannot_be_averaged_are_refused():
    plan = Plan((3,))
    with pytest.raises(ValueError, match="at least 2 must be judged"):
        mean_of(np.array([1.0, np.nan, np.nan]), plan)
    with pytest.raises(ValueError, match=r"leave their range of 0\.0 to 100\.0: check the judge"):
        mean_of(np.array([1.0, 2.0, 101.0]), plan, bounds=PERCENT)
    with pytest.raises(ValueError, match="leave their range"):
        mean_of(np.array([1.0, 2.0, np.inf]), plan)
    with pytest.raises(PlanMismatch, match="4 scores do not fit"):
        mean_of(np.ones(4), plan)
    with pytest.raises(TypeCheckError):
        mean_of(np.ones((3, 3)), plan)
    with pytest.raises(TypeCheckError):
        paired_difference(np.ones(3), np.ones(4), plan)


def test_bootstrap_of_the_mean_is_the_mean():
    scores = np.random.default_rng(0).normal(size=12)
    plan = Plan((12,), resamples=50)
    found = bootstrap(lambda drawn: scores[drawn].mean(), plan, "points")
    np.testing.assert_allclose(found.replicates, mean_of(scores, plan).replicates)
    assert found.value == pytest.approx(scores.mean())


def test_bootstrap_hands_each_stratum_its_own_indices():
    positive, negative = np.arange(5.0) + 10, np.arange(3.0)
    plan = Plan((5, 3), "scenarios", resamples=50)
    found = bootstrap(lambda a, b: positive[a].mean() - negative[b].mean(), plan, "points")
    assert found.value == pytest.approx(11)
    by_hand = [positive[a].mean() - negative[b].mean() for a, b in zip(*plan.indices(), strict=True)]
    np.testing.assert_allclose(found.replicates, by_hand)
    assert found.estimate().sample == "scenarios"
    assert found.n == 3


def test_a_resample_without_a_direction_is_missing_and_whole_data_without_one_is_an_error():
    def never_the_first_alone(drawn: np.ndarray) -> float:
        if (drawn == 0).all():
            raise DegenerateDirection("no direction")
        return float(drawn.mean())

    found = bootstrap(never_the_first_alone, Plan((3,), resamples=500), "points")
    assert 0 < np.isnan(found.replicates).sum() < 40
    with pytest.raises(DegenerateDirection):
        bootstrap(lambda drawn: never_the_first_alone(drawn * 0), Plan((3,)), "points")


def grid(seed: int, traits: list[float], coherences: list[float], n: int = 60) -> tuple[np.ndarray, ...]:
    """Runs of given true means: trait is all or nothing, coherence scatters by 10; the baseline is 0."""
    rng = np.random.default_rng(seed)
    trait = 100.0 * (rng.random((len(traits), n)) < np.array(traits)[:, None] / 100)
    coherence = np.clip(np.array(coherences)[:, None] + rng.normal(0, 10, (len(traits), n)), 0, 100)
    return trait, coherence, np.zeros(n)


def test_the_best_run_has_the_largest_trait_among_coherent_runs():
    trait = np.array([[0.0] * 30, [40.0] * 30, [60.0] * 30, [90.0] * 30])
    coherence = np.array([[95.0] * 30, [90.0] * 30, [70.0] * 30, [69.9] * 30])
    best = best_of_grid(trait, coherence, np.full(30, 5.0), Plan((30,)))
    assert best.run == 2
    assert best.delta.value == pytest.approx(55)
    assert best.delta.unit == "trait points"
    assert list(best.valid) == [True, True, True, False]
    assert set(best.runs) == {2}
    np.testing.assert_allclose(best.delta.replicates, 55)


def test_the_baseline_is_resampled_together_with_the_runs():
    question = np.random.default_rng(0).uniform(0, 50, 40)
    best = best_of_grid(question[None] + 30, np.full((1, 40), 90.0), question, Plan((40,)))
    np.testing.assert_allclose(best.delta.replicates, 30)


def test_a_lower_gate_lets_more_runs_in():
    trait, coherence = np.array([[40.0] * 30, [90.0] * 30]), np.array([[90.0] * 30, [68.0] * 30])
    baseline = np.zeros(30)
    assert best_valid_delta(trait, coherence, baseline, Plan((30,)), gate=68.0).value == pytest.approx(90)
    assert best_valid_delta(trait, coherence, baseline, Plan((30,))).value == pytest.approx(40)


def test_picking_the_best_of_many_equal_runs_is_paid_for():
    """Twelve runs are equally good, so the best of them looks better than any is: fixing it first hides that."""
    repeats, truth, plan = 120, 50.0, Plan((60,), resamples=500)
    chosen_again, fixed = [], []
    for seed in range(repeats):
        trait, coherence, baseline = grid(seed, [truth] * 12, [90] * 12)
        best = best_of_grid(trait, coherence, baseline, plan)
        chosen_again.append(best.delta.estimate())
        fixed.append(paired_difference(trait[best.run], baseline, plan, bounds=PERCENT).estimate())
    assert np.mean([covers(estimate, truth) for estimate in fixed]) < 0.85
    assert np.mean([estimate.low > truth for estimate in fixed]) > 0.15
    assert np.mean([covers(estimate, truth) for estimate in chosen_again]) >= 0.93


def test_intervals_of_the_best_run_cover_when_one_run_is_best_and_when_runs_rise_step_by_step():
    repeats, plan = 150, Plan((60,), resamples=500)
    for traits in ([0, 5, 10, 50], [20, 30, 40, 50, 60]):
        hits = [
            covers(best_valid_delta(*grid(seed, traits, [90] * len(traits)), plan).estimate(), max(traits))
            for seed in range(repeats)
        ]
        assert np.mean(hits) >= 0.92


def test_a_run_at_the_gate_widens_the_interval_because_its_validity_is_unsure():
    """The better run is coherent enough in the data, but only just: a fixed choice would hide that it may not be."""
    trait, coherence, baseline = grid(4, [20, 60], [95, 70.5])
    coherence[1] += 70.4 - coherence[1].mean()
    plan = Plan((60,))
    best = best_of_grid(trait, coherence, baseline, plan)
    assert best.run == 1
    assert 0.2 < (best.runs == 0).mean() < 0.6
    fixed = paired_difference(trait[1], baseline, plan).estimate()
    again = best.delta.estimate()
    assert again.low < 30 < fixed.low
    assert width(again) > 1.5 * width(fixed)


def test_a_far_better_run_just_below_the_gate_is_not_ruled_out():
    trait, coherence, baseline = grid(5, [20, 60], [95, 70])
    coherence[1] += 69.8 - coherence[1].mean()
    best = best_of_grid(trait, coherence, baseline, Plan((60,)))
    assert best.run == 0
    assert best.delta.estimate().high > 50


def test_differences_of_best_runs_are_paired_and_their_shared_baseline_cancels():
    trait, coherence, baseline = grid(6, [20, 50], [90, 90])
    plan = Plan((60,))
    one = best_valid_delta(trait, coherence, baseline, plan)
    with_a_useless_run = np.vstack([trait, 0 * trait[:1]]), np.vstack([coherence, coherence[:1]])
    other = best_valid_delta(*with_a_useless_run, baseline, plan)
    assert (one - other).estimate().value == 0
    assert np.abs((one - other).replicates).max() < 1e-9
    assert (one - other).bounds == (-100, 100)
    less_another = best_valid_delta(trait, coherence, baseline + 1, plan)
    assert (one - less_another).bounds == (-200, 200)
    assert (one - -1 * other).bounds == (-200, 200)


def test_a_sweep_without_a_coherent_run_raises_and_is_never_a_delta_of_0():
    trait, coherence, baseline = grid(7, [50, 90], [40, 60])
    with pytest.raises(NoValidRun, match=r"None of 2 runs is valid at coherence 70 or more \(best seen: \d\d\.\d\)"):
        best_valid_delta(trait, coherence, baseline, Plan((60,)))


def test_a_sweep_whose_only_run_is_now_and_then_invalid_cannot_be_told():
    trait, coherence, baseline = grid(8, [50], [70])
    coherence[0] += 70.5 - coherence[0].mean()
    with pytest.raises(NoValidRun, match=r"cannot be told: \d+ of 2000 resamples have none"):
        best_valid_delta(trait, coherence, baseline, Plan((60,)))


def test_a_few_resamples_without_a_valid_run_are_dropped_and_stay_missing_in_differences():
    trait, coherence, baseline = grid(9, [50], [70])
    coherence[0] += 72.6 - coherence[0].mean()
    plan = Plan((60,))
    best = best_of_grid(trait, coherence, baseline, plan)
    missing = np.isnan(best.delta.replicates)
    assert 0 < missing.sum() <= 100
    np.testing.assert_array_equal(missing, best.runs == -1)
    difference = best.delta - best_valid_delta(trait, np.clip(coherence + 20, 0, 100), baseline, plan)
    np.testing.assert_array_equal(np.isnan(difference.replicates), missing)
    assert math.isfinite(difference.estimate().low)
    assert np.isnan(best.coefficient(np.array([3.0])).replicates).sum() == missing.sum()


def test_missing_judgements_never_count_as_0_in_a_grid():
    trait, coherence, baseline = np.full((1, 50), 80.0), np.full((1, 50), 75.0), np.full(50, 10.0)
    trait[0, :8] = coherence[0, 5:12] = baseline[:9] = np.nan
    found = best_valid_delta(trait, coherence, baseline, Plan((50,)))
    assert found.value == pytest.approx(70)
    np.testing.assert_allclose(found.replicates[~np.isnan(found.replicates)], 70)


def test_losing_the_questions_that_score_low_is_no_gain():
    baseline = np.repeat([100.0, 0.0], [30, 90])  # a quarter shows the trait unsteered
    trait, coherence = baseline[None].copy(), np.full((1, 120), 90.0)
    trait[0, 97:] = np.nan  # steering has no effect but that 23 low answers turn to gibberish
    found = best_valid_delta(trait, coherence, baseline, Plan((120,)))
    assert found.value == 0
    assert found.n == 97
    np.testing.assert_array_equal(found.replicates, 0)


@pytest.mark.parametrize("which", ["trait", "coherence"])
def test_a_run_with_fewer_than_80_percent_judged_is_not_valid(which):
    trait, coherence = np.array([[20.0] * 50, [90.0] * 50]), np.full((2, 50), 90.0)
    scores = trait if which == "trait" else coherence
    scores[1, :11] = np.nan
    assert best_of_grid(trait, coherence, np.zeros(50), Plan((50,))).run == 0
    assert best_of_grid(trait, coherence, np.zeros(50), Plan((50,)), min_judged=0.7).run == 1
    scores[1, 10] = 90.0
    assert best_of_grid(trait, coherence, np.zeros(50), Plan((50,))).run == 1


def test_a_run_nobody_judged_is_not_valid_and_a_baseline_nobody_judged_is_an_error():
    trait, coherence, baseline = grid(10, [20, 50], [90, 90])
    trait[1], coherence[1] = np.nan, np.nan
    assert best_of_grid(trait, coherence, baseline, Plan((60,))).run == 0
    with pytest.raises(NoValidRun, match="best seen: none"):
        best_of_grid(trait[1:], coherence[1:], baseline, Plan((60,)))
    baseline[:13] = np.nan
    with pytest.raises(ValueError, match="Only 47 of 60 baseline responses are judged"):
        best_of_grid(trait, coherence, baseline, Plan((60,)))


def test_the_coefficient_of_the_best_run_is_chosen_in_every_resample():
    trait, coherence, baseline = grid(11, [45, 50], [90, 90])
    coefficients = np.array([100.0, 200.0])
    plan = Plan((60,))
    found = best_valid_coefficient(trait, coherence, baseline, coefficients, plan)
    best = best_of_grid(trait, coherence, baseline, plan)
    assert found.value == coefficients[best.run]
    np.testing.assert_array_equal(found.replicates, coefficients[best.runs])
    assert set(found.replicates) == {100.0, 200.0}
    doubled = best_valid_coefficient(trait, coherence, baseline, coefficients * 2, plan)
    assert doubled.log_ratio(found).estimate().low == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="one per run"):
        best.coefficient(np.array([1.0]))


def test_wrong_shapes_and_scores_out_of_range_are_refused():
    trait, coherence, baseline = grid(12, [20, 50], [90, 90])
    with pytest.raises(TypeCheckError):
        best_of_grid(trait[0], coherence, baseline, Plan((60,)))
    with pytest.raises(TypeCheckError):
        best_of_grid(trait, coherence, baseline[1:], Plan((60,)))
    with pytest.raises(TypeCheckError):
        best_of_grid(trait, coherence[:1], baseline, Plan((60,)))
    with pytest.raises(PlanMismatch):
        best_of_grid(trait, coherence, baseline, Plan((59,)))
    with pytest.raises(ValueError, match="check the judge"):
        best_of_grid(trait * 2, coherence, baseline, Plan((60,)))


def test_2000_resamples_of_30_runs_and_120_questions_take_well_under_half_a_second():
    from time import process_time

    rng = np.random.default_rng(0)
    trait, coherence, baseline = rng.uniform(0, 100, (30, 120)), rng.uniform(60, 100, (30, 120)), np.zeros(120)
    started = process_time()
    best_valid_delta(trait, coherence, baseline, Plan((120,)))
    assert process_time() - started < 0.5
