"""What a verdict is made from: a value with an interval of any level, and the level at which its ends reach a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from harness.stats.resampling import Estimate, Replicated, ResamplingMismatch
from harness.stats.tails import LEVEL, SMALLEST, End

__all__ = ["Bracketed", "Evidence", "Extreme", "IndependentDifference"]

HALVINGS = 40  # of alpha: to a millionth of a millionth


class Evidence(Protocol):
    """A quantity as a rule meets it. `estimate(level)` must widen with the level, or p-values mean nothing."""

    @property
    def value(self) -> float: ...

    @property
    def unit(self) -> str: ...

    @property
    def n(self) -> int: ...

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with its interval. Raises CannotTell where no interval can be read."""
        ...

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """The smallest alpha, in (0, 1], at which the interval of level 1 - alpha has its low end at `bound` or above
        (its high end at `bound` or below); beyond it if `strict`. Raises CannotTell as `estimate` does."""
        ...


@dataclass(frozen=True, eq=False)
class Extreme:
    """The smallest (or largest) of several quantities, with an interval that pays for looking at all of them.

    Nothing is chosen. For the smallest of k: its low end is the smallest of the members' low ends, since the smallest
    truth is no further down than its own interval misses it (an intersection-union test: Berger 1982, Technometrics
    24:295); its high end is the smallest of their high ends at the level 1 - (1 - level) / k, since any of k may miss
    its truth (Bonferroni). Mirrored for the largest. Raises ValueError for no member or members of different units.
    """

    which: Literal["smallest", "largest"]
    members: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        units = {member.unit for member in self.members}
        if len(units) != 1:
            raise ValueError(
                f"The {self.which} of {len(self.members)} quantities in {', '.join(sorted(units)) or 'no unit'} means "
                "nothing: measure all in one unit."
            )

    @property
    def value(self) -> float:
        """The smallest (largest) of the members' values: lies further out than the truth on average."""
        return self._pick([member.value for member in self.members])

    @property
    def unit(self) -> str:
        """That of every member."""
        return self.members[0].unit

    @property
    def n(self) -> int:
        """The fewest units behind any member."""
        return min(member.n for member in self.members)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with its interval, as the class says."""
        found = [member.estimate(level) for member in self.members]
        wider = [member.estimate(1 - (1 - level) / len(self.members)) for member in self.members]
        lows, highs = (found, wider) if self.which == "smallest" else (wider, found)
        low, high = self._pick([one.low for one in lows]), self._pick([one.high for one in highs])
        return Estimate(self.value, low, high, self.n, self.unit, level, found[0].sample, found[0].topics)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """See `Evidence.level_of_end`; every member must reach the bound at one end, and one of them at the other."""
        levels = [member.level_of_end(end, bound, strict) for member in self.members]
        if (end == "low") == (self.which == "smallest"):
            return max(levels)
        return min(1.0, len(levels) * min(levels))

    def _pick(self, numbers: Sequence[float]) -> float:
        return min(numbers) if self.which == "smallest" else max(numbers)


@dataclass(frozen=True, eq=False)
class IndependentDifference:
    """`left` minus `right` where the two come from samples that share no unit, so that nothing is paired.

    The interval squares and adds the distances of the ends that matter (Zou and Donner 2008, Statistics in Medicine
    27:1693; of two shares it is Newcombe's, 1998, Statistics in Medicine 17:873). Raises ValueError for two units.
    """

    left: Evidence
    right: Evidence

    def __post_init__(self) -> None:
        if self.left.unit != self.right.unit:
            raise ValueError(f"{self.left.unit} less {self.right.unit} means nothing: measure both in one unit.")

    @property
    def value(self) -> float:
        """Value less value."""
        return self.left.value - self.right.value

    @property
    def unit(self) -> str:
        """That of both."""
        return self.left.unit

    @property
    def n(self) -> int:
        """The fewer units of the two."""
        return min(self.left.n, self.right.n)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with its interval, as the class says."""
        left, right = self.left.estimate(level), self.right.estimate(level)
        low = self.value - math.hypot(left.value - left.low, right.high - right.value)
        high = self.value + math.hypot(left.high - left.value, right.value - right.low)
        return Estimate(self.value, low, high, self.n, self.unit, level, left.sample, left.topics)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """See `Evidence.level_of_end`; found by halving, since the interval narrows as alpha grows."""

        def reaches(alpha: float) -> bool:
            found = self.estimate(1 - alpha)
            over = found.low - bound if end == "low" else bound - found.high
            return over > 0 if strict else over >= 0

        if not reaches(1 - SMALLEST):
            return 1.0
        below, above = SMALLEST, 1 - SMALLEST
        for _ in range(HALVINGS):
            middle = (below + above) / 2
            below, above = (below, middle) if reaches(middle) else (middle, above)
        return above


@dataclass(frozen=True, eq=False)
class Bracketed:
    """A value between two quantities of one resampling: `below` errs downwards and gives the low end, `above` the high.

    For what no single statistic estimates without bias, such as a distance. The value is `below`'s, held within `least`
    and both ends.
    """

    below: Replicated
    above: Replicated
    least: float

    def __post_init__(self) -> None:
        if self.below.resampling != self.above.resampling or self.below.unit != self.above.unit:
            raise ResamplingMismatch("The sides of a bracketed quantity must come from one resampling, in one unit.")

    @property
    def value(self) -> float:
        """The value that `below` has, at least `least` and no more than `above` has."""
        return min(max(self.below.value, self.least), max(self.above.value, self.least))

    @property
    def unit(self) -> str:
        """Of both sides."""
        return self.below.unit

    @property
    def n(self) -> int:
        """The fewer units of the two sides."""
        return min(self.below.n, self.above.n)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with the low end of `below` and the high end of `above`."""
        below, value = self.below.estimate(level), self.value
        low, high = max(below.low, self.least), self.above.estimate(level).high
        return replace(below, value=value, low=min(low, value), high=max(high, value), n=self.n)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """See `Evidence.level_of_end`."""
        if end == "low" and (self.least > bound or (self.least == bound and not strict)):
            return SMALLEST  # nothing that is possible is on the other side
        return (self.below if end == "low" else self.above).level_of_end(end, bound, strict)
