"""Finds the best of dose-response curves at a coherence gate, also between the amounts that were run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from harness.curves import Curve, Knots, at_amount, curve_gap, gain_of, knots
from harness.resampling import Bounds, Plan, Replicated
from harness.shapes import checked
from harness.stats import GATE, MIN_JUDGED, MISSING_REPLICATES, ROUNDING, SCORES, NoValidRun

__all__ = ["Curve", "Point", "at_amount", "best_on_curves", "curve_gap", "search_on_curve"]

FIRST_STRETCH = 0.5  # least share of the way to the first run at which a point still counts as steered
UNSTEERED = -1  # the run that a curve's point at amount 0 is called


@dataclass(frozen=True, eq=False)
class Point:
    """The best point of one or several curves.

    delta: its gain over the baseline, in trait points.
    amount: its amount, one per replicate of `delta`, in the unit the caller named.
    curve: the index of its curve.
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
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    plan: Plan,
    gate: float | int = GATE,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
    amount_unit: str = "dose",
) -> Point:
    """The largest gain over the baseline at coherence `gate` or more, over all amounts of all curves, in points.

    Mean gain (paired as in `stats.best_of_grid`) and mean coherence are linear between neighbouring runs, so
    the best lies at a run or where coherence crosses the gate. The unsteered point begins every curve but is no
    steering: doing nothing is never the best. On the stretch before the first run, linear interpolation says
    most of what it says about steering by way of the unsteered point, while real curves stay flat there and
    then rise; so a crossing of the gate counts there only if it lies at least FIRST_STRETCH of the way to the
    first run, where the point rests on that run at least as much as on doing nothing.

    The point is chosen again in every resample: where the best may lie (the runs that reach the gate, the places
    where it is crossed) is asked of the resample itself, and which of these is best of the gains of another one,
    for a maximum read where it was chosen flatters itself (as in `stats.best_of_grid`; the errors are as there,
    too). Bringing the place along from the other resample as well would forget that the questions that stay
    coherent longer may also be those that show the trait, or not: with a correlation of 0.8 graded scores then gave
    false verdicts in 7 % each way, and with -0.8 in nearly none.

    Raises NoValidRun if no run and no such crossing reaches the gate, or none in over 5 % of the resamples.
    Depends on the amounts only through their order, but for the amount it returns.
    """
    if not curves:
        raise ValueError("There is no curve to find the best point of: give one per block.")
    given = [knots(curve, baseline_trait, baseline_coherence, plan, min_judged, score_range) for curve in curves]
    choices = [_candidates(each, gate) for each in given]
    ratings, gains, amounts = (np.concatenate(parts, axis=1) for parts in zip(*choices, strict=True))
    found = np.isfinite(ratings).any(axis=1)
    chosen = np.where(np.isfinite(ratings), ratings, -np.inf).argmax(axis=1)
    runs = sum(len(curve.amounts) for curve in curves)
    if not found[0]:
        seen = [float(each.coherence[0, run]) for each in given for run in np.flatnonzero(each.measured) if run]
        raise NoValidRun(
            f"None of {runs} runs, and no amount near them, is valid at coherence {gate:g} or more "
            f"(best seen: {max(seen):.1f}): this is no Delta of 0, so sweep smaller amounts."
            if seen
            else f"None of {runs} runs was judged often enough: this is no Delta of 0, so judge them again."
        )
    _require_found(found[1:], plan, f"one of {runs} runs is valid at coherence {gate:g} or more")

    rows = np.arange(1 + plan.resamples)
    replicates, places = (np.where(found, each[rows, chosen], np.nan) for each in (gains, amounts))
    first = np.cumsum([0, *(each[0].shape[1] for each in choices)])
    index = int(np.searchsorted(first, chosen[0], side="right")) - 1
    best = given[index]
    (left,), (share,), _ = best.locate(places[:1])
    right = left + 1 if share > 0 else left
    n = int(min(best.judged[left], best.judged[right]))
    beyond = left + 1 == len(best.amounts) or not best.measured[left + 1]
    return Point(
        delta=gain_of(replicates, plan, n, baseline_trait, score_range),
        amount=Replicated(float(places[0]), places[1:], plan, amount_unit, n),
        curve=index,
        between=(int(left) - 1, int(right) - 1, float(share)),
        at_edge=bool(share == 0 and beyond and best.coherence[0, left] > gate + ROUNDING),
    )


