"""Chooses where to steer a model that nothing was published about: the block that tells the scenarios apart best."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness import cleaning, directions
from harness.shapes import checked


@checked
def separation(
    positive: Float[np.ndarray, "pairs hidden"], negative: Float[np.ndarray, "pairs hidden"], dims: Sequence[int] = ()
) -> float:
    """How far two classes lie apart along a direction that was made from other pairs, as a pooled Cohen's d.

    mean_diff, `dims` zeroed, is fitted on every other pair and read on the rest, and the other way round; the mean of
    both. Errors as in `harness.directions`.
    """
    halves = np.arange(len(positive)) % 2 == 0
    found = []
    for fitted in (halves, ~halves):
        direction = cleaning.clean(directions.mean_diff(positive[fitted], negative[fitted]), dims)
        read = directions.quality(direction, positive[fitted], negative[fitted], positive[~fitted], negative[~fitted])
        found.append(read.effect_size)
    return float(np.mean(found))


def choose(candidates: Sequence[int], separations: Sequence[float]) -> int:
    """The candidate of the largest separation, the earlier of two alike. Raises ValueError when there is none."""
    if not candidates or len(candidates) != len(separations):
        raise ValueError(f"{len(candidates)} blocks and {len(separations)} separations: give one for each block.")
    return int(candidates[int(np.argmax(separations))])
