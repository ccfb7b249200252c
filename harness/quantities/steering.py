"""Quantities of steered responses: the best along dose-response curves, what a coefficient does, how curves differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.judges.gate import why_not_trusted
from harness.lab.measurements import Measurement
from harness.quantities.algebra import Answers, OnCell
from harness.quantities.cells import Cell, Recipe
from harness.quantities.geometry import needs_of_direction, require_direction
from harness.stats import averages, interpolation, need
from harness.stats.averages import GATE, NoValidRun
from harness.stats.curves import SAME_AMOUNT, Curve, curve_gap
from harness.stats.evidence import Evidence, Extreme
from harness.stats.interpolation import Point
from harness.stats.resampling import CannotTell, Replicated

Unit = Literal["dose", "coefficient"]
DOSES: tuple[str, ...] = ("doses",)
EFFECT = 10.0  # trait points from which a direction steers: one flipped answer in ten
SATURATED = 5.0  # trait points below the largest possible gain, where more dose cannot add much
BASE_RANGE = (0.5, 2.0)  # of the corrected base coefficient: what the published search can reach from it


class JudgeNotTrusted(CannotTell):
    """A judge failed the gate on its gold set, so what it says of steered responses decides nothing."""


def sweeps(recipe: Recipe, cell: Cell, grids: tuple[str, ...]) -> tuple[Measurement, ...]:
    """The judge's check, the baseline, what tells whether there is a direction, and judged sweeps of a recipe: every
    block and grid of the cell."""
    judged = (recipe.sweep(cell, block, grid) for block in recipe.blocks(cell) for grid in run_grids(cell, grids))
    return (cell.judge_check, cell.baseline, *needs_of_direction(recipe, cell), *judged)


def run_grids(cell: Cell, grids: tuple[str, ...]) -> tuple[str, ...]:
    """The named grids, and the coefficients that were published for this cell, which are points of the same curves."""
    return (*grids, "coefficients") if cell.model.coefficients.get(cell.trait) else grids


def require_trusted_judge(cell: Cell, answers: Answers) -> None:
    """Raise JudgeNotTrusted when the cell's judge failed its gate."""
    if reason := why_not_trusted(answers(cell.judge_check).record):
        raise JudgeNotTrusted(
            f"the judge {cell.model.judge} is not good enough on gold responses ({reason}); choose one with --judge, "
            "or look at what it says with --untrusted-judge."
        )


def curves(recipe: Recipe, cell: Cell, grids: tuple[str, ...], answers: Answers, unit: Unit = "dose") -> list[Curve]:
    """One dose-response curve for each block, all grids merged by ascending amount."""
    require_trusted_judge(cell, answers)
    require_direction(recipe, cell, answers)
    found = []
    for block in recipe.blocks(cell):
        runs = [answers(recipe.sweep(cell, block, grid)) for grid in run_grids(cell, grids)]
        amounts = np.concatenate([np.asarray(run.record[f"{unit}s"], np.float64) for run in runs])
        scores = {name: np.concatenate([run.arrays[name] for run in runs]) for name in ("trait", "coherence")}
        order = np.argsort(amounts, kind="stable")
        apart = np.diff(amounts[order], prepend=-np.inf) > SAME_AMOUNT * amounts[order]
        kept = order[apart]
        trait, coherence = (scores[name][kept].astype(np.float64) for name in ("trait", "coherence"))
        found.append(Curve(amounts[kept], trait, coherence))
    return found


def require_as_many_blocks(one: Recipe, other: Recipe, cell: Cell) -> None:
    """Raise CannotTell where a vector of one block is compared, block by block, with a direction that has several."""
    if len(one.blocks(cell)) != len(other.blocks(cell)):
        raise CannotTell(
            f"{one.title} is steered at block {', '.join(map(str, one.blocks(cell)))} and {other.title} at block "
            f"{', '.join(map(str, other.blocks(cell)))}: name one block with --blocks to compare them."
        )


