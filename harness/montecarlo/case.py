"""What is simulated: a procedure that claims use, on data whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.stats.evidence import Evidence
from harness.stats.resampling import Resampling

Draw = Callable[[np.random.Generator, int, bool], Evidence]
RESAMPLES = 500  # of questions; a quarter of what claims use, for speed
REFIT_RESAMPLES = 200  # of scenario pairs, as claims use
SIZES = (10, 30, 60, 120)
POINTS = (10.0, 20.0, 40.0)


@dataclass(frozen=True)
class Case:
    """A procedure on a world: its name, its truth, its unit, and the effects at which it is asked how often it decides.

    A truth of None is the expectation of its value with that many units, of which the interval then speaks.
    `procedures` are the kinds of quantity it stands for (`cases.procedure`). `pairs` resamples scenario pairs and knows
    no kinds of score. `repeats` is the share of the usual number of data sets.
    """

    name: str
    truth: float | None
    unit: str
    draw: Draw
    procedures: tuple[str, ...] = ()
    effects: tuple[float, ...] = POINTS
    pairs: bool = False
    sizes: tuple[int, ...] = SIZES
    repeats: float = 1.0


def resampling(n: int, resamples: int = RESAMPLES) -> Resampling:
    """The resampling of a simulated data set of n units."""
    return Resampling(n, resamples=resamples)
