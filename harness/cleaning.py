"""Removes massive dims from a direction, and says what share of the direction lies outside them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness.directions import DegenerateDirection, unit
from harness.shapes import checked

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
