"""What a quantity is, and how quantities combine: differences, ratios, extremes, and either side of a pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias

from harness.lab.measurements import Measurement
from harness.lab.store import Answer
from harness.quantities.cells import Cell, Pair, Recipe, Subject
from harness.stats.evidence import Evidence, Extreme, IndependentDifference
from harness.stats.resampling import Replicated

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

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
        """The quantity on a cell or pair from the answers of its measurements."""
        raise NotImplementedError

    def __sub__(self, other: Quantity) -> Quantity:
        return Difference(self, other)

    def __truediv__(self, other: Quantity) -> Quantity:
        return Ratio(self, other)


class OnCell(Quantity):
    """A quantity of one model and trait: subclasses say what it needs there and what it comes to."""

    steers: ClassVar[bool] = False

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return self.needs_on(one_cell(subject, self))

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
        cell = one_cell(subject, self)
        found: Evidence = answers.once((self, cell.identity), lambda: self.on(cell, answers))
        if self.steers and isinstance(found, Replicated) and not self.extracted:
            return replace(found, clustered=False)  # every draw of a control is a question's own
        return found

    @property
    def extracted(self) -> bool:
        """Whether any direction that it is about was made from pairs, and would be another one from other pairs."""
        recipes = [value for value in vars(self).values() if isinstance(value, Recipe)]
        return any(recipe.is_fitted for recipe in recipes)

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        """As `needs`, on one cell."""
        raise NotImplementedError

    def on(self, cell: Cell, answers: Answers) -> Evidence:
        """As `evaluate`, on one cell."""
        raise NotImplementedError


def steers_one_direction(quantity: Quantity, subject: Subject) -> bool:
    """Whether a quantity is of responses steered along directions that were extracted once: it says nothing of those
    that other pairs would have given."""
    if isinstance(quantity, OnCell):
        cells = (subject.severer, subject.milder) if isinstance(subject, Pair) else (subject,)
        return quantity.steers and quantity.extracted and any(cell.settings.extractions == 1 for cell in cells)
    nested = [part for value in vars(quantity).values() for part in (value if isinstance(value, tuple) else (value,))]
    return any(steers_one_direction(part, subject) for part in nested if isinstance(part, Quantity))


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

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
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

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
        return self.quantity.evaluate(subject.capped, answers)


@dataclass(frozen=True)
class Difference(Quantity):
    """`left` minus `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return (*self.left.needs(subject), *self.right.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return _paired(self.left, subject, answers) - _paired(self.right, subject, answers)


@dataclass(frozen=True)
class Unpaired(Quantity):
    """`left` minus `right` where the two are measured on different units, such as two sets of prompts."""

    left: Quantity
    right: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return (*self.left.needs(subject), *self.right.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> IndependentDifference:
        return IndependentDifference(self.left.evaluate(subject, answers), self.right.evaluate(subject, answers))


@dataclass(frozen=True)
class Ratio(Quantity):
    """`left` over `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return (*self.left.needs(subject), *self.right.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Replicated:
        return _paired(self.left, subject, answers) / _paired(self.right, subject, answers)


def _paired(quantity: Quantity, subject: Subject, answers: Answers) -> Replicated:
    """A quantity that has a replicate for every resample. Raises TypeError for one that has none."""
    found = quantity.evaluate(subject, answers)
    if not isinstance(found, Replicated):
        raise TypeError(
            f"{type(quantity).__name__} has no value in a resample, so nothing can be subtracted from it: "
            "take differences inside, as in smallest(one - other, one - another)."
        )
    return found


@dataclass(frozen=True)
class Smallest(Quantity):
    """The smallest of several quantities, with an interval that holds whichever it is (`evidence.Extreme`)."""

    members: tuple[Quantity, ...]

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return tuple(needed for member in self.members for needed in member.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
        return Extreme("smallest", tuple(member.evaluate(subject, answers) for member in self.members))


@dataclass(frozen=True)
class Largest(Quantity):
    """The largest of several quantities, with an interval that holds whichever it is (`evidence.Extreme`)."""

    members: tuple[Quantity, ...]

    def needs(self, subject: Subject) -> tuple[Measurement, ...]:
        return tuple(needed for member in self.members for needed in member.needs(subject))

    def evaluate(self, subject: Subject, answers: Answers) -> Evidence:
        return Extreme("largest", tuple(member.evaluate(subject, answers) for member in self.members))
