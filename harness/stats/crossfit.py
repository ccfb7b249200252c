"""Chooses on some questions and reads on others, so that a maximum is not read where it was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from harness.shapes import checked
from harness.stats import averages
from harness.stats.resampling import Resampling, numbered

FOLDS = 10  # parts of the questions; what is read on one of them was chosen on the other nine tenths


@dataclass(frozen=True, eq=False)
class Folds:
    """Means of scores over each fold and over all others, and the units judged within, each (folds, rows, knots).

    Row 0 is the data and the others are its resamples; NaN where nothing was judged.
    """

    others: np.ndarray
    own: np.ndarray
    judged: np.ndarray


@dataclass(frozen=True, eq=False)
class Means:
    """Means of judged `scores` (knots, units) in all rows; `counts` (rows, units): how often each holds each unit.

    whole: (1, rows, knots) over all units. topics: (units,) that of every unit.
    """

    counts: np.ndarray
    scores: np.ndarray
    whole: np.ndarray
    topics: np.ndarray

    @cached_property
    def folds(self) -> Folds:
        """The means by folds, made when they are asked for.

        Folds hold units, not draws, so that no question is on both sides of a split, and no topic; they are dealt out
        in turn, for neighbours are often alike.
        """
        known, knots = ~np.isnan(self.scores), len(self.scores)
        weighed = np.concatenate([np.where(known, self.scores, 0.0), known]).astype(np.float64)
        hands = _hands(self.topics)
        dealt = [np.pad(each, ((0, 0), (0, 1))).take(hands, axis=1) for each in (self.counts, weighed)]
        found = np.ascontiguousarray(dealt[0].transpose(2, 0, 1)) @ dealt[1].transpose(2, 1, 0)  # one product a fold
        sums, judged = found[..., :knots], found[..., knots:]
        with np.errstate(invalid="ignore", divide="ignore"):
            others = found.sum(axis=0) - found
            return Folds(others[..., :knots] / others[..., knots:], sums / judged, judged)


def _hands(topics: np.ndarray) -> np.ndarray:
    """Whole topics dealt out in turn: the units of each fold, (deepest, folds), the places left over one too high."""
    number = numbered(topics.tolist())
    fold = number % min(FOLDS, int(number.max()) + 1)
    hands = np.full((int(np.bincount(fold).max()), int(fold.max()) + 1), len(fold))
    for one in range(hands.shape[1]):
        units = np.flatnonzero(fold == one)
        hands[: len(units), one] = units
    return hands


def topics_of(resampling: Resampling) -> np.ndarray:
    """The topic of every unit as a number; each its own where none is said."""
    return numbered(resampling.topics or range(resampling.n))


@checked
def means_by_part(
    counts: Float[np.ndarray, "rows units"], scores: Float[np.ndarray, "knots units"], topics: Int[np.ndarray, units]
) -> Means:
    """Means of the judged scores over all units, and on demand by folds of them."""
    return Means(counts, scores, averages.means(counts, scores)[None], topics)


@dataclass(frozen=True, eq=False)
class Places:
    """Places on a row of knots: `weight` of the way from knot `left` to the next, if `allowed`.

    left, weight, allowed: (parts, rows, places) each; what is alike for all parts or rows may have length 1 there.
    """

    left: np.ndarray
    weight: np.ndarray
    allowed: np.ndarray

    def along(self, values: np.ndarray) -> np.ndarray:
        """Values (parts, rows, knots), interpolated at every place: (parts, rows, places)."""
        if self.left.shape[0] > 1:
            at_left, at_right = (
                np.take_along_axis(values, np.minimum(self.left + step, values.shape[-1] - 1), axis=-1)
                for step in (0, 1)
            )
        else:  # the same places in all parts: one flat index serves them all, several times faster
            rows = np.arange(values.shape[1])[:, None] * values.shape[-1]
            flat = values.reshape(len(values), -1)
            at_left, at_right = (
                flat.take(rows + np.minimum(self.left[0] + step, values.shape[-1] - 1), axis=1) for step in (0, 1)
            )
        with np.errstate(invalid="ignore"):
            return np.where(self.weight > 0, at_left + self.weight * (at_right - at_left), at_left)

    def at(self, chosen: np.ndarray) -> Places:
        """One place a part and row, `chosen` (parts, rows) among those that are alike for all parts."""
        rows = np.arange(chosen.shape[1])
        return Places(*(each[0][rows, chosen][..., None] for each in (self.left, self.weight, self.allowed)))


def best_of(ratings: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The allowed place of largest rating along the last axis; 0 where none is allowed or has a rating."""
    return np.where(allowed & np.isfinite(ratings), ratings, -np.inf).argmax(axis=-1)


@checked
def crossfitted(
    values: Float[np.ndarray, "folds rows"], judged: Float[np.ndarray, "folds rows"]
) -> Float[np.ndarray, " rows"]:
    """What every fold reads at the place that the others chose, as one mean; NaN where no fold has a value.

    Folds weigh by their judged units, so where every fold chooses one place this is the mean over all units there.
    """
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(known, judged, 0.0)
        total = np.where(known, judged * values, 0.0).sum(axis=0)
        return np.where(weight.sum(axis=0) > 0, total / weight.sum(axis=0), np.nan)
