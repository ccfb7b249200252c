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

    The half-effect dose of pharmacology (ED50), steadier than the dose at the best itself. Raises CannotTell where the
    half is reached before the first run, where nothing was measured, and as `interpolation.best_on_curves` does.
    """
    whole, _, amounts = _needed(curves, baseline_trait, baseline_coherence, resampling)
    n = min(int(each.judged[each.measured].min()) for each in whole)
    return Replicated(float(amounts[0]), amounts[1:], resampling, amount_unit, n)


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
    _, blocks, amounts = _needed(others, baseline_trait, baseline_coherence, resampling)
    given, there = (
        [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in each] for each in (curves, others)
    )
    one, other = (_read_at(each, blocks, amounts) for each in (given, there))
    difference = one - other
    if np.isnan(difference[0]):
        raise CannotTell("The amount that one direction needs was not run for the other: run both at the same amounts.")
    n = min(int(each.judged[each.measured].min()) for each in given)
    return gain_of(difference, resampling, n, baseline_trait)


def _needed(
    curves: Sequence[Curve],
    baseline_trait: np.ndarray,
    baseline_coherence: np.ndarray,
    resampling: Resampling,
) -> tuple[list[Knots], np.ndarray, np.ndarray]:
    """The knots of all curves; block and amount needed in every row, NaN where that was not measured."""
    whole = [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in curves]
    places = [places_of(each) for each in whole]
    require_valid(whole, places, resampling)
    require_located(whole, places, resampling)
    best = np.stack([highest(each, here) for each, here in zip(whole, places, strict=True)])
    blocks = best.argmax(axis=0)
    found = np.stack([_first_reach(each, best[block] / 2) for block, each in enumerate(whole)])
    amounts = np.take_along_axis(found, blocks[None], axis=0)[0]
    if np.isnan(amounts[0]):
        raise CannotTell("Half of the best gain is reached before the first run: run smaller amounts.")
    return whole, blocks, amounts


def _first_reach(each: Knots, target: np.ndarray) -> np.ndarray:
    """The first amount at which a gain of `target` (rows,) is reached; NaN before the first run, in a gap, nowhere."""
    gain = each.gain.whole[0]
    reaches = (gain >= target[:, None]) & each.measured & (np.arange(len(each.amounts)) > 0)
    right = reaches.argmax(axis=1)
    left = np.maximum(right - 1, 0)
    at_left, at_right = (np.take_along_axis(gain, index[:, None], axis=1)[:, 0] for index in (left, right))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (target - at_left) / (at_right - at_left)
    amounts = each.amounts[left] + share * (each.amounts[right] - each.amounts[left])
    known = reaches.any(axis=1) & (left > 0) & each.measured[left] & (target > 0)
    return np.where(known, amounts, np.nan)


def _read_at(given: Sequence[Knots], blocks: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """The gain at every row's own block and amount; NaN where it was not measured."""
    found = []
    for each in given:
        place = Places(*each.locate(np.nan_to_num(amounts, nan=-1.0)[None, :, None]))
        gain = place.along(each.gain.whole)[0, :, 0]
        found.append(np.where(place.allowed[0, :, 0] & np.isfinite(amounts), gain, np.nan))
    return np.take_along_axis(np.stack(found), blocks[None], axis=0)[0]
