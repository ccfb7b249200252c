"""What a claim is tested on (a model and a trait, or a pair of models), and how a direction is made there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.data.datasets import Elicitation
from harness.geometry.directions import DRAWN, VECTOR, vector_named
from harness.judges.protocol import RELEVANCE_CAP
from harness.lab.measurements import (
    Activations,
    Baseline,
    BlockChoice,
    Cleaning,
    CrossFit,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Refits,
    Scale,
    Scores,
    Sweep,
    along,
)
from harness.models.registry import ModelSpec, swept_blocks
from harness.stats.resampling import Resampling

WINDOW = 5  # response tokens, the published headline
NOT_CLEANED = Cleaning()


class NoVector(KeyError):
    """A quantity is about a vector that was not brought to this run, or that this model cannot take."""

    def __str__(self) -> str:
        return str(self.args[0])


class BlocksUnknown(RuntimeError):
    """A cell is asked for its blocks before they are known."""


@dataclass(frozen=True)
class Settings:
    """What a run asks of every cell: how many questions and extractions, and what is resampled how often.

    `extractions` above 1 makes every direction that often, from other training topics each, and answers every question
    along one of them, so that the noise of extraction lies inside the intervals. Of a control that is drawn (random,
    shuffled) every question has a draw of its own.
    """

    questions: int = 60
    extractions: int = 1
    seed: int = 20260129
    resamples: int = 2_000  # of questions: cheap, nothing is generated again
    refit_resamples: int = 200  # of scenario pairs: every one refits the method at every block


@dataclass(frozen=True)
class Cell:
    """One model and one trait."""

    model: ModelSpec
    trait: str
    settings: Settings = Settings()
    topics: tuple[int, ...] = ()  # of every question of the trait; empty where each has its own

    @property
    def name(self) -> str:
        """The model's name, as the ledger has it."""
        return self.model.name

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells this cell from every other of a run."""
        measured = self.name, self.trait, self.model.judge, self.model.elicitation
        return *measured, self.settings

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks at which this cell is steered. Raises BlocksUnknown before its scenarios have chosen one."""
        chosen = self.model.blocks[self.trait]
        if not chosen:
            raise BlocksUnknown(
                f"{self.name}, {self.trait}: no block was named and none is chosen yet; --blocks names some."
            )
        return chosen

    @property
    def block_choice(self) -> BlockChoice:
        """What chooses the block of a cell for which none was named: one from 30 % to 60 % of depth."""
        return BlockChoice(self.activations(WINDOW), self.massive, swept_blocks(self.model.depth))

    @property
    def massive(self) -> MassiveActivations:
        """Massive dims of this cell's model."""
        return MassiveActivations(self.model.name, self.model.calibration_tokens or self.model.max_new_tokens)

    @property
    def judge_check(self) -> JudgeCheck:
        """This cell's judge on responses whose scores are known; of one that caps by relevance, that as well."""
        return JudgeCheck(self.model.name, self.trait, self.model.judge)

    @property
    def capped(self) -> Cell:
        """The same cell, its judge capping coherence by relevance."""
        judge = self.model.judge.removesuffix(RELEVANCE_CAP) + RELEVANCE_CAP
        return replace(self, model=replace(self.model, judge=judge))

    @property
    def baseline(self) -> Scores:
        """Unsteered responses of this cell, judged."""
        spec = self.model
        return Scores(Baseline(spec.name, self.trait, self.settings.questions, spec.max_new_tokens), spec.judge)

    def activations(self, window: int, elicitation: Elicitation | None = None) -> Activations:
        """Activations that elicit this cell's trait, as its model's entry says or otherwise."""
        return Activations(self.model.name, self.trait, window, elicitation or self.model.elicitation)

    def resampling(self) -> Resampling:
        """How this cell's questions are resampled; equal for all quantities, and for models of one language."""
        settings = self.settings
        units = f"{self.model.language} {self.trait}"
        topics = self.topics[: settings.questions]
        clusters = along(settings.questions, settings.extractions) if settings.extractions > 1 else ()
        return Resampling(settings.questions, "questions", units, settings.resamples, settings.seed, clusters, topics)

    def scenarios_resampling(self, topics: Sequence[int]) -> Resampling:
        """How this cell's scenario pairs are resampled where nothing is fitted again; `topics` has one a pair."""
        return replace(self.pairs_resampling(topics), resamples=self.settings.resamples)

    def pairs_resampling(self, topics: Sequence[int]) -> Resampling:
        """How this cell's scenario pairs are resampled for refitted directions."""
        settings = self.settings
        units = f"{self.model.language} {self.trait}"
        drawn = settings.refit_resamples, settings.seed
        return Resampling(len(topics), "scenario pairs", units, *drawn, topics=tuple(topics))


@dataclass(frozen=True)
class Pair:
    """One trait on two models, the one of severer massive dims first: what a claim across models is tested on."""

    severer: Cell
    milder: Cell

    @property
    def name(self) -> str:
        """Both models' names, as the ledger has them."""
        return f"{self.severer.name}+{self.milder.name}"

    @property
    def trait(self) -> str:
        """The one trait."""
        return self.severer.trait

    @property
    def capped(self) -> Pair:
        """The same pair, both judges capping coherence by relevance."""
        return Pair(self.severer.capped, self.milder.capped)


Subject: TypeAlias = Cell | Pair


