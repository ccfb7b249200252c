"""Holm's correction over a ledger of claims: a p-value for every decision, and which decisions survive together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harness.resampling import Replicated, interval, tail_from_quantile
from harness.shapes import checked
from harness.verdict import Rule, Verdict

FAMILY_LEVEL = 0.05  # largest chance of any false decision in one ledger
ONE_DEVIATION = 0.15865525393145707  # share of a normal distribution one standard deviation below its mean
SMALLEST = float(np.finfo(np.float64).tiny)  # where a tail underflows, a p-value stays this far above 0


@dataclass(frozen=True)
class _End:
    """A demand on one end of an interval: that `low` (or `high`) lies on the far side of `bound` from outside.

    The low end must be `bound` or more, the high end `bound` or less; beyond it if `strict`.
    """

    end: str
    bound: float
    strict: bool

    def mirrored(self, *numbers: float) -> tuple[float, ...]:
        """The numbers as they are for a low end, and negated for a high end, which then demands the same."""
        return numbers if self.end == "low" else tuple(-number for number in numbers)


def p_support(quantity: Replicated, rule: Rule) -> float:
    """The smallest alpha at which the interval of level 1 - alpha wholly satisfies the rule; in (0, 1].

    Two-sided, as the intervals are: at most 0.05 exactly where the 95 % interval supports. It inverts
    `resampling.interval` in closed form: the expanded percentiles, and the share of units that may never have
    been seen if bounds are known; whichever asks for more. Percentiles cannot tell tails below 1 in as many
    replicates as there are; from that edge on a normal tail goes on about the median, with the wider of the
    spreads at the edge and at one standard deviation, so the p-value falls continuously and is never 0. It is 1
    if the value itself does not satisfy the rule. Raises CannotTell and ValueError as `interval` does.
    """
    return _p_value(quantity, _demands(rule, Verdict.SUPPORTED))


def p_refute(quantity: Replicated, rule: Rule) -> float:
    """The smallest alpha at which the interval of level 1 - alpha wholly violates the rule; see `p_support`."""
    return _p_value(quantity, _demands(rule, Verdict.REFUTED))


def p_decided(quantity: Replicated, rule: Rule) -> float:
    """The smaller of `p_support` and `p_refute`: the smallest alpha at which the rule is decided either way.

    An interval is two-sided, so the chance that it decides wrongly either way is alpha, and looking both ways
    costs nothing more.
    """
    return min(p_support(quantity, rule), p_refute(quantity, rule))


@dataclass(frozen=True, eq=False)
class Holm:
    """Holm's step-down over a family: which hypotheses are rejected, and their adjusted p-values, (claims,)."""

    rejected: np.ndarray
    adjusted: np.ndarray


@checked
def holm(p_values: Float[np.ndarray, "claims"], level: float | int = FAMILY_LEVEL) -> Holm:
    """Holm's (1979, Scandinavian Journal of Statistics 6:65) step-down: some false rejection in at most `level`.

    The k-th smallest of m p-values, counted from 0, is multiplied by m - k, never falls below the adjusted one
    before it and is at most 1; a hypothesis is rejected if that is `level` or less. Needs no independence.
    Raises ValueError if a p-value is not in [0, 1] or the level not in (0, 1).
    """
    if not 0 < level < 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(
            f"Holm's step-down at level {level} over p-values {p_values.tolist()} cannot be taken: "
            "give a level in (0, 1) and p-values in [0, 1], 1 for what cannot be told."
        )
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return Holm(adjusted <= level, adjusted)


@checked
def surviving(
    verdicts: Sequence[Verdict], p_values: Float[np.ndarray, "claims"], level: float | int = FAMILY_LEVEL
) -> Bool[np.ndarray, "claims"]:
    """Which decided verdicts of one model's ledger survive Holm's step-down at family-wise `level`, (claims,).

    `p_values` are those of `p_decided`; NaN counts as 1 (what could not be told was still tried). BROKEN cells
    measured nothing and are left out of the family; INCONCLUSIVE ones are counted in it and never survive.
    Errors as in `holm`; ValueError if there is not one p-value per verdict.
    """
    if len(verdicts) != len(p_values):
        raise ValueError(f"{len(verdicts)} verdicts and {len(p_values)} p-values do not fit: give one of each a cell.")
    family = np.array([verdict is not Verdict.BROKEN for verdict in verdicts], dtype=bool)
    decided = np.array([verdict in (Verdict.SUPPORTED, Verdict.REFUTED) for verdict in verdicts], dtype=bool)
    rejected = np.zeros(len(verdicts), dtype=bool)
    rejected[family] = holm(np.where(np.isnan(p_values), 1.0, p_values)[family], level).rejected
    return rejected & decided


def _demands(rule: Rule, verdict: Verdict) -> tuple[tuple[_End, ...], ...]:
    """What must hold of an interval's ends for this verdict: all demands of one of the groups."""
    first, last = rule.bounds[0], rule.bounds[-1]
    above, below = {
        "at_least": (_End("low", first, False), _End("high", first, True)),
        "more_than": (_End("low", first, True), _End("high", first, False)),
        "at_most": (_End("low", last, True), _End("high", last, False)),
        "less_than": (_End("low", last, False), _End("high", last, True)),
        "within": (_End("low", first, False), _End("high", last, False)),
    }[rule.kind]
    if rule.kind == "within":
        outside = ((_End("high", first, True),), (_End("low", last, True),))
        return ((above, below),) if verdict is Verdict.SUPPORTED else outside
    upward = rule.kind in ("at_least", "more_than")
    return ((above,),) if upward == (verdict is Verdict.SUPPORTED) else ((below,),)


def _p_value(quantity: Replicated, groups: tuple[tuple[_End, ...], ...]) -> float:
    interval(quantity.value, quantity.replicates, quantity.n, quantity.bounds)  # raises what it cannot tell
    present = quantity.replicates[np.isfinite(quantity.replicates)]
    return min(max(_p_of_end(quantity, present, demand) for demand in group) for group in groups)


def _p_of_end(quantity: Replicated, present: np.ndarray, demand: _End) -> float:
    """The smallest alpha at which one end keeps to its demand; seen so that it is the low end that must be high."""
    value, bound = demand.mirrored(quantity.value, demand.bound)
    if value < bound or (demand.strict and value == bound):
        return 1.0
    floor = None
    if quantity.bounds is not None:
        floor = min(demand.mirrored(*quantity.bounds))
        if floor > bound or (floor == bound and not demand.strict):
            return SMALLEST  # nothing that is possible is on the other side
    ordered = np.sort(present if demand.end == "low" else -present)
    tail = tail_from_quantile(_quantile_at(ordered, bound, demand.strict), quantity.n)
    if floor is not None and value > floor:
        tail = max(tail, ((bound - floor) / (value - floor)) ** quantity.n)
    return float(np.clip(2 * tail, SMALLEST, 1.0))


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
