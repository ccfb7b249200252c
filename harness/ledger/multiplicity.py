"""Holm's correction over a ledger of claims: a p-value for every decision, and which decisions survive together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harness.ledger.verdict import Rule, Verdict
from harness.shapes import checked
from harness.stats.evidence import Evidence
from harness.stats.tails import SMALLEST, End

__all__ = ["FAMILY_LEVEL", "SMALLEST", "Holm", "holm", "p_decided", "p_refute", "p_support", "surviving"]

FAMILY_LEVEL = 0.05  # largest chance of any false decision in one ledger


@dataclass(frozen=True)
class _End:
    """A demand on one end of an interval: that `low` (or `high`) lies on the far side of `bound` from outside.

    The low end must be `bound` or more, the high end `bound` or less; beyond it if `strict`.
    """

    end: End
    bound: float
    strict: bool


def p_support(quantity: Evidence, rule: Rule) -> float:
    """The smallest alpha at which the interval of level 1 - alpha wholly satisfies the rule; in (0, 1].

    Two-sided, as the intervals are: at most 0.05 exactly where the 95 % interval supports (see
    `tails.level_of_end`). It is 1 if the value itself does not satisfy the rule. Raises CannotTell and ValueError as
    `Evidence.estimate` does.
    """
    return _p_value(quantity, _demands(rule, Verdict.SUPPORTED))


def p_refute(quantity: Evidence, rule: Rule) -> float:
    """The smallest alpha at which the interval of level 1 - alpha wholly violates the rule; see `p_support`."""
    return _p_value(quantity, _demands(rule, Verdict.REFUTED))


def p_decided(quantity: Evidence, rule: Rule) -> float:
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


def _p_value(quantity: Evidence, groups: tuple[tuple[_End, ...], ...]) -> float:
    quantity.estimate()  # raises what it cannot tell
    return min(max(quantity.level_of_end(one.end, one.bound, one.strict) for one in group) for group in groups)
