"""How well a method's directions tell apart scenarios that they were not made from: cross-fitting, accuracy, Cohen's d.

Every pair is read along a direction, and from a threshold, that were made from the pairs of other topics. What the
intervals are about is a direction made from that many pairs and read on new topics: the fit's own variance belongs to
it. The folds share most of the pairs they fit on, so the variance that is seen between topics is too small; it is
multiplied by 1 + K / (K - 1) for K folds (Nadeau & Bengio 2003, Machine Learning 52:239). Where nothing is to be found
that is just what is missing; of a clear signal the intervals are wider than need be.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from harness.geometry.directions import unit_rows
from harness.shapes import checked
from harness.stats.resampling import Estimate, Replicated, Resampling
from harness.stats.tails import LEVEL, SMALLEST, CannotTell, End, clopper_pearson

FOLDS = 10  # the published share that was held out, a tenth, at a time
SMALLEST_SPREAD = 1e-6  # cosine units: the resolution of float32 activations, so an effect size stays finite

Fit = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # positive and negative rows, and the fold they leave out


@checked
def folds_of(topics: Sequence[Hashable], number: int = FOLDS) -> Int[np.ndarray, "pairs"]:
    """The fold of every pair: whole topics, the largest first, each into the fold that has the fewest pairs.

    No more folds than topics. Raises CannotTell for fewer than two topics.
    """
    sizes = {topic: topics.count(topic) for topic in dict.fromkeys(topics)}
    if len(sizes) < 2:
        raise CannotTell(
            f"{len(topics)} pairs of scenarios have {len(sizes)} topic, so none can be held out: add some."
        )
    filled = [0] * min(number, len(sizes))
    place = {}
    for topic in sorted(sizes, key=lambda one: -sizes[one]):
        place[topic] = filled.index(min(filled))
        filled[place[topic]] += sizes[topic]
    return np.array([place[topic] for topic in topics])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Every pair as a direction sees it that it did not help to make, three arrays [pairs] float64.

    positive, negative: cosine of row and direction, less the threshold.
    polarity: +1 where the positive rows that the direction was made from lie higher along it, else -1.
    """

    positive: np.ndarray
    negative: np.ndarray
    polarity: np.ndarray


@checked
def held_out(
    positive: Float[np.ndarray, "pairs hidden"],
    negative: Float[np.ndarray, "pairs hidden"],
    folds: Int[np.ndarray, "pairs"],
    fit: Fit,
) -> HeldOut:
    """Cross-fit: for each fold, `fit` a direction on the pairs of the other folds and read those of the fold.

    `fit` is told the fold, so that controls which are drawn can be drawn anew for each. The threshold is the midpoint
    of the training classes' mean cosines. Errors as in `harness.geometry.directions.unit_rows`, and those of `fit`.
    """
    rows = unit_rows(positive, "positive"), unit_rows(negative, "negative")
    read = np.ones((3, len(folds)))
    for fold in np.unique(folds):
        inside = folds == fold
        direction = fit(positive[~inside], negative[~inside], int(fold))
        above, below = (float((row[~inside] @ direction).mean()) for row in rows)
        for side, row in enumerate(rows):
            read[side, inside] = row[inside] @ direction - (above + below) / 2
        read[2, inside] = 1.0 if above >= below else -1.0
    return HeldOut(*read)


@checked
def right_sides(read: HeldOut) -> Float[np.ndarray, "pairs"]:
    """The share of each pair's two rows on the right side of the threshold, a row on it counting one half."""
    return (read.polarity * (np.sign(read.positive) - np.sign(read.negative)) / 2 + 1) / 2


@checked
def right_orders(read: HeldOut) -> Float[np.ndarray, "pairs"]:
    """Whether the positive row of each pair lies above its negative one (1), level with it (one half) or below (0).

    What both share, such as their question, cancels, as it does in the difference that a direction is made from.
    """
    return (read.polarity * np.sign(read.positive - read.negative) + 1) / 2


