"""Interval arithmetic: numbers of which only bounds are known, such as published ones that were rounded."""

from __future__ import annotations

import math
from dataclasses import dataclass


class Impossible(ValueError):
    """Published numbers that no model could have produced; the message names the formula and its inputs."""


@dataclass(frozen=True)
class Interval:
    """A number that is known to lie from `low` to `high`; `value` is where it is if nothing was rounded.

    Arithmetic gives the tightest interval for operands that vary independently; an operand that occurs twice makes the
    result wider than need be, never narrower (Moore 1966, Interval Analysis).
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.value <= self.high):
            raise ValueError(
                f"{self.value} is not within [{self.low}, {self.high}]: give finite bounds around the value."
            )

    def __add__(self, other: Interval | float) -> Interval:
        right = exactly(other)
        return Interval(self.value + right.value, self.low + right.low, self.high + right.high)

    def __sub__(self, other: Interval | float) -> Interval:
        return self + -1.0 * exactly(other)

    def __mul__(self, other: Interval | float) -> Interval:
        right = exactly(other)
        ends = [one * two for one in (self.low, self.high) for two in (right.low, right.high)]
        return Interval(self.value * right.value, min(ends), max(ends))

    def __truediv__(self, other: Interval | float) -> Interval:
        right = exactly(other)
        if right.low <= 0 <= right.high:
            raise Impossible(f"[{right.low}, {right.high}] may be 0, so nothing can be divided by it.")
        ends = (1 / right.low, 1 / right.high)
        return self * Interval(1 / right.value, min(ends), max(ends))

    def __radd__(self, other: float) -> Interval:
        return self + other

    def __rsub__(self, other: float) -> Interval:
        return exactly(other) - self

    def __rmul__(self, other: float) -> Interval:
        return self * other

    def __rtruediv__(self, other: float) -> Interval:
        return exactly(other) / self

    def __abs__(self) -> Interval:
        crosses = self.low <= 0 <= self.high
        ends = (abs(self.low), abs(self.high))
        return Interval(abs(self.value), 0.0 if crosses else min(ends), max(ends))

    def squared(self) -> Interval:
        """The square, which is never negative."""
        size = abs(self)
        return Interval(self.value**2, size.low**2, size.high**2)

    def root(self) -> Interval:
        """The square root; Impossible if the number may be negative."""
        if self.low < 0:
            raise Impossible(f"[{self.low}, {self.high}] may be negative, so it has no square root.")
        return Interval(math.sqrt(self.value), math.sqrt(self.low), math.sqrt(self.high))


def exactly(number: Interval | float) -> Interval:
    """A number that was not rounded; an interval stays what it is."""
    return number if isinstance(number, Interval) else Interval(float(number), float(number), float(number))


def least(*intervals: Interval) -> Interval:
    """The smallest of several numbers."""
    return Interval(*(min(getattr(one, end) for one in intervals) for end in ("value", "low", "high")))


def largest(*intervals: Interval) -> Interval:
    """The largest of several numbers."""
    return Interval(*(max(getattr(one, end) for one in intervals) for end in ("value", "low", "high")))


def anywhere(low: Interval, high: Interval) -> Interval:
    """A number of which only its bounds are known; its `value` is the middle between them."""
    if low.low > high.high:
        raise Impossible(f"Nothing lies from {low.low} to {high.high}: the lower bound exceeds the upper one.")
    return Interval((low.low + high.high) / 2, low.low, high.high)
