"""Models whose responses are drawn: the chance of trait and coherence at every dose is known, and so is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.geometry.directions import DRAWN
from harness.lab import making
from harness.lab.measurements import (
    Activations,
    Baseline,
    CrossFit,
    Direction,
    JudgeCheck,
    Measurement,
    Scores,
    Sweep,
    along,
)
from harness.lab.store import Answer
from harness.models.registry import ModelSpec
from harness.quantities import Answers, Cell, Recipe, Settings

QUESTION_SHARE = 0.5  # of the variance of a latent score lies in the question, which correlates the runs
PAIRS = 20  # of scenarios
PARTS = 60  # of the pairs, behind extractions; as many as can be dealt into two to six, ten or twelve
GRADERS = 4  # a graded score is the mean of so many all-or-nothing ones
GATE = 0.7  # of coherence, as a chance
DOSES = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6)


@dataclass(frozen=True)
class Line:
    """Chances along the dose, linear between the points of a curve: `trait` and `coherence` at each of `doses`."""

    trait: tuple[float, ...]
    coherence: tuple[float, ...]
    doses: tuple[float, ...] = DOSES

    def at(self, dose: float) -> tuple[float, float]:
        """Chance of trait and of coherence, from 0 and .95 unsteered; beyond the last dose as there."""
        doses = (0.0, *self.doses)
        return float(np.interp(dose, doses, (0.0, *self.trait))), float(np.interp(dose, doses, (0.95, *self.coherence)))

    def best(self) -> tuple[float, float]:
        """The largest gain (points) where coherence is at the gate or more, and its dose, on a fine grid of doses from
        half the first run on: the truth of what claims call best."""
        doses = np.linspace(self.doses[0] / 2, self.doses[-1], 20_001)
        trait, coherence = np.array([self.at(dose) for dose in doses]).T
        gains = np.where(coherence >= GATE - 1e-9, trait, -1.0)
        return 100 * float(gains.max()), float(doses[gains.argmax()])


RISING = Line((0.05, 0.15, 0.30, 0.45, 0.60, 0.75, 0.90), (0.92, 0.88, 0.82, 0.76, 0.66, 0.50, 0.30))
PLATEAU = Line((0.40,) * 7, (0.90,) * 7)


def moved(line: Line, trait: float) -> Line:
    """The same line with every chance of the trait moved by so much."""
    return replace(line, trait=tuple(chance + trait for chance in line.trait))


@dataclass(frozen=True)
class World:
    """A model of one trait. `lines` has the line of a direction by its recipe; of any other, `usual`.

    blocks: how many are steered, all alike. missing: share of missing judgements; `incoherent`: of the judgements of
    coherence below the gate alone. follows: correlation of trait and
    coherence through the question. alike: share of what is random in an answer that all directions have in common.
    extraction: standard deviation, in points, by which a direction from all pairs is better or worse than from all that
    there could be; an extraction has that of its own pairs. draw: the same for the draws of a control, of which a share
    `rare` gain 60 points more. base: the corrected base coefficient in doses.
    """

    lines: Mapping[Recipe, Line] = field(default_factory=dict)
    usual: Line = RISING
    blocks: int = 1
    missing: float = 0.0
    incoherent: float = 0.0
    follows: float = 0.0
    alike: float = 0.0
    extraction: float = 0.0
    draw: float = 0.0
    rare: float = 0.0
    base: float = 1.0

    def line(self, direction: Direction) -> Line:
        """The line of a direction."""
        return self.lines.get(Recipe(direction.method, direction.activations.window, direction.cleaning), self.usual)

    def cell(self, questions: int, settings: Settings) -> Cell:
        """A cell of this world."""
        here, blocks = Path("simulated"), {"refusal": tuple(range(self.blocks))}
        spec = ModelSpec(here.name, here, here, here.name, "none", blocks, self.usual.doses, 8, "a simulated model")
        return Cell(spec, "refusal", replace(settings, questions=questions))

    def latents(self, rng: np.random.Generator, questions: int) -> np.ndarray:
        """What every question adds to the latent score of a response."""
        return rng.normal(size=questions)

    def answers(self, rng: np.random.Generator, questions: int, graded: bool) -> Answers:
        """One data set: every answer is drawn on first need and then stays."""
        return _Sample(self, rng, questions, graded).answers()

    def crossed(self, rng: np.random.Generator, questions: int, graded: bool, count: int) -> list[Answers]:
        """One data set in which every question is answered along each of `count` extractions, one after another."""
        sample = _Sample(self, rng, questions, graded)
        return [replace(sample, only=(number, count)).answers() for number in range(count)]


@dataclass
class _Sample:
    """The random numbers of one data set."""

    world: World
    rng: np.random.Generator
    questions: int
    graded: bool
    only: tuple[int, int] | None = None  # the one extraction, of how many, along which all questions are answered
    latents: list[np.ndarray] = field(default_factory=list)
    shared: dict[object, np.ndarray] = field(default_factory=dict)
    shifts: dict[object, np.ndarray] = field(default_factory=dict)
    baseline: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        follows = self.world.follows
        if not self.latents:
            self.latents += [self.world.latents(self.rng, self.questions) for _ in range(2)]
        self.question, other = self.latents
        self.coherent = follows * self.question + np.sqrt(1 - follows**2) * other

    def answers(self) -> Answers:
        """Looks up answers, each drawn on first need."""
        known: dict[Measurement, Answer] = {}

        def lookup(measurement: Measurement) -> Answer:
            if measurement not in known:
                known[measurement] = self.answer(measurement)
            return known[measurement]

        return Answers(lookup)

    def answer(self, measurement: Measurement) -> Answer:
        match measurement:
            case Direction():
                return Answer({}, {"norm": 1.0, "norm_without": self.world.base, "dose_norm": 1.0})
            case Activations():
                # Scenarios that any method tells apart: whether there is a direction is not what is simulated here.
                sides = np.array([1.0, 0.2, 0.1]) + 0.1 * np.random.default_rng(0).normal(
                    size=(PAIRS, self.world.blocks, 3)
                )
                record = {"training_pairs": PAIRS, "topics": list(range(PAIRS))}
                return Answer({"positive": sides, "negative": -sides}, record)
            case CrossFit(activations=read):
                return making.cross_fit(measurement, self.answer(read), None)
            case JudgeCheck():
                return Answer({}, {})  # nothing that could speak against it
            case Scores(of=Baseline()):
                if not self.baseline:
                    self.baseline.append(self._scores([0.0], np.zeros((1, 1)), np.full((1, 1), 0.95), "baseline"))
                return self.baseline[0]
            case Scores(of=Sweep() as sweep):
                unit = self.world.base if sweep.scale == "base" else 1.0
                doses = [unit * amount for amount in sweep.amounts]
                trait, coherence = np.array([self.world.line(sweep.direction).at(dose) for dose in doses]).T
                moved_on = np.clip(trait[:, None] + self._shifts(sweep.direction), 0.0, 1.0)
                return self._scores(doses, moved_on, coherence[:, None], (sweep.direction.block, sweep.scale))
            case _:
                raise AssertionError(f"no steering claim asks for {measurement}")

    def _shifts(self, direction: Direction) -> np.ndarray:
        """How much better a direction is than the mean for every question, as a chance: its extraction, or its draw.

        As in `harness.lab.making.extractions`, pairs are dealt into parts, an extraction is as good as its own parts,
        and all pairs are as good as all of them.
        """
        number, count = (0, direction.count) if self.only is None or direction.method in DRAWN else self.only
        key = (direction.method, direction.activations.window, direction.cleaning)
        if key not in self.shifts:
            if direction.method in DRAWN:
                found = self.rng.normal(0.0, self.world.draw / 100, count) + 0.6 * (
                    self.rng.random(count) < self.world.rare
                )
            else:
                parts = self.rng.normal(0.0, self.world.extraction / 100 * np.sqrt(PARTS), PARTS)
                several = making.extractions(list(range(PARTS)), count) if count > 1 else [np.arange(PARTS)]
                found = np.array([parts[chosen].mean() for chosen in several])
            self.shifts[key] = found
        turns = along(self.questions, count) if self.only is None or direction.method in DRAWN else [number]
        return self.shifts[key][list(turns)]

    def _scores(self, doses: list[float], trait: np.ndarray, coherence: np.ndarray, place: object) -> Answer:
        """Scores of runs whose chances are (runs, questions), or (runs, 1) where all questions have one."""
        arrays = {
            "trait": self._drawn(trait, self.question, place, "trait"),
            "coherence": self._drawn(coherence, self.coherent, place, "coherence"),
        }
        return Answer(arrays, {"amounts": doses, "doses": doses, "coefficients": doses})

    def _drawn(self, chances: np.ndarray, latent: np.ndarray, at: object, name: str) -> np.ndarray:
        shape, place = (GRADERS if self.graded else 1, len(chances), self.questions), (at, name)
        if place not in self.shared:
            self.shared[place] = self.rng.normal(size=shape)
        alike = self.world.alike
        own = np.sqrt(alike) * self.shared[place] + np.sqrt(1 - alike) * self.rng.normal(size=shape)
        found = scores_of(chances, np.sqrt(QUESTION_SHARE) * latent + np.sqrt(1 - QUESTION_SHARE) * own)
        if self.world.missing:
            found[self.rng.random(found.shape) < self.world.missing] = np.nan
        if self.world.incoherent and name == "coherence":
            found[(self.rng.random(found.shape) < self.world.incoherent) & (found < 100 * GATE)] = np.nan
        return found.astype(np.float32)


def scores_of(chances: np.ndarray, latent: np.ndarray) -> np.ndarray:
    """Scores (runs, units) from 0 to 100 whose means are 100 x `chances` (runs, or runs by units), of normal latents
    (graders, runs, units)."""
    from scipy.special import ndtri

    found: np.ndarray = 100.0 * (latent < ndtri(chances.reshape(len(chances), -1))).mean(axis=0)
    return found


def scores(rng: np.random.Generator, chances: np.ndarray, questions: np.ndarray, graded: bool) -> np.ndarray:
    """Drawn scores (runs, units) whose means are 100 x `chances`, correlated through `questions` (units,)."""
    own = rng.normal(size=(GRADERS if graded else 1, len(chances), len(questions)))
    return scores_of(chances, np.sqrt(QUESTION_SHARE) * questions + np.sqrt(1 - QUESTION_SHARE) * own)