@dataclass(frozen=True, eq=False)
class Share:
    """A share of rows (0 to 1) from `n` topics, worth `effective` independent rows; an Evidence.

    The interval is Clopper-Pearson's at the effective number of rows (Korn & Graubard 1998, Survey Methodology
    24:193), so a share of 0 or 1 keeps a width.
    """

    value: float
    effective: float
    n: int
    unit: str = "share"
    sample: str = "topics"

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The share with its interval."""
        low, high = clopper_pearson(self.value * self.effective, self.effective, level)
        return Estimate(self.value, min(low, self.value), max(high, self.value), self.n, self.unit, level, self.sample)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """See `harness.stats.evidence.Evidence.level_of_end`."""
        from scipy.special import betainc

        value, bound = (self.value, bound) if end == "low" else (1 - self.value, 1 - bound)
        if bound < 0 or (bound == 0 and not strict):
            return SMALLEST  # no share is on the other side
        if value < bound or (strict and value == bound):
            return 1.0
        there = value * self.effective
        tail = float(betainc(there, self.effective - there + 1, bound)) if there > 0 else 1.0
        return float(np.clip(2 * tail, SMALLEST, 1.0))


@checked
def accuracy(shares: Float[np.ndarray, "pairs"], topics: Sequence[Hashable], rows: int = 2) -> Share:
    """The mean of cross-fitted `right_sides`, or of `right_orders` (one of `rows` a pair), from pairs of these topics.

    The effective number of rows is p (1 - p) over the variance of p between topics, at most `rows` a pair, less what
    the folds share (see the module). Where all topics agree there is no variance to see: then it is their number.
    """
    share, of_topic, number = float(shares.mean()), _numbered(topics), len(set(topics))
    folds = min(FOLDS, number)
    apart = np.bincount(of_topic, shares - share)
    variance = float((apart**2).sum()) / len(shares) ** 2 * number / (number - 1)
    if variance <= np.finfo(float).eps:
        return Share(share, float(number), number)
    effective = min(share * (1 - share) / variance, float(rows * len(shares)))
    return Share(share, effective / _shared(folds), number)


@checked
def effect_size(read: HeldOut, topics: Sequence[Hashable], resampling: Resampling) -> Replicated:
    """Cohen's d of cross-fitted rows, in standard deviations of one class, from resampled topics.

    The mean of positive less that of negative, over the root of the two classes' mean variance (SMALLEST_SPREAD at
    least). A studentised bootstrap (Efron & Tibshirani 1993, chapter 12.5): replicates are d - t x (standard error of
    d), t being a resample's distance from d in its own standard errors. A resample that drew one topic alone has no
    such error and no value, so from two or three topics there is no interval (CannotTell). Raises ValueError for a
    resampling of other than as many units as there are topics.
    """
    number = len(set(topics))
    if resampling.n != number:
        raise ValueError(
            f"{number} topics do not fit a resampling of {resampling.n} {resampling.sample}: resample the topics."
        )
    moments = np.stack([np.ones(len(topics)), read.positive, read.negative, read.positive**2, read.negative**2])
    sums = np.stack([np.bincount(_numbered(topics), row) for row in moments])
    effect, error = _effects(sums, np.ones((1, number)))
    counts = resampling.counts()
    effects, errors = _effects(sums, counts)
    distance = (effects - effect) / errors
    distance[np.count_nonzero(counts, axis=1) < 2] = np.nan
    replicates = effect - distance * error * np.sqrt(_shared(min(FOLDS, number)))
    return Replicated(float(effect[0]), replicates, resampling, "standard deviations", number)


def _effects(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d and its standard error in every resample of topics; `sums` [5, topics] are each topic's number of pairs and
    sums of positives, negatives and their squares, `counts` [resamples, topics] how often each is drawn."""
    pairs, *rest = (counts @ sums.T).T
    above, below, *squares = (total / pairs for total in rest)
    pooled = (squares[0] - above**2 + squares[1] - below**2) / 2
    spread = np.maximum(np.sqrt(np.maximum(pooled * pairs / np.maximum(pairs - 1, 1), 0.0)), SMALLEST_SPREAD)
    effect = (above - below) / spread
    one, ups, downs, ups_squared, downs_squared = sums
    of_means = ups - downs - np.outer(above - below, one)
    of_variance = (ups_squared + downs_squared) / 2 - np.outer(above, ups) - np.outer(below, downs)
    of_variance += np.outer((above**2 + below**2) / 2 - spread**2, one)
    influence = of_means / spread[:, None] - (effect / 2 / spread**2)[:, None] * of_variance
    drawn = counts.sum(axis=1)
    variance = (counts * influence**2).sum(axis=1) / pairs**2 * drawn / (drawn - 1)
    return effect, np.maximum(np.sqrt(variance), np.finfo(float).tiny)


def _numbered(topics: Sequence[Hashable]) -> np.ndarray:
    """Topics as numbers from 0, in order of their first pair."""
    number = {topic: place for place, topic in enumerate(dict.fromkeys(topics))}
    return np.array([number[topic] for topic in topics])


def _shared(folds: int) -> float:
    """By how much variance is underestimated between folds that share what they are fitted on."""
    return 1 + folds / (folds - 1)
