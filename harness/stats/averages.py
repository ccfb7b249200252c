"""Turns scores into quantities with replicates: means, paired differences, any statistic of the units."""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from harness.shapes import checked
from harness.stats.resampling import Bounds, CannotTell, Replicated, Resampling, ResamplingMismatch
from harness.stats.tails import NoValue

GATE = 70.0  # mean coherence from which a run is valid
MIN_JUDGED = 0.8  # share of units that must be judged for a run to be valid
SCORES = (0.0, 100.0)  # what a judge can give
GAINS = (-100.0, 100.0)  # what two scores can differ by
MISSING_REPLICATES = 0.05  # share of resamples that may lack a valid run before it cannot be told whether there is one
ROUNDING = 1e-9  # a mean this close below the gate has reached it


class NoValidRun(CannotTell):
    """No run of a sweep is coherent enough, or that cannot be told; never to be read as Delta = 0."""


@checked
def mean_of(
    scores: Float[np.ndarray, "units"], resampling: Resampling, unit: str = "points", bounds: Bounds | None = None
) -> Replicated:
    """The mean score per unit; NaN is a missing score, left out and never counted as 0.

    `bounds` are the smallest and largest score possible. Raises CannotTell if fewer than 2 scores are there,
    ValueError if one is infinite or outside the bounds.
    """
    judged = ~np.isnan(scores)
    if judged.sum() < 2:
        raise CannotTell(f"{judged.sum()} of {len(scores)} {resampling.sample} are scored: at least 2 must be judged.")
    require_within(scores, bounds)
    replicates = means(counts_for(scores, resampling), scores[None])[:, 0]
    return Replicated(float(np.nanmean(scores)), replicates, resampling, unit, int(judged.sum()), bounds)


@checked
def bootstrap(statistic: Callable[[np.ndarray], float], resampling: Resampling, unit: str) -> Replicated:
    """Any statistic of resampled units, called with an array of their indices, once per resample.

    A resample on which it has no direction or no value (NoValue, NaN) is missing. Errors of the
    statistic on the whole data are passed on.
    """
    value = float(statistic(np.arange(resampling.n)))
    replicates = np.full(resampling.resamples, np.nan)
    for resample, chosen in enumerate(resampling.indices()):
        try:
            replicates[resample] = statistic(chosen)
        except NoValue:
            continue
    return Replicated(value, np.where(np.isfinite(replicates), replicates, np.nan), resampling, unit, resampling.n)


def means(counts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean of the judged scores of every row of `scores` in every resample, (resamples, rows); NaN if none is
    judged."""
    judged = ~np.isnan(scores)
    sums = counts @ np.where(judged, scores, 0.0).astype(np.float64).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / (counts @ judged.astype(np.float64).T)


def counts_for(scores: np.ndarray, resampling: Resampling) -> np.ndarray:
    """How often each resample holds each score, (resamples, units); ResamplingMismatch if they are not as many."""
    if resampling.n != len(scores):
        raise ResamplingMismatch(
            f"{len(scores)} scores do not fit a resampling of {resampling.n} {resampling.sample}: give one a unit."
        )
    return resampling.counts()


def judged_share(trait: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """Share of the units judged in every run, the smaller of trait and coherence, (runs,)."""
    return np.minimum((~np.isnan(trait)).mean(axis=1), (~np.isnan(coherence)).mean(axis=1))


def baseline_key(baseline_trait: np.ndarray) -> str:
    """The name of a baseline's scores, so that it is known to cancel between two gains over it."""
    return hashlib.sha256(baseline_trait.astype(np.float64).tobytes()).hexdigest()[:16]


def require_judged(baseline: np.ndarray) -> None:
    """CannotTell unless 2 and MIN_JUDGED of the baseline's responses are judged."""
    judged = int((~np.isnan(baseline)).sum())
    if judged < max(2.0, MIN_JUDGED * len(baseline) - ROUNDING):
        raise CannotTell(
            f"Only {judged} of {len(baseline)} baseline responses are judged, "
            f"but {MIN_JUDGED:.0%} must be: ask another judge (--judge)."
        )


def require_within(scores: np.ndarray, bounds: Bounds | None) -> None:
    """ValueError if a score that is there lies outside the bounds or is infinite."""
    present = scores[~np.isnan(scores)]
    low, high = bounds or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    if present.size and not (low <= present.min() and present.max() <= high):
        raise ValueError(
            f"Scores from {present.min()} to {present.max()} leave their range of {low} to {high}: check the judge."
        )
