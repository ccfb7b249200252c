"""How often a judge that is exactly on a bound of the gate is passed, and a good one, on simulated gold sets."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from harness.judges import gate
from harness.judges.gate import Bound
from harness.judges.quality import Figure, auroc_figure, offset_figure, share, slope_figure

SEED = 0
# Responses and questions as in the shipped gold sets (coherence in both languages, the traits that differ most,
# relevance), and gold sets of 30, 60 and 120 responses.
SIZES = ((110, 30), (121, 61), (89, 63), (98, 27), (88, 82), (61, 16), (30, 8), (60, 15), (120, 30))
AUROC_SIZES = ((98, 27), (61, 16), (30, 8), (60, 15), (120, 30))  # fewer, as every one takes a second
SMALL, LARGE = 200.0, 4.0  # precisions of scores: standard deviations of 3.5 and 22 points at a mean of 50
GOLD = (0.0, 5.0, 25.0, 50.0, 75.0, 95.0, 100.0)
FREQUENCY = (0.35, 0.10, 0.06, 0.08, 0.06, 0.10, 0.25)  # mostly near the ends, as in the shipped sets
RARE = 0.2  # of questions, where few are wholly misjudged


@dataclass(frozen=True)
class Line:
    """A kind of question: its frequency, the mean score of a gold score of 70, and points of score a point of gold."""

    frequency: float
    level: float
    slope: float


@dataclass(frozen=True)
class Linear:
    """A judge whose mean score is linear in gold, by lines that differ between questions.

    Scores come from beta distributions of that mean, so that nothing is clipped: the line of all questions, which is
    what least squares estimate, is exactly the mean of `lines`. `spread` shifts the line of every question at random.
    `width` shrinks the gold scores about 50: no line steeper than 1 goes through all of them within 0 to 100.
    """

    bound: Bound
    truth: str
    lines: tuple[Line, ...]
    spread: float = 0.0
    width: float = 1.0
    precision: float = SMALL

    def draw(self, rng: np.random.Generator, n: int, questions: int) -> Figure:
        """The figure of `bound` on one gold set of n responses."""
        gold = 50 + self.width * (rng.choice(GOLD, n, p=FREQUENCY) - 50)
        asked = asked_of(rng, n, questions)
        chosen = rng.choice(len(self.lines), questions, p=[line.frequency for line in self.lines])
        level = np.asarray([line.level for line in self.lines])[chosen] + rng.uniform(
            -self.spread, self.spread, questions
        )
        slope = np.asarray([line.slope for line in self.lines])[chosen]
        mean = np.clip((level[asked] + slope[asked] * (gold - 70)) / 100, 1e-4, 1 - 1e-4)
        scores = 100 * rng.beta(mean * self.precision, (1 - mean) * self.precision)
        return (slope_figure if self.bound is gate.SLOPE else offset_figure)(gold, scores, asked)

    @property
    def good(self) -> Linear:
        """A clearly good judge of the same noise."""
        return replace(self, truth="good", lines=(Line(1.0, 70.0, 0.95),), spread=1.0, width=1.0)


@dataclass(frozen=True)
class Share:
    """A judge that is right with a chance that differs between questions by a beta distribution of this precision.

    Infinite precision: all questions are alike; 0: each question is judged wholly right or wholly wrong.
    """

    bound: Bound
    truth: str
    chance: float
    precision: float

    def draw(self, rng: np.random.Generator, n: int, questions: int) -> Figure:
        """The figure of `bound` on one gold set of n responses."""
        asked = asked_of(rng, n, questions)
        if self.precision == 0:
            chances = (rng.random(questions) < self.chance).astype(np.float64)
        elif np.isinf(self.precision):
            chances = np.full(questions, self.chance)
        else:
            chances = rng.beta(self.chance * self.precision, (1 - self.chance) * self.precision, questions)
        return share(rng.random(n) < chances[asked], asked)

    @property
    def good(self) -> Share:
        """A clearly good judge: right, or missing, a fifth as often as on the bound, responses being independent."""
        away = 1.0 if self.bound.low > 0 else 0.0
        return replace(self, truth="good", chance=away + (self.chance - away) / 5, precision=float("inf"))


@dataclass(frozen=True)
class Ordering:
    """A judge by its AUROC: normal scores, a share `shared` of whose variance is the question's; or, if `reversed`, a
    judge that has that share of questions the wrong way round and all others right."""

    bound: Bound
    truth: str
    auroc: float
    shared: float = 0.0
    reversed: float = 0.0

    def draw(self, rng: np.random.Generator, n: int, questions: int) -> Figure:
        """The AUROC on one gold set of n responses."""
        from scipy.special import ndtri

        gold, asked = rng.choice(GOLD, n, p=FREQUENCY), asked_of(rng, n, questions)
        positive = np.where(gold >= 50, 1.0, -1.0)
        if self.reversed:
            # Right questions score 30 and 70, wrong ones 80 and 20: only pairs of two right questions are in order.
            scores = np.where(rng.random(questions) < self.reversed, -30, 20)[asked] * positive + 50
        else:
            noise = np.sqrt(1 - self.shared) * rng.normal(size=n)
            noise += np.sqrt(self.shared) * rng.normal(size=questions)[asked]
            scores = np.clip(50 + 5 * (noise + positive * ndtri(self.auroc) / np.sqrt(2)), 0, 100)
        return auroc_figure(gold, scores, asked)

    @property
    def good(self) -> Ordering:
        """A clearly good judge."""
        return replace(self, truth="good", auroc=0.98, shared=0.0, reversed=0.0)


World: TypeAlias = Linear | Share | Ordering


def asked_of(rng: np.random.Generator, n: int, questions: int) -> np.ndarray:
    """Which question each of n responses answers: every question about as often."""
    return np.asarray(rng.permutation(np.arange(n) % questions))


def lines() -> list[Linear]:
    """Slope and offset on either bound, for questions that are alike, that differ, and of which few are far off."""
    slope, offset, few = gate.SLOPE, gate.OFFSET, 1 - RARE
    quiet = [
        Linear(slope, "slope 2/3, questions alike", (Line(1, 60, 2 / 3),)),
        Linear(slope, "slope 2/3, questions differ", (Line(0.5, 70, 1), Line(0.5, 55, 1 / 3))),
        Linear(slope, "slope 2/3, one question in five reversed", (Line(few, 70, 1), Line(RARE, 40, -2 / 3))),
        Linear(slope, "slope 3/2, questions alike", (Line(1, 80, 3 / 2),), width=0.4),
        Linear(slope, "slope 3/2, questions differ", (Line(1, 80, 3 / 2),), 20, 0.4),
        Linear(slope, "slope 3/2, one question in five steep", (Line(few, 75, 5 / 4), Line(RARE, 99, 5 / 2)), 0, 0.4),
        Linear(offset, "offset -10, questions alike", (Line(1, 60, 0.85),)),
        Linear(offset, "offset -10, questions differ", (Line(1, 60, 0.6),), 18),
        Linear(offset, "offset -10, one question in five 50 low", (Line(few, 70, 1), Line(RARE, 20, 1 / 4))),
        Linear(offset, "offset 10, questions alike", (Line(1, 80, 2 / 3),)),
        Linear(offset, "offset 10, questions differ", (Line(1, 80, 0.5),), 5),
        Linear(offset, "offset 10, one question in five 30 high", (Line(few, 75, 0.8), Line(RARE, 100, 0))),
    ]
    loud = [replace(one, truth=f"{one.truth}, much noise", precision=LARGE) for one in quiet]
    return [replace(one, truth=f"{one.truth}, little noise") for one in quiet] + loud


def worlds() -> list[World]:
    """Every judge that lies on a bound."""
    shares = [
        Share(bound, f"{name} {chance:.2f}, {questions}", chance, precision)
        for bound, name, chance in ((gate.SIDES, "agreement", gate.SIDES.low), (gate.CAPS, "caps", gate.CAPS.low),
                                    (gate.MISSING, "missing", gate.MISSING.high))
        for questions, precision in (("questions alike", float("inf")), ("questions differ", 2.0),
                                     ("questions wholly right or wrong", 0.0))
    ]  # fmt: skip
    orders = [
        Ordering(gate.AUROC, "AUROC 0.80, questions alike", 0.8),
        Ordering(gate.AUROC, "AUROC 0.80, questions differ", 0.8, shared=0.5),
        Ordering(gate.AUROC, "AUROC 0.80, some questions reversed", 0.8, reversed=1 - 0.8**0.5),
    ]
    return [*lines(), *shares, *orders]


def rows(repeats: int) -> list[dict[str, Any]]:
    """For every judge on a bound and size of a gold set: how often it is passed, and how often a good one of its noise.

    `procedure` names the figure that decides, `n` counts responses, `truth` says what lies on the bound. More than 5 %
    of `passed_though_false`, beyond the noise of `repeats` data sets, is a fault of the gate. About 0.7 s a repeat.
    """

    @functools.cache  # judges on different bounds share a good one
    def passed(world: World, n: int, questions: int) -> float:
        rng = np.random.default_rng([SEED, zlib.crc32(world.truth.encode()), n, questions])
        return sum(world.bound.admits(world.draw(rng, n, questions)) for _ in range(repeats)) / repeats

    return [
        {
            "procedure": world.bound.words,
            "n": n,
            "questions": questions,
            "truth": world.truth,
            "repeats": repeats,
            "passed_though_false": passed(world, n, questions),
            "passed_when_good": passed(world.good, n, questions),
        }
        for world in worlds()
        for n, questions in (AUROC_SIZES if isinstance(world, Ordering) else SIZES)
    ]
