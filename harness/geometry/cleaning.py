"""Removes massive dims from directions or activations, and says what share of a direction lies outside them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness.geometry.directions import DegenerateDirection, unit
from harness.shapes import checked

Treatment = Literal["zero", "winsorise", "mean"]
SMALLEST_SHARE = 1e-12  # share of the norm below which what is left outside the dims is rounding


@checked
def clean(direction: Float[np.ndarray, "hidden"], dims: Sequence[int]) -> Float[np.ndarray, "hidden"]:
    """The direction with `dims` set to zero, as a unit vector in float64; without dims, the direction itself.

    Raises DegenerateDirection if the direction is zero or lies wholly inside `dims`, ValueError if a dim does
    not exist.
    """
    return unit(outside(direction, dims))


@checked
def clean_all(directions: Float[np.ndarray, "rows hidden"], dims: Sequence[int]) -> Float[np.ndarray, "rows hidden"]:
    """Every row cleaned as `clean` does it, at once; errors as there, naming the first row that has nothing left."""
    if len(directions):
        _zeroed(directions[0], dims)  # for its check of the dims
    largest = np.abs(directions).max(axis=1, keepdims=True)
    kept = directions.astype(np.float64) / np.where(largest > 0, largest, 1.0)
    whole = np.linalg.norm(kept, axis=1)
    kept[:, list(dims)] = 0.0
    left = np.linalg.norm(kept, axis=1)
    bad = np.flatnonzero(~(left > SMALLEST_SHARE * whole))  # NaN is bad, too
    if len(bad):
        raise DegenerateDirection(
            f"Nothing is left of direction {bad[0]} of {len(directions)} outside {len(set(dims))} massive dims: "
            "clean fewer dims, or use another direction."
        )
    return kept / left[:, None]


@checked
def clean_by(
    direction: Float[np.ndarray, "hidden"], dims: Sequence[int], how: Treatment = "zero"
) -> Float[np.ndarray, "hidden"]:
    """The direction with `dims` treated as in `treat`, as a unit vector in float64; errors as in `clean` and there."""
    return clean(direction, dims) if how == "zero" else unit(treat(unit(direction)[None], dims, how)[0])


@checked
def treat(
    rows: Float[np.ndarray, "rows hidden"], dims: Sequence[int], how: Treatment = "zero"
) -> Float[np.ndarray, "rows hidden"]:
    """Rows of activations (or directions) with `dims` disarmed, in float64, at their own length.

    "zero" sets the entries to 0; "winsorise" clips each to the largest magnitude that its row has outside `dims`;
    "mean" replaces each by the mean of its dim over all rows, which leaves the row's norm nearly as it was.
    Raises ValueError if a dim does not exist, if "mean" is asked of a single row (it would change nothing), or if
    `dims` hold every dim, so that "winsorise" has nothing to clip to.
    """
    if len(rows):
        _zeroed(rows[0], dims)  # for its check of the dims
    kept, chosen = rows.astype(np.float64), sorted(set(dims))
    if not chosen:
        return kept
    if how == "zero":
        kept[:, chosen] = 0.0
    elif how == "winsorise":
        if len(chosen) == kept.shape[1]:
            raise ValueError(f"All {len(chosen)} dims are massive, so nothing says what to clip them to: name fewer.")
        limit = np.abs(np.delete(kept, chosen, axis=1)).max(axis=1, keepdims=True)
        kept[:, chosen] = np.clip(kept[:, chosen], -limit, limit)
    else:
        if len(kept) < 2:
            raise ValueError("The mean over a single row is the row itself: replace by the mean before fitting.")
        kept[:, chosen] = kept[:, chosen].mean(axis=0)
    return kept


@checked
def share_outside(direction: Float[np.ndarray, "hidden"], dims: Sequence[int]) -> float:
    """The norm of the direction outside `dims` over its whole norm, from 0 to 1; errors as in `clean`, but 0
    is an answer."""
    towards = unit(direction)
    return min(1.0, float(np.linalg.norm(_zeroed(towards, dims))))


@checked
def outside(direction: Float[np.ndarray, "hidden"], dims: Sequence[int]) -> Float[np.ndarray, "hidden"]:
    """The part of the direction outside `dims`, at its own length, in float64; errors as in `clean`."""
    if share_outside(direction, dims) <= SMALLEST_SHARE:
        raise DegenerateDirection(
            f"Nothing is left of the direction outside {len(set(dims))} massive dims: "
            "clean fewer dims, or use another direction."
        )
    return _zeroed(direction.astype(np.float64), dims)


def _zeroed(vector: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    hidden = len(vector)
    unknown = sorted(dim for dim in dims if not 0 <= dim < hidden)
    if unknown:
        raise ValueError(f"Dims {unknown} do not exist in a direction of width {hidden}: name dims 0 to {hidden - 1}.")
    kept = vector.copy()
    kept[list(dims)] = 0.0
    return kept
