"""Chooses on some questions and reads on others, so that a maximum is not read where it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harness.shapes import checked

FOLDS = 10  # parts of the questions; what is read on one of them was chosen on the other nine tenths


@dataclass(frozen=True, eq=False)
class Means:
    """Means of scores over all questions (part 0) and over all but one fold of them (the other parts).

    values: (parts, rows, knots), row 0 being the data and the others its resamples; NaN where nothing was judged.
    shares: (folds, rows), the share of a row's draws that lies in each fold.
    """

    values: np.ndarray
    shares: np.ndarray


@checked
def means_by_part(counts: Float[np.ndarray, "rows units"], scores: Float[np.ndarray, "knots units"]) -> Means:
    """Means of the judged scores; `counts` says how often each row holds each unit.

    Folds hold units, not draws, so that no question is on both sides of a split; units are dealt out in turn, for
    neighbours are often alike.
    """
    judged = ~np.isnan(scores)
    known, units = np.where(judged, scores, 0.0).astype(np.float64), scores.shape[1]
    folds = [np.arange(units) % min(FOLDS, units) == fold for fold in range(min(FOLDS, units))]
    sums = np.stack([counts[:, fold] @ known[:, fold].T for fold in folds])
    sizes = np.stack([counts[:, fold] @ judged[:, fold].T.astype(np.float64) for fold in folds])
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = sums.sum(axis=0) / sizes.sum(axis=0)
        others = (sums.sum(axis=0) - sums) / (sizes.sum(axis=0) - sizes)
        shares = np.stack([counts[:, fold].sum(axis=1) for fold in folds]) / counts.sum(axis=1)
    return Means(np.concatenate([whole[None], others]), shares)


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
    ratings: Float[np.ndarray, "parts rows places"],
    values: Float[np.ndarray, "parts rows places"],
    allowed: Bool[np.ndarray, "rows places"],
    shares: Float[np.ndarray, "folds rows"],
) -> Float[np.ndarray, " rows"]:
    """The value at the place of best rating: chosen for every fold on the others, and read on the fold itself.

    A fold's own mean is the mean over all units less that over the others, each times its share. Where every fold
    chooses one place this is the mean over all units there. NaN where no fold has a value.
    """
    total, weight = np.zeros(ratings.shape[1]), np.zeros(ratings.shape[1])
    for fold, share in enumerate(shares, start=1):
        both = allowed & np.isfinite(values[0]) & np.isfinite(values[fold])
        chosen = best_of(ratings[fold], both)[:, None]
        whole, others, seen = (
            np.take_along_axis(each, chosen, axis=1)[:, 0] for each in (values[0], values[fold], both)
        )
        total += np.where(seen, whole - (1 - share) * others, 0.0)
        weight += np.where(seen, share, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0, total / weight, np.nan)
