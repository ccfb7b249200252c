"""Chooses on some questions and reads on others, so that a maximum is not read where it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harness.shapes import checked

FOLDS = 10  # parts of the questions; what is read on one of them was chosen on the other nine tenths


@dataclass(frozen=True, eq=False)
class Means:
    """Means of scores over all units (part 0) and over all but one fold of them (the other parts).

    values: (parts, rows, knots), row 0 being the data and the others its resamples; NaN where nothing was judged.
    own, judged: (folds, rows, knots), the mean within each fold and how many judged units it is made from.
    """

    values: np.ndarray
    own: np.ndarray
    judged: np.ndarray


@checked
def means_by_part(counts: Float[np.ndarray, "rows units"], scores: Float[np.ndarray, "knots units"]) -> Means:
    """Means of the judged scores; `counts` says how often each row holds each unit.

    Folds hold units, not draws, so that no question is on both sides of a split; units are dealt out in turn, for
    neighbours are often alike.
    """
    known = ~np.isnan(scores)
    present, units = np.where(known, scores, 0.0).astype(np.float64), scores.shape[1]
    folds = [np.arange(units) % min(FOLDS, units) == fold for fold in range(min(FOLDS, units))]
    sums = np.stack([counts[:, fold] @ present[:, fold].T for fold in folds])
    judged = np.stack([counts[:, fold] @ known[:, fold].T.astype(np.float64) for fold in folds])
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = sums.sum(axis=0) / judged.sum(axis=0)
        others = (sums.sum(axis=0) - sums) / (judged.sum(axis=0) - judged)
        return Means(np.concatenate([whole[None], others]), sums / judged, judged)


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
        shape = np.broadcast_shapes(self.left.shape[:2], values.shape[:2])
        left = np.broadcast_to(self.left, (*shape, self.left.shape[-1]))
        values = np.broadcast_to(values, (*shape, values.shape[-1]))
        right = np.minimum(left + 1, values.shape[-1] - 1)
        at_left, at_right = (np.take_along_axis(values, index, axis=-1) for index in (left, right))
        with np.errstate(invalid="ignore"):
            return np.where(self.weight > 0, at_left + self.weight * (at_right - at_left), at_left)


def best_of(ratings: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The allowed place of largest rating along the last axis; 0 where none is allowed or has a rating."""
    return np.where(allowed & np.isfinite(ratings), ratings, -np.inf).argmax(axis=-1)


@checked
def crossfitted(
    ratings: Float[np.ndarray, "folds rows places"],
    values: Float[np.ndarray, "folds rows places"],
    judged: Float[np.ndarray, "folds rows places"],
    allowed: Bool[np.ndarray, "rows places"],
) -> Float[np.ndarray, " rows"]:
    """The value at the place of best rating: for every fold the rating is that of the others, the value its own.

    Folds weigh by their judged units, so where every fold chooses one place this is the mean over all units there. NaN
    where no fold has a value.
    """
    total, weight = np.zeros(len(allowed)), np.zeros(len(allowed))
    with np.errstate(invalid="ignore", divide="ignore"):
        for rating, value, size in zip(ratings, values, judged, strict=True):
            chosen = best_of(rating, allowed)[:, None]
            here, n = (np.take_along_axis(each, chosen, axis=1)[:, 0] for each in (value, size))
            judged_here = ~np.isnan(here)
            total += np.where(judged_here, n * here, 0.0)
            weight += np.where(judged_here, n, 0.0)
        return np.where(weight > 0, total / weight, np.nan)