@checked
def search_on_curve(
    curve: Curve,
    baseline_trait: Float[np.ndarray, "units"],
    baseline_coherence: Float[np.ndarray, "units"],
    start_amount: float | int,
    plan: Plan,
    steps: int = 5,
    up: float | int = 1.3,
    down: float | int = 0.85,
    gate: float | int = GATE,
    momentum: float | int = 0.1,
    min_judged: float | int = MIN_JUDGED,
    score_range: Bounds | None = SCORES,
) -> Replicated:
    """The gain of the best valid trial of the published adaptive search run on the interpolated curve, in points.

    The search (factors and momentum as in `calibration.search`) walks again in every resample; which of its valid
    trials is best is asked of another resample, as in `best_on_curves`. What was not measured has no coherence,
    which is not valid and sends the search down: amounts beyond the last run, in a gap, and nearer to 0 than
    FIRST_STRETCH of the first run. Raises NoValidRun if no trial is valid, or none in over 5 % of the resamples;
    ValueError on an impossible setting.
    """
    if steps < 1 or not 0 <= momentum < 1 or not 0 < down <= 1 <= up or not 0 < start_amount < np.inf:
        raise ValueError(
            f"A search of {steps} steps from {start_amount} with factors {up} and {down} and momentum {momentum} "
            "cannot run: start above 0, ask for 1 step or more, down in (0, 1], up of 1 or more, momentum in [0, 1)."
        )
    each = knots(curve, baseline_trait, baseline_coherence, plan, min_judged, score_range)
    rows = np.arange(1 + plan.resamples)
    amounts, factors = np.full(len(rows), float(start_amount)), np.ones(len(rows))
    another, best, gains = _another(len(rows)), np.full(len(rows), -np.inf), np.full(len(rows), np.nan)
    n = 0
    for _ in range(steps):
        segment, weight, measured = each.locate(amounts)
        right = np.minimum(segment + 1, len(each.amounts) - 1)
        left_coherence = each.coherence[rows, segment]
        coherence = left_coherence + weight * (each.coherence[rows, right] - left_coherence)
        steered = amounts >= FIRST_STRETCH * each.amounts[1]
        valid = measured & steered & (coherence >= gate - ROUNDING)
        rating = each.at(another, segment, weight)
        better = valid & (rating > best)
        best[better], gains[better] = rating[better], each.at(rows, segment, weight)[better]
        if better[0]:
            n = int(min(each.judged[segment[0]], each.judged[right[0] if weight[0] > 0 else segment[0]]))
        factors = momentum * factors + (1 - momentum) * np.where(valid, up, down)
        amounts = amounts * factors
    found = np.isfinite(best)
    if not found[0]:
        raise NoValidRun(
            f"None of {steps} trials of the search from {start_amount:g} is valid at coherence {gate:g} or more: "
            "this is no Delta of 0, so start elsewhere or run more amounts."
        )
    _require_found(found[1:], plan, f"a trial of the search is valid at coherence {gate:g} or more")
    return gain_of(gains, plan, n, baseline_trait, score_range)


def _candidates(each: Knots, gate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the best of a curve may lie: ratings, gains and amounts, (1 + resamples, 2 knots - 1) each.

    The candidates are every knot, then the gate crossing behind every knot but the last. A rating is the gain in
    the resample before, by which a candidate is chosen; NaN where this resample does not allow it.
    """
    reaches = each.coherence >= gate - ROUNDING
    steered = each.measured & (np.arange(len(each.amounts)) > 0)
    left, right = each.coherence[:, :-1], each.coherence[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = (left - gate) / (left - right)
    weights = np.clip(np.nan_to_num(weights), 0.0, 1.0)
    crosses = (reaches[:, :-1] != reaches[:, 1:]) & (each.measured[:-1] & each.measured[1:])
    crosses[:, 0] &= reaches[:, 0] & (weights[:, 0] >= FIRST_STRETCH)
    allowed = np.concatenate([steered & reaches, crosses], axis=1)

    def along(values: np.ndarray) -> np.ndarray:
        at_crossings = values[:, :-1] + weights * np.diff(values, axis=1)
        return np.concatenate([np.broadcast_to(values, each.gain.shape), at_crossings], axis=1)

    return (
        np.where(allowed, along(each.gain[_another(len(weights))]), np.nan),
        along(each.gain),
        along(each.amounts[None]),
    )


def _another(rows: int) -> np.ndarray:
    """The resample whose gains choose for each row: the one before; row 0, the data, chooses for itself."""
    return np.concatenate([[0], np.roll(np.arange(1, rows), 1)])


def _require_found(found: np.ndarray, plan: Plan, what: str) -> None:
    without = int((~found).sum())
    if without > MISSING_REPLICATES * plan.resamples:
        raise NoValidRun(
            f"Whether {what} cannot be told: {without} of {plan.resamples} resamples have none, "
            f"so sweep finer or ask more {plan.sample}."
        )
