"""Chooses on some questions and reads on others, so that a maximum is not read where it was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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
    (knots, units), folds = scores.shape, min(FOLDS, scores.shape[1])
    inside = np.arange(units) % folds == np.arange(folds)[:, None]
    weighed = np.stack([np.where(known, scores, 0.0).astype(np.float64), known.astype(np.float64)])
    # One product for all folds, knots and both sums: a hundred small ones take twice as long.
    columns = (inside[:, None, None, :] * weighed).reshape(-1, units).T
    found = (counts @ columns).reshape(len(counts), folds, 2, knots).transpose(2, 1, 0, 3)
    sums, judged = np.ascontiguousarray(found)
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
