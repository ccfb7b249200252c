"""Quantities that only the sources' tables show: one point of a curve, what coherence a best has, activation norms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.lab.measurements import Measurement
from harness.quantities.algebra import Answers, OnCell
from harness.quantities.cells import WINDOW, Cell, Recipe
from harness.quantities.geometry import topics_of
from harness.quantities.steering import DOSES, base_coefficient, best_point, curves, sweeps, unsteered
from harness.stats import averages
from harness.stats.curves import at_amount
from harness.stats.resampling import Replicated, Resampling

Part = Literal["trait", "coherence", "Delta"]


@dataclass(frozen=True)
class CurveAt(OnCell):
    """Trait, coherence or Delta at a multiple of the corrected base coefficient, between runs by interpolation.

    Raises ValueError where nothing was measured, at the first steered block.
    """

    recipe: Recipe
    multiple: float
    part: str
    grids: tuple[str, ...] = ("doses", "around base")

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*sweeps(self.recipe, cell, self.grids), self.recipe.at(cell, self.recipe.blocks(cell)[0]))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        curve = curves(self.recipe, cell, self.grids, answers, "coefficient")[0]
        amount = self.multiple * base_coefficient(self.recipe, cell, self.recipe.blocks(cell)[0], answers)
        baseline = unsteered(cell, answers)
        gain, coherence = at_amount(curve, *baseline, amount, cell.resampling())
        if self.part == "coherence":
            return coherence
        if self.part == "Delta":
            return gain
        trait = gain + averages.mean_of(baseline[0], cell.resampling(), "trait points", averages.SCORES)
        return replace(trait, bounds=averages.SCORES)


@dataclass(frozen=True)
class CoherenceAtBest(OnCell):
    """Mean coherence at the amount that is best for a recipe, by construction the gate or more."""

    recipe: Recipe
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return sweeps(self.recipe, cell, self.grids)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        point = best_point(self.recipe, cell, self.grids, answers, "dose")
        curve = curves(self.recipe, cell, self.grids, answers)[point.curve]
        return at_amount(curve, *unsteered(cell, answers), point.amount.value, cell.resampling())[1]


@dataclass(frozen=True)
class NormOf(OnCell):
    """The mean activation norm at the first steered block: full, outside or inside massive dims."""

    part: Literal["full", "outside", "inside"]
    times: float = 1.0

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive, cell.activations(WINDOW))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        read, dims = answers(cell.activations(WINDOW)), list(answers(cell.massive).record["consensus"])
        pairs, block = read.record["training_pairs"], cell.blocks[0]
        both = np.stack([read.arrays["positive"][:pairs, block], read.arrays["negative"][:pairs, block]])
        rows = both.astype(np.float64)
        kept = {"full": rows, "outside": np.delete(rows, dims, axis=-1), "inside": rows[..., dims]}[self.part]
        resampling = cell.scenarios_resampling(topics_of(read, pairs))
        norm = averages.mean_of(np.linalg.norm(kept, axis=-1).mean(axis=0), resampling, "activation norm")
        return self.times * norm


@dataclass(frozen=True)
class Severity(OnCell):
    """How many times the dominant massive dim exceeds the median dim: the median over blocks, which are its sample."""

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive,)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        by_block = np.asarray(answers(cell.massive).record["severity"], np.float64)
        resampling = Resampling(len(by_block), "blocks", cell.name, 2_000, cell.settings.seed)
        return averages.bootstrap(lambda chosen: float(np.median(by_block[chosen])), resampling, "times the median")
