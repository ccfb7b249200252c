"""The amount a direction needs: where half of its best gain is reached on the way up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness.shapes import checked
from harness.stats.crossfit import Places
from harness.stats.curves import Curve, Knots, gain_of, knots
from harness.stats.gate import highest, places_of, require_located, require_valid
from harness.stats.resampling import CannotTell, Replicated, Resampling


@checked
def needed_amount(
    curves: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    resampling: Resampling,
    amount_unit: str = "dose",
) -> Replicated:
    """The smallest amount at which half of the best gain is reached, on the block where that is largest.

    The half-effect dose of pharmacology (ED50), steadier than the dose at the best itself. A resample that reaches the
    half before the first run counts as needing 0, the least that is possible. Raises CannotTell where the half lies
    within a standard error of the first run's gain, where nothing was measured, and as
    `interpolation.best_on_curves` does.
    """
    whole, _, amounts, early = _needed(curves, baseline_trait, baseline_coherence, resampling)
    n = min(int(each.judged[each.measured].min()) for each in whole)
    return Replicated(float(amounts[0]), np.where(early, 0.0, amounts)[1:], resampling, amount_unit, n)


@checked
def gain_where_needed(
    curves: Sequence[Curve],
    others: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    resampling: Resampling,
) -> Replicated:
    """The gain of `curves` less that of `others` (the same blocks), both at the amount that `others` need, in points.

    Coherence is not asked. Errors as in `needed_amount`; CannotTell where that amount was not measured on `curves`.
    """
    _, blocks, amounts, _ = _needed(others, baseline_trait, baseline_coherence, resampling)
    steered, reference = (
        [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in both] for both in (curves, others)
    )
    difference = _read_at(steered, blocks, amounts) - _read_at(reference, blocks, amounts)
    if np.isnan(difference[0]):
        raise CannotTell("The amount that one direction needs was not run for the other: run both at the same amounts.")
    n = min(int(each.judged[each.measured].min()) for each in steered)
    return gain_of(difference, resampling, n, baseline_trait)


def _needed(
    curves: Sequence[Curve],
    baseline_trait: np.ndarray,
    baseline_coherence: np.ndarray,
    resampling: Resampling,
) -> tuple[list[Knots], np.ndarray, np.ndarray, np.ndarray]:
    """The knots of all curves; block and amount needed in every row, NaN where that was not measured; and whether it
    lies before the first run."""
    whole = [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in curves]
    places = [places_of(each) for each in whole]
    require_valid(whole, places, resampling)
    require_located(whole, places, resampling)
    best = np.stack([highest(each, place) for each, place in zip(whole, places, strict=True)])
    blocks = best.argmax(axis=0)
    reached = [_first_reach(each, best[block]) for block, each in enumerate(whole)]
    amounts, early, surplus = (
        np.take_along_axis(np.stack(part), blocks[None], axis=0)[0] for part in zip(*reached, strict=True)
    )
    if np.isnan(amounts[0]):
        raise CannotTell("Half of the best gain lies between amounts that were not run, or not judged: run more.")
    if surplus[0] > -np.nanstd(surplus[1:]):
        raise CannotTell(
            "Half of the best gain is reached before the first run, or within a standard error of it: run smaller "
            "amounts."
        )
    return whole, blocks, amounts, early.astype(bool)


def _first_reach(each: Knots, best: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where half of a gain of `best` (rows,) is reached, whether before the first run, and how much more that run has.

    The gains on the way up are made to rise first: on a flat stretch of a noisy curve some run is always high, and the
    first to reach the half would come too early. NaN in a gap, or where the half is reached nowhere.
    """
    has_best, best = np.isfinite(best), np.where(np.isfinite(best), best, 0.0)  # a resample may have no best at all
    runs = np.flatnonzero(each.measured)[1:]
    gain = each.gain.whole[0][:, runs]
    on_the_way_up = np.cumsum(gain >= best[:, None], axis=1) == 0
    rising = isotonic(np.where(on_the_way_up, gain, best[:, None]))
    target = best / 2
    right = (rising >= target[:, None]).argmax(axis=1)
    rows, left = np.arange(len(gain)), right - 1
    at_right, at_left = rising[rows, right], np.where(left < 0, 0.0, rising[rows, left])
    amount_right, amount_left = each.amounts[runs[right]], np.where(left < 0, 0.0, each.amounts[runs[left]])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(at_right > at_left, (target - at_left) / (at_right - at_left), 1.0)
    amounts = amount_left + share * (amount_right - amount_left)
    neighbours = np.where(left < 0, True, runs[right] - runs[left] == 1)
    known = neighbours & (target > 0) & (rising[rows, right] >= target)
    return np.where(known, amounts, np.nan), known & (left < 0), np.where(has_best, rising[:, 0] - target, np.nan)


@checked
def isotonic(values: Float[np.ndarray, "rows knots"]) -> Float[np.ndarray, "rows knots"]:
    """The nearest rising sequence to every row in least squares: the largest, over starts, of the smallest mean to any
    end (Robertson, Wright and Dykstra 1988, Order Restricted Statistical Inference, theorem 1.4.4)."""
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    start, end = np.arange(values.shape[1])[:, None], np.arange(values.shape[1])[None]
    means = (sums[:, end + 1] - sums[:, start]) / np.maximum(end - start + 1, 1)  # [rows, start, end]
    smallest = np.minimum.accumulate(np.where(end >= start, means, np.inf)[..., ::-1], axis=2)[..., ::-1]
    result: np.ndarray = np.where(end >= start, smallest, -np.inf).max(axis=1)
    return result


def _read_at(given: Sequence[Knots], blocks: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """The gain at every row's own block and amount; NaN where it was not measured."""
    gains = []
    for each in given:
        place = Places(*each.locate(np.nan_to_num(amounts, nan=-1.0)[None, :, None]))
        gain = place.along(each.gain.whole)[0, :, 0]
        gains.append(np.where(place.allowed[0, :, 0] & np.isfinite(amounts), gain, np.nan))
    return np.take_along_axis(np.stack(gains), blocks[None], axis=0)[0]
