"""Quantities of directions and activations alone: cosines, shares of norm, and how well a direction separates."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.geometry import massive, separation
from harness.geometry.cleaning import clean_all
from harness.lab.measurements import CrossFit, Measurement
from harness.lab.store import Answer
from harness.quantities.algebra import Answers, OnCell
from harness.quantities.cells import Cell, Recipe
from harness.stats import averages
from harness.stats.evidence import Evidence
from harness.stats.refitted import Refitted
from harness.stats.resampling import CannotTell, Replicated, Resampling

Where = Literal["all blocks", "steered blocks"]
CHANCE = 0.5  # the share of pairs in the right order along a direction that knows nothing
COSINES, SHARES = (-1.0, 1.0), (0.0, 1.0)


def refitted(recipe: Recipe, cell: Cell, blocks: tuple[int, ...], answers: Answers) -> np.ndarray:
    """Unit directions [1 + resamples, blocks, hidden] of a recipe at `blocks` (none: all), each cleaned of its block's
    dims."""

    def compute() -> np.ndarray:
        answer = answers(recipe.refits(cell, blocks))
        vectors = answer.arrays["directions"].astype(np.float64)
        for place, block in enumerate(answer.record["blocks"]):
            vectors[:, place] = clean_all(vectors[:, place], _cleaned_dims(recipe, cell, block, answers))
        return vectors

    found: np.ndarray = answers.once(("refits", recipe, blocks, cell.name, cell.trait, cell.settings), compute)
    return found


def _cleaned_dims(recipe: Recipe, cell: Cell, block: int, answers: Answers) -> tuple[int, ...]:
    """The dims that a recipe's cleaning disarms at a block."""
    how = recipe.cleaning
    if how.kind == "none":
        return ()
    measured = answers(cell.massive)
    own, mean = measured.record["top"][block], measured.arrays["mean"][block]
    return massive.cleaned_dims(how.kind, how.k, mean, measured.record["consensus"], own)


def _blocks(cell: Cell, where: Where, recipes: Sequence[Recipe]) -> tuple[int, ...]:
    """The blocks at which directions are compared (none: all): those of a vector, if one was made elsewhere."""
    if where == "all blocks":
        return ()
    return next((recipe.blocks(cell) for recipe in recipes if not recipe.is_fitted), cell.blocks)


@dataclass(frozen=True)
class Cosine(OnCell):
    """Cosine of two directions averaged over blocks, refitted on resampled pairs of scenarios.

    A refit on a resample is noisier than the fit itself, which turns directions apart: see `harness.stats.refitted`.
    """

    one: Recipe
    other: Recipe
    where: Where = "steered blocks"

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        both = self.one, self.other
        blocks = _blocks(cell, self.where, both)
        known = (needed for recipe in both for needed in needs_of_direction(recipe, cell))
        return (cell.massive, *known, *(recipe.refits(cell, blocks) for recipe in both))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        for recipe in (self.one, self.other):
            require_direction(recipe, cell, answers)
        blocks = _blocks(cell, self.where, (self.one, self.other))
        one, other = (refitted(recipe, cell, blocks, answers) for recipe in (self.one, self.other))
        cosines = (one * other).sum(axis=-1).mean(axis=-1)  # [1 + resamples]
        resampling = min((_refits_resampling(each, cell, blocks, answers) for each in (self.one, self.other)), key=_few)
        return Refitted(float(cosines[0]), cosines[1:], resampling, "cosine", resampling.n, COSINES)


@dataclass(frozen=True)
class ShareInside(OnCell):
    """The share of a direction's norm inside massive dims (0 to 1), averaged over the steered blocks.

    `dims` are the block's five most massive ones, or the consensus. Refitted on resampled pairs of scenarios.
    """

    recipe: Recipe
    dims: Literal["top five", "consensus"]

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (
            cell.massive,
            *needs_of_direction(self.recipe, cell),
            self.recipe.refits(cell, self.recipe.blocks(cell)),
        )

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        require_direction(self.recipe, cell, answers)
        blocks = self.recipe.blocks(cell)
        vectors = refitted(self.recipe, cell, blocks, answers)
        measured = answers(cell.massive)
        chosen = [
            list(massive.ranked_dims(measured.arrays["mean"][block])[:5])
            if self.dims == "top five"
            else list(measured.record["consensus"])
            for block in blocks
        ]
        shares = [np.linalg.norm(vectors[:, place][:, dims], axis=1) for place, dims in enumerate(chosen)]
        mean = np.mean(shares, axis=0)
        resampling = _refits_resampling(self.recipe, cell, blocks, answers)
        return Refitted(float(mean[0]), mean[1:], resampling, "share of norm", resampling.n, SHARES)


@dataclass(frozen=True)
class NormOutside(OnCell):
    """The mean activation norm without the consensus massive dims over the whole mean norm, at the steered blocks."""

    window: int

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.massive, cell.activations(self.window))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        read, dims = answers(cell.activations(self.window)), list(answers(cell.massive).record["consensus"])
        pairs = read.record["training_pairs"]
        resampling = cell.scenarios_resampling(topics_of(read, pairs))
        both = np.stack([read.arrays["positive"][:pairs], read.arrays["negative"][:pairs]])[:, :, list(cell.blocks)]
        whole = np.linalg.norm(both.astype(np.float64), axis=-1).mean(axis=(0, 2))  # [pairs]
        outside = np.linalg.norm(np.delete(both.astype(np.float64), dims, axis=-1), axis=-1).mean(axis=(0, 2))
        norm = averages.mean_of(outside, resampling, "activation norm") / averages.mean_of(
            whole, resampling, "activation norm"
        )
        return Replicated(norm.value, norm.replicates, resampling, "share of norm", pairs)


