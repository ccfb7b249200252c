"""Reads intervals from bootstrap replicates, and the level at which an end of one reaches a bound."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness.shapes import checked

LEVEL = 0.95
FEWEST = math.ceil(math.log((1 - LEVEL) / 2) / math.log(0.5))  # units that tell a difference from 0: all may agree
MISSING_REPLICATES = 0.10  # share of resamples that may lack a value; two quantities may each lack half of it
ONE_DEVIATION = 0.15865525393145707  # share of a normal distribution one standard deviation below its mean
SMALLEST = float(np.finfo(np.float64).tiny)  # where a tail underflows, a p-value stays this far above 0

Bounds = tuple[float | int, float | int]
End = Literal["low", "high"]


class NoValue(ValueError):
    """A statistic has no value on these data, such as a direction that has no length."""


class CannotTell(ValueError):
    """Too few units, or too few resamples with a value, for an interval to be read; no evidence either way."""


@checked
def interval(
    value: float,
    replicates: Float[np.ndarray, "resamples"],
    n: int,
    bounds: Bounds | None = None,
    level: float = LEVEL,
    independent: int | None = None,
) -> tuple[float, float]:
    """The interval of a value from its bootstrap replicates; it always contains the value and is never NaN.

    Percentiles expanded for small samples (Hesterberg 2015, The American Statistician 69:4), see `expanded_tail`. With
    `bounds`, united with what n units cannot exclude: a share 1 - (tail)^(1/n) of units may never have been seen (the
    rule of three) and may all sit at one bound. Replicates of NaN are left out; CannotTell if they are more than 10 %,
    or if n is below 2. Of units that were drawn in topics the `independent` ones are these, in what is expanded.
    """
    independent = _independent(n, independent)
    present = present_of(replicates, independent)
    tail = (1 - level) / 2
    expanded = expanded_tail(tail, independent)
    with np.errstate(invalid="ignore"):  # between two infinite replicates
        low, high = (float(end) for end in np.quantile(present, [expanded, 1 - expanded]))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CannotTell("A ratio has no bound, as what it is taken over may be 0: measure more units.")
    low, high = min(low, value), max(high, value)
    if bounds is not None:
        unseen = 1 - tail ** (1 / n)
        low = min(low, value - unseen * (value - bounds[0]))
        high = max(high, value + unseen * (bounds[1] - value))
        low, high = max(low, min(bounds[0], value)), min(high, max(bounds[1], value))
    return low, high


def _independent(n: int, topics: int | None) -> int:
    """How many are independent of n units: all, or their topics. CannotTell for fewer topics than FEWEST."""
    if topics is None or topics == n:
        return n
    if topics < FEWEST:
        raise CannotTell(
            f"An interval from {n} units of {topics} topics tells nothing, for so few agree by chance: "
            f"measure units of {FEWEST} topics or more."
        )
    return topics


def present_of(replicates: np.ndarray, n: int) -> np.ndarray:
    """The replicates that have a value; errors as in `interval`."""
    if n < 2:
        raise CannotTell(f"An interval from {n} unit tells nothing: measure at least 2.")
    present = replicates[~np.isnan(replicates)]
    missing = len(replicates) - len(present)
    if not len(present) or missing > MISSING_REPLICATES * len(replicates):
        raise CannotTell(
            f"{missing} of {len(replicates)} resamples give no value, so its interval cannot be told: "
            "measure more units."
        )
    return present


def level_of_end(
    value: float,
    replicates: np.ndarray,
    n: int,
    bounds: Bounds | None,
    end: End,
    bound: float,
    strict: bool,
    independent: int | None = None,
) -> float:
    """The smallest alpha at which the low (high) end of `interval` at level 1 - alpha is `bound` or more (or less).

    Beyond the bound if `strict`. It inverts `interval` in closed form. Below 1 in as many replicates as there are,
    percentiles go on as a normal tail about the median, so alpha falls continuously and is never 0. It is 1 if the
    value itself is not there. Errors as in `interval`.
    """
    independent = _independent(n, independent)
    present = present_of(replicates, independent)
    sign = 1.0 if end == "low" else -1.0  # seen so that it is the low end that must be high
    value, bound = sign * value, sign * bound
    if value < bound or (strict and value == bound):
        return 1.0
    floor = None
    if bounds is not None:
        floor = min(sign * bounds[0], sign * bounds[1])
        if floor > bound or (floor == bound and not strict):
            return SMALLEST  # nothing that is possible is on the other side
    tail = tail_from_quantile(_quantile_at(np.sort(sign * present), bound, strict), independent)
    if floor is not None and value > floor:
        tail = max(tail, ((bound - floor) / (value - floor)) ** n)
    return float(np.clip(2 * tail, SMALLEST, 1.0))


def wider(
    value: float, ends: tuple[float, float], error: float, degrees: int, bounds: Bounds | None, level: float
) -> tuple[float, float]:
    """An interval's ends, or those of Student's t about the value (within `bounds`) where they lie further out."""
    from scipy.special import stdtrit

    half = error * float(stdtrit(degrees, (1 + level) / 2))
    least, most = (-math.inf, math.inf) if bounds is None else bounds
    low, high = max(value - half, min(least, value)), min(value + half, max(most, value))
    return min(ends[0], low), max(ends[1], high)


def level_of_t(value: float, error: float, degrees: int, end: End, bound: float, bounds: Bounds | None) -> float:
    """The smallest alpha at which an end of Student's interval about the value is `bound`; see `level_of_end`."""
    from scipy.special import stdtr

    if bounds is not None and (bound < bounds[0] if end == "low" else bound > bounds[1]):
        return SMALLEST  # nothing that is possible is on the other side
    over = value - bound if end == "low" else bound - value
    if error == 0:
        return SMALLEST if over >= 0 else 1.0
    return float(np.clip(2 * stdtr(degrees, -over / error), SMALLEST, 1.0))


