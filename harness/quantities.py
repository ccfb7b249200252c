"""The quantities a claim is about: expressions over measurements, paired by resampling the same units.

A quantity is written once, without a model; on a cell (model x trait) it says which measurements it needs
and, from their answers, what it comes to with its bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from harness import stats
from harness.cleaning import clean_all
from harness.making import cleaned_dims
from harness.measurements import (
    Activations,
    Baseline,
    Cleaning,
    Direction,
    MassiveActivations,
    Measurement,
    Refits,
    Scale,
    Scores,
    Sweep,
)
from harness.registry import ModelSpec
from harness.stats import Replicated
from harness.store import Answer

Lookup: TypeAlias = Callable[[Measurement], Answer]
Grid: TypeAlias = Literal["doses", "around base"]

WINDOW = 5  # response tokens, the published headline
GATE = 70.0  # coherence, the published gate
QUESTIONS = 120
RESAMPLES = 2_000  # of questions: cheap, nothing is generated again
REFIT_RESAMPLES = 200  # of scenario pairs: every one refits the method at every block
SEED = 20260129
NOT_CLEANED = Cleaning()
# From half to twice the corrected base coefficient, in six equal steps of its logarithm.
AROUND_BASE = tuple(round(0.5 * 4 ** (step / 6), 4) for step in range(7))


@dataclass(frozen=True)
class Cell:
    """One model and one trait."""

    model: ModelSpec
    trait: str

    def activations(self, window: int) -> Activations:
        """Scenario activations of this cell."""
        return Activations(self.model.name, self.trait, window)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks at which this cell is steered."""
        return self.model.blocks[self.trait]

    @property
    def massive(self) -> MassiveActivations:
        """Massive dims of this cell's model."""
        return MassiveActivations(self.model.name, self.model.max_new_tokens)

    @property
    def baseline(self) -> Scores:
        """Unsteered responses of this cell, judged."""
        return Scores(Baseline(self.model.name, self.trait, QUESTIONS, self.model.max_new_tokens), self.model.judge)


@dataclass(frozen=True)
class Recipe:
    """How a direction is made, before it is known on which model, trait and block."""

    method: str
    window: int = WINDOW
    cleaning: Cleaning = NOT_CLEANED

    def cleaned(self, cleaning: Cleaning) -> Recipe:
        """The same direction with massive dims zeroed afterwards."""
        return replace(self, cleaning=cleaning)

    def over(self, window: int) -> Recipe:
        """The same direction from activations averaged over response[:window]."""
        return replace(self, window=window)

    def at(self, cell: Cell, block: int) -> Direction:
        """The direction of one cell and block."""
        return Direction(cell.activations(self.window), cell.massive, self.method, block, self.cleaning)

    def sweeps(self, cell: Cell, grid: Grid) -> tuple[Scores, ...]:
        """Judged sweeps over the cell's blocks, one for each block."""
        spec, amounts = cell.model, cell.model.doses if grid == "doses" else AROUND_BASE
        scale: Scale = "dose" if grid == "doses" else "base"
        return tuple(
            Scores(Sweep(self.at(cell, block), scale, amounts, QUESTIONS, spec.max_new_tokens), spec.judge)
            for block in cell.blocks
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
    """Largest mean trait minus baseline among runs whose mean coherence reaches the gate, in trait points.

    The runs are the model's own grid of doses, or coefficients from half to twice the corrected base coefficient.
    The run is chosen again inside every resample of the questions. Raises stats.NoValidRun when none passes.
    """

    recipe: Recipe
    grid: Grid = "doses"

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.baseline, *self.recipe.sweeps(cell, self.grid))

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        runs = [lookup(sweep) for sweep in self.recipe.sweeps(cell, self.grid)]
        return stats.best_of_grid(
            np.concatenate([run.arrays["trait"] for run in runs]).astype(np.float64),
            np.concatenate([run.arrays["coherence"] for run in runs]).astype(np.float64),
            lookup(cell.baseline).arrays["trait"][0].astype(np.float64),
            stats.Plan((QUESTIONS,), "questions", cell.trait, RESAMPLES, SEED),
            gate=GATE,
        ).delta


@dataclass(frozen=True)
class MeanCosine(Quantity):
    """Cosine of two directions averaged over all blocks, refitted on resampled pairs of scenarios."""

    one: Recipe
    other: Recipe

    def needs(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive, self.one.refits(cell), self.other.refits(cell))

    def evaluate(self, cell: Cell, lookup: Lookup) -> Replicated:
        one, other = (_cleaned_refits(recipe, cell, lookup) for recipe in (self.one, self.other))
        cosines = (one * other).sum(axis=-1).mean(axis=-1)  # [1 + resamples]
        pairs = lookup(self.one.refits(cell)).record["pairs"]
        plan = stats.Plan((pairs,), "scenario pairs", cell.trait, REFIT_RESAMPLES, SEED)
        return Replicated(float(cosines[0]), cosines[1:], plan, "cosine", pairs)


def _cleaned_refits(recipe: Recipe, cell: Cell, lookup: Lookup) -> np.ndarray:
    """Unit directions [1 + resamples, blocks, hidden] of a recipe, each cleaned of its block's dims."""
    vectors = lookup(recipe.refits(cell)).arrays["directions"].astype(np.float64)
    for block in range(vectors.shape[1]):
        dims = cleaned_dims(lookup(cell.massive), block, recipe.cleaning)
        vectors[:, block] = clean_all(vectors[:, block], dims)
    return vectors
