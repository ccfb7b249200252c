"""The quantities a claim is about: expressions over measurements, evaluated on the same resamples so they pair.

A quantity is written once, without a model; on a cell (model x trait) it says which measurements it needs
and, from their answers, what it comes to with its bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from harness import stats
from harness.measurements import (
    Activations,
    Baseline,
    Cleaning,
    Direction,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
)
from harness.registry import ModelSpec
from harness.stats import Replicated
from harness.store import Answer

Lookup: TypeAlias = Callable[[Measurement], Answer]

WINDOW = 5  # response tokens, the published headline
GATE = 70.0  # coherence, the published gate
QUESTIONS = 120
RESAMPLES = 2_000  # of questions: cheap, nothing is generated again
REFIT_RESAMPLES = 200  # of scenario pairs: every one refits the method at every block
SEED = 20260129


@dataclass(frozen=True)
class Cell:
    """One model and one trait."""

    model: ModelSpec
    trait: str

    def activations(self, window: int) -> Activations:
        """Scenario activations of this cell."""
        return Activations(self.model.name, self.trait, window)

    @property
    def massive(self) -> MassiveActivations:
        """Massive dims of this cell's model."""
        return MassiveActivations(self.model.name, self.model.max_new_tokens)

    @property
    def baseline(self) -> Scores:
        """Unsteered responses of this cell, judged."""
        return Scores(
            Baseline(self.model.name, self.trait, QUESTIONS, self.model.max_new_tokens), self.model.judge
        )


@dataclass(frozen=True)
class Recipe:
    """How a direction is made, before it is known on which model, trait and block."""

    method: str
    window: int = WINDOW
    cleaning: Cleaning = Cleaning()

    def cleaned(self, cleaning: Cleaning) -> Recipe:
        """The same direction with massive dims zeroed afterwards."""
        return replace(self, cleaning=cleaning)

    def over(self, window: int) -> Recipe:
        """The same direction from activations averaged over response[:window]."""
        return replace(self, window=window)

    def at(self, cell: Cell, block: int) -> Direction:
        """The direction of one cell and block."""
        return Direction(cell.activations(self.window), cell.massive, self.method, block, self.cleaning)

    def sweeps(self, cell: Cell) -> tuple[Scores, ...]:
        """Judged sweeps over the cell's grid of blocks and doses, one for each block."""
        spec = cell.model
        return tuple(
            Scores(
                Sweep(self.at(cell, block), "dose", spec.doses, QUESTIONS, spec.max_new_tokens), spec.judge
            )
            for block in spec.blocks
        )

    def refits(self, cell: Cell) -> Refits:
        """The uncleaned method refitted on resampled scenarios; cleaning is applied to each refit."""
        return Refits(cell.activations(self.window), self.method, REFIT_RESAMPLES, SEED)


class Quantity:
    """A number on a cell, with replicates; differences and ratios of quantities are quantities."""

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        """The measurements whose answers `evaluate` will look up."""
        raise NotImplementedError

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        """The quantity on a cell from the answers of its measurements."""
        raise NotImplementedError

    def __sub__(self, other: Quantity) -> Quantity:
        return Difference(self, other)

    def __truediv__(self, other: Quantity) -> Quantity:
        return Ratio(self, other)


@dataclass(frozen=True)
class Difference(Quantity):
    """`left` minus `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*self.left.needs(cell), *self.right.needs(cell))

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        return self.left.evaluate(cell, lookup) - self.right.evaluate(cell, lookup)


@dataclass(frozen=True)
class Ratio(Quantity):
    """`left` over `right`, resample by resample."""

    left: Quantity
    right: Quantity

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*self.left.needs(cell), *self.right.needs(cell))

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        return self.left.evaluate(cell, lookup) / self.right.evaluate(cell, lookup)


@dataclass(frozen=True)
class BestDelta(Quantity):
    """Largest mean trait minus baseline among runs with mean coherence at the gate or above, in trait points.

    The run is chosen again inside every resample of the questions. Raises stats.NoValidRun when no run passes.
    """

    recipe: Recipe

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.baseline, *self.recipe.sweeps(cell))

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        runs = [lookup(sweep) for sweep in self.recipe.sweeps(cell)]
        return stats.best_valid_delta(
            np.concatenate([run.arrays["trait"] for run in runs]),
            np.concatenate([run.arrays["coherence"] for run in runs]),
            lookup(cell.baseline).arrays["trait"][0],
            gate=GATE,
            indices=stats.resample_indices(QUESTIONS, RESAMPLES, SEED),
        )
