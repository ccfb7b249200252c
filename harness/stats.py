"""Turns scores into quantities with replicates: means, paired differences, any statistic, and the best run of
a grid."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.directions import DegenerateDirection
from harness.resampling import (
    Bounds,
    CannotTell,
    Estimate,
    Plan,
    PlanMismatch,
    Replicated,
    interval,
    resample_indices,
    stratified_indices,
)
from harness.shapes import checked

__all__ = [
    "Best",
    "Bounds",
    "CannotTell",
    "Estimate",
    "NoValidRun",
    "Plan",
    "PlanMismatch",
    "Replicated",
    "best_of_grid",
    "best_valid_coefficient",
    "best_valid_delta",
    "bootstrap",
    "interval",
    "mean_of",
    "paired_difference",
    "resample_indices",
    "stratified_indices",
]

GATE = 70.0  # mean coherence from which a run is valid
MIN_JUDGED = 0.8  # share of units that must be judged for a run to be valid
SCORES = (0.0, 100.0)  # what a judge can give
MISSING_REPLICATES = 0.05  # share of resamples that may lack a valid run before it cannot be told whether there is one
ROUNDING = 1e-9  # a mean this close below the gate has reached it


class NoValidRun(CannotTell):
    """No run of a sweep is coherent enough, or that cannot be told; never to be read as Delta = 0."""


@checked
def mean_of(
    scores: Float[np.ndarray, "units"], plan: Plan, unit: str = "points", bounds: Bounds | None = None
) -> Replicated:
    """The mean score per unit; NaN is a missing score, left out and never counted as 0.

    `bounds` are the smallest and largest score possible. Raises ValueError if fewer than 2 scores are there,
    or if one is infinite or outside the bounds.
    """
    judged = ~np.isnan(scores)
    if judged.sum() < 2:
        raise ValueError(f"{judged.sum()} of {len(scores)} {plan.sample} have a score: at least 2 must be judged.")
    require_within(scores, bounds)
    replicates = means(counts_for(scores, plan), scores[None])[:, 0]
    return Replicated(float(np.nanmean(scores)), replicates, plan, unit, int(judged.sum()), bounds)


@checked
def paired_difference(
    one: Float[np.ndarray, "units"],
    other: Float[np.ndarray, "units"],
    plan: Plan,
    unit: str = "points",
    bounds: Bounds | None = None,
) -> Replicated:
    """The mean of one minus other over the units that have both scores; `bounds` are those of a single score.

    Errors as in `mean_of`.
    """
    require_within(one, bounds)
    require_within(other, bounds)
    return mean_of(one - other, plan, unit, gain_bounds(bounds))


@checked
def bootstrap(statistic: Callable[..., float], plan: Plan, unit: str, bounds: Bounds | None = None) -> Replicated:
    """Any statistic of a plan's units, called with one array of indices per stratum, once per resample.

    A resample on which it has no direction or no value (DegenerateDirection, NaN) is missing. Errors of the
    statistic on the whole data are passed on.
    """
    value = float(statistic(*(np.arange(size) for size in plan.sizes)))
    replicates = np.full(plan.resamples, np.nan)
    for resample, chosen in enumerate(zip(*plan.indices(), strict=True)):
        try:
            replicates[resample] = statistic(*chosen)
        except DegenerateDirection:
            continue
    return Replicated(value, np.where(np.isfinite(replicates), replicates, np.nan), plan, unit, plan.n, bounds)


@dataclass(frozen=True, eq=False)
class Best:
    """The best valid run of a grid.

    delta: its mean trait minus the mean baseline, in trait points.
    run: the index of the best run in the data.
    runs: (resamples,) the run chosen for each replicate of `delta`, -1 where none was valid.
    valid: (runs,) which runs are valid in the data.
    """

    delta: Replicated
    run: int
    runs: np.ndarray
    valid: np.ndarray

    def coefficient(self, coefficients: np.ndarray) -> Replicated:
        """The coefficient of the best run, given those of all runs; it is known no finer than the grid's
        steps."""
        if coefficients.shape != self.valid.shape:
            raise ValueError(
                f"{coefficients.shape} coefficients do not fit a grid of {len(self.valid)} runs: give one per run."
            )
        chosen = np.where(self.runs >= 0, coefficients.astype(np.float64)[self.runs], np.nan)
        return Replicated(float(coefficients[self.run]), chosen, self.delta.plan, "coefficient", self.delta.n)


@checked
def best_of_grid(
    trait: Float[np.ndarray, "runs units"],
    coherence: Float[np.ndarray, "runs units"],
    baseline_trait: Float[np.ndarray, "units"],
    plan: Plan,
    gate: float | int = GATE,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> Best:
    """The largest mean gain in trait over the baseline among runs whose mean coherence reaches `gate`, in
    trait points.

    The gain of a run is paired: a question counts where both its response and its unsteered response are
    judged, so that losing hard questions to gibberish is no gain. NaN is a missing judgement; a run with fewer
    than `min_judged` of its units judged, in trait and in coherence, is not valid. The run is chosen again in
    every resample, and its score is then read in the next resample, which knows nothing of that choice: read
    where it was chosen, a maximum flatters itself, and with many equally good runs such an interval misses the
    truth altogether. In simulations of 60 to 120 all-or-nothing scores and 2 to 30 runs, tied or apart, this
    covers 95 to 100 %: it errs towards INCONCLUSIVE.

    Raises NoValidRun if no run of the data is valid, or none in over 5 % of the resamples; ValueError if the
    baseline is not judged often enough or a score is outside `score_range`.
    """
    for scores in (trait, coherence, baseline_trait):
        require_within(scores, score_range)
    require_judged(baseline_trait, min_judged)
    everything = np.ones((1, plan.sizes[0]))
    counts = counts_for(baseline_trait, plan)
    gain = trait - baseline_trait
    choice, mean_gain, valid = _choose(everything, gain, trait, coherence, gate, min_judged)
    run = int(choice[0])
    if run < 0:
        reached = means(everything, coherence)[0]
        best_seen = "none" if np.isnan(reached).all() else f"{np.nanmax(reached):.1f}"
        raise NoValidRun(
            f"None of {len(trait)} runs is valid at coherence {gate:g} or more (best seen: {best_seen}): "
            "this is no Delta of 0, so sweep other coefficients."
        )
    choices, gains, _ = _choose(counts, gain, trait, coherence, gate, min_judged)
    without = int((choices < 0).sum())
    if without > MISSING_REPLICATES * plan.resamples:
        raise NoValidRun(
            f"Whether one of {len(trait)} runs is valid at coherence {gate:g} or more cannot be told: "
            f"{without} of {plan.resamples} resamples have none, so sweep finer or ask more {plan.sample}."
        )
    runs = np.roll(choices, 1)
    delta = Replicated(
        value=float(mean_gain[0, run]),
        replicates=np.where(runs >= 0, gains[np.arange(plan.resamples), runs], np.nan),
        plan=plan,
        unit="trait points",
        n=int((~np.isnan(gain[run])).sum()),
        bounds=gain_bounds(score_range),
        baseline=baseline_key(baseline_trait),
    )
    return Best(delta, run, runs, valid[0])


def best_valid_delta(
    trait: np.ndarray,
    coherence: np.ndarray,
    baseline_trait: np.ndarray,
    plan: Plan,
    gate: float = GATE,
    min_judged: float = MIN_JUDGED,
) -> Replicated:
    """The Delta of the best valid run; see `best_of_grid` for arguments and errors."""
    return best_of_grid(trait, coherence, baseline_trait, plan, gate, min_judged).delta


def best_valid_coefficient(
    trait: np.ndarray,
    coherence: np.ndarray,
    baseline_trait: np.ndarray,
    coefficients: np.ndarray,
    plan: Plan,
    gate: float = GATE,
    min_judged: float = MIN_JUDGED,
) -> Replicated:
    """The coefficient of the best valid run; see `best_of_grid`, `Best.coefficient`. Compare it by
    `log_ratio`."""
    return best_of_grid(trait, coherence, baseline_trait, plan, gate, min_judged).coefficient(coefficients)


def _choose(
    counts: np.ndarray, gain: np.ndarray, trait: np.ndarray, coherence: np.ndarray, gate: float, min_judged: float
) -> tuple[Int[np.ndarray, "resamples"], Float[np.ndarray, "resamples runs"], Bool[np.ndarray, "resamples runs"]]:
    """Per resample: the valid run of largest mean gain (-1 if none), every run's mean gain, which are valid.

    Whether enough is judged is asked of the data, not of a resample: it says whether a run was measured at
    all.
    """
    mean_gain, mean_coherence = means(counts, gain), means(counts, coherence)
    measured = (judged_share(trait, coherence) >= min_judged - ROUNDING) & np.isfinite(mean_gain)
    valid = measured & (mean_coherence >= gate - ROUNDING)
    choices = np.where(valid, mean_gain, -np.inf).argmax(axis=1)
    return np.where(valid.any(axis=1), choices, -1), mean_gain, valid


def means(counts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean of the judged scores of every row of `scores` in every resample, (resamples, rows); NaN if none is
    judged."""
    judged = ~np.isnan(scores)
    sums = counts @ np.where(judged, scores, 0.0).astype(np.float64).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / (counts @ judged.astype(np.float64).T)


