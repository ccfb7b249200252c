"""Where a coherence gate lets the best of a curve lie, and whether the questions can tell where that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.stats.averages import GATE, MISSING_REPLICATES, ROUNDING, NoValidRun
from harness.stats.crossfit import Places, best_of
from harness.stats.curves import Knots
from harness.stats.resampling import CannotTell, Resampling

FIRST_STRETCH = 0.5  # least share of the way to the first run at which a point still counts as steered
JUMP = 10.0  # trait points by which a best must move past a run for its place not to be known
UNJUDGED = 3.0  # trait points by which a best may rest on coherence that is missing
UNLOCATED = 0.005  # share of resamples in which it may do so; at 0.01 one best in twelve at a flat gate was false


def places_of(each: Knots, between_runs: bool = True, least: float = 0.0) -> Places:
    """For every run the last place at or before it where the gate is reached: itself, or where coherence crosses.

    So a place moves on smoothly when the coherence of its run falls below the gate, and the run is not lost. What was
    not judged of steered answers, though it was of unsteered ones, counts as incoherent.
    """
    knots_ = np.arange(len(each.amounts))
    reaches = (each.least_coherence >= GATE - ROUNDING) & each.measured
    last = np.maximum.accumulate(np.where(reaches, knots_, -1), axis=-1)
    left = np.maximum(last, 0)
    right = np.minimum(left + 1, knots_[-1])
    at_left, at_right = (np.take_along_axis(each.least_coherence, index, axis=-1) for index in (left, right))
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(left < knots_, np.clip((at_left - GATE) / (at_left - at_right), 0.0, 1.0), 0.0)
    steered = (left > 0) | (weight >= FIRST_STRETCH)
    whole = each.measured[right] | (left == knots_)
    allowed = (last >= 0) & steered & whole & each.measured
    if not between_runs:
        allowed &= left == knots_
    weight = np.nan_to_num(weight)
    amounts = each.amounts[left] + weight * (each.amounts[right] - each.amounts[left])
    return Places(left, weight, allowed & (amounts >= least * (1 - ROUNDING)))


def highest(each: Knots, places: Places) -> np.ndarray:
    """The largest gain of a curve in every row, read where it was chosen: good for nothing but to rate a block."""
    gains = places.along(each.gain.whole)
    return np.where(places.allowed & np.isfinite(gains), gains, -np.inf)[0].max(axis=1)


def curve_and_place(chosen: int, places: Sequence[Places]) -> tuple[int, int]:
    """The curve and the place on it of an index over the places of all curves side by side."""
    first = np.cumsum([0, *(each.left.shape[-1] for each in places)])
    index = int(np.searchsorted(first, chosen, side="right")) - 1
    return index, int(chosen - first[index])


def require_valid(whole: Sequence[Knots], places: Sequence[Places], resampling: Resampling, what: str = "runs") -> None:
    """Raise NoValidRun unless the data, and nearly every resample, has a place that reaches the gate."""
    found = np.any([each.allowed[0].any(axis=1) for each in places], axis=0)
    count = sum(each.left.shape[-1] for each in places) - (len(places) if what == "runs" else 0)  # the unsteered knots
    if not found[0]:
        seen = [float(each.coherence[0, 0, run]) for each in whole for run in np.flatnonzero(each.measured) if run]
        raise NoValidRun(
            f"None of {count} {what}, and no amount near them, is valid at coherence {GATE:g} or more "
            f"(best seen: {max(seen):.1f}): this is no Delta of 0, so sweep smaller amounts."
            if seen
            else f"None of {count} {what} was judged often enough: this is no Delta of 0, ask another judge (--judge)."
        )
    require_found(found[1:], resampling, f"one of {count} {what} is valid at coherence {GATE:g} or more")


def require_located(whole: Sequence[Knots], places: Sequence[Places], resampling: Resampling) -> None:
    """Raise CannotTell where resamples move the best past a run, or where it depends on coherence that nobody judged.

    What counts is only where the gate lets it go, judged by the gains of the data: back past a run from the best place,
    or on past a run to a better one, by JUMP points or more. And the best must not be UNJUDGED points larger if answers
    whose coherence is missing are like those judged.
    """
    gains = [here.along(each.gain.whole)[0] for each, here in zip(whole, places, strict=True)]
    allowed = np.concatenate([here.allowed[0, 0] for here in places])
    index, place = curve_and_place(int(best_of(np.concatenate([gain[0] for gain in gains]), allowed)), places)
    best, moved = float(gains[index][0, place]), np.zeros(resampling.rows, dtype=bool)
    for curve, (each, here) in enumerate(zip(whole, places, strict=True)):
        left, data = here.left[0, 1:], here.left[0, 0]
        gain_there = each.gain.whole[0, 0][left]
        further = (left > data + 1) & here.allowed[0, 1:] & (gain_there >= best + JUMP)
        moved |= further.any(axis=1)
        if curve == index:
            moved |= (left[:, place] < data[place] - 1) & (gain_there[:, place] <= best - JUMP)
    if moved.mean() > UNLOCATED:
        raise CannotTell(
            f"Coherence lies so near {GATE:g} over several runs that in {moved.sum()} of {len(moved)} resamples "
            f"the best lies past another run, {JUMP:g} points or more apart: ask more {resampling.sample} (about "
            f"{enough(resampling.n, float(moved.mean()))} would tell if this stayed), or sweep finer."
        )
    as_judged = [replace(each, least_coherence=each.coherence) for each in whole]
    least, most = (max(float(highest(each, places_of(each))[0]) for each in how) for how in (whole, as_judged))
    if most > least + UNJUDGED:
        raise CannotTell(
            f"The best is {least:.1f} or {most:.1f} at the gate of {GATE:g}, as the steered answers whose coherence "
            "was not judged are incoherent or like the others: ask another judge (--judge)."
        )


def enough(n: int, moved: float) -> int:
    """About how many units would leave a share of UNLOCATED, if a share `moved` of normal means of `n` lies too low."""
    from scipy.special import ndtri

    return math.ceil(n * float(ndtri(UNLOCATED) / ndtri(min(moved, 0.4))) ** 2)  # of half and more nothing is known


def require_found(found: np.ndarray, resampling: Resampling, what: str) -> None:
    without = int((~found).sum())
    if without > MISSING_REPLICATES * resampling.rows:
        raise NoValidRun(
            f"Whether {what} cannot be told: {without} of {resampling.rows} resamples have none, "
            f"so sweep finer or ask more {resampling.sample}."
        )
