"""Dose-response curves between the amounts that were run: their means in every resample, and what they say at one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness.shapes import checked
from harness.stats import averages
from harness.stats.averages import GAINS, MIN_JUDGED, ROUNDING, SCORES
from harness.stats.crossfit import Means, Places, means_by_part, topics_of
from harness.stats.evidence import Bracketed
from harness.stats.resampling import CannotTell, Replicated, Resampling

SAME_AMOUNT = 1e-6  # relative difference below which two amounts are one


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
    """A curve's measured points, the unsteered one first: means over all questions and over all but a fold of them.

    amounts: (knots,). gain: means over 1 + resamples rows, paired with the baseline, row 0 the data. coherence: (1, 1 +
    resamples, knots), over all questions. least_coherence: the same, judgements that are missing beyond the share of
    the unsteered run being counted as 0: judges tend to fail on gibberish, so a mean over the judged is too high.
    judged: (knots,) units behind each gain. measured: (knots,) which were judged often enough.
    """

    amounts: np.ndarray
    gain: Means
    coherence: np.ndarray
    least_coherence: np.ndarray
    judged: np.ndarray
    measured: np.ndarray

    def locate(self, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(left knot, weight, measured) of any amounts; not measured below 0, beyond the last run or in a gap."""
        last = len(self.amounts) - 1
        # Runs of two directions at one dose differ by rounding: an amount that near to a knot is the knot.
        segments = np.clip(np.searchsorted(self.amounts, amounts * (1 + SAME_AMOUNT), side="right") - 1, 0, last)
        right = np.minimum(segments + 1, last)
        steps = np.where(right > segments, self.amounts[right] - self.amounts[segments], 1.0)
        weights = (amounts - self.amounts[segments]) / steps
        on_a_knot = np.abs(amounts - self.amounts[segments]) <= SAME_AMOUNT * self.amounts[segments]
        reaches = on_a_knot | (self.measured[right] & (right > segments))
        return segments, np.where(on_a_knot, 0.0, weights), self.measured[segments] & reaches & (amounts >= 0)


@checked
def knots(
    curve: Curve,
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    resampling: Resampling,
    only: np.ndarray | None = None,
) -> Knots:
    """The points between which a curve is linear in its amount, over `only` some of the units if a mask is given.

    A run of which a smaller share than MIN_JUDGED is judged, in trait or in coherence, is no knot: the curve is
    cut there into pieces, and no piece bridges the gap. CannotTell if the baseline is not judged often enough,
    ValueError if a score is outside SCORES.
    """
    for scores in (curve.trait, curve.coherence, baseline_trait, baseline_coherence):
        averages.require_within(scores, SCORES)
    averages.require_judged(baseline_trait)
    averages.require_judged(baseline_coherence)
    trait = np.vstack([baseline_trait, curve.trait])
    coherence = np.vstack([baseline_coherence, curve.coherence])
    enough = averages.judged_share(trait, coherence) >= MIN_JUDGED - ROUNDING
    counts = np.vstack([np.ones(resampling.n), averages.counts_for(baseline_trait, resampling)])
    paired, kept = trait - baseline_trait, slice(None) if only is None else only
    gain = means_by_part(counts[:, kept], paired[:, kept], topics_of(resampling)[kept])
    mean_coherence = averages.means(counts[:, kept], coherence[:, kept])[None]
    share = (~np.isnan(coherence)).mean(axis=1)
    return Knots(
        amounts=np.concatenate([[0.0], curve.amounts]).astype(np.float64),
        gain=gain,
        coherence=mean_coherence,
        least_coherence=mean_coherence * (share / np.maximum(share, share[0])),
        judged=(~np.isnan(paired)).sum(axis=1),
        measured=enough & np.isfinite(gain.whole[0, 0]) & np.isfinite(mean_coherence[0, 0]),
    )


@checked
def at_amount(
    curve: Curve,
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    amount: float | int,
    resampling: Resampling,
) -> tuple[Replicated, Replicated]:
    """The interpolated gain over the baseline (trait points) and mean coherence (coherence points) at one amount.

    Nothing is chosen, so nothing is read elsewhere; coherence may lie below any gate. Raises ValueError if the
    amount is negative, lies beyond the last run or in a gap left by runs that were not judged often enough.
    """
    each = knots(curve, baseline_trait, baseline_coherence, resampling)
    place = Places(*(part[None, None] for part in each.locate(np.array([amount], dtype=np.float64))))
    if not place.allowed.all():
        reached = each.amounts[each.measured].tolist()
        raise CannotTell(f"Amount {amount:g} was not measured: ask between neighbours of {reached}, or run it.")
    left = int(place.left[0, 0, 0])
    n = int(each.judged[left : left + (2 if place.weight[0, 0, 0] > 0 else 1)].min())
    gain, coherence = (place.along(values[:1])[0, :, 0] for values in (each.gain.whole, each.coherence))
    return gain_of(gain, resampling, n, baseline_trait), Replicated(
        float(coherence[0]), coherence[1:], resampling, "coherence points", n, SCORES
    )


def gain_of(replicates: np.ndarray, resampling: Resampling, n: int, baseline_trait: np.ndarray) -> Replicated:
    """A gain over the baseline from its value (entry 0) and its replicates (the rest)."""
    return Replicated(
        float(replicates[0]),
        replicates[1:],
        resampling,
        "trait points",
        n,
        GAINS,
        averages.baseline_key(baseline_trait),
    )


@checked
def curve_gap(
    one: Curve,
    other: Curve,
    resampling: Resampling,
    of: Literal["trait", "coherence"] = "trait",
) -> Bracketed:
    """How far two curves lie apart: the mean over their common measured amounts of |mean one - mean other|, in points,
    over the questions judged in both.

    Noise makes a distance larger, which bounds it from above; from below it is bounded by the distance in which every
    amount's sign is taken from other questions than its difference. An interval wholly within a distance thus shows
    equivalence, one wholly beyond it a difference. Raises ValueError if no amount is common and measured in both.
    """
    first, second = getattr(one, of), getattr(other, of)
    for scores in (one.trait, one.coherence, other.trait, other.coherence):
        averages.require_within(scores, SCORES)
    enough = [averages.judged_share(each.trait, each.coherence) >= MIN_JUDGED - ROUNDING for each in (one, other)]
    same = np.isclose(one.amounts[:, None], other.amounts[None], rtol=SAME_AMOUNT, atol=0.0)
    pairs = np.argwhere(same & enough[0][:, None] & enough[1][None])
    if not len(pairs):
        raise ValueError(
            f"Amounts {one.amounts.tolist()} and {other.amounts.tolist()} have none measured in common: "
            "run both curves at the same amounts."
        )
    apart = first[pairs[:, 0]] - second[pairs[:, 1]]
    counts = np.vstack([np.ones(resampling.n), averages.counts_for(apart[0], resampling)])
    means = means_by_part(counts, apart, topics_of(resampling))
    folds = means.folds
    shares = folds.judged / folds.judged.sum(axis=0)
    signed = (np.sign(folds.others) * np.nan_to_num(shares * folds.own)).sum(axis=0).mean(axis=1)
    n = int((~np.isnan(apart)).sum(axis=1).min())
    below, above = (  # recentred, for a resample adds noise once more
        Replicated(float(found[0]), found[1:], resampling, "points", n, (least, GAINS[1])).recentred()
        for found, least in ((signed, GAINS[0]), (np.abs(means.whole[0]).mean(axis=1), 0.0))
    )
    return Bracketed(below, above, least=0.0)
