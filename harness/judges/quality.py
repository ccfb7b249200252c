"""Pure: how well a judge's scores agree with known ones on gold responses, each figure with its interval."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.data.gold import NEGATIVE, POSITIVE
from harness.shapes import checked
from harness.stats.averages import GATE
from harness.stats.resampling import LEVEL, Bounds
from harness.stats.tails import clopper_pearson

THRESHOLD = 50.0  # a judge's score from which it takes a response for a positive
REVERSED = 2.0  # what a question answered the wrong way round takes from a slope, or from a correlation, of 1
Scores = Float[np.ndarray, "responses"]
Questions = Int[np.ndarray, "responses"]
Statistic = Callable[[np.ndarray, np.ndarray], float]  # gold and scores -> figure, NaN where they give none


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
class JudgeQuality:
    """A judge on one gold set. Shares are of 1; slope and offset are those of the least-squares line of score on gold.

    auroc: the chance that a positive is scored above a negative, ties half; over judged responses.
    rank_correlation: Spearman's, over all judged responses, those between positive and negative included.
    sensitivity, specificity: positives scored 50 or more, negatives scored below 50; missing scores count as wrong.
    missing: gold responses without a score.
    agreement: responses that score and gold put on the same side of every cut; missing scores count as wrong.
    slope: points of score a point of gold; by how much a judge stretches or shrinks effects.
    offset: the line at a gold score of 70 minus 70, in points.
    """

    auroc: Figure
    rank_correlation: Figure
    sensitivity: Figure
    specificity: Figure
    missing: Figure
    agreement: Figure
    slope: Figure
    offset: Figure

    def to_json(self) -> dict[str, Any]:
        """Builtin types only: each figure by its name."""
        return asdict(self)


@checked
def quality(gold: Scores, scores: Scores, questions: Questions, cuts: Sequence[float] = ()) -> JudgeQuality:
    """The figures of a judge's scores beside the gold scores of the same responses, both from 0 to 100.

    `questions` says which question each response answers: responses to one question are no independent witnesses, so
    every interval takes questions for its units (`share`, `by_question`). NaN is a missing score of the judge.
    `cuts` are the scores at which something is decided.

    Raises ValueError when there is no response, a gold score is missing, or a score is outside 0 to 100.
    """
    _require_scores(gold, scores)
    judged = ~np.isnan(scores)
    positive, negative = gold >= POSITIVE, gold <= NEGATIVE
    same_side = judged & (np.digitize(scores, cuts) == np.digitize(gold, cuts))
    seen = gold[judged], scores[judged], questions[judged]
    return JudgeQuality(
        auroc=auroc_figure(*seen),
        rank_correlation=rank_correlation_figure(*seen),
        sensitivity=share((scores >= THRESHOLD)[positive], questions[positive], "no gold response is a positive"),
        specificity=share((scores < THRESHOLD)[negative], questions[negative], "no gold response is a negative"),
        missing=share(~judged, questions),
        agreement=share(same_side, questions) if len(cuts) else _untold(len(gold), "nothing is decided at a score"),
        slope=slope_figure(*seen),
        offset=offset_figure(*seen),
    )


def auroc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The share of pairs in which the positive's score is above the negative's, ties half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    # `scipy.stats.mannwhitneyu` gives the same and a p-value, which takes ten times as long.
    ranks = rankdata(np.concatenate([positives, negatives]))[: len(positives)].mean()
    return float((ranks - (len(positives) + 1) / 2) / len(negatives))


def rank_correlation(gold: np.ndarray, scores: np.ndarray) -> float:
    """Spearman's; NaN when either is constant."""
    from scipy.stats import spearmanr

    return float(spearmanr(gold, scores).statistic) if np.ptp(gold) and np.ptp(scores) else float("nan")


def slope(gold: np.ndarray, scores: np.ndarray) -> float:
    """Of the least-squares line of score on gold: sum of products over sum of squares, each about the means.

    Draper and Smith 1998, Applied Regression Analysis, section 1.2. Gold is what is known and so it is the regressor:
    noise of the score then widens the interval and does not shrink the slope. Two lines, because
    `scipy.stats.linregress` takes ten times as long and this is called for every question left out.
    """
    about = gold - gold.mean()
    squares = about @ about
    return float(about @ scores / squares) if squares else float("nan")


def offset(gold: np.ndarray, scores: np.ndarray) -> float:
    """The line of `slope` at a gold score of 70, minus 70."""
    return float(scores.mean() + slope(gold, scores) * (GATE - gold.mean()) - GATE)


