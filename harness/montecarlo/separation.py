"""Simulated scenarios whose truth is known, and what is said of directions made from them, for `harness.montecarlo`."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.geometry import separation
from harness.geometry.directions import mean_diff, random_direction, unit_rows
from harness.montecarlo.case import REFIT_RESAMPLES, RESAMPLES, SIZES, Case, resampling
from harness.stats import evidence
from harness.stats.averages import mean_of
from harness.stats.refitted import Refitted
from harness.stats.resampling import Replicated

__all__ = ["CASES"]

HIDDEN = 24
TRAIT, MASSIVE = slice(0, 3), slice(3, 6)  # dims that tell the classes apart; dims that a severe model has
LEVELS = np.array([300.0, 30.0, 20.0])
FACTOR, JITTER = 0.1, 0.02  # of massive dims: what they vary by in common, and each by itself
PAIR_SPREAD = 0.7  # standard deviation of what both scenarios of a pair have in common
TOPIC_SPREAD = 0.5  # ... of what all scenarios of one class and topic have in common, where topics hold several pairs
QUESTION_SPREAD = 1.5  # ... of what all prompts of one class and question have in common, where questions recur


@dataclass(frozen=True)
class World:
    """How scenarios are drawn: the distance of the classes, the noise in them, how many pairs have one topic."""

    signal: float = 2.5  # between the class means, in standard deviations of one row's own noise
    noise: str = "normal"  # "skewed" (exponential) or "unequal" (the positive class varies three times as much)
    pairs_of_topic: int = 1
    topic_spread: float = TOPIC_SPREAD
    severe: bool = False  # with massive dims
    recurring: int = 0  # questions, asked in turn under every phrasing, which is a topic; 0: every pair has its own

    def rows(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Positive and negative activations [n, HIDDEN] of n pairs."""
        own = rng.normal(size=(n, 2, HIDDEN)) if self.noise != "skewed" else rng.exponential(size=(n, 2, HIDDEN)) - 1
        if self.noise == "unequal":
            own *= np.array([1.5, 0.5])[:, None]
        rows = own + PAIR_SPREAD * rng.normal(size=(n, 1, HIDDEN))
        if self.pairs_of_topic > 1:
            of_topics = self.topic_spread * rng.normal(size=(n, 2, HIDDEN))
            rows += of_topics[self.topics(n)]
        if questions := self.questions(n):
            rows += QUESTION_SPREAD * rng.normal(size=(self.recurring, 2, HIDDEN))[questions]
        rows[..., TRAIT] += self.signal / 2 / np.sqrt(3) * np.array([1.0, -1.0])[:, None]
        if self.severe:
            varied = 1 + FACTOR * rng.normal(size=(n, 2, 1)) + JITTER * rng.normal(size=(n, 2, 3))
            rows[..., MASSIVE] += LEVELS * varied
        return rows[:, 0], rows[:, 1]

    def topics(self, n: int) -> list[int]:
        """The topic of every pair."""
        return [pair // self.pairs_of_topic for pair in range(n)]

    def questions(self, n: int) -> list[int] | None:
        """The question of every pair, where questions recur."""
        return [pair % self.recurring for pair in range(n)] if self.recurring else None


def _held_out(world: World, rng: np.random.Generator, n: int, knows: bool) -> separation.HeldOut:
    positive, negative = world.rows(rng, n)

    def fit(one: np.ndarray, other: np.ndarray, fold: int) -> np.ndarray:
        return mean_diff(one, other) if knows else random_direction(one, other, fold)

    ways = separation.ways_of(world.topics(n), world.questions(n))
    return separation.held_out(positive, negative, separation.folds_by(ways), fit)


def _accuracy(world: World, rng: np.random.Generator, n: int, _graded: bool, knows: bool = True) -> separation.Share:
    sides = separation.right_sides(_held_out(world, rng, n, knows))
    return separation.accuracy(sides, world.topics(n), world.questions(n))


def _right_order(world: World, rng: np.random.Generator, n: int, _graded: bool, knows: bool = True) -> separation.Share:
    orders = separation.right_orders(_held_out(world, rng, n, knows))
    return separation.accuracy(orders, world.topics(n), world.questions(n), rows=1)


def _orders_apart(
    left: World, right: World, rng: np.random.Generator, n: int, graded: bool
) -> evidence.IndependentDifference:
    return evidence.IndependentDifference(
        _right_order(left, rng, n, graded), _right_order(right, rng, max(n // 2, 20), graded)
    )


def _effect_size(world: World, rng: np.random.Generator, n: int, _graded: bool, knows: bool = True) -> Replicated:
    topics, questions = world.topics(n), world.questions(n)
    resampled = resampling(separation.independent(topics, questions), RESAMPLES)
    return separation.effect_size(_held_out(world, rng, n, knows), topics, resampled, questions)


def _refitted(
    of: Callable[[Sequence[np.ndarray]], np.ndarray], unit: str, world: World, rng: np.random.Generator, n: int, _: bool
) -> Refitted:
    """A quantity `of` mean_diff, of unit rows (the probe that its fit leaves alone), and of mean_diff cleaned, each
    [1 + resamples, HIDDEN] refitted on the same pairs."""
    positive, negative = world.rows(rng, n)
    resampled = replace(resampling(n, REFIT_RESAMPLES), topics=tuple(world.topics(n)))
    counts = np.vstack([np.ones(n), resampled.counts()])
    raw, third = counts @ (positive - negative), counts @ (unit_rows(positive, "") - unit_rows(negative, ""))
    cleaned = raw.copy()
    cleaned[:, MASSIVE] = 0.0
    found = of([vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (raw, third, cleaned)])
    return Refitted(float(found[0]), found[1:], resampled, unit, n, (0.0, 1.0) if "share" in unit else (-1.0, 1.0))


def _raw_and_third(vectors: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray((vectors[0] * vectors[1]).sum(axis=1))


def _cleaned_and_third(vectors: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray((vectors[2] * vectors[1]).sum(axis=1))


def _inside(vectors: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.linalg.norm(vectors[0][:, MASSIVE], axis=1))


def _approach(world: World, rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    """How much nearer cleaning brings mean_diff to the third arm, from one data set."""
    seed = int(rng.integers(2**32))
    cleaned, raw = (
        _refitted(of, "cosine", world, np.random.default_rng(seed), n, graded)
        for of in (_cleaned_and_third, _raw_and_third)
    )
    return cleaned - raw


def _norm_outside(world: World, rng: np.random.Generator, n: int, _graded: bool) -> Replicated:
    both = np.stack(world.rows(rng, n))
    whole = np.linalg.norm(both, axis=-1).mean(axis=0)
    outside = np.linalg.norm(np.delete(both, np.arange(HIDDEN)[MASSIVE], axis=-1), axis=-1).mean(axis=0)
    resampled = resampling(n, RESAMPLES)
    return mean_of(outside, resampled, "activation norm") / mean_of(whole, resampled, "activation norm")


def _case(
    stands_for: str,
    name: str,
    unit: str,
    effect: float,
    draw: Callable[..., Any],
    truth: float | None = None,
    sizes: Sequence[int] = SIZES,
) -> Case:
    effects = (effect, 2 * effect, 4 * effect)
    return Case(name, truth, unit, draw, (stands_for,), effects, pairs=True, sizes=tuple(sizes))


def _recurring(questions: int, signal: float = 0.0) -> World:
    """Phrasings of six questions each, which recur under others."""
    return World(signal=signal, pairs_of_topic=6, recurring=questions)


NOTHING, SKEWED, UNEQUAL = World(signal=0.0), World(noise="skewed"), World(noise="unequal")
SEVERAL, SEVERE, STRONG = World(pairs_of_topic=2), World(severe=True), World(signal=5.0)
WEAK, SEVERAL_WEAK = World(signal=1.0), World(signal=1.0, pairs_of_topic=2)
SEVERAL_NOTHING = World(signal=0.0, pairs_of_topic=2)
DEVIATIONS, SHARE = "standard deviations", "share of norm"
CASES = (
    _case("Accuracy", "accuracy", "share", 0.1, functools.partial(_accuracy, World())),
    _case("Accuracy", "accuracy, nothing to find", "share", 0.1, functools.partial(_accuracy, NOTHING), 0.5),
    _case("Accuracy", "accuracy, nearly all right", "share", 0.1, functools.partial(_accuracy, STRONG)),
    _case("Accuracy", "accuracy, two pairs a topic", "share", 0.1, functools.partial(_accuracy, SEVERAL)),
    _case("EffectSize", "Cohen's d", DEVIATIONS, 0.5, functools.partial(_effect_size, World())),
    _case("EffectSize", "Cohen's d, nothing to find", DEVIATIONS, 0.5, functools.partial(_effect_size, NOTHING), 0.0),
    _case("EffectSize", "Cohen's d, far apart", DEVIATIONS, 0.5, functools.partial(_effect_size, STRONG)),
    _case("EffectSize", "Cohen's d, skewed", DEVIATIONS, 0.5, functools.partial(_effect_size, SKEWED)),
    _case("EffectSize", "Cohen's d, unequal variances", DEVIATIONS, 0.5, functools.partial(_effect_size, UNEQUAL)),
    _case("EffectSize", "Cohen's d, two pairs a topic", DEVIATIONS, 0.5, functools.partial(_effect_size, SEVERAL)),
    _case(
        "EffectSize",
        "Cohen's d of random directions",
        DEVIATIONS,
        0.5,
        functools.partial(_effect_size, World(), knows=False),
    ),
    _case("ShareInside", "share of mean_diff inside", SHARE, 0.1, functools.partial(_refitted, _inside, SHARE, SEVERE)),
    _case(
        "ShareInside", "share inside ordinary dims", SHARE, 0.1, functools.partial(_refitted, _inside, SHARE, World())
    ),
    _case(
        "Cosine",
        "cosine, a common factor",
        "cosine",
        0.1,
        functools.partial(_refitted, _raw_and_third, "cosine", SEVERE),
    ),
    _case(
        "Cosine", "cosine near 1", "cosine", 0.1, functools.partial(_refitted, _cleaned_and_third, "cosine", World())
    ),
    _case(
        "Cosine - Cosine", "difference of cosines, a common factor", "cosine", 0.1, functools.partial(_approach, SEVERE)
    ),
    _case("NormOutside", "activation norm outside", SHARE, 0.01, functools.partial(_norm_outside, SEVERE)),
    _case("RightOrder", "pairs in the right order", "share", 0.1, functools.partial(_right_order, WEAK)),
    _case("RightOrder", "right order, nothing to find", "share", 0.1, functools.partial(_right_order, NOTHING), 0.5),
    _case("RightOrder", "right order, two pairs a topic", "share", 0.1, functools.partial(_right_order, SEVERAL_WEAK)),
    _case(
        "RightOrder less RightOrder, unpaired",
        "right orders apart",
        "share",
        0.1,
        functools.partial(_orders_apart, WEAK, NOTHING),
    ),
    _case(
        "RightOrder less RightOrder, unpaired",
        "right orders apart, nothing to find",
        "share",
        0.1,
        functools.partial(_orders_apart, SEVERAL_NOTHING, NOTHING),
        0.0,
    ),
    *(
        _case(
            "RightOrder",
            f"right order, nothing to find, {questions} questions recur",
            "share",
            0.1,
            functools.partial(_right_order, _recurring(questions)),
            0.5,
            sizes=(60, 120),
        )
        for questions in (6, 12, 20, 60)
    ),
    _case(
        "RightOrder",
        "right order, 20 questions recur",
        "share",
        0.1,
        functools.partial(_right_order, _recurring(20, signal=2.5)),
        sizes=(60, 120),
    ),
    _case(
        "EffectSize",
        "Cohen's d, nothing to find, 20 questions recur",
        DEVIATIONS,
        0.5,
        functools.partial(_effect_size, _recurring(20)),
        0.0,
        sizes=(60, 120),
    ),
    _case(
        "Cosine",
        "cosine, five pairs a topic",
        "cosine",
        0.1,
        functools.partial(_refitted, _raw_and_third, "cosine", World(severe=True, pairs_of_topic=5, topic_spread=1.5)),
        sizes=(60, 120),
    ),
    _case(
        "ShareInside",
        "share inside ordinary dims, five pairs a topic",
        SHARE,
        0.1,
        functools.partial(_refitted, _inside, SHARE, World(pairs_of_topic=5, topic_spread=1.5)),
        sizes=(60, 120),
    ),
)
