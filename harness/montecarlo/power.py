"""`python -m harness.montecarlo.power` simulates the smallest effects that so many questions decide.

What is simulated is what is decided: the best of seven runs at the gate, all or nothing, over a baseline of 0, or the
difference of two such bests; a sample without an interval decides nothing. Coherence falls through the gate from one
run to the next: where it lies near the gate over several runs, fewer samples have an interval.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from harness.ledger.verdict import Verdict, more_than
from harness.montecarlo.cases import BESTS, SETTINGS, A, B
from harness.montecarlo.worlds import Line, World
from harness.quantities import Quantity
from harness.stats.power import KINDS, SIZES, TABLE, Kind
from harness.stats.resampling import POWER, CannotTell

SETS, USED = 800, 600  # data sets, each at the effect that the last one led to; the last of them are averaged
LARGEST = 70.0  # effect that is tried, in points
LESSER = 25.0  # the best of the direction that a difference is taken from, in points
RISE = np.array([0.10, 0.30, 0.50, 0.70, 0.90, 1.20, 1.30]) / 0.9955  # of the best, which lies behind the fifth run
COHERENCE = (0.95, 0.93, 0.91, 0.89, 0.86, 0.36, 0.20)


def line(best: float) -> Line:
    """A line whose best gain is so many points."""
    return Line(tuple((np.minimum(RISE * best / 100, 0.99)).tolist()), COHERENCE)


def question_of(kind: Kind, effect: float) -> tuple[Quantity, World]:
    """What is decided, and on which world; the effect is its truth."""
    if kind == "delta":
        return BESTS[A], World(usual=line(effect))
    better = {A: line(LESSER + effect)}
    return BESTS[A] - BESTS[B], World(better, usual=line(LESSER), alike=0.9 if kind == "alike" else 0.0)


def decides(kind: Kind, questions: int, effect: float, rng: np.random.Generator) -> bool:
    """Whether one data set shows the effect to be more than 0."""
    quantity, world = question_of(kind, effect)
    try:
        found = quantity.evaluate(world.cell(questions, SETTINGS), world.answers(rng, questions, graded=False))
        return more_than(0.0).decide(found.estimate()) is Verdict.SUPPORTED
    except CannotTell:
        return False


def decided(kind: Kind, questions: int, effect: float, sets: int, seed: int = 0) -> float:
    """The share of data sets that do."""
    rng = np.random.default_rng([seed, questions])
    return sum(decides(kind, questions, effect, rng) for _ in range(sets)) / sets


def smallest(task: tuple[Kind, int]) -> float | None:
    """The effect that is decided with POWER, in points; None where the largest is not.

    Every data set that decides lowers the next one's effect, and every other raises it four times as far, by ever less
    (Robbins & Monro 1951, The Annals of Mathematical Statistics 22:400; averaged as by Polyak & Juditsky 1992).
    """
    rng, at, path = np.random.default_rng(task[1]), np.log(LARGEST / 2), []
    for step in range(1, SETS + 1):
        shown = decides(*task, float(np.exp(at)), rng)
        at = min(at + 2 * (POWER - shown) / (step + 3) ** 0.7, np.log(LARGEST))
        path.append(at)
    effect = float(np.exp(np.mean(path[-USED:])))
    return round(effect, 1) if effect < 0.85 * LARGEST else None  # nearer to it the path was held back


def main() -> None:
    """Simulate the table and write it."""
    tasks: list[tuple[Kind, int]] = [(kind, questions) for kind in KINDS for questions in SIZES]
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(smallest, tasks))
    table = {kind: dict(zip(SIZES, found[at * len(SIZES) :], strict=False)) for at, kind in enumerate(KINDS)}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(TABLE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
