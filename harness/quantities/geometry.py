"""Quantities of directions and activations alone: cosines, shares of norm, and how well a direction separates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness import directions, massive, stats
from harness.cleaning import clean_all
from harness.measurements import Measurement
from harness.quantities.algebra import Answers, OnCell
from harness.quantities.cells import Cell, Recipe
from harness.resampling import Plan, Replicated

Where = Literal["all blocks", "steered blocks"]
COSINES = (-1.0, 1.0)


def refitted(recipe: Recipe, cell: Cell, where: Where, answers: Answers) -> np.ndarray:
    """Unit directions [1 + resamples, blocks, hidden] of a recipe, each cleaned of its block's dims."""

    def compute() -> np.ndarray:
        answer = answers(recipe.refits(cell, _blocks(cell, where)))
        vectors = answer.arrays["directions"].astype(np.float64)
        measured, how = answers(cell.massive), recipe.cleaning
        for place, block in enumerate(answer.record["blocks"]):
            own, mean = measured.record["top"][block], measured.arrays["mean"][block]
            dims = massive.cleaned_dims(how.kind, how.k, mean, measured.record["consensus"], own)
            vectors[:, place] = clean_all(vectors[:, place], dims)
        return vectors

    found: np.ndarray = answers.once(("refits", recipe, where, cell.name, cell.trait, cell.settings), compute)
    return found


def _blocks(cell: Cell, where: Where) -> tuple[int, ...]:
    return () if where == "all blocks" else cell.blocks


@dataclass(frozen=True)
class Cosine(OnCell):
    """Cosine of two directions averaged over blocks, refitted on resampled pairs of scenarios.

    A refit on a resample is noisier than the fit itself, which turns directions apart: the replicates are moved by
    their mean bias, and the value stands for this number of pairs (reports/statistics/false_verdicts.md).
    """

    one: Recipe
    other: Recipe
    where: Where = "steered blocks"

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        blocks = _blocks(cell, self.where)
        return (cell.massive, self.one.refits(cell, blocks), self.other.refits(cell, blocks))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        one, other = (refitted(recipe, cell, self.where, answers) for recipe in (self.one, self.other))
        cosines = (one * other).sum(axis=-1).mean(axis=-1)  # [1 + resamples]
        pairs = answers(self.one.refits(cell, _blocks(cell, self.where))).record["pairs"]
        return Replicated(float(cosines[0]), cosines[1:], cell.pairs_plan(pairs), "cosine", pairs).recentred()


@dataclass(frozen=True)
class ShareInside(OnCell):
    """The share of a direction's norm inside massive dims (0 to 1), averaged over the steered blocks.

    `dims` are the block's five most massive ones, or the consensus. Refitted on resampled pairs of scenarios.
    """

    recipe: Recipe
    dims: Literal["top five", "consensus"]

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive, self.recipe.refits(cell, cell.blocks))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        vectors = refitted(self.recipe, cell, "steered blocks", answers)
        measured = answers(cell.massive)
        chosen = [
            list(massive.ranked_dims(measured.arrays["mean"][block])[:5])
            if self.dims == "top five"
            else list(measured.record["consensus"])
            for block in cell.blocks
        ]
        shares = [np.linalg.norm(vectors[:, place][:, dims], axis=1) for place, dims in enumerate(chosen)]
        mean = np.mean(shares, axis=0)
        pairs = answers(self.recipe.refits(cell, cell.blocks)).record["pairs"]
        return Replicated(float(mean[0]), mean[1:], cell.pairs_plan(pairs), "share of norm", pairs).recentred()


@dataclass(frozen=True)
class NormOutside(OnCell):
    """The mean activation norm without the consensus massive dims over the whole mean norm, at the steered blocks."""

    window: int

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive, cell.activations(self.window))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        read, dims = answers(cell.activations(self.window)), list(answers(cell.massive).record["consensus"])
        pairs = read.record["training_pairs"]
        plan = cell.scenarios_plan(pairs)
        both = np.stack([read.arrays["positive"][:pairs], read.arrays["negative"][:pairs]])[:, :, list(cell.blocks)]
        whole = np.linalg.norm(both.astype(np.float64), axis=-1).mean(axis=(0, 2))  # [pairs]
        outside = np.linalg.norm(np.delete(both.astype(np.float64), dims, axis=-1), axis=-1).mean(axis=(0, 2))
        norm = stats.mean_of(outside, plan, "activation norm") / stats.mean_of(whole, plan, "activation norm")
        return Replicated(norm.value, norm.replicates, plan, "share of norm", pairs)


@dataclass(frozen=True)
class Accuracy(OnCell):
    """The share of held-out scenarios on the right side of a direction's threshold, which the training part sets."""

    recipe: Recipe

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.activations(self.recipe.window), *(self.recipe.at(cell, block) for block in cell.blocks))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        right = []
        for block in cell.blocks:
            positive, negative = _held_out(self.recipe, cell, block, answers)
            record = answers(self.recipe.at(cell, block)).record
            sides = [np.sign(positive - record["threshold"]), -np.sign(negative - record["threshold"])]
            right.append((np.mean(sides, axis=0) * record["polarity"] + 1) / 2)  # [pairs]
        shares = np.mean(right, axis=0)
        return stats.mean_of(shares, _held_out_plan(cell, len(shares)), "share", (0.0, 1.0))


@dataclass(frozen=True)
class EffectSize(OnCell):
    """Pooled Cohen's d of held-out projections, positive minus negative, at the first steered block."""

    recipe: Recipe

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.activations(self.recipe.window), self.recipe.at(cell, cell.blocks[0]))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        positive, negative = _held_out(self.recipe, cell, cell.blocks[0], answers)

        def effect(chosen: np.ndarray) -> float:
            one, other = positive[chosen], negative[chosen]
            spread = max(directions.pooled_spread(one, other), directions.SMALLEST_SPREAD)
            return float((one.mean() - other.mean()) / spread)

        return stats.bootstrap(effect, _held_out_plan(cell, len(positive)), "standard deviations")


def _held_out(recipe: Recipe, cell: Cell, block: int, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the held-out activations with a direction, positive and negative, [pairs] each."""
    read, towards = answers(cell.activations(recipe.window)), answers(recipe.at(cell, block)).arrays["direction"]
    pairs = read.record["training_pairs"]
    rows = [read.arrays[label][pairs:, block].astype(np.float64) for label in ("positive", "negative")]
    positive, negative = (row @ towards / np.linalg.norm(row, axis=1) for row in rows)
    return positive, negative


def _held_out_plan(cell: Cell, pairs: int) -> Plan:
    settings = cell.settings
    units = f"{cell.model.language} {cell.trait}, held out"
    return Plan((pairs,), "held-out scenario pairs", units, settings.resamples, settings.seed)