def counts_for(scores: np.ndarray, plan: Plan) -> np.ndarray:
    """The plan's counts (resamples, units), for scores of as many units; PlanMismatch if they are not."""
    if plan.sizes != (len(scores),):
        raise PlanMismatch(
            f"{len(scores)} scores do not fit a plan for {plan.sizes} {plan.sample}: give one score per unit."
        )
    return plan.counts()


def judged_share(trait: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """Share of the units judged in every run, the smaller of trait and coherence, (runs,)."""
    return np.minimum((~np.isnan(trait)).mean(axis=1), (~np.isnan(coherence)).mean(axis=1))


def gain_bounds(score_range: Bounds | None) -> Bounds | None:
    """The smallest and largest difference of two scores of this range; None if it is unknown."""
    return None if score_range is None else (score_range[0] - score_range[1], score_range[1] - score_range[0])


def baseline_key(baseline_trait: np.ndarray) -> str:
    """The name of a baseline's scores, so that it is known to cancel between two gains over it."""
    return hashlib.sha256(baseline_trait.astype(np.float64).tobytes()).hexdigest()[:16]


def require_judged(baseline_trait: np.ndarray, min_judged: float) -> None:
    """ValueError unless 2 and `min_judged` of the baseline's responses are judged."""
    judged = int((~np.isnan(baseline_trait)).sum())
    if judged < max(2.0, min_judged * len(baseline_trait) - ROUNDING):
        raise ValueError(
            f"Only {judged} of {len(baseline_trait)} baseline responses are judged, "
            f"but {min_judged:.0%} must be: judge them again."
        )


def require_within(scores: np.ndarray, bounds: Bounds | None) -> None:
    """ValueError if a score that is there lies outside the bounds or is infinite."""
    present = scores[~np.isnan(scores)]
    low, high = bounds or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    if present.size and not (low <= present.min() and present.max() <= high):
        raise ValueError(
            f"Scores from {present.min()} to {present.max()} leave their range of {low} to {high}: check the judge."
        )
