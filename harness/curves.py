"""Dose-response curves between the amounts that were run: their means in every resample, and what they say at one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness import stats
from harness.resampling import Bounds, CannotTell, Plan, Replicated
from harness.shapes import checked
from harness.stats import MIN_JUDGED, ROUNDING, SCORES

SPLITS = 50  # random halvings of the questions in a gap between curves


@dataclass(frozen=True, eq=False)
class Curve:
    """The runs of one direction at one block, by ascending amount.

    amounts: (runs,) positive and strictly ascending, in any unit (doses, coefficients).
    trait, coherence: (runs, units), 0 to 100, NaN where a judgement is missing.
    """

    amounts: np.ndarray
    trait: np.ndarray
    coherence: np.ndarray

    def __post_init__(self) -> None:
        runs = len(self.amounts)
        if self.trait.ndim != 2 or self.trait.shape != self.coherence.shape or self.trait.shape[0] != runs or not runs:
            raise ValueError(
                f"A curve of {runs} amounts cannot have trait {self.trait.shape} and coherence "
                f"{self.coherence.shape}: give one row of scores per amount in both."
            )
        ascending = np.diff(self.amounts, prepend=0.0)
        if not (np.isfinite(self.amounts).all() and (ascending > 0).all()):
            raise ValueError(
                f"Amounts {self.amounts.tolist()} make no curve: give them positive, finite and strictly ascending."
            )


@dataclass(frozen=True, eq=False)
class Knots:
    """A curve's measured points, the unsteered one first: means of the data (row 0) and of every resample.

    amounts: (knots,). gain, coherence: (1 + resamples, knots), gain paired with the baseline. judged: (knots,)
    units behind each gain. measured: (knots,) which were judged often enough.
    """

    amounts: np.ndarray
    gain: np.ndarray
    coherence: np.ndarray
    judged: np.ndarray
    measured: np.ndarray

    def at(self, rows: np.ndarray, segments: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The gain of `rows` at the point `weights` of the way from knot `segments` to the next."""
        right = np.minimum(segments + 1, len(self.amounts) - 1)
        left_gain, right_gain = self.gain[rows, segments], self.gain[rows, right]
        return np.where(weights > 0, left_gain + weights * (right_gain - left_gain), left_gain)

    def locate(self, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(segment, weight, measured) of any amounts; not measured below 0, beyond the last run or in a gap."""
        last = len(self.amounts) - 1
        segments = np.clip(np.searchsorted(self.amounts, amounts, side="right") - 1, 0, last)
        right = np.minimum(segments + 1, last)
        steps = np.where(right > segments, self.amounts[right] - self.amounts[segments], 1.0)
        weights = (amounts - self.amounts[segments]) / steps
        on_a_knot = np.abs(weights) <= ROUNDING
        reaches = on_a_knot | (self.measured[right] & (right > segments))
        return segments, np.where(on_a_knot, 0.0, weights), self.measured[segments] & reaches & (amounts >= 0)


@checked
def knots(
    curve: Curve,
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    plan: Plan,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> Knots:
    """The points between which a curve is linear in its amount; errors of scores as in `stats.best_of_grid`.

    A run of which fewer than `min_judged` units are judged, in trait or in coherence, is no knot: the curve is
    cut there into pieces, and no piece bridges the gap.
    """
    for scores in (curve.trait, curve.coherence, baseline_trait, baseline_coherence):
        stats.require_within(scores, score_range)
    stats.require_judged(baseline_trait, min_judged)
    stats.require_judged(baseline_coherence, min_judged)
    counts = np.vstack([np.ones(plan.sizes[0]), stats.counts_for(baseline_trait, plan)])
    trait = np.vstack([baseline_trait, curve.trait])
    coherence = np.vstack([baseline_coherence, curve.coherence])
    paired = trait - baseline_trait
    gain, mean_coherence = stats.means(counts, paired), stats.means(counts, coherence)
    enough = stats.judged_share(trait, coherence) >= min_judged - ROUNDING
    return Knots(
        amounts=np.concatenate([[0.0], curve.amounts]).astype(np.float64),
        gain=gain,
        coherence=mean_coherence,
        judged=(~np.isnan(paired)).sum(axis=1),
        measured=enough & np.isfinite(gain[0]) & np.isfinite(mean_coherence[0]),
    )


@checked
def at_amount(
    curve: Curve,
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    amount: float | int,
    plan: Plan,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> tuple[Replicated, Replicated]:
    """The interpolated gain over the baseline (trait points) and mean coherence (coherence points) at one amount.

    Nothing is chosen, so nothing is read elsewhere; coherence may lie below any gate. Raises ValueError if the
    amount is negative, lies beyond the last run or in a gap left by runs that were not judged often enough.
    """
    each = knots(curve, baseline_trait, baseline_coherence, plan, min_judged, score_range)
    segments, weights, measured = each.locate(np.array([amount], dtype=np.float64))
    if not measured[0]:
        reached = each.amounts[each.measured].tolist()
        raise CannotTell(f"Amount {amount:g} was not measured: ask between neighbours of {reached}, or run it.")
    left, weight = int(segments[0]), float(weights[0])
    right = left + 1 if weight > 0 else left
    rows = np.arange(1 + plan.resamples)
    gain = each.at(rows, np.full(len(rows), left), np.full(len(rows), weight))
    coherence = each.coherence[:, left] + weight * (each.coherence[:, right] - each.coherence[:, left])
    n = int(min(each.judged[left], each.judged[right]))
    return gain_of(gain, plan, n, baseline_trait, score_range), Replicated(
        float(coherence[0]), coherence[1:], plan, "coherence points", n, score_range
    )


def gain_of(
    replicates: np.ndarray, plan: Plan, n: int, baseline_trait: np.ndarray, score_range: Bounds | None
) -> Replicated:
    """A gain over the baseline from its value (entry 0) and its replicates (the rest)."""
    return Replicated(
        float(replicates[0]),
        replicates[1:],
        plan,
        "trait points",
        n,
        stats.gain_bounds(score_range),
        stats.baseline_key(baseline_trait),
    )


@checked
def curve_gap(
    one: Curve,
    other: Curve,
    plan: Plan,
    of: Literal["trait", "coherence"] = "trait",
    splits: int = SPLITS,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> Replicated:
    """How much further two curves lie apart than two halves of the questions do on one of them, in points.

    The distance is the mean over their common measured amounts of |mean one - mean other|, over the questions
    judged in both. The noise is the same distance between two random halves of the questions within a curve,
    averaged over `splits` fixed splits and both curves. Two halves differ by more than two curves over all of
    the questions, so curves that coincide come out a little below 0 (about -2 points for 120 all-or-nothing
    answers), and 0 is a gap that the noise of half the questions would show. All of it is computed again in
    every resample.

    An absolute value of something near 0 grows when noise is added, and a resample adds noise: the replicates
    are moved by their mean bias, so that they lie around the value. In simulations with 120 questions, curves
    that coincide are then never refuted as at most 0, curves 20 points apart nearly always, and a gap whose
    expectation is the bound in about 2.5 % (reports/statistics).
    Raises ValueError if no amount is common and measured in both, or an impossible number of splits.
    """
    first, second = getattr(one, of), getattr(other, of)
    for scores in (one.trait, one.coherence, other.trait, other.coherence):
        stats.require_within(scores, score_range)
    enough = [stats.judged_share(each.trait, each.coherence) >= min_judged - ROUNDING for each in (one, other)]
    same = np.isclose(one.amounts[:, None], other.amounts[None], rtol=ROUNDING, atol=0.0)
    pairs = np.argwhere(same & enough[0][:, None] & enough[1][None])
    if not len(pairs) or splits < 1:
        raise ValueError(
            f"Amounts {one.amounts.tolist()} and {other.amounts.tolist()} have {len(pairs)} measured in common and "
            f"{splits} splits were asked for: run both curves at the same amounts and split at least once."
        )
    first, second = first[pairs[:, 0]], second[pairs[:, 1]]
    counts = np.vstack([np.ones(plan.sizes[0]), stats.counts_for(first[0], plan)])
    distance = np.abs(stats.means(counts, first - second)).mean(axis=1)
    noise, seen = np.zeros(len(counts)), np.zeros(len(counts))
    for half in _halves(plan.sizes[0], splits):
        apart = stats.means(counts * half, np.vstack([first, second])) - stats.means(
            counts * ~half, np.vstack([first, second])
        )
        apart = np.abs(apart).mean(axis=1)  # NaN where a resample has no judged question in one of the halves
        noise, seen = noise + np.nan_to_num(apart), seen + np.isfinite(apart)
    with np.errstate(invalid="ignore"):
        noise /= seen
    gap = distance - noise
    n = int((~np.isnan(first - second)).sum(axis=1).min())
    return Replicated(float(gap[0]), gap[1:], plan, "points", n, stats.gain_bounds(score_range)).recentred()


def _halves(units: int, splits: int) -> np.ndarray:
    """Fixed random halves of the units, (splits, units) bool."""
    order = np.random.default_rng([units, splits]).permuted(np.tile(np.arange(units), (splits, 1)), axis=1)
    return order < units // 2
