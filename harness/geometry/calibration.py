"""Relates coefficients to activation norms, and searches for the best coefficient that keeps text
coherent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from harness.geometry.cleaning import outside
from harness.geometry.directions import DegenerateDirection
from harness.shapes import checked

START_SHARE = 0.7  # of the base coefficient, where the published search starts


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
def start_coefficient(norm: float | int, direction: Float[np.ndarray, "hidden"]) -> float:
    """Where the published search starts: START_SHARE times the base coefficient; errors as there."""
    return START_SHARE * base_coefficient(norm, direction)


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


@dataclass(frozen=True)
class Scored:
    """Mean trait and mean coherence (0 to 100) of one steering run; NaN where nothing could be judged."""

    trait: float
    coherence: float


@dataclass(frozen=True)
class Trial:
    """One step of a search: its coefficient, its scores, and whether its coherence reached the gate."""

    coefficient: float
    trait: float
    coherence: float
    valid: bool


@dataclass(frozen=True)
class SearchResult:
    """All trials of a search in order, and the valid one with the largest trait; None if no trial was
    valid."""

    trials: tuple[Trial, ...]
    best: Trial | None


@checked
def search(
    sweep: Callable[[float], Scored],
    start: float | int,
    steps: int = 5,
    up: float | int = 1.3,
    down: float | int = 0.85,
    gate: float | int = 70.0,
    momentum: float | int = 0.1,
) -> SearchResult:
    """The published adaptive search: the coefficient grows by `up` while coherence reaches `gate` and shrinks
    by `down` if not.

    Momentum smooths the factor itself, as the authors' public code does: factor = momentum x previous factor
    + (1 - momentum) x (up or down), with a previous factor of 1 before the first step. A trial whose
    coherence or trait is missing is not valid and sends the search down. Homogeneous in scale: a sweep that
    answers to c / s as another answers to c, started at s times its start, visits s times its coefficients.
    Raises ValueError on an impossible setting.
    """
    _require_positive(start, "start coefficient")
    if steps < 1 or not 0 <= momentum < 1 or not 0 < down <= 1 <= up:
        raise ValueError(
            f"A search of {steps} steps with factors {up} and {down} and momentum {momentum} cannot run: "
            "ask for 1 step or more, down in (0, 1], up of 1 or more and momentum in [0, 1)."
        )
    coefficient, factor = float(start), 1.0
    trials: list[Trial] = []
    for _ in range(steps):
        scored = sweep(coefficient)
        valid = bool(scored.coherence >= gate) and not math.isnan(scored.trait)
        trials.append(Trial(coefficient, scored.trait, scored.coherence, valid))
        factor = momentum * factor + (1 - momentum) * (up if valid else down)
        coefficient *= factor
    best = max((trial for trial in trials if trial.valid), key=lambda trial: trial.trait, default=None)
    return SearchResult(tuple(trials), best)


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
