"""Decides between an estimate and a rule written down beforehand, and tells the story of the decision."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.stats.resampling import POWER, Estimate

MOST_UNITS = 1_000_000  # questions or scenarios; whoever needs more needs another design


class Verdict(StrEnum):
    """What a claim's cell comes to; everything that is no evidence is BROKEN."""

    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    BROKEN = "BROKEN"


class Refuted(AssertionError):
    """The whole interval violates the claim's rule."""


class Inconclusive(Exception):
    """The interval neither satisfies nor violates the claim's rule as a whole."""


@dataclass(frozen=True)
class Rule:
    """What an estimate must satisfy; made by `at_least`, `at_most`, `more_than`, `less_than` and `within`."""

    kind: str
    bounds: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"There is no rule {self.kind!r}: choose one of {', '.join(_KINDS)}.")
        wanted = 2 if self.kind == "within" else 1
        finite = all(abs(bound) < float("inf") for bound in self.bounds)  # false for NaN, too
        if len(self.bounds) != wanted or not finite or list(self.bounds) != sorted(self.bounds):
            raise ValueError(
                f"The rule {self.kind} cannot have bounds {self.bounds}: give {wanted}, finite, ascending."
            )

    def decide(self, estimate: Estimate) -> Verdict:
        """SUPPORTED if the whole interval satisfies the rule, REFUTED if the whole interval violates it, else
        INCONCLUSIVE."""
        satisfied, violated = _KINDS[self.kind](estimate.low, estimate.high, *self.bounds)
        if satisfied:
            return Verdict.SUPPORTED
        return Verdict.REFUTED if violated else Verdict.INCONCLUSIVE

    def needed(self, estimate: Estimate) -> int | None:
        """About how many units would decide in 80 % of samples, were the value the truth.

        Intervals narrow as 1 / sqrt(n), and the end that matters must lie past the bound by as much as a value is off
        in one sample of five. None where more than a million would be needed, because the value lies on a bound.
        """
        value, ends = estimate.value, (estimate.value - estimate.low, estimate.high - estimate.value)
        below, above = (end * _margin(estimate.level) for end in ends)
        # From the value down and up to the next bound: where both matter (inside `within`) the worse one counts.
        reaches = [
            (above, bound - value) if bound > value else (below, value - bound)
            for bound in self.bounds
            if len(self.bounds) == 1 or self.bounds[0] <= value <= self.bounds[1] or bound == self._nearest(value)
        ]
        if any(room * math.sqrt(MOST_UNITS / estimate.n) <= reach for reach, room in reaches):
            return None
        return math.ceil(estimate.n * max(max(reach / room, 0.0) ** 2 for reach, room in reaches))

    def _nearest(self, value: float) -> float:
        return min(self.bounds, key=lambda bound: abs(bound - value))

    def sentence(self, unit: str = "") -> str:
        """The rule in words: "at least -5 trait points"."""
        words = " and ".join(number(bound) for bound in self.bounds)
        return f"{_WORDS[self.kind]} {words} {unit}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Builtin types only, for a ledger row."""
        return {"kind": self.kind, "bounds": list(self.bounds)}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Rule":
        """The rule that `to_json` wrote."""
        return cls(row["kind"], tuple(row["bounds"]))


_KINDS: dict[str, Callable[..., tuple[bool, bool]]] = {  # -> whole interval satisfies, whole interval violates
    "at_least": lambda low, high, bound: (low >= bound, high < bound),
    "at_most": lambda low, high, bound: (high <= bound, low > bound),
    "more_than": lambda low, high, bound: (low > bound, high <= bound),
    "less_than": lambda low, high, bound: (high < bound, low >= bound),
    "within": lambda low, high, least, most: (low >= least and high <= most, high < least or low > most),
}
_WORDS = {
    "at_least": "at least",
    "at_most": "at most",
    "more_than": "more than",
    "less_than": "less than",
    "within": "between",
}


def at_least(bound: float) -> Rule:
    """The value must be `bound` or more."""
    return Rule("at_least", (bound,))


def at_most(bound: float) -> Rule:
    """The value must be `bound` or less."""
    return Rule("at_most", (bound,))


def more_than(bound: float) -> Rule:
    """The value must be above `bound`, not on it."""
    return Rule("more_than", (bound,))


def less_than(bound: float) -> Rule:
    """The value must be below `bound`, not on it."""
    return Rule("less_than", (bound,))


def within(low: float, high: float) -> Rule:
    """The value must lie from `low` to `high`, ends included."""
    return Rule("within", (low, high))


def open_within(low: float | None, high: float | None) -> Rule:
    """`within`, where an end that is None bounds nothing. Raises ValueError if both are."""
    if low is None and high is None:
        raise ValueError("A rule without any bound says nothing: give at least one end.")
    if low is None or high is None:
        return at_most(high) if high is not None else at_least(low)  # type: ignore[arg-type]
    return within(low, high)


def number(value: float) -> str:
    """A number as reports print it: four significant digits, thousands grouped, and never a negative zero."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if value else "0"


def stated(quantity: str, estimate: Estimate) -> str:
    """A quantity's name, value, interval and unit: "gain=3 [1, 5] trait points"."""
    return f"{quantity}={number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}] {estimate.unit}"


def _margin(level: float) -> float:
    """How far a value must lie from a bound to be told from it with POWER, in distances of an interval's end."""
    from scipy.special import ndtri

    return 1 + float(ndtri(POWER) / ndtri((1 + level) / 2))


def would_decide(rule: Rule, estimate: Estimate) -> str:
    """How many units would decide what this estimate does not, in words."""
    needed = rule.needed(estimate)
    if needed is None:
        return f"no number of {estimate.sample} would tell: it lies on the bound"
    topics = math.ceil(estimate.topics * needed / estimate.n)
    units = f"{number(needed)} {estimate.sample}" + (f" of {number(topics)} topics" if topics else "")
    return f"about {units} would tell in 80 % of samples, were this the truth"


def story(
    *,
    claim: str,
    sentence: str,
    model: str,
    trait: str,
    quantity: str,
    estimate: Estimate,
    rule: Rule,
    command: str,
    published: str = "",
    beside: Sequence[str] = (),
    scope: str = "",
) -> str:
    """What was found in one cell, what it should have been, what was published, and the command that runs it
    again.

    `claim` is its id, `sentence` its statement, `quantity` what was estimated; `published` says which values
    were published and where, `beside` what else was found and decided nothing, `scope` what the verdict is about
    where that is less than it seems.
    """
    verdict = rule.decide(estimate)
    found = stated(quantity, estimate)
    wanted = rule.sentence(estimate.unit)
    design = f"n={estimate.size}, {estimate.level:.0%} interval" + (f", {scope}" if scope else "")
    smallest = f"the smallest effect it would have seen is {number(estimate.detectable)} {estimate.unit}"
    more = would_decide(rule, estimate)
    lines = {
        Verdict.SUPPORTED: f"{found}, as it should be: {wanted} [{design}]",
        Verdict.REFUTED: f"{found}, but should be {wanted} [{design}]",
        Verdict.INCONCLUSIVE: f"{found}, too wide to tell whether it is {wanted} [{design}; {smallest}; {more}]",
    }
    return "\n".join(
        [
            f"{claim} {verdict.value} on model={model} trait={trait}: {sentence}",
            f"  {lines[verdict]}",
            *(f"  beside: {text}" for text in beside),
            f"  published: {published or 'nothing on this cell'}",
            f"  again: {command}",
        ]
    )