@dataclass(frozen=True)
class Accuracy(OnCell):
    """The share of scenarios on the right side of a threshold, direction and threshold made from other topics alone.

    Averaged over the steered blocks; see `harness.geometry.separation` for folds and interval.
    """

    recipe: Recipe

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return _cross_fits(self.recipe, cell)

    def on(self, cell: Cell, answers: Answers) -> Evidence:
        return _share(self.recipe, cell, answers, separation.right_sides, rows=2)


@dataclass(frozen=True)
class RightOrder(OnCell):
    """The share of pairs whose positive lies above its negative along a direction made from other topics alone.

    Averaged over the steered blocks; see `harness.geometry.separation` for folds and interval.
    """

    recipe: Recipe

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return _cross_fits(self.recipe, cell)

    def on(self, cell: Cell, answers: Answers) -> Evidence:
        return _share(self.recipe, cell, answers, separation.right_orders, rows=1)


@dataclass(frozen=True)
class EffectSize(OnCell):
    """Cohen's d of scenarios along directions made from other topics, positive minus negative, at the first steered
    block."""

    recipe: Recipe

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (self.recipe.cross_fit(cell, self.recipe.blocks(cell)[0]),)

    def on(self, cell: Cell, answers: Answers) -> Evidence:
        read = answers(self.recipe.cross_fit(cell, self.recipe.blocks(cell)[0]))
        topics, questions = _topics_and_questions(read)
        resampling = _topics_resampling(cell, separation.independent(topics, questions))
        return separation.effect_size(_held_out(read), topics, resampling, questions)


class NoDirection(CannotTell):
    """A method finds no direction of a trait in a model, so claims about that direction say nothing."""


def needs_of_direction(recipe: Recipe, cell: Cell) -> tuple[Measurement, ...]:
    """What `require_direction` looks up."""
    return _cross_fits(recipe.uncleaned, cell) if recipe.is_fitted else ()


def require_direction(recipe: Recipe, cell: Cell, answers: Answers) -> None:
    """Raise NoDirection unless a recipe's method tells pairs of other topics apart at the steered blocks.

    That is, unless the low end of the share of pairs in the right order is above one half (what guessing has). It is
    asked of the method and window, uncleaned, once for each. Controls that are drawn at random are let through, as they
    need know nothing, and so are vectors made elsewhere: these scenarios are none of theirs.
    """
    if not recipe.is_fitted:
        return
    bare = recipe.uncleaned
    found = RightOrder(bare).evaluate(cell, answers).estimate()
    if found.low <= CHANCE:
        blocks = ", ".join(map(str, cell.blocks))
        raise NoDirection(
            f"{bare.method} of {cell.trait}, response[:{bare.window}], does not tell held-out "
            f"{bare.elicitation or cell.model.elicitation} apart at block {blocks} ({found.value:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}] of pairs in the right order); claims about it say nothing: "
            "elicit the trait otherwise."
        )


def _cross_fits(recipe: Recipe, cell: Cell) -> tuple[CrossFit, ...]:
    return tuple(recipe.cross_fit(cell, block) for block in recipe.blocks(cell))


def _share(
    recipe: Recipe, cell: Cell, answers: Answers, right: Callable[[separation.HeldOut], np.ndarray], rows: int
) -> Evidence:
    """The share of `rows` a pair that are `right`, averaged over the steered blocks."""
    read = [answers(one) for one in _cross_fits(recipe, cell)]
    shares = np.mean([right(_held_out(one)) for one in read], axis=0)
    return separation.accuracy(shares, *_topics_and_questions(read[0]), rows=rows)


def _topics_and_questions(answer: Answer) -> tuple[Sequence[Hashable], Sequence[Hashable] | None]:
    return answer.record["topics"], answer.record.get("questions")


def topics_of(answer: Answer, pairs: int) -> Sequence[int]:
    """The topic of each of the first pairs, or its question where these are fewer."""
    topics, questions = (each and each[:pairs] for each in _topics_and_questions(answer))
    assert topics is not None
    return separation.coarsest(separation.ways_of(topics, questions)).tolist()


def _refits_resampling(recipe: Recipe, cell: Cell, blocks: tuple[int, ...], answers: Answers) -> Resampling:
    return cell.pairs_resampling(answers(recipe.refits(cell, blocks)).record["topics"])


def _few(resampling: Resampling) -> tuple[int, int]:
    return resampling.independent, resampling.n


def _topics_resampling(cell: Cell, topics: int) -> Resampling:
    settings = cell.settings
    units = f"{cell.model.language} {cell.trait}, topics"
    return Resampling(topics, "topics", units, settings.resamples, settings.seed)


def _held_out(answer: Answer) -> separation.HeldOut:
    return separation.HeldOut(**answer.arrays)
