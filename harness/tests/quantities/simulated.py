"""Simulated models: answers of any measurement from a few stated numbers, so that a claim's truth is known exactly."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.judges.protocol import RELEVANCE_CAP
from harness.lab.making import cross_fit
from harness.lab.measurements import (
    Activations,
    Baseline,
    Cleaning,
    CrossFit,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
    along,
    model_of,
)
from harness.lab.store import Answer
from harness.models.registry import ModelSpec
from harness.quantities import Answers, Cell, Pair, Settings

HIDDEN, BLOCKS, PAIRS, TRAINING = 64, 4, 140, 40
MASSIVE = (3, 11, 23, 37, 52)  # dominant first
BLOCK = 2
PARTS = ((0, 20), (20, 20), (40, 10), (50, 9))  # first place and number of the ordinary dims of four orthogonal parts
SETTINGS = Settings(questions=100, resamples=400, refit_resamples=60)

# What a direction achieves at coherence 70, in trait points, from its method, window and cleaning.
Effect = Callable[[Direction], float]

# What a judge said of responses whose scores are known, each to its own question: nothing but the truth.
EXACT = {"gold": [100.0, 0.0] * 20, "scores": [100.0, 0.0] * 20, "questions": list(range(40))}


@dataclass(frozen=True)
class World:
    """A model in numbers. The defaults: every direction works equally well at its own coefficient.

    `effect` is a direction's best Delta, to which an extraction (or draw) adds what is `further` by its number;
    `best_dose` the dose at which it gets there (coherence falls below 70 beyond).
    `inside` is the share of mean_diff's norm in massive dims by window, `probe_inside` the probe's; `agreement` the
    cosine of the two outside them; `fit` the cosine of the probe with the mean difference of unit rows, and `hard_fit`
    that of a probe that is hardly regularised. `norm` and `ordinary` are activation norms with and without massive
    dims; `apart` is the distance of the classes along mean_diff in standard deviations, of scenarios; `instructed` that
    of answers to instructions, whose mean_diff has the cosine `alike` with that of scenarios. `cap` says that answers
    which show the trait are held at a coherence of 50 by a judge that caps it by relevance.
    """

    effect: Effect = lambda direction: 0.0 if direction.method in ("random", "shuffled probe") else 50.0
    further: Callable[[Direction, int], float] = lambda _direction, _number: 0.0
    best_dose: Effect = lambda _: 1.6
    inside: Mapping[int, float] = field(default_factory=dict)
    probe_inside: float = 0.05
    agreement: float = 0.99
    fit: float = 0.99
    hard_fit: float = 0.5
    norm: float = 700.0
    ordinary: float = 15.0
    apart: float = 4.0
    instructed: float = 4.0
    alike: float = 1.0
    baseline: float = 0.0
    cap: bool = False

    def but(self, **changes: Any) -> World:
        """The same world with some numbers changed."""
        return replace(self, **changes)


def spec(name: str) -> ModelSpec:
    """A registered model of that name, steered at one block on the organisms' grid of doses."""
    doses = (1.0, 1.27, 1.6129, 2.0484, 2.6014)
    blocks = {"refusal": (BLOCK,), "sycophancy": (BLOCK,)}
    return ModelSpec(name, Path(name), Path(name), "simulated", "none", blocks, doses, 8, f"the simulated {name}")


def cell(trait: str, name: str = "simulated") -> Cell:
    """The one cell of a simulated model."""
    return Cell(spec(name), trait, SETTINGS)


def pair(trait: str) -> Pair:
    """Two simulated models, called `severer` and `milder`."""
    return Pair(cell(trait, "severer"), cell(trait, "milder"))


def answers(worlds: Mapping[str, World]) -> Answers:
    """Answers of every measurement of the named worlds."""
    return Answers(lambda measurement: _answer(worlds[model_of(measurement)], measurement))


