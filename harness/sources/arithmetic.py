"""What published numbers imply about each other: bounds that follow from them without any model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.sources.intervals import Impossible, Interval
from harness.stats.resampling import Estimate

if TYPE_CHECKING:
    from harness.sources.table import PublishedTable


ROUNDING = 1e-9  # of the computation, not of what was published


def third_cosine(one: Interval, other: Interval) -> Interval:
    """cos(a, c) from cos(a, b) and cos(b, c): angles obey the triangle inequality on the sphere.

    The angle lies from the difference of the two angles to their sum, or beyond pi to 2 pi minus their sum. The `value`
    is cos(a, b) x cos(b, c), that of parts outside b that are perpendicular. Impossible if a cosine exceeds 1.
    """
    product = one * other
    first, second = angle(one), angle(other)
    difference, total = abs(first - second), first + second
    widest = total.high if total.high <= math.pi else min(math.pi, 2 * math.pi - total.low)
    low, high = sorted((math.cos(widest), math.cos(difference.low)))
    return Interval(min(max(product.value, low), high), low, high)


def angle(cosine: Interval) -> Interval:
    """The angle of a cosine in radians; Impossible if no number of the interval is a cosine."""
    if cosine.low > 1 + ROUNDING or cosine.high < -1 - ROUNDING:
        raise Impossible(f"[{cosine.low}, {cosine.high}] is no cosine: it must lie between -1 and 1.")
    ends = [math.acos(min(1.0, max(-1.0, end))) for end in (cosine.high, cosine.value, cosine.low)]
    return Interval(ends[1], ends[0], ends[2])


def share_left(direct: Interval, cleaned: Interval) -> Interval:
    """The share of a direction's norm that is left when dims are zeroed (0 to 1).

    `direct` is cos(direction, target), `cleaned` is cos(cleaned direction, target). Cleaning projects, so the share is
    cos(direction, cleaned direction), and the triangle inequality bounds it. Its `value` holds for a target without
    those dims: then direct = share x cleaned.
    """
    bounds = third_cosine(direct, cleaned)
    low, high = max(bounds.low, 0.0), min(bounds.high, 1.0)
    return Interval(min(max(direct.value / cleaned.value, low), high), low, high)


def cosine_with_own_cleaning(cleaned: Interval) -> Interval:
    """cos(target, target cleaned of the same dims), from cos(any direction without those dims, target).

    The part of a unit target outside the dims is at least as long as its projection on anything outside them, and its
    length is the cosine asked for.
    """
    size = abs(cleaned)
    return Interval(min(size.value, 1.0), min(size.low, 1.0), 1.0)


def energy(norm_share: Interval) -> Interval:
    """The share of the squared norm that a share of the norm holds, for perpendicular parts."""
    return norm_share.squared()


def mean_energy_left(mean: Interval, low: Interval, high: Interval) -> Interval:
    """The mean of squared cosines, from the mean of the cosines and their least and largest.

    At least the square of the mean (Jensen), at most what it is with every cosine at one of the ends
    (Bhatia and Davis 2000: variance <= (high - mean) x (mean - low)). The `value` is the lower bound, all alike.
    """
    spread = (high.high - mean.low) * (mean.high - low.low)
    smallest = mean.squared()
    return Interval(smallest.value, smallest.low, smallest.high + max(spread, 0.0))


def smallest_norm(massive: Interval, outside: Interval) -> Interval:
    """The smallest mean norm of vectors whose two perpendicular parts have these mean norms (Minkowski)."""
    return (massive.squared() + outside.squared()).root()


def capped_share(gate: Interval, others: Interval, cap: Interval) -> Interval:
    """The largest share of answers that can be capped in coherence while the mean still reaches the gate (0 to 1).

    Capped answers count at most `cap`, all other answers at most `others`, in coherence points.
    """
    return Interval(
        _capped_share(gate.value, others.value, cap.value),
        _capped_share(gate.high, others.low, cap.low),
        _capped_share(gate.low, others.high, cap.high),
    )


def _capped_share(gate: float, others: float, cap: float) -> float:
    """Falls with the gate and rises with both coherences; 1 where capped answers pass the gate themselves."""
    if cap >= gate:
        return 1.0
    return max(others - gate, 0.0) / (others - cap) if others > cap else 0.0


def answers(difference: Interval, questions: Interval) -> Interval:
    """A difference of two mean scores of 0 to 100, in answers flipped from 0 to 100 among so many questions."""
    return difference * questions / 100.0


@dataclass(frozen=True)
class PublishedQuantity:
    """A number that follows from published values alone: `formula` of the values named in `ids`, in `unit`.

    The formula gets one interval of rounding for each id, in their order.
    """

    unit: str
    ids: tuple[str, ...]
    formula: Callable[..., Interval]

    def compute(self, table: PublishedTable) -> Estimate:
        """The number with the bounds that rounding allows, which hold at any level; `n` counts the values used.

        Raises PublishedError for an unknown id, Impossible if the values contradict the formula's own mathematics.
        """
        result = self.formula(*(table[identity].rounded for identity in self.ids))
        return Estimate(result.value, result.low, result.high, len(self.ids), self.unit, sample="published values")
