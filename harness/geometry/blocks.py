"""Chooses where to steer a model that nothing was published about: the block that tells the scenarios apart best."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness.geometry import cleaning, directions
from harness.geometry.separation import SMALLEST_SPREAD, held_out
from harness.shapes import checked
from harness.stats.tails import CannotTell


@checked
def separation(
    positive: Float[np.ndarray, "pairs hidden"], negative: Float[np.ndarray, "pairs hidden"], dims: Sequence[int] = ()
) -> float:
    """How far two classes lie apart along a direction that was made from other pairs, as a pooled Cohen's d.

    mean_diff, `dims` zeroed, is fitted on every other pair and read on the rest, and the other way round. Raises
    CannotTell for fewer than two pairs; other errors as in `harness.geometry.directions`.
    """
    if len(positive) < 2:
        raise CannotTell(
            f"{len(positive)} pair to fit on cannot be halved to choose a block: add scenarios, or name a block."
        )

    def fit(one: np.ndarray, other: np.ndarray, _half: int) -> np.ndarray:
        return np.asarray(cleaning.clean(directions.mean_diff(one, other), dims))

    read = held_out(positive, negative, np.arange(len(positive))[None] % 2, fit)
    spread = np.sqrt((read.positive.var(ddof=1) + read.negative.var(ddof=1)) / 2)
    return float((read.positive.mean() - read.negative.mean()) / max(spread, SMALLEST_SPREAD))


def choose(candidates: Sequence[int], separations: Sequence[float]) -> int:
    """The candidate of the largest separation, the earlier of two alike. Raises ValueError when there is none."""
    if not candidates or len(candidates) != len(separations):
        raise ValueError(f"{len(candidates)} blocks and {len(separations)} separations: give one for each block.")
    return int(candidates[int(np.argmax(separations))])
