"""Resamples the same units for everything that is compared, and turns replicates into estimates with intervals."""

import math
import operator
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Int

from harness.shapes import checked
from harness.stats import tails
from harness.stats.tails import LEVEL, Bounds, CannotTell, End, interval

POWER = 0.80
Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ResamplingMismatch(ValueError):
    """Two quantities were not resampled on the same units, so they cannot be compared unit by unit."""


@dataclass(frozen=True)
class Estimate:
    """A value with its interval: `n` counts `sample` (questions, scenarios), `unit` is what the value is
    measured in; `topics` is of how many they are, 0 where each has its own."""

    value: float
    low: float
    high: float
    n: int
    unit: str
    level: float = LEVEL
    sample: str = "questions"
    topics: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.value <= self.high):
            raise ValueError(
                f"An estimate of {self.value} with interval [{self.low}, {self.high}] makes no sense: "
                "give finite bounds that contain the value."
            )

    @property
    def detectable(self) -> float:
        """The smallest true effect, in `unit`, that this design would have told from zero with 80 % power.

        Half the interval's width stands for the standard error times the normal quantile of the level.
        """
        from scipy.special import ndtri

        quantile = float(ndtri((1 + self.level) / 2))
        return (self.high - self.low) / 2 / quantile * (quantile + float(ndtri(POWER)))

    @property
    def size(self) -> str:
        """What it is from, in words: "120 questions of 24 topics"."""
        return f"{self.n} {self.sample}" + (f" of {self.topics} topics" if self.topics else "")

    def to_json(self) -> dict[str, Any]:
        """Builtin types only, for a ledger row."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Estimate":
        """The estimate that `to_json` wrote; TypeError if a field is missing or unknown."""
        return cls(**row)


def parts_taken(count: int) -> int:
    """How many of `count` parts of the pairs one of so many extractions is made from: two fifths, or one part."""
    return max(1, 2 * count // 5)


@lru_cache
def shared(count: int) -> float:
    """By what the standard error over `count` extractions is multiplied, for they have parts of the pairs in common.

    What they share moves them alike, so that their spread shows a part of the variance alone. With this factor, which
    is simulated, Student's t errs in at most 5 % of samples at either end where all of the variance is the pairs', and
    in 2.5 % or less where none is.
    """
    from scipy.special import stdtrit

    parts = np.random.default_rng(count).normal(size=(100_000, count))  # what each part of the pairs adds
    taken = np.mean([np.roll(parts, -step, axis=1) for step in range(parts_taken(count))], axis=0)
    off = taken.mean(axis=1) / (taken.std(axis=1, ddof=1) / math.sqrt(count))
    return max(1.0, float(np.quantile(np.abs(off), 0.90) / stdtrit(count - 1, 0.975)))


def numbered(groups: Sequence[Hashable]) -> np.ndarray:
    """The group of every unit as a number from 0, in order of their first unit."""
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.array([number[group] for group in groups], dtype=np.int64)


def crossing(*ways: Sequence[Hashable]) -> tuple[np.ndarray, ...]:
    """The ways to group the same units, less those whose every group lies within one of another way; `numbered`.

    Of pairs that have a question each, only their topics are left; where questions recur in several topics, both.
    """
    kept: list[np.ndarray] = []
    for way in map(numbered, ways):
        if not any(_within(way, other) for other in kept):
            kept = [*(other for other in kept if not _within(other, way)), way]
    return tuple(kept)


def _within(way: np.ndarray, other: np.ndarray) -> bool:
    return len(set(zip(way.tolist(), other.tolist(), strict=True))) == len(set(way.tolist()))


def resample_groups(ways: Sequence[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """Which units each resample holds, whole groups of them; `ways` as `crossing` gives them.

    Of units that are grouped in two ways a resample holds each as often as both of its groups were drawn, one way times
    the other (the pigeonhole bootstrap: Owen 2007, The Annals of Applied Statistics 1:386). Raises CannotTell where a
    way has one group, or a resample holds no unit.
    """
    groups = [int(way.max(initial=-1)) + 1 for way in ways]
    if len(ways) == 1:
        members = [np.flatnonzero(ways[0] == group) for group in range(groups[0])]
        draws = resample_indices(groups[0], resamples, seed)
        return [np.concatenate([members[group] for group in drawn]) for drawn in draws]
    counts = [_counts(number, resamples, seed, stream) for stream, number in enumerate(groups)]
    often = np.prod([count[:, way] for count, way in zip(counts, ways, strict=True)], axis=0).astype(np.int64)
    if not often.any(axis=1).all():
        raise CannotTell(f"A resample of {len(ways[0])} units by both ways they are grouped in holds none: add units.")
    return [np.repeat(np.arange(len(row)), row) for row in often]


@checked
def resample_indices(n: int, resamples: int, seed: int, stream: int = 0) -> Int[np.ndarray, "resamples n"]:
    """Which of `n` units each bootstrap resample holds, drawn with replacement; the same seed draws the same.

    Raises CannotTell for fewer than two units, ValueError for no resample.
    """
    if n < 2:
        raise CannotTell(f"Resamples of {n} units tell nothing: give 2 units or more.")
    if resamples < 1:
        raise ValueError(f"{resamples} resamples tell nothing: give 1 or more.")
    return np.random.default_rng([seed, stream]).integers(0, n, (resamples, n))


@dataclass(frozen=True)
class Resampling:
    """What is resampled, and how often. Equal resamplings draw equal resamples.

    `units` tells apart `n` units that happen to be equally many (a hash or name of the question set); `sample` is the
    word for them in reports. `clusters` names the cluster of every unit, such as the extraction whose direction a
    question is answered along: after the bootstrap resamples come as many that leave out one cluster (jackknife).
    Units of one topic are drawn together, all or none: `topics` has that of every unit, and is empty where each has its
    own.
    """

    n: int
    sample: str = "questions"
    units: str = ""
    resamples: int = 2000
    seed: int = 0
    clusters: tuple[int, ...] = ()
    topics: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.topics and len(self.topics) != self.n:
            raise ValueError(f"{len(self.topics)} topics do not fit {self.n} {self.sample}: give one a unit.")
        if len(set(self.topics)) == self.n:
            object.__setattr__(self, "topics", ())

    @property
    def rows(self) -> int:
        """How many resamples there are in all, those that leave out a cluster included."""
        return self.resamples + len(set(self.clusters))

    @property
    def independent(self) -> int:
        """How many units or topics are drawn."""
        return len(set(self.topics)) or self.n

    def indices(self) -> Sequence[np.ndarray]:
        """Which units each bootstrap resample holds."""
        return resample_groups([numbered(self.topics or range(self.n))], self.resamples, self.seed)

    def counts(self) -> np.ndarray:
        """How often each resample holds each unit, (rows, n) float64."""
        if self.independent < 2:
            raise CannotTell(f"All {self.n} {self.sample} have one topic, and so are one witness: add other topics.")
        counts = _counts(self.independent, self.resamples, self.seed)
        if self.topics:
            counts = counts[:, numbered(self.topics)]
        return np.vstack([counts, _left_out(self.clusters)]) if self.clusters else counts


@lru_cache(maxsize=8)
def _left_out(clusters: tuple[int, ...]) -> np.ndarray:
    """Every unit but those of one cluster, once, for each cluster."""
    of_units = np.array(clusters)
    left_out: np.ndarray = (of_units != np.unique(of_units)[:, None]).astype(np.float64)
    return left_out


@lru_cache(maxsize=8)
def _counts(n: int, resamples: int, seed: int, stream: int = 0) -> np.ndarray:
    indices = resample_indices(n, resamples, seed, stream)
    flat = (indices + n * np.arange(resamples)[:, None]).ravel()
    counts = np.bincount(flat, minlength=n * resamples).reshape(resamples, n).astype(np.float64)
    counts.setflags(write=False)
    return counts


@dataclass(frozen=True, eq=False)
class Replicated:
    """A quantity with one replicate per resample, so that arithmetic on quantities of one resampling is paired.

    `replicates` is (resampling.rows,) float64, NaN where a resample has no value. `bounds` are the smallest and
    largest value possible, None if unknown. `baseline` names a baseline already subtracted: between two
    quantities less the same baseline it cancels, and the bounds of their difference are no wider than those
    of either. One that is `clustered` depends on the clusters of its resampling: its interval is the wider, at each
    end, of that of the bootstrap and the value plus and minus Student's t times the jackknife's standard error over
    clusters (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 11).
    """

    value: float
    replicates: np.ndarray
    resampling: Resampling
    unit: str
    n: int
    bounds: Bounds | None = None
    baseline: str = ""
    clustered: bool = True

    def __post_init__(self) -> None:
        if self.replicates.shape != (self.resampling.rows,):
            raise ResamplingMismatch(
                f"{self.replicates.shape} replicates do not fit {self.resampling.rows} resamples: "
                "give one replicate per resample."
            )
        if not math.isfinite(self.value):
            raise ValueError(f"A quantity of {self.value} {self.unit} is no measurement: check what it was made from.")

    def __sub__(self, other: "Replicated") -> "Replicated":
        difference = self + -1.0 * other
        if self.baseline and self.baseline == other.baseline and difference.bounds is not None:
            low, high = difference.bounds
            return replace(difference, bounds=(low / 2, high / 2), baseline="")
        return difference

    def __add__(self, other: "Replicated") -> "Replicated":
        self._require_same_resampling(other)
        if self.unit != other.unit:
            raise ValueError(f"{self.unit} and {other.unit} cannot be added or subtracted: measure both in one unit.")
        bounds = None
        if self.bounds is not None and other.bounds is not None:
            bounds = (self.bounds[0] + other.bounds[0], self.bounds[1] + other.bounds[1])
        return self._combined(other, operator.add, self.unit, bounds)

    def __mul__(self, factor: float) -> "Replicated":
        bounds = None
        if self.bounds is not None:
            ends = sorted(factor * bound for bound in self.bounds)
            bounds = (ends[0], ends[1])
        return replace(
            self,
            value=factor * self.value,
            replicates=factor * self.replicates,
            bounds=bounds,
            baseline="",
        )

    __rmul__ = __mul__

    def __truediv__(self, other: "Replicated | float") -> "Replicated":
        if not isinstance(other, Replicated):
            return self * (1.0 / other)
        self._require_same_resampling(other)
        if other.value == 0:
            raise ValueError(f"A ratio to 0 {other.unit} is undefined: compare by difference instead.")
        unit = "ratio" if self.unit == other.unit else f"{self.unit} per {other.unit}"
        return self._combined(other, operator.truediv, unit, None)

    def recentred(self) -> "Replicated":
        """The same replicates moved so that their mean is the value; for what noise biases, such as cosines of
        refitted directions. Resampling adds the bias a second time; the value then stands for its expectation
        with this many units, not with infinitely many."""
        present = self._bootstrapped[np.isfinite(self._bootstrapped)]
        return replace(self, replicates=self.replicates - (present.mean() - self.value)) if present.size else self

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with its interval; see `tails.interval` for its rule and errors."""
        low, high = interval(self.value, self._bootstrapped, self.n, self.bounds, level, self.independent)
        if spread := self._over_clusters():
            low, high = tails.wider(self.value, (low, high), *spread, self.bounds, level)
        return self._estimate(low, high, level)

    @property
    def independent(self) -> int:
        """How many of its units, or topics of them, are independent."""
        return min(self.n, self.resampling.independent)

    def _estimate(self, low: float, high: float, level: float) -> Estimate:
        resampling = self.resampling
        topics = resampling.independent if resampling.topics else 0
        return Estimate(self.value, low, high, self.n, self.unit, level, resampling.sample, topics)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """The smallest alpha at which that end of the interval reaches the bound; see `tails.level_of_end`."""
        level = tails.level_of_end(
            self.value, self._bootstrapped, self.n, self.bounds, end, bound, strict, self.independent
        )
        if spread := self._over_clusters():
            level = max(level, tails.level_of_t(self.value, *spread, end, bound, self.bounds))
        return level

    @property
    def _bootstrapped(self) -> np.ndarray:
        return self.replicates[: self.resampling.resamples]

    def _over_clusters(self) -> tuple[float, int] | None:
        """The jackknife's standard error over clusters and its degrees of freedom; None where it does not apply.

        Raises CannotTell where the value is gone without one of them.
        """
        left_out = self.replicates[self.resampling.resamples :]
        if not self.clustered or not len(left_out):
            return None
        if not np.isfinite(left_out).all():
            raise CannotTell(
                f"Without one of {len(left_out)} extractions {self.resampling.sample} that are left give no value: "
                f"ask more {self.resampling.sample}."
            )
        return shared(len(left_out)) * math.sqrt((len(left_out) - 1) * left_out.var()), len(left_out) - 1

    def _require_same_resampling(self, other: "Replicated") -> None:
        if self.resampling != other.resampling:
            raise ResamplingMismatch(
                f"Quantities of different resamplings cannot be paired ({self.resampling} and {other.resampling}): "
                "measure both on the same units with the same seed and number of resamples."
            )

    def _combined(
        self,
        other: "Replicated",
        combine: Combine,
        unit: str,
        bounds: Bounds | None,
    ) -> "Replicated":
        """Value with value, resample with resample; a ratio to 0 is infinite, and counts at that end."""
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates = combine(self.replicates, other.replicates)
        value = float(combine(np.array(self.value), np.array(other.value)))
        n, clustered = min(self.n, other.n), self.clustered or other.clustered
        return Replicated(value, replicates, self.resampling, unit, n, bounds, "", clustered)