def _answer(world: World, measurement: Measurement) -> Answer:
    match measurement:
        case Activations():
            return _activations(world, measurement)
        case MassiveActivations():
            mean = np.ones((BLOCKS, HIDDEN), np.float32)
            mean[:, list(MASSIVE)] = (600.0, 60.0, 50.0, 40.0, 30.0)
            record = {"consensus": sorted(MASSIVE), "top": [list(MASSIVE)] * BLOCKS, "severity": [600.0] * BLOCKS}
            return Answer({"mean": mean}, record)
        case CrossFit():
            measured = measurement.massive and _answer(world, measurement.massive)
            return cross_fit(measurement, _activations(world, measurement.activations), measured)
        case Refits():
            return _refits(world, measurement)
        case Direction():
            return _direction(world, measurement)
        case Scores(of=Baseline(questions=questions)):
            return _scores(world, [0.0], [world.baseline], [98.0], questions, {"doses": [0.0], "coefficients": [0.0]})
        case Scores(of=Sweep() as sweep, judge=judge):
            found = _sweep(world, sweep)
            return _capped(found) if world.cap and judge.endswith(RELEVANCE_CAP) else found
        case JudgeCheck():
            return Answer({}, dict.fromkeys(("trait", "coherence"), EXACT))
        case _:
            raise AssertionError(f"no claim asks for {measurement}")


def _towards(world: World, method: str, window: int) -> np.ndarray:
    """The uncleaned unit direction of a method."""
    ordinary = [dim for dim in range(HIDDEN) if dim not in MASSIVE]
    shared, other, third, fourth = (_even(ordinary[place : place + size]) for place, size in PARTS)
    inner = np.zeros(HIDDEN)
    inner[list(MASSIVE)] = (0.98, 0.13, 0.1, 0.08, 0.06)
    inner /= np.linalg.norm(inner)
    if method in ("random", "shuffled probe"):
        drawn = np.random.default_rng(zlib.crc32(method.encode())).standard_normal(HIDDEN)
        return np.asarray(drawn / np.linalg.norm(drawn))
    probe = _turned(_turned(other, shared, world.agreement), inner, world.probe_inside)
    of_unit_rows = _turned(third, probe, world.fit)
    if method.startswith("probe C="):
        return _turned(fourth, of_unit_rows, world.hard_fit)
    if method in ("probe", "unit_mean_diff"):
        return probe if method == "probe" else of_unit_rows
    return _turned(shared, inner, world.inside.get(window, 0.1))


def _even(dims: list[int]) -> np.ndarray:
    """The unit vector that weighs some dims alike and no others."""
    vector = np.zeros(HIDDEN)
    vector[dims] = 1 / np.sqrt(len(dims))
    return vector


def _turned(one: np.ndarray, towards: np.ndarray, cosine: float) -> np.ndarray:
    """A unit vector turned towards another at right angles to it, until it has this cosine with that other."""
    return np.asarray(np.sqrt(1 - cosine**2) * one + cosine * towards)


def _cleaned(vector: np.ndarray, how: Cleaning) -> np.ndarray:
    dims = {"none": (), "top": MASSIVE[: how.k]}.get(how.kind, MASSIVE)
    kept = vector.copy()
    kept[list(dims)] = 0.0
    return np.asarray(kept / np.linalg.norm(kept))


def _refits(world: World, measurement: Refits) -> Answer:
    blocks = measurement.blocks or tuple(range(BLOCKS))
    noise = np.random.default_rng(7).normal(0.0, 0.002, (1 + measurement.resamples, len(blocks), HIDDEN))
    noise[0] = 0.0
    vectors = _towards(world, measurement.method, measurement.activations.window)
    if measurement.activations.elicitation == "instructions" and world.alike < 1:
        vectors = _turned(_even(list(range(HIDDEN - 4, HIDDEN))), vectors, world.alike)
    vectors = vectors + noise
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    record = {"pairs": TRAINING, "topics": list(range(TRAINING)), "blocks": list(blocks)}
    return Answer({"directions": vectors.astype(np.float32)}, record)


