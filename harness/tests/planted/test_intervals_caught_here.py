"""Faults in intervals, p-values and the best of curves that no other test would notice show here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from harness.ledger.multiplicity import p_refute, p_support
from harness.ledger.verdict import Verdict, at_least, at_most
from harness.montecarlo.worlds import scores
from harness.quantities import BestDelta, CurveGap, Quantity, Recipe
from harness.stats.crossfit import means_by_part
from harness.stats.curves import Curve, curve_gap
from harness.stats.evidence import Bracketed, Evidence, Extreme
from harness.stats.interpolation import best_on_curves, search_on_curves
from harness.stats.resampling import CannotTell, Replicated, Resampling
from harness.tests.quantities import simulated
from harness.tests.quantities.simulated import SETTINGS, World

MEAN_DIFF, PROBE, RANDOM = (Recipe(method) for method in ("mean_diff", "probe", "random"))


def quantity(value: float, spread: float = 0.0, seed: int = 0) -> Replicated:
    """A quantity whose replicates scatter normally about its value, from so many units that t is normal."""
    resampling = Resampling(2000, resamples=4000)
    replicates = np.random.default_rng(seed).permutation(norm.ppf((np.arange(4000) + 0.5) / 4000))
    return Replicated(value, value + spread * replicates, resampling, "points", 2000)


def half_width(evidence: Evidence) -> float:
    estimate = evidence.estimate()
    return (estimate.high - estimate.low) / 2


def evaluated(quantity: Quantity, world: World, **settings: int) -> Evidence:
    """A quantity on a simulated cell, under these settings."""
    cell = simulated.cell("refusal")
    changed = replace(cell, settings=replace(SETTINGS, **settings))
    return quantity.evaluate(changed, simulated.answers({"simulated": world}))


def test_extractions_widen_a_gap_between_curves_as_they_widen_a_mean() -> None:
    gap = CurveGap(MEAN_DIFF, PROBE)
    apart = World(further=lambda made, number: (24.0, -24.0, 12.0, -12.0, 0.0)[number] * (made.method == "probe"))
    alike, unlike = (evaluated(gap, world, extractions=5) for world in (World(), apart))
    assert half_width(unlike) > 2 * half_width(alike)


def test_of_a_control_it_is_asked_what_it_does_within_the_doses_that_were_run() -> None:
    still_rising = World(effect=lambda _: 50.0, best_dose=lambda _: 4.0)
    assert evaluated(BestDelta(RANDOM), still_rising).value > 10
    with pytest.raises(CannotTell, match="run larger doses"):
        evaluated(BestDelta(MEAN_DIFF), still_rising)


@pytest.mark.parametrize(
    "evidence",
    [
        Extreme("smallest", tuple(quantity(value, 1.0, seed) for seed, value in enumerate((3.0, 3.5, 9.0)))),
        Extreme("largest", tuple(quantity(value, 1.0, seed) for seed, value in enumerate((3.0, 3.5, -9.0)))),
        Bracketed(quantity(3.0, 1.0), quantity(4.0, 1.0, 1), least=0.0),
    ],
    ids=["smallest", "largest", "bracketed"],
)
def test_an_extreme_and_a_bracket_are_decided_at_a_level_exactly_if_their_p_value_is_no_larger(
    evidence: Evidence,
) -> None:
    seen = set()
    for bound in np.arange(0.1, 7.0, 0.3):
        for rule in (at_least(float(bound)), at_most(float(bound))):
            for alpha in (0.02, 0.05, 0.2):
                verdict = rule.decide(evidence.estimate(1 - alpha))
                assert (verdict is Verdict.SUPPORTED) == (p_support(evidence, rule) <= alpha), (rule, alpha)
                assert (verdict is Verdict.REFUTED) == (p_refute(evidence, rule) <= alpha), (rule, alpha)
                seen.add(verdict)
    assert len(seen) == 3


@pytest.mark.parametrize("topics", [23, 7])
def test_no_topic_is_on_both_sides_of_a_split_in_any_resample(topics: int) -> None:
    units, rng = 23, np.random.default_rng(0)
    topic = np.arange(units) % topics
    counts = np.vstack([np.ones(units), Resampling(units, resamples=100, topics=tuple(topic.tolist())).counts()])
    before = rng.uniform(0, 100, (1, units))
    for changed in range(topics):
        after = np.where(topic == changed, before + 1000.0, before)
        one, other = (means_by_part(counts, scores, topic).folds for scores in (before, after))
        (fold,) = np.flatnonzero(one.own[:, 0, 0] != other.own[:, 0, 0])
        np.testing.assert_allclose(one.others[fold], other.others[fold], rtol=1e-9)
        np.testing.assert_array_equal(np.delete(one.own, fold, axis=0), np.delete(other.own, fold, axis=0))


def test_the_best_point_of_a_curve_is_chosen_again_in_every_resample() -> None:
    units = 60
    trait = 100.0 * (np.random.default_rng(5).random((2, units)) < 0.5)
    curve = Curve(np.array([1.0, 2.0]), trait, np.full((2, units), 95.0))
    found = best_on_curves([curve], np.zeros(units), np.full(units, 95.0), Resampling(units, resamples=200))
    assert set(found.amount.replicates) == {1.0, 2.0}


def test_the_replicates_of_a_best_and_of_a_gap_lie_around_their_values() -> None:
    """Five runs that are equally good and two curves that coincide: what chance makes of them is not counted twice."""
    units, rng = 60, np.random.default_rng(1)
    resampling, runs, coherent = Resampling(units, resamples=300), np.arange(1.0, 6.0), np.full((5, units), 95.0)
    one, other = (
        Curve(runs, scores(rng, np.full(5, 0.5), rng.normal(size=units), graded=False), coherent) for _ in range(2)
    )
    gap = curve_gap(one, other, resampling)
    for found in (best_on_curves([one], np.zeros(units), coherent[0], resampling).delta, gap.below, gap.above):
        assert np.nanmean(found.replicates) == pytest.approx(found.value)


def test_a_run_near_the_gate_is_the_best_in_those_resamples_alone_in_which_it_reaches_it() -> None:
    units = 60
    resampling, near = Resampling(units, resamples=400), 71 + 20 * norm.ppf((np.arange(units) + 0.5) / units) / 2
    trait, coherence = np.outer([20.0, 60.0], np.ones(units)), np.stack([np.full(units, 95.0), near])
    curve = Curve(np.array([1.0, 2.0]), trait, coherence)
    gains = best_on_curves(
        [curve], np.zeros(units), np.full(units, 95.0), resampling, between_runs=False
    ).delta.replicates
    incoherent = resampling.counts() @ near / units < 70
    assert 0.1 < incoherent.mean() < 0.4
    np.testing.assert_allclose(gains.max() - gains, 40.0 * incoherent, atol=1e-9)


def test_the_best_trial_of_a_search_is_no_better_than_its_equals() -> None:
    units, resampling, found = 60, Resampling(60, resamples=50), []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        trait = scores(rng, np.full(6, 0.5), rng.normal(size=units), graded=True)
        curve = Curve(np.arange(1.0, 7.0), trait, np.full((6, units), 95.0))
        found.append(search_on_curves([curve], np.zeros(units), np.full(units, 95.0), [1.5], resampling).value)
    assert abs(np.mean(found) - 50) < 3 * np.std(found) / np.sqrt(len(found)) < 2