def unsteered(cell: Cell, answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Trait and coherence of the unsteered responses, one score a question."""
    arrays = answers(cell.baseline).arrays
    return arrays["trait"][0].astype(np.float64), arrays["coherence"][0].astype(np.float64)


def best_point(recipe: Recipe, cell: Cell, grids: tuple[str, ...], answers: Answers, unit: Unit) -> Point:
    """The best point of a recipe's curves at the gate, computed once for all who ask."""

    def compute() -> Point:
        given = curves(recipe, cell, grids, answers, unit)
        return interpolation.best_on_curves(given, *unsteered(cell, answers), cell.resampling(), amount_unit=unit)

    key = ("best", recipe, grids, unit, cell.identity)
    found: Point = answers.once(key, compute)
    return found


def beyond_the_grid(recipe: Recipe, cell: Cell, grids: tuple[str, ...], answers: Answers, point: Point) -> bool:
    """Whether the best point is a run behind which the text may still be coherent, so that more dose may do better."""
    if not point.at_edge:
        return False
    curve, after = curves(recipe, cell, grids, answers)[point.curve], point.between[1] + 1
    if after == len(curve.amounts):
        return True
    judged = curve.coherence[after][~np.isnan(curve.coherence[after])]
    return not len(judged) or bool(judged.mean() >= GATE)


class Steered(OnCell):
    """A quantity of steered responses."""

    steers = True


@dataclass(frozen=True)
class BestDelta(Steered):
    """Largest gain over the baseline at coherence >= GATE along a recipe's dose-response curves, in trait points.

    It is the best of the interpolated curve: linear between runs, so the best may lie where coherence crosses the gate.
    The point is chosen again inside every resample. Raises averages.NoValidRun when none is coherent enough, and
    CannotTell when the best is the last run, with coherence to spare and gain to be had: what lies beyond was not run.
    """

    recipe: Recipe
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return sweeps(self.recipe, cell, self.grids)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        point = best_point(self.recipe, cell, self.grids, answers, "dose")
        room = 100.0 - float(np.nanmean(unsteered(cell, answers)[0])) - point.delta.value
        # Of a control it is asked what it does within the doses that were run, not how far it could be driven.
        if (
            not self.recipe.is_control
            and room > SATURATED
            and beyond_the_grid(self.recipe, cell, self.grids, answers, point)
        ):
            raise CannotTell(
                f"{self.recipe.title} is best (Delta {point.delta.value:.1f}) at the last dose run, "
                f"{point.amount.value:.3g}, and still coherent there, so its best is not known: run larger doses."
            )
        return point.delta


@dataclass(frozen=True)
class BestAmount(Steered):
    """The dose or coefficient at which a recipe is best at coherence >= GATE: for tables alone, since chance decides it
    where a curve is flat on top (claims ask for NeededAmount).

    Raises CannotTell for a recipe that is not told to steer at all (the low end of its Delta is below EFFECT), or
    whose best is the last run, still coherent.
    """

    recipe: Recipe
    unit: Unit = "dose"
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return sweeps(self.recipe, cell, self.grids)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        require_steering(self.recipe, cell, self.grids, answers)
        return best_point(self.recipe, cell, self.grids, answers, self.unit).amount


def require_steering(recipe: Recipe, cell: Cell, grids: tuple[str, ...], answers: Answers) -> None:
    """Raise CannotTell for a recipe that is not told to steer, or that may steer more beyond the last run."""
    point = best_point(recipe, cell, grids, answers, "dose")
    censored = beyond_the_grid(recipe, cell, grids, answers, point)
    if censored or point.delta.estimate().low < EFFECT:
        raise CannotTell(
            f"{recipe.title} needs no dose that could be told: its best Delta is {point.delta.value:.1f}"
            f"{', at the last run and still coherent' if censored else ', which may be no effect'}."
        )


@dataclass(frozen=True)
class NeededAmount(Steered):
    """The dose or coefficient a recipe needs: where half of its best Delta at coherence >= GATE is reached.

    Raises CannotTell for a recipe that is not told to steer at all (its Delta may be below EFFECT), whose best is the
    last run, still coherent, or that reaches the half before the first run.
    """

    recipe: Recipe
    unit: Unit = "dose"
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return sweeps(self.recipe, cell, self.grids)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        require_steering(self.recipe, cell, self.grids, answers)
        given = curves(self.recipe, cell, self.grids, answers, self.unit)
        return need.needed_amount(given, *unsteered(cell, answers), cell.resampling(), self.unit)


@dataclass(frozen=True)
class GridBest(Steered):
    """The published rule: the largest gain among the runs whose mean coherence reaches the gate, in trait points."""

    recipe: Recipe
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return sweeps(self.recipe, cell, self.grids)

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        given = curves(self.recipe, cell, self.grids, answers)
        return interpolation.best_on_curves(
            given, *unsteered(cell, answers), cell.resampling(), between_runs=False
        ).delta


@dataclass(frozen=True)
class AroundBase(Steered):
    """Largest gain at coherence >= GATE among coefficients from half to twice the corrected base, in trait points.

    Raises NoValidRun where nothing in that range is coherent, or not in nearly every resample.
    """

    recipe: Recipe
    grids: tuple[str, ...] = ("doses", "around base")

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*sweeps(self.recipe, cell, self.grids), *_directions(self.recipe, cell))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        inside, least = [], []
        for block, curve in zip(
            self.recipe.blocks(cell), curves(self.recipe, cell, self.grids, answers, "coefficient"), strict=True
        ):
            low, high = (share * base_coefficient(self.recipe, cell, block, answers) for share in BASE_RANGE)
            within = (curve.amounts >= low * (1 - SAME_AMOUNT)) & (curve.amounts <= high * (1 + SAME_AMOUNT))
            if within.any():
                inside.append(Curve(curve.amounts[within], curve.trait[within], curve.coherence[within]))
                least.append(low)
        if not inside:
            raise NoValidRun(f"No run of {self.recipe.title} lies from half to twice its base coefficient.")
        scores, resampling = unsteered(cell, answers), cell.resampling()
        return interpolation.best_on_curves(inside, *scores, resampling, least_amounts=least).delta


