"""Pure: how well a judge's scores agree with known ones on gold responses, and whether that is good enough."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.resampling import LEVEL, Bounds, CannotTell, Plan
from harness.shapes import checked
from harness.stats import bootstrap

POSITIVE, NEGATIVE = 75.0, 25.0  # gold scores from and up to which a response counts as one or the other
THRESHOLD = 50.0  # a judge's score from which it takes a response for a positive
AUROC_LOW, MISSING_HIGH = 0.80, 0.20  # the gate: what the ends of the intervals must reach
RESAMPLES = 2000
Scores = Float[np.ndarray, "responses"]


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; `n` counts the gold responses it is made from.

    A figure that this gold set or these scores cannot give has None for all three, and says `why`.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.value is None else f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Quality:
    """A judge on one gold set, every figure a share of 1 (the rank correlation from -1 to 1).

    auroc: the chance that a positive is scored above a negative, ties half; over judged responses.
    rank_correlation: Spearman's, over all judged responses, those between positive and negative included.
    sensitivity, specificity: positives scored 50 or more, negatives scored below 50; missing scores count as wrong.
    missing: gold responses without a score.
    """

    auroc: Figure
    rank_correlation: Figure
    sensitivity: Figure
    specificity: Figure
    missing: Figure

    def to_json(self) -> dict[str, Any]:
        """Builtin types only: each figure by its name."""
        return asdict(self)


@checked
def quality(gold: Scores, scores: Scores, resamples: int = RESAMPLES, seed: int = 0) -> Quality:
    """The figures of a judge's scores beside the gold scores of the same responses, both from 0 to 100.

    NaN is a missing score of the judge. Intervals: Clopper and Pearson (1934, Biometrika 26:404) for shares; for the
    other two the bootstrap with what n responses cannot exclude (`harness.resampling.interval`), positives and
    negatives resampled apart for the AUROC. A perfect AUROC thus has the lower bound 0.025^(1/n), n the smaller of both
    classes: so large a share of that class may be scored the wrong way round and never have been met.

    Raises ValueError when there is no response, a gold score is missing, or a score is outside 0 to 100.
    """
    _require_scores(gold, scores)
    judged = ~np.isnan(scores)
    positive, negative = gold >= POSITIVE, gold <= NEGATIVE
    return Quality(
        auroc=_auroc_figure(scores[judged & positive], scores[judged & negative], resamples, seed),
        rank_correlation=_correlation_figure(gold[judged], scores[judged], resamples, seed),
        sensitivity=_share(scores[positive] >= THRESHOLD, "no gold response is a positive"),
        specificity=_share(scores[negative] < THRESHOLD, "no gold response is a negative"),
        missing=_share(~judged, "no gold response"),
    )


def passes(found: Quality, auroc_low: float = AUROC_LOW, missing_high: float = MISSING_HIGH) -> bool:
    """Whether a judge may decide; see `why_not`."""
    return not why_not(found, auroc_low, missing_high)


def why_not(found: Quality, auroc_low: float = AUROC_LOW, missing_high: float = MISSING_HIGH) -> str:
    """Why a judge may not decide, empty where it may.

    It may when the whole interval of its AUROC reaches `auroc_low` and that of its missing scores stays within
    `missing_high`: a judge is trusted for what was shown, not for what could not be ruled out.
    """
    reasons = []
    if found.auroc.low is None:
        reasons.append(f"its AUROC cannot be told ({found.auroc.why})")
    elif found.auroc.low < auroc_low:
        reasons.append(f"its AUROC of {found.auroc} is not shown to reach {auroc_low:.2f}")
    if found.missing.high is not None and found.missing.high > missing_high:
        reasons.append(f"its share of missing scores of {found.missing} is not shown to stay within {missing_high:.2f}")
    return " and ".join(reasons)


@checked
def auroc(positives: Float[np.ndarray, "positives"], negatives: Float[np.ndarray, "negatives"]) -> float:
    """The share of pairs in which the positive's score is above the negative's, ties half (Mann and Whitney 1947)."""
    return _auroc(positives, negatives)


@checked
def rank_correlation(one: Scores, other: Scores) -> float:
    """Spearman's: the correlation of the ranks, ties given their mean rank; NaN when either is constant."""
    return _rank_correlation(one, other)


# Without the check of shapes, which takes longer than the figure and would be made for every resample.
def _auroc(positives: np.ndarray, negatives: np.ndarray) -> float:
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left") + np.searchsorted(ordered, positives, side="right")
    return float(below.mean() / (2 * len(negatives)))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    ranks = np.stack([_ranks(one), _ranks(other)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = float(np.sqrt((ranks**2).sum(axis=1).prod()))
    return float(np.clip((ranks[0] * ranks[1]).sum() / spread, -1, 1)) if spread else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    """Twice the rank of each value less a constant; ties have their mean rank."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")).astype(np.float64)


def _auroc_figure(positives: np.ndarray, negatives: np.ndarray, resamples: int, seed: int) -> Figure:
    n = len(positives) + len(negatives)
    if min(len(positives), len(negatives)) < 2:
        return _untold(n, f"{len(positives)} positives and {len(negatives)} negatives are judged, 2 of each are needed")
    plan = Plan((len(positives), len(negatives)), "responses", resamples=resamples, seed=seed)
    return _bootstrapped(lambda one, other: _auroc(positives[one], negatives[other]), plan, (0.0, 1.0), n)


def _correlation_figure(gold: np.ndarray, scores: np.ndarray, resamples: int, seed: int) -> Figure:
    n = len(gold)
    if n < 2:
        return _untold(n, f"{n} responses are judged, 2 are needed")
    for values, which in ((gold, "gold scores"), (scores, "scores of the judge")):
        if np.ptp(values) == 0:
            return _untold(n, f"all {which} are {float(values[0]):g}")
    plan = Plan((n,), "responses", resamples=resamples, seed=seed)
    return _bootstrapped(lambda chosen: _rank_correlation(gold[chosen], scores[chosen]), plan, (-1.0, 1.0), n)


def _bootstrapped(statistic: Callable[..., float], plan: Plan, bounds: Bounds, n: int) -> Figure:
    try:
        found = bootstrap(statistic, plan, "share", bounds).estimate()
    except CannotTell as error:
        return _untold(n, str(error).rstrip("."))
    return Figure(found.value, found.low, found.high, n)


def _share(right: np.ndarray, if_none: str) -> Figure:
    if not len(right):
        return _untold(0, if_none)
    low, high = clopper_pearson(int(right.sum()), len(right))
    return Figure(float(right.mean()), low, high, len(right))


def _untold(n: int, why: str) -> Figure:
    return Figure(None, None, None, n, why)


def clopper_pearson(count: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a share of which `count` of `n` were seen; it has a width even at 0 and 1."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


def _require_scores(gold: np.ndarray, scores: np.ndarray) -> None:
    if not len(gold):
        raise ValueError("A judge was given no gold response: write some.")
    if np.isnan(gold).any():
        raise ValueError(f"{int(np.isnan(gold).sum())} gold responses have no gold score: give each one.")
    for values, which in ((gold, "gold scores"), (scores[~np.isnan(scores)], "scores of the judge")):
        if values.size and not (values.min() >= 0 and values.max() <= 100):
            raise ValueError(f"The {which} go from {values.min():g} to {values.max():g}: they must be from 0 to 100.")