def auroc_figure(gold: np.ndarray, scores: np.ndarray, questions: np.ndarray) -> Figure:
    """`auroc` with its interval; a question answered the wrong way round may be one of few that have a positive."""
    extreme = (gold >= POSITIVE) | (gold <= NEGATIVE)
    gold, scores, questions = gold[extreme], scores[extreme], questions[extreme]
    rarer = min(len({*questions[kind]}) for kind in (gold >= POSITIVE, gold <= NEGATIVE))
    if rarer < 2:
        return _untold(len(gold), f"positives or negatives of {rarer} questions are judged, 2 of each are needed")

    def statistic(gold: np.ndarray, scores: np.ndarray) -> float:
        return auroc(scores[gold >= POSITIVE], scores[gold <= NEGATIVE])

    worst = max(REVERSED, len({*questions}) / rarer)
    return by_question(statistic, gold, scores, questions, worst, (0.0, 1.0))


def rank_correlation_figure(gold: np.ndarray, scores: np.ndarray, questions: np.ndarray) -> Figure:
    """`rank_correlation` with its interval."""
    for values, which in ((gold, "gold scores"), (scores, "scores of the judge")):
        if len(values) and np.ptp(values) == 0:
            return _untold(len(gold), f"all {which} are {float(values[0]):g}")
    return by_question(rank_correlation, gold, scores, questions, REVERSED, (-1.0, 1.0))


def slope_figure(gold: np.ndarray, scores: np.ndarray, questions: np.ndarray) -> Figure:
    """`slope` with its interval."""
    return by_question(slope, gold, scores, questions, REVERSED)


def offset_figure(gold: np.ndarray, scores: np.ndarray, questions: np.ndarray) -> Figure:
    """`offset` with its interval."""
    return by_question(offset, gold, scores, questions, GATE)


def by_question(
    statistic: Statistic,
    gold: Scores,
    scores: Scores,
    questions: Questions,
    worst: float,
    bounds: Bounds = (-np.inf, np.inf),
) -> Figure:
    """A figure with the t interval, questions - 1 degrees of freedom, of the jackknife that leaves a question out.

    To the jackknife's variance (Efron and Stein 1981, Annals of Statistics 9:586; for least squares it is CR3 of
    MacKinnon, Nielsen and Webb 2023, Journal of Applied Econometrics 38:671) comes that of one question more, on which
    the figure is off by `worst`: that no such question was met does not show that there are none.
    """
    from scipy.stats import t

    each = np.unique(questions)
    count = len(each)
    if count < 2:
        return _untold(len(gold), f"responses to {count} questions are judged, 2 are needed")
    value = statistic(gold, scores)
    without = np.asarray([statistic(gold[kept], scores[kept]) for kept in questions != each[:, None]])
    if not np.isfinite([value, *without]).all():
        return _untold(len(gold), "too few gold responses differ for it")
    variance = (count - 1) / count * ((without - value) ** 2).sum() + (worst / count) ** 2
    half = float(t.ppf((1 + LEVEL) / 2, count - 1) * np.sqrt(variance))
    return Figure(value, max(value - half, bounds[0]), min(value + half, bounds[1]), len(gold))


def share(right: Bool[np.ndarray, "responses"], questions: Questions, if_none: str = "no gold response") -> Figure:
    """The share of responses that are right, with Clopper and Pearson's interval at the effective number of responses.

    That number is n over the design effect, times the squared ratio of the t quantiles for responses and for questions
    (Korn and Graubard 1998, Survey Methodology 24:193). The design effect is that of the questions seen and of one
    more on which every response is of the rarer kind: see `by_question`.
    """
    from scipy.stats import t

    n, tail = len(right), (1 - LEVEL) / 2
    if not n:
        return _untold(0, if_none)
    _, place, sizes = np.unique(questions, return_inverse=True, return_counts=True)
    count, value = len(sizes), float(right.mean())
    if count < 2:
        return _untold(n, "all gold responses answer one question, 2 are needed")
    hits = np.append(np.bincount(place, right), 0.0 if value >= 0.5 else n / count)
    sizes = np.append(sizes, n / count)
    pooled, total = hits.sum() / sizes.sum(), sizes.sum()
    variance = (count + 1) / count * ((hits - pooled * sizes) ** 2).sum() / total**2
    effect = max(1.0, variance * total / (pooled * (1 - pooled)))
    effective = n / effect * float(t.ppf(tail, n - 1) / t.ppf(tail, count - 1)) ** 2
    return Figure(value, *clopper_pearson(value * effective, effective), n)


def _untold(n: int, why: str) -> Figure:
    return Figure(None, None, None, n, why)


def _require_scores(gold: np.ndarray, scores: np.ndarray) -> None:
    if not len(gold):
        raise ValueError("A judge was given no gold response: write some.")
    if np.isnan(gold).any():
        raise ValueError(f"{int(np.isnan(gold).sum())} gold responses have no gold score: give each one.")
    for values, which in ((gold, "gold scores"), (scores[~np.isnan(scores)], "scores of the judge")):
        if values.size and not (values.min() >= 0 and values.max() <= 100):
            raise ValueError(f"The {which} go from {values.min():g} to {values.max():g}: they must be from 0 to 100.")