def base_coefficient(recipe: Recipe, cell: Cell, block: int, answers: Answers, full: bool = False) -> float:
    """The activation norm over the (unit) direction's norm: without massive dims, or `full`."""
    record = answers(recipe.at(cell, block)).record
    return float(record["norm" if full else "norm_without"])


def _directions(recipe: Recipe, cell: Cell) -> tuple[Measurement, ...]:
    return tuple(recipe.at(cell, block) for block in recipe.blocks(cell))


@dataclass(frozen=True)
class SearchDelta(Steered):
    """What the published adaptive search finds from 0.7 x a base coefficient, in trait points over the baseline.

    The search walks on the interpolated curve of every run made of this direction. At several blocks the best counts.
    """

    recipe: Recipe
    corrected: bool = True
    grids: tuple[str, ...] = ("doses", "around base")

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*sweeps(self.recipe, cell, self.grids), *_directions(self.recipe, cell))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        given = curves(self.recipe, cell, self.grids, answers, "coefficient")
        starts = [
            0.7 * base_coefficient(self.recipe, cell, block, answers, not self.corrected)
            for block in self.recipe.blocks(cell)
        ]
        return interpolation.search_on_curves(given, *unsteered(cell, answers), starts, cell.resampling())


@dataclass(frozen=True)
class CoherenceAt(Steered):
    """Mean coherence (0 to 100) of the run at one amount of a grid, at the first block."""

    recipe: Recipe
    grid: str
    amount: float

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (cell.judge_check, self.recipe.sweep(cell, self.recipe.blocks(cell)[0], self.grid))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        require_trusted_judge(cell, answers)
        run = answers(self.recipe.sweep(cell, self.recipe.blocks(cell)[0], self.grid))
        scores = run.arrays["coherence"][run.record["amounts"].index(self.amount)].astype(np.float64)
        if np.isnan(scores).mean() > 1 - averages.MIN_JUDGED:
            raise CannotTell(
                f"Only {(~np.isnan(scores)).sum()} of {len(scores)} responses have a coherence: ask another "
                "judge (--judge)."
            )
        return averages.mean_of(scores, cell.resampling(), "coherence points", averages.SCORES)


@dataclass(frozen=True)
class GainWhereNeeded(Steered):
    """The gain of one recipe less that of another at the dose that the other needs (half of its best), in points.

    Coherence is not asked. Raises CannotTell where the other is not told to steer.
    """

    recipe: Recipe
    other: Recipe
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*sweeps(self.recipe, cell, self.grids), *sweeps(self.other, cell, self.grids))

    def on(self, cell: Cell, answers: Answers) -> Replicated:
        require_as_many_blocks(self.recipe, self.other, cell)
        require_steering(self.other, cell, self.grids, answers)
        own, others = (curves(recipe, cell, self.grids, answers) for recipe in (self.recipe, self.other))
        return need.gain_where_needed(own, others, *unsteered(cell, answers), cell.resampling())


@dataclass(frozen=True)
class CurveGap(Steered):
    """How far two recipes' curves lie apart in dose, in points, on average over the doses run.

    The mean over blocks would hide a gap, so the block at which they lie furthest apart counts.
    """

    one: Recipe
    other: Recipe
    of: Literal["trait", "coherence"] = "trait"
    grids: tuple[str, ...] = DOSES

    def needs_on(self, cell: Cell) -> tuple[Measurement, ...]:
        return (*sweeps(self.one, cell, self.grids), *sweeps(self.other, cell, self.grids))

    def on(self, cell: Cell, answers: Answers) -> Evidence:
        require_as_many_blocks(self.one, self.other, cell)
        both = zip(
            curves(self.one, cell, self.grids, answers), curves(self.other, cell, self.grids, answers), strict=True
        )
        gaps = tuple(curve_gap(one, other, cell.resampling(), self.of) for one, other in both)
        return Extreme("largest", gaps)
