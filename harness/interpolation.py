"""Finds the best of dose-response curves at a coherence gate, also between the amounts that were run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from harness.crossfit import Places, best_of, crossfitted
from harness.curves import Curve, Knots, at_amount, curve_gap, gain_of, knots
from harness.resampling import Bounds, CannotTell, Plan, Replicated
from harness.shapes import checked
from harness.stats import GATE, MIN_JUDGED, MISSING_REPLICATES, ROUNDING, SCORES, NoValidRun

__all__ = ["Curve", "Point", "at_amount", "at_best_of", "best_on_curves", "curve_gap", "search_on_curves"]

FIRST_STRETCH = 0.5  # least share of the way to the first run at which a point still counts as steered
JUMP = 10.0  # trait points by which a best must move past a run for its place not to be known
UNLOCATED = 0.01  # share of resamples in which it may do so
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
    plan: Plan,
    gate: float | int = GATE,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
    amount_unit: str = "dose",
    between_runs: bool = True,
) -> Point:
    """The largest gain over the baseline at coherence `gate` or more, over all amounts of all curves, in points.

    A question's gain is paired: it counts where both its response and its unsteered response are judged, so that
    losing hard questions to gibberish is no gain. Mean gain and mean coherence are linear between neighbouring runs, so
    the best lies at a run or where coherence crosses the gate (at a run, if not `between_runs`: the published rule).
    The unsteered point begins every curve but is no steering: doing nothing is never the best. On the stretch before
    the first run, linear interpolation says most of what it says about steering by way of the unsteered point, while
    real curves stay flat there and then rise; so a crossing of the gate counts there only if it lies at least
    FIRST_STRETCH of the way to the first run, where the point rests on that run at least as much as on doing nothing.

    A maximum read where it was chosen flatters itself: 8 blocks of 8 equally good runs look 8 points better than each
    of them is. So the questions are dealt into folds: which point is best is asked of all but one, and the one left out
    says what is gained there and how far coherence lasts (`harness.crossfit`). All of it is done again in every
    resample, and the replicates are moved to lie around the value, for in a resample the runs differ by this sample's
    chance, which a choice finds again.

    Raises NoValidRun if no run and no such crossing reaches the gate, or none in over 5 % of the resamples; CannotTell
    if the baseline is not judged often enough, ValueError if a score is outside `score_range`.
    Depends on the amounts only through their order, but for the amount it returns.
    """
    if not curves:
        raise ValueError("There is no curve to find the best point of: give one per block.")
    whole = [knots(curve, baseline_trait, baseline_coherence, plan, min_judged, score_range) for curve in curves]
    places = [_places(each, gate, between_runs) for each in whole]
    _require_valid(whole, places, plan, gate)
    _require_located(whole, places, plan, gate)
    gains = [each.along(of.gain.values[:1])[0] for each, of in zip(places, whole, strict=True)]
    amounts = [each.along(of.amounts[None, None])[0] for each, of in zip(places, whole, strict=True)]
    allowed = np.concatenate([each.allowed[0] for each in places], axis=1)
    found, rows = allowed.any(axis=1), np.arange(len(allowed))
    chosen = best_of(np.concatenate(gains, axis=1), allowed)
    amount = np.where(found, np.concatenate(amounts, axis=1)[rows, chosen], np.nan)

    index, place = _which(int(chosen[0]), places)
    best, here = whole[index], places[index]
    left, share = int(here.left[0, 0, place]), float(here.weight[0, 0, place])
    right = left + 1 if share > 0 else left
    n = int(min(best.judged[left], best.judged[right]))
    beyond = left + 1 == len(best.amounts) or not best.measured[left + 1]

    def halved(which: int, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        each = knots(curves[which], baseline_trait, baseline_coherence, plan, min_judged, score_range, only)
        here = _places(each, gate, between_runs)
        return _highest(each, here), _read(each, each, here, here)

    return Point(
        delta=gain_of(_over_blocks(len(curves), plan, halved), plan, n, baseline_trait, score_range).recentred(),
        amount=Replicated(float(amount[0]), amount[1:], plan, amount_unit, n),
        curve=index,
        between=(left - 1, right - 1, share),
        at_edge=bool(share == 0 and beyond and best.coherence[0, 0, left] > gate + ROUNDING),
    )


@checked
def at_best_of(
    curves: Sequence[Curve],
    others: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    plan: Plan,
    gate: float | int = GATE,
) -> Replicated:
    """The gain of `curves` at the amount that is best for `others` (the same blocks), in points, coherent or not.

    Block and amount are chosen on some questions and the gain read on others, as in `best_on_curves`, whose errors it
    has. Raises CannotTell where the chosen amount was not measured on its curve.
    """

    def both(which: int, only: np.ndarray | None) -> tuple[Knots, Knots, Places]:
        one, other = (
            knots(each[which], baseline_trait, baseline_coherence, plan, only=only) for each in (curves, others)
        )
        return one, other, _places(other, gate, between_runs=True)

    def halved(which: int, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        one, other, places = both(which, only)
        there = Places(*one.locate(places.along(other.amounts[None, None])))
        return _highest(other, places), _read(one, other, there, places)

    whole = [both(which, None) for which in range(len(curves))]
    _require_valid([other for _, other, _ in whole], [places for *_, places in whole], plan, gate)
    _require_located([other for _, other, _ in whole], [places for *_, places in whole], plan, gate)
    value = _over_blocks(len(curves), plan, halved)
    if np.isnan(value[0]):
        raise CannotTell("The best amount of one direction was not run for the other: run both at the same amounts.")
    n = min(int(one.judged[one.measured].min()) for one, *_ in whole)
    return gain_of(value, plan, n, baseline_trait, SCORES).recentred()


@checked
def search_on_curves(
    curves: Sequence[Curve],
    baseline_trait: Float[np.ndarray, " units"],
    baseline_coherence: Float[np.ndarray, " units"],
    start_amounts: Sequence[float | int],
    plan: Plan,
    steps: int = 5,
    up: float | int = 1.3,
    down: float | int = 0.85,
    gate: float | int = GATE,
    momentum: float | int = 0.1,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> Replicated:
    """The gain of the best valid trial of the published adaptive search, run on each interpolated curve, in points.

    Five steps of x1.3 while coherence holds, else x0.85, smoothed by `momentum`. The search walks again in every
    resample; which of its valid trials is best is asked of other questions than its gain is read on, as in
    `best_on_curves`. What was not measured has no coherence, which is not valid and sends the search down: amounts
    beyond the last run, in a gap, and nearer to 0 than FIRST_STRETCH of the first run. Raises NoValidRun if no trial is
    valid, or none in over 5 % of the resamples; ValueError on an impossible setting.
    """
    possible = steps >= 1 and 0 <= momentum < 1 and 0 < down <= 1 <= up
    if not possible or not all(0 < start < np.inf for start in start_amounts) or len(start_amounts) != len(curves):
        raise ValueError(
            f"A search of {steps} steps from {list(start_amounts)}, factors {up} and {down}, momentum {momentum} "
            "cannot run: start above 0 on every curve, ask for 1 step or more, down in (0, 1], up of 1 or more, "
            "momentum in [0, 1)."
        )

    def walked(each: Knots, start: float) -> Places:
        amounts, factors = np.full((1, len(each.coherence[0]), 1), float(start)), np.ones(())
        trials = []
        for _ in range(steps):
            trial = Places(*each.locate(amounts))
            coherent = trial.along(each.coherence) >= gate - ROUNDING
            valid = trial.allowed & coherent & (amounts >= FIRST_STRETCH * each.amounts[1])
            trials.append((trial.left, trial.weight, valid))
            factors = momentum * factors + (1 - momentum) * np.where(valid, up, down)
            amounts = amounts * factors
        return Places(*(np.concatenate(part, axis=-1) for part in zip(*trials, strict=True)))

    def halved(which: int, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        each = knots(curves[which], baseline_trait, baseline_coherence, plan, min_judged, score_range, only)
        trials = walked(each, start_amounts[which])
        return _highest(each, trials), _read(each, each, trials, trials)

    whole = [knots(curve, baseline_trait, baseline_coherence, plan, min_judged, score_range) for curve in curves]
    places = [walked(each, start) for each, start in zip(whole, start_amounts, strict=True)]
    _require_valid(whole, places, plan, gate, "trials of the search")
    n = min(int(each.judged[each.measured].min()) for each in whole)
    # Not recentred: a walk takes one way or another, and resamples that take the other must stay where it led them.
    return gain_of(_over_blocks(len(curves), plan, halved), plan, n, baseline_trait, score_range)


def _over_blocks(
    blocks: int, plan: Plan, halved: Callable[[int, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
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
        half = (np.arange(plan.sizes[0]) >> split) % 2 == 0
        one, other = ([halved(which, side) for which in range(blocks)] for side in (half, ~half))
        for chooser, reader in ((one, other), (other, one)):
            ratings, readings = np.stack([rated for rated, _ in chooser]), np.stack([value for _, value in reader])
            seen.append(np.take_along_axis(readings, best_of(ratings.T, np.isfinite(ratings).T)[None], axis=0)[0])
    stacked = np.stack(seen)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        return np.where(known, stacked, 0.0).sum(axis=0) / known.sum(axis=0)


def _read(one: Knots, other: Knots, there: Places, places: Places) -> np.ndarray:
    """The gain of one curve `there`, which of the places being chosen by another's; NaN where none is allowed, or where
    what is chosen was not measured there."""
    ratings, own = places.along(other.gain.values[1:]), there.along(one.gain.own)
    # Not measured is no value, but no reason to choose something else either: infinite, it takes the whole row along.
    own = np.where(there.allowed, own, np.inf)
    gains = crossfitted(ratings, own, there.along(one.gain.judged), places.allowed[0])
    return np.where(places.allowed[0].any(axis=1) & np.isfinite(gains), gains, np.nan)


def _highest(each: Knots, places: Places) -> np.ndarray:
    """The largest gain of a curve in every row, read where it was chosen: good for nothing but to rate a block."""
    gains = places.along(each.gain.values[:1])
    return np.where(places.allowed & np.isfinite(gains), gains, -np.inf)[0].max(axis=1)


def _require_valid(
    whole: Sequence[Knots], places: Sequence[Places], plan: Plan, gate: float, what: str = "runs"
) -> None:
    """Raise NoValidRun unless the data, and nearly every resample, has a place that reaches the gate."""
    found = np.any([each.allowed[0].any(axis=1) for each in places], axis=0)
    count = sum(each.left.shape[-1] for each in places) - (len(places) if what == "runs" else 0)  # the unsteered knots
    if not found[0]:
        seen = [float(each.coherence[0, 0, run]) for each in whole for run in np.flatnonzero(each.measured) if run]
        raise NoValidRun(
            f"None of {count} {what}, and no amount near them, is valid at coherence {gate:g} or more "
            f"(best seen: {max(seen):.1f}): this is no Delta of 0, so sweep smaller amounts."
            if seen
            else f"None of {count} {what} was judged often enough: this is no Delta of 0, so judge them again."
        )
    _require_found(found[1:], plan, f"one of {count} {what} is valid at coherence {gate:g} or more")


def _require_located(whole: Sequence[Knots], places: Sequence[Places], plan: Plan, gate: float) -> None:
    """Raise CannotTell where coherence lies so near the gate over several runs that resamples move the best past a run.

    What counts is only where the gate lets it go, judged by the gains of the data: back past a run from the best place,
    or on past a run to a better one, by JUMP points or more. Runs that are merely as good as each other move nothing.
    """
    gains = [here.along(each.gain.values[:1])[0] for each, here in zip(whole, places, strict=True)]
    allowed = np.concatenate([here.allowed[0, 0] for here in places])
    index, place = _which(int(best_of(np.concatenate([gain[0] for gain in gains]), allowed)), places)
    best, moved = float(gains[index][0, place]), np.zeros(plan.resamples, dtype=bool)
    for curve, (each, here) in enumerate(zip(whole, places, strict=True)):
        left, data = here.left[0, 1:], here.left[0, 0]
        gain_there = each.gain.values[0, 0][left]
        further = (left > data + 1) & here.allowed[0, 1:] & (gain_there >= best + JUMP)
        moved |= further.any(axis=1)
        if curve == index:
            moved |= (left[:, place] < data[place] - 1) & (gain_there[:, place] <= best - JUMP)
    if moved.mean() > UNLOCATED:
        raise CannotTell(
            f"Coherence lies so near {gate:g} over several runs that in {moved.sum()} of {plan.resamples} resamples "
            f"the best lies past another run, {JUMP:g} points or more apart: ask more {plan.sample}, or sweep finer."
        )


def _which(chosen: int, places: Sequence[Places]) -> tuple[int, int]:
    """The curve and the place on it of an index over the places of all curves side by side."""
    first = np.cumsum([0, *(each.left.shape[-1] for each in places)])
    index = int(np.searchsorted(first, chosen, side="right")) - 1
    return index, int(chosen - first[index])


def _places(each: Knots, gate: float, between_runs: bool) -> Places:
    """For every run the last place at or before it where the gate is reached: itself, or where coherence crosses.

    So a place moves on smoothly when the coherence of its run falls below the gate, and the run is not lost.
    """
    knots_ = np.arange(len(each.amounts))
    reaches = (each.coherence >= gate - ROUNDING) & each.measured
    last = np.maximum.accumulate(np.where(reaches, knots_, -1), axis=-1)
    left = np.maximum(last, 0)
    right = np.minimum(left + 1, knots_[-1])
    at_left, at_right = (np.take_along_axis(each.coherence, index, axis=-1) for index in (left, right))
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(left < knots_, np.clip((at_left - gate) / (at_left - at_right), 0.0, 1.0), 0.0)
    steered = (left > 0) | (weight >= FIRST_STRETCH)
    whole = each.measured[right] | (left == knots_)
    allowed = (last >= 0) & steered & whole & each.measured
    if not between_runs:
        allowed &= left == knots_
    return Places(left, np.nan_to_num(weight), allowed)


def _require_found(found: np.ndarray, plan: Plan, what: str) -> None:
    without = int((~found).sum())
    if without > MISSING_REPLICATES * plan.resamples:
        raise NoValidRun(
            f"Whether {what} cannot be told: {without} of {plan.resamples} resamples have none, "
            f"so sweep finer or ask more {plan.sample}."
        )
