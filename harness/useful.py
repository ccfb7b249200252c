"""Where the useful range of a sweep lies: coefficients with an effect whose text is still coherent."""

import numpy as np
from jaxtyping import Float

from harness.resampling import Plan, Replicated
from harness.shapes import checked
from harness.stats import GATE, MIN_JUDGED, NoValidRun, resampled_means

LEAST_DELTA = 10.0  # trait points from which a run has an effect: the size of one flipped answer in ten


@checked
def nearest_useful(
    trait: Float[np.ndarray, "runs units"],
    coherence: Float[np.ndarray, "runs units"],
    baseline_trait: Float[np.ndarray, "units"],
    amounts: Float[np.ndarray, "runs"],
    plan: Plan,
    gate: float | int = GATE,
    least_delta: float | int = LEAST_DELTA,
) -> Replicated:
    """The amount nearest to 1 that lies in the useful range; exactly 1 when 1 itself lies inside.

    `amounts` are coefficients over a coefficient of interest, so the result is how far off that one is, as a factor: 3
    means that three times as much is needed. The range runs from the smallest to the largest amount whose run has mean
    coherence `gate` or more and a mean trait `least_delta` or more above the baseline; it is found again in every
    resample. NaN is a missing judgement; a run needs 80 % of its units judged.
    Raises NoValidRun if no run of the data is useful, or none in over 5 % of the resamples.
    """
    everything = np.ones((1, plan.sizes[0]))
    judged_share = np.minimum(*((~np.isnan(scores)).mean(axis=1) for scores in (trait, coherence)))

    def nearest(counts: np.ndarray) -> np.ndarray:
        delta = resampled_means(counts, trait) - resampled_means(counts, baseline_trait[None])
        coherent = resampled_means(counts, coherence) >= gate  # NaN is not
        useful = coherent & (delta >= least_delta) & (judged_share >= MIN_JUDGED)
        low = np.where(useful, amounts, np.inf).min(axis=1)
        high = np.where(useful, amounts, -np.inf).max(axis=1)
        found = np.clip(1.0, low, np.maximum(high, low))
        return np.where(useful.any(axis=1), found, np.nan)

    value = float(nearest(everything)[0])
    replicates = nearest(plan.counts())
    without = int(np.isnan(replicates).sum())
    if np.isnan(value) or without > 0.05 * plan.resamples:
        raise NoValidRun(
            f"No useful range: of {len(trait)} runs, {'none' if np.isnan(value) else 'hardly any'} has an effect of "
            f"{least_delta:g} at coherence {gate:g} or more ({without} of {plan.resamples} resamples have none); "
            "sweep other coefficients."
        )
    judged = int((~np.isnan(baseline_trait)).sum())
    return Replicated(value, replicates, plan, "x", judged)
