"""Relates coefficients to activation norms, and both to doses."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness.geometry.cleaning import outside
from harness.geometry.directions import DegenerateDirection
from harness.shapes import checked


@checked
def activation_norm(activations: Float[np.ndarray, "rows hidden"], without: Sequence[int] = ()) -> float:
    """The mean norm of the rows, in activation units, leaving out the dims in `without`.

    Raises ValueError if there is no row, a row is not finite or a dim does not exist.
    """
    if not activations.size:
        raise ValueError("There are no activations to take a norm of: give at least one row.")
    if not np.isfinite(activations).all():
        row = int(np.flatnonzero(~np.isfinite(activations).all(axis=1))[0])
        raise ValueError(f"Row {row} of the activations holds NaN or infinity: capture it again, in float32 or wider.")
    hidden = activations.shape[1]
    unknown = sorted(dim for dim in without if not 0 <= dim < hidden)
    if unknown:
        raise ValueError(f"Dims {unknown} do not exist in activations of width {hidden}: name dims 0 to {hidden - 1}.")
    rows = np.delete(activations.astype(np.float64), list(without), axis=1)
    return float(np.linalg.norm(rows, axis=1).mean())


@checked
def base_coefficient(norm: float | int, direction: Float[np.ndarray, "hidden"]) -> float:
    """The coefficient at which the added vector is as long as the activation: `norm` over the direction's
    norm.

    Raises DegenerateDirection if the direction is zero and ValueError if `norm` is not positive and finite.
    """
    _require_positive(norm, "activation norm")
    return float(norm / _length(direction))


@checked
def effective_coefficient(
    coefficient: float | int, direction: Float[np.ndarray, "hidden"], dims: Sequence[int]
) -> float:
    """The length added outside the massive `dims`, in activation units: the coefficient times that part's
    norm.

    Raises DegenerateDirection if the direction lies wholly inside `dims`, ValueError if a dim does not exist.
    """
    return float(coefficient * _length(outside(direction, dims)))


@checked
def dose(
    coefficient: float | int,
    direction: Float[np.ndarray, "hidden"],
    dims: Sequence[int],
    norm_without: float | int,
) -> float:
    """The effective coefficient over `norm_without`, the norm outside the massive dims that doses are counted in; it
    has no unit.

    Errors as in `effective_coefficient`; ValueError if `norm_without` is not positive and finite.
    """
    _require_positive(norm_without, "activation norm without massive dims")
    return effective_coefficient(coefficient, direction, dims) / norm_without


@checked
def coefficient_for_dose(
    dose: float | int, direction: Float[np.ndarray, "hidden"], dims: Sequence[int], norm_without: float | int
) -> float:
    """The coefficient that gives this dose, the inverse of `dose`; errors as there."""
    _require_positive(norm_without, "activation norm without massive dims")
    return float(dose * norm_without / _length(outside(direction, dims)))


def _length(direction: np.ndarray) -> float:
    length = float(np.linalg.norm(direction.astype(np.float64)))
    if not (math.isfinite(length) and length > 0):
        raise DegenerateDirection(
            f"A direction of norm {length} cannot be scaled: check the activations it was made from."
        )
    return length


def _require_positive(number: float, what: str) -> None:
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"The {what} is {number}: it must be positive and finite, so check what it was measured on.")
