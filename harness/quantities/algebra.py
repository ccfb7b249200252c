"""What a quantity is, and how quantities combine: differences, ratios, extremes, and either side of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from harness.measurements import Measurement
from harness.quantities.cells import Cell, Pair, Subject
from harness.resampling import PlanMismatch, Replicated
from harness.store import Answer

Lookup: TypeAlias = Callable[[Measurement], Answer]


class Answers:
    """Looks up answers, and remembers what was computed from them, because claims share their quantities."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[Any, Any] = {}

    def __call__(self, measurement: Measurement) -> Answer:
        """The answer of one measurement."""
        return self._lookup(measurement)

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, computed at most once for a key; an error is not remembered."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


class Quantity:
    """A number on a cell (or a pair of models), with replicates; combinations of quantities are quantities."""

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        """The measurements whose answers `evaluate` will look up."""
        raise NotImplementedError

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        """The quantity on a cell or pair from the answers of its measurements."""
        raise NotImplementedError

    def __sub__(self, other: Quantity) -> Quantity:
        return Difference(self, other)

    def __truediv__(self, other: Quantity) -> Quantity:
        return Ratio(self, other)


class OnCell(Quantity):
    """A quantity of one model and trait: subclasses say what it needs there and what it comes to."""

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        cells = extracted(one_cell(subject, self))
        return tuple(needed for cell in cells for needed in self.needs_on(cell))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        cell = one_cell(subject, self)
        first, *others = (self._once(one, answers) for one in extracted(cell))
        return over_extractions(cell.settings.seed, first, others) if others else first

    def _once(self, cell: Cell, answers: Answers) -> Replicated:
        key = (self, cell.identity)
        found: Replicated = answers.once(key, lambda: self.on(cell, answers))
        return found

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        """As `needs`, on one cell."""
        raise NotImplementedError

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        """As `evaluate`, on one cell."""
        raise NotImplementedError


def extracted(cell: Cell) -> list[Cell]:
    """The cell on the training scenarios as they are, then on every resample of them that was asked for."""
    asked = cell.settings.extractions
    return [replace(cell, extraction=number) for number in range(asked + 1 if asked > 1 else 1)]


def over_extractions(seed: int, one: Replicated, others: list[Replicated]) -> Replicated:
    """The quantity of the first extraction, its replicates drawn from those of all resampled extractions.

    Every resample of the questions is read on one extraction, dealt out evenly, so the interval holds the noise of
    both. The same deal for every quantity keeps differences paired.
    """
    resamples = len(one.replicates)
    dealt = np.random.default_rng([seed, len(others)]).permutation(np.arange(resamples) % len(others))
    stacked = np.stack([other.replicates for other in others])
    return replace(one, replicates=stacked[dealt, np.arange(resamples)])


def one_cell(subject: Subject, quantity: Quantity) -> Cell:
    """The subject if it is one cell. Raises TypeError for a pair: a claim must say which of the two it means."""
    if isinstance(subject, Pair):
        raise TypeError(f"{type(quantity).__name__} is about one model; say on_severer(...) or on_milder(...).")
    return subject


@dataclass(frozen=True)
class OneOfPair(Quantity):
    """`quantity` on the severer or the milder model of a pair."""

    side: Literal["severer", "milder"]
    quantity: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return self.quantity.needs(self._cell(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return self.quantity.evaluate(self._cell(subject), answers)

    def _cell(self, subject: Subject) -> Cell:
        if not isinstance(subject, Pair):
            raise TypeError("This quantity compares two models; give it a pair.")
        return subject.severer if self.side == "severer" else subject.milder


@dataclass(frozen=True)
class UnderRelevanceCap(Quantity):
    """`quantity` as a judge sees it that caps coherence by relevance."""

    quantity: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return self.quantity.needs(subject.capped)

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return self.quantity.evaluate(subject.capped, answers)


@dataclass(frozen=True)
class Difference(Quantity):
    """`left` minus `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return (*self.left.needs(subject), *self.right.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return self.left.evaluate(subject, answers) - self.right.evaluate(subject, answers)


@dataclass(frozen=True)
class Ratio(Quantity):
    """`left` over `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return (*self.left.needs(subject), *self.right.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return self.left.evaluate(subject, answers) / self.right.evaluate(subject, answers)


@dataclass(frozen=True)
class Smallest(Quantity):
    """The smallest of several quantities, found again in every resample."""

    members: tuple[Quantity, ...]

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return tuple(needed for member in self.members for needed in member.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return extreme([member.evaluate(subject, answers) for member in self.members], np.min)


@dataclass(frozen=True)
class Largest(Quantity):
    """The largest of several quantities, found again in every resample."""

    members: tuple[Quantity, ...]

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return tuple(needed for member in self.members for needed in member.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return extreme([member.evaluate(subject, answers) for member in self.members], np.max)


def extreme(members: list[Replicated], pick: Callable[..., Any]) -> Replicated:
    """The smallest or largest (`pick`) of quantities of one plan and unit; NaN in a resample that lacks one of them.

    A baseline that all of them share is shared by the result. Raises PlanMismatch or ValueError otherwise.
    """
    first = members[0]
    for other in members[1:]:
        if other.plan != first.plan:
            raise PlanMismatch("An extreme of quantities that were resampled by different plans means nothing.")
        if other.unit != first.unit:
            raise ValueError(f"{first.unit} and {other.unit} cannot be compared: measure all in one unit.")
    value = float(pick([member.value for member in members]))
    bounds = None
    if all(member.bounds is not None for member in members):
        lows, highs = zip(*(member.bounds for member in members if member.bounds is not None), strict=True)
        bounds = (float(pick(lows)), float(pick(highs)))
    return Replicated(
        value,
        pick(np.stack([member.replicates for member in members]), axis=0),
        first.plan,
        first.unit,
        min(member.n for member in members),
        bounds,
        first.baseline if len({member.baseline for member in members}) == 1 else "",
    )