def amounts_of(cell: Cell, grid: str) -> tuple[Scale, tuple[float, ...]]:
    """Scale and amounts of a named grid: the model's doses, or multiples of a base coefficient.

    "around base" spans half to twice the corrected base, which the published search walks (0.7 x base, four steps
    of at most x1.3); "full base" has both ends of its way down from 0.7 x the uncorrected one (four steps of x0.85).
    "coefficients" are the absolute ones that were published for the model and trait.
    """
    grids: Mapping[str, tuple[Scale, tuple[float, ...]]] = {
        "doses": ("dose", cell.model.doses),
        "around base": ("base", (0.5, 0.7937, 1.2599, 2.0)),
        "full base": ("full base", (0.36, 0.7)),
        "coefficients": ("coefficient", cell.model.coefficients.get(cell.trait, ())),
    }
    return grids[grid]


@dataclass(frozen=True)
class Recipe:
    """How a direction is made, before it is known on which model, trait and block.

    `method` is one of `directions.METHODS`, or names a vector that was made elsewhere (see `of_vector`).
    """

    method: str
    window: int = WINDOW
    cleaning: Cleaning = NOT_CLEANED
    elicitation: Elicitation | None = None  # None: as the cell's model is elicited

    @classmethod
    def of_vector(cls, name: str) -> Recipe:
        """The vector that a run brought under this name, as it is."""
        return cls(VECTOR + name)

    def elicited_by(self, elicitation: Elicitation) -> Recipe:
        """The same direction from activations that are elicited in this way, on every model."""
        return replace(self, elicitation=elicitation)

    @property
    def uncleaned(self) -> Recipe:
        """The same direction as it was fitted, no dims disarmed."""
        return replace(self, cleaning=NOT_CLEANED)

    def cleaned(self, cleaning: Cleaning) -> Recipe:
        """The same direction with massive dims disarmed, as `cleaning` says."""
        return replace(self, cleaning=cleaning)

    def over(self, window: int) -> Recipe:
        """The same direction from activations averaged over response[:window]."""
        return replace(self, window=window)

    def blocks(self, cell: Cell) -> tuple[int, ...]:
        """The blocks at which this direction is steered: the cell's, or the one that a vector was made for.

        Raises NoVector where the run has no such vector for the cell's model.
        """
        name = vector_named(self.method)
        if name is None:
            return cell.blocks
        if name not in cell.model.vectors:
            raise NoVector(f"{cell.name} has no vector {name}; bring one that fits with --vector {name}=FILE:BLOCK.")
        return (cell.model.vectors[name].block,)

    @property
    def is_fitted(self) -> bool:
        """Whether the direction is made from the scenarios, rather than drawn at random or brought from elsewhere."""
        return not self.is_control and vector_named(self.method) is None

    @property
    def is_control(self) -> bool:
        """Whether the direction is drawn at random, and so is one of many."""
        return self.method in DRAWN

    @property
    def title(self) -> str:
        """The direction in words: "mean_diff, top-1 zeroed, response[:10]"."""
        how = self.cleaning
        what = {"none": "", "top": f"top-{how.k}", "consensus": "consensus", "per_block": "per-block list"}[how.kind]
        verb = {"zero": "zeroed", "winsorise": "winsorised", "mean": "mean-replaced"}[how.how]
        parts = [self.method]
        if what:
            parts.append(f"{what} {verb}{' before the fit' if how.before else ''}")
        if self.window != WINDOW:
            parts.append(f"response[:{self.window}]")
        if self.elicitation:
            parts.append(f"by {self.elicitation}")
        return ", ".join(parts)

    def at(self, cell: Cell, block: int) -> Direction:
        """The direction of one cell and block."""
        read = cell.activations(self.window, self.elicitation)
        settings = cell.settings
        count = settings.questions if self.is_control else settings.extractions if self.is_fitted else 1
        return Direction(read, cell.massive, self.method, block, self.cleaning, count)

    def sweep(self, cell: Cell, block: int, grid: str) -> Scores:
        """The judged sweep over a named grid at one block."""
        scale, amounts = amounts_of(cell, grid)
        direction, spec = self.at(cell, block), cell.model
        return Scores(Sweep(direction, scale, amounts, cell.settings.questions, spec.max_new_tokens), spec.judge)

    def cross_fit(self, cell: Cell, block: int) -> CrossFit:
        """Scenarios along directions from other topics, cleaned after the fit. ValueError for a cleaning before it."""
        if self.cleaning.before:
            raise ValueError(f"{self.title}: cross-fitted directions are cleaned after the fit; clean them so.")
        massive = None if self.cleaning.kind == "none" else cell.massive
        return CrossFit(cell.activations(self.window, self.elicitation), self.method, block, self.cleaning, massive)

    def refits(self, cell: Cell, blocks: tuple[int, ...] = ()) -> Refits:
        """The uncleaned method refitted on resampled scenarios; cleaning is applied to each refit.

        Raises ValueError for a cleaning before the fit, or by anything but zeroing, which refits do not have.
        """
        if self.cleaning.before or self.cleaning.how != "zero":
            raise ValueError(f"{self.title}: refits are cleaned after the fit; compare such directions by steering.")
        settings = cell.settings
        read = cell.activations(self.window, self.elicitation)
        return Refits(read, self.method, settings.refit_resamples, settings.seed, blocks)