def expanded_tail(tail: float, n: int) -> float:
    """The share of replicates left out at each end so that each misses `tail` with `n` units; see `interval`."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(stdtrit(n - 1, tail) * math.sqrt(n / (n - 1))))


def tail_from_quantile(quantile: float, n: int) -> float:
    """The tail whose expanded share has this normal quantile: `expanded_tail` inverted, exact far out, too."""
    from scipy.special import stdtr

    return float(stdtr(n - 1, quantile / math.sqrt(n / (n - 1))))


def _quantile_at(ordered: np.ndarray, bound: float, strict: bool) -> float:
    """The normal quantile of the smallest share whose percentile of the replicates is `bound` (above it if strict).

    Below a share of 1 in as many as there are it goes on as a normal tail from the median, no steeper than the
    replicates at that edge and at one standard deviation say, and no larger than the edge.
    """
    from scipy.special import ndtri

    number = len(ordered)
    before = int(np.searchsorted(ordered, bound, side="right" if strict else "left"))
    if before == number:
        return math.inf
    share, edge = 0.0, 1 / number
    if before:
        left, right = ordered[before - 1], ordered[before]
        share = (before - 1 + (bound - left) / (right - left)) / max(number - 1, 1)
    if share >= edge:
        return float(ndtri(share))
    at_edge = float(ndtri(edge))
    extreme, lower, middle = np.quantile(ordered, [edge, ONE_DEVIATION, 0.5])
    spread = max((middle - extreme) / -at_edge, middle - lower)
    return min(at_edge, float(bound - middle) / float(spread)) if spread > 0 else -math.inf


def clopper_pearson(hits: float, trials: float, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a rate; counts may be fractions (effective numbers), which scipy's `binomtest` refuses."""
    from scipy.special import betaincinv

    tail, misses = (1 - level) / 2, trials - hits
    low = float(betaincinv(hits, misses + 1, tail)) if hits > 0 else 0.0
    return low, 1.0 - float(betaincinv(misses, hits + 1, tail)) if misses > 0 else 1.0