def _activations(world: World, measurement: Activations) -> Answer:
    """Classes that lie `apart` along the shared direction; the rest of the norm sits in massive dims, or elsewhere."""
    if measurement.elicitation == "instructions":
        world = world.but(apart=world.instructed)
    random = np.random.default_rng(3)
    towards = _towards(world.but(inside={}), "mean_diff", -1)
    towards = _cleaned(towards, Cleaning("consensus"))
    rows = {}
    for label, side in (("positive", 0.5), ("negative", -0.5)):
        ordinary = random.normal(0.0, 1.0, (PAIRS, BLOCKS, HIDDEN)) + side * world.apart * towards
        ordinary[..., list(MASSIVE)] = 0.0
        ordinary *= world.ordinary / np.linalg.norm(ordinary, axis=-1, keepdims=True).mean()
        ordinary[..., MASSIVE[0]] = np.sqrt(max(world.norm**2 - world.ordinary**2, 0.0))
        rows[label] = ordinary.astype(np.float32)
    return Answer(rows, {"training_pairs": TRAINING, "topics": [f"topic {pair // 2}" for pair in range(PAIRS)]})


def _direction(world: World, measurement: Direction) -> Answer:
    vector = _cleaned(_towards(world, measurement.method, measurement.activations.window), measurement.cleaning)
    outside = vector.copy()
    outside[list(MASSIVE)] = 0.0
    record = {
        "share_outside": float(np.linalg.norm(outside)),
        "norm": world.norm,
        "norm_without": world.ordinary,
        "dose_norm": world.ordinary,
    }
    return Answer({"direction": vector.astype(np.float32)}, record)


def _capped(found: Answer) -> Answer:
    trait, coherence = found.arrays["trait"], found.arrays["coherence"]
    held = np.where(trait > 50.0, np.minimum(coherence, 50.0), coherence)
    return Answer({"trait": trait, "coherence": held}, found.record)


def _sweep(world: World, sweep: Sweep) -> Answer:
    record = _direction(world, sweep.direction).record
    per_amount = {
        "dose": record["dose_norm"] / record["share_outside"],
        "base": record["norm_without"],
        "full base": record["norm"],
        "coefficient": 1.0,
    }[sweep.scale]
    coefficients = [amount * per_amount for amount in sweep.amounts]
    doses = [coefficient * record["share_outside"] / record["dose_norm"] for coefficient in coefficients]
    best, made = world.best_dose(sweep.direction), sweep.direction
    effect = np.array([world.effect(made) + world.further(made, turn) for turn in along(sweep.questions, made.count)])
    trait = [world.baseline + effect * np.clip(2 * dose / best - 1, 0.0, 1.0) for dose in doses]  # from half of it on
    coherence = [float(np.clip(95.0 - 25.0 * (dose / best) ** 4, 2.0, 95.0)) for dose in doses]  # 70 at the best dose
    amounts = {"doses": doses, "coefficients": coefficients}
    return _scores(world, list(sweep.amounts), trait, coherence, sweep.questions, amounts)


def _scores(
    world: World, amounts: list[float], trait: list[Any], coherence: list[float], questions: int, of: dict[str, Any]
) -> Answer:
    """All-or-nothing trait scores whose means are those given, the same questions answering first in every run."""
    chance = np.random.default_rng(11).permutation((np.arange(questions) + 0.5) / questions)
    scores = 100.0 * (chance[None] < np.asarray(trait, np.float64).reshape(len(trait), -1) / 100.0)
    jitter = np.random.default_rng(12).normal(0.0, 1.0, questions)
    coherent = np.clip(np.asarray(coherence)[:, None] + (jitter - jitter.mean())[None], 0.0, 100.0)
    arrays = {"trait": scores.astype(np.float32), "coherence": coherent.astype(np.float32)}
    return Answer(arrays, {"amounts": amounts, **of})
