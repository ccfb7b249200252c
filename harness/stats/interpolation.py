"""Finds the best of dose-response curves at a coherence gate, also between the amounts that were run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from harness.shapes import checked
from harness.stats.averages import GATE, ROUNDING
from harness.stats.crossfit import Places, best_of, crossfitted, topics_of
from harness.stats.curves import Curve, Knots, gain_of, knots
from harness.stats.gate import FIRST_STRETCH, curve_and_place, highest, places_of, require_located, require_valid
from harness.stats.resampling import Replicated, Resampling

STEPS, UP, DOWN, MOMENTUM = 5, 1.3, 0.85, 0.1  # of the published search
SPLITS = 2  # ways to halve the questions between blocks
UNSTEERED = -1  # the run that a curve's point at amount 0 is called


@dataclass(frozen=True, eq=False)
class Point:
    """The best point of one or several curves.

    delta: its gain over the baseline, in trait points, chosen on some questions and read on others.
    amount: its amount, one per replicate, in the unit the caller named.
    curve: the index of its curve, chosen on all questions.
    between: (left, right, weight), the point being (1 - weight) x run left + weight x run right; left is
    UNSTEERED in the stretch before the first run, and left equals right at a run itself.
    at_edge: it lies at a run behind which nothing was measured, with coherence above the gate, so the optimum
    may lie beyond what was run.
    """

    delta: Replicated
    amount: Replicated
    curve: int
    between: tuple[int, int, float]
    at_edge: bool


@checked
def best_on_curves(
    curves: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    resampling: Resampling,
    amount_unit: str = "dose",
    between_runs: bool = True,
    least_amounts: Sequence[float] | None = None,
) -> Point:
    """The largest gain over the baseline at coherence GATE or more, over all amounts of all curves, in points.

    Gains are paired: a question counts where its steered and its unsteered response are judged. Mean gain and mean
    coherence are linear between neighbouring runs, so the best lies at a run or where coherence crosses the gate (at a
    run, if not `between_runs`: the published rule): the best of the interpolated curve, which a smooth curve may exceed
    between runs that lie far apart. Doing nothing is never the best: before the first run a crossing counts only from
    FIRST_STRETCH of the way to it on, and none below the curve's entry of `least_amounts`. Which point is best is asked
    of other questions than its gain is read on (`harness.stats.crossfit`), again in every resample.

    Raises NoValidRun if no run and no such crossing reaches the gate, or none in over 5 % of the resamples; CannotTell
    if the baseline is not judged often enough, ValueError if a score is outside SCORES.
    """
    if not curves:
        raise ValueError("There is no curve to find the best point of: give one per block.")
    whole = [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in curves]
    least = [0.0] * len(curves) if least_amounts is None else least_amounts
    places = [places_of(each, between_runs, low) for each, low in zip(whole, least, strict=True)]
    require_valid(whole, places, resampling)
    require_located(whole, places, resampling)
    gains = [each.along(of.gain.whole)[0] for each, of in zip(places, whole, strict=True)]
    amounts = [each.along(of.amounts[None, None])[0] for each, of in zip(places, whole, strict=True)]
    allowed = np.concatenate([each.allowed[0] for each in places], axis=1)
    found, rows = allowed.any(axis=1), np.arange(len(allowed))
    chosen = best_of(np.concatenate(gains, axis=1), allowed)
    amount = np.where(found, np.concatenate(amounts, axis=1)[rows, chosen], np.nan)

    index, place = curve_and_place(int(chosen[0]), places)
    best, here = whole[index], places[index]
    left, share = int(here.left[0, 0, place]), float(here.weight[0, 0, place])
    right = left + 1 if share > 0 else left
    n = int(min(best.judged[left], best.judged[right]))
    beyond = left + 1 == len(best.amounts) or not best.measured[left + 1]

    def halved(which: int, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        if only is None:
            return highest(whole[which], places[which]), _read(whole[which], places[which])
        each = knots(curves[which], baseline_trait, baseline_coherence, resampling, only)
        here = places_of(each, between_runs, least[which])
        return highest(each, here), _read(each, here)

    gain = gain_of(_over_blocks(len(curves), resampling, halved), resampling, n, baseline_trait)
    return Point(
        delta=gain.recentred(),  # a choice in a resample finds this sample's chance once more
        amount=Replicated(float(amount[0]), amount[1:], resampling, amount_unit, n),
        curve=index,
        between=(left - 1, right - 1, share),
        at_edge=bool(share == 0 and beyond and best.least_coherence[0, 0, left] > GATE + ROUNDING),
    )


@checked
def search_on_curves(
    curves: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    start_amounts: Sequence[float | int],
    resampling: Resampling,
) -> Replicated:
    """The gain of the best valid trial of the published adaptive search, run on each interpolated curve, in points.

    Each of STEPS steps multiplies the amount by MOMENTUM x its last factor (1 at first) + (1 - MOMENTUM) x UP where the
    trial is valid, x DOWN where not. What was not measured is not valid: amounts beyond the last run, in a gap, and
    below FIRST_STRETCH of the first run. The search walks again in every resample; choosing and reading as in
    `best_on_curves`. Raises NoValidRun if no trial is valid, or none in over 5 % of the resamples; ValueError without a
    start above 0 for every curve.
    """
    if not all(0 < start < np.inf for start in start_amounts) or len(start_amounts) != len(curves):
        raise ValueError(
            f"A search from {list(start_amounts)} cannot run: start above 0 on each of {len(curves)} curves."
        )

    def walked(each: Knots, start: float) -> Places:
        amounts, factors = np.full((1, len(each.coherence[0]), 1), float(start)), np.ones(())
        trials = []
        for _ in range(STEPS):
            trial = Places(*each.locate(amounts))
            coherent = trial.along(each.least_coherence) >= GATE - ROUNDING
            valid = trial.allowed & coherent & (amounts >= FIRST_STRETCH * each.amounts[1])
            trials.append((trial.left, trial.weight, valid))
            factors = MOMENTUM * factors + (1 - MOMENTUM) * np.where(valid, UP, DOWN)
            amounts = amounts * factors
        return Places(*(np.concatenate(part, axis=-1) for part in zip(*trials, strict=True)))

    def halved(which: int, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        each = knots(curves[which], baseline_trait, baseline_coherence, resampling, only)
        trials = walked(each, start_amounts[which])
        return highest(each, trials), _read(each, trials)

    whole = [knots(curve, baseline_trait, baseline_coherence, resampling) for curve in curves]
    places = [walked(each, start) for each, start in zip(whole, start_amounts, strict=True)]
    require_valid(whole, places, resampling, "trials of the search")
    require_located(whole, [places_of(each) for each in whole], resampling)
    n = min(int(each.judged[each.measured].min()) for each in whole)
    # Not recentred: a walk takes one way or another, and resamples that take the other must stay where it led them.
    return gain_of(_over_blocks(len(curves), resampling, halved), resampling, n, baseline_trait)


def _over_blocks(
    blocks: int, resampling: Resampling, halved: Callable[[int, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """What is read at the block of best rating, in every row: rated on one half of the questions, read on the other.

    `halved` gives a block's rating and reading on some questions. A block whose coherence lasts longer by chance looks
    better, too, and where coherence ends cannot be read on a tenth of the questions: so between blocks it takes halves.
    SPLITS ways to halve are averaged, both sides of each.
    """
    if blocks == 1:
        return halved(0, None)[1]
    seen = []
    for split in range(SPLITS):
        half = (topics_of(resampling) >> split) % 2 == 0
        one, other = ([halved(which, side) for which in range(blocks)] for side in (half, ~half))
        for chooser, reader in ((one, other), (other, one)):
            ratings, readings = np.stack([rated for rated, _ in chooser]), np.stack([value for _, value in reader])
            seen.append(np.take_along_axis(readings, best_of(ratings.T, np.isfinite(ratings).T)[None], axis=0)[0])
    stacked = np.stack(seen)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)


def _read(each: Knots, places: Places) -> np.ndarray:
    """The gain of a curve at the best of its places, chosen and read apart; NaN where none is allowed."""
    allowed = places.allowed
    chosen = places.at(best_of(places.along(each.gain.folds.others), allowed))
    # Where a fold has no allowed rating nothing was chosen: infinite, what it reads takes the whole row along.
    own = np.where(chosen.allowed, chosen.along(each.gain.folds.own), np.inf)[..., 0]
    gains = crossfitted(own, chosen.along(each.gain.folds.judged)[..., 0])
    return np.where(allowed[0].any(axis=1) & np.isfinite(gains), gains, np.nan)
