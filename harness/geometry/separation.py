"""How well a method's directions tell apart scenarios that they were not made from: cross-fitting, accuracy, Cohen's d.

Every pair is read along a direction, and from a threshold, that were made from the pairs of other topics, and where
questions recur in several topics, of other questions as well: what moves one class of a question would pass for what
tells the classes apart. Such pairs are independent of one another by topics and by questions only, so their variance is
that between topics, and between questions, less that between pairs, which is in both (Cameron, Gelbach & Miller 2011,
Journal of Business & Economic Statistics 29:238), and has as many degrees of freedom as the fewer of both. What the
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
from harness.stats.resampling import Estimate, Replicated, Resampling, crossing, numbered
from harness.stats.tails import LEVEL, SMALLEST, CannotTell, End, clopper_pearson

FOLDS = 10  # the published share that was held out, a tenth, at a time
SMALLEST_SPREAD = 1e-6  # cosine units: the resolution of float32 activations, so an effect size stays finite

Fit = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # positive and negative rows, and the fold they leave out


def ways_of(topics: Sequence[Hashable], questions: Sequence[Hashable] | None = None) -> tuple[np.ndarray, ...]:
    """The ways in which pairs belong together, as numbers: by topic, and by question where that is no part of one."""
    return crossing(topics) if questions is None else crossing(topics, questions)


def folds_by(ways: Sequence[np.ndarray]) -> Int[np.ndarray, "ways pairs"]:
    """The folds of pairs by each of the ways: of phrasings, say, and of questions; errors as in `folds_of`."""
    return np.stack([folds_of(way.tolist()) for way in ways])


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
    folds: Int[np.ndarray, "ways pairs"],
    fit: Fit,
) -> HeldOut:
    """Cross-fit: `fit` a direction on the pairs that share a fold with the held-out ones in none of the ways.

    Held out at a time are the pairs that share all folds. `fit` is told which these are by number, so that controls
    which are drawn can be drawn anew for each. The threshold is the midpoint of the training classes' mean cosines.
    Raises CannotTell where no pair is left to fit on; other errors as in `harness.geometry.directions.unit_rows`, and
    those of `fit`.
    """
    rows = unit_rows(positive, "positive"), unit_rows(negative, "negative")
    read = np.ones((3, len(positive)))
    for number, held in enumerate(np.unique(folds, axis=1).T):
        same = folds == held[:, None]
        inside, outside = same.all(axis=0), ~same.any(axis=0)
        if not outside.any():
            raise CannotTell(
                f"Each of {len(positive)} pairs shares a topic or a question with those held out, so none is left to "
                "make a direction from: ask other questions under every phrasing."
            )
        direction = fit(positive[outside], negative[outside], number)
        above, below = (float((row[outside] @ direction).mean()) for row in rows)
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
def accuracy(
    shares: Float[np.ndarray, "pairs"],
    topics: Sequence[Hashable],
    questions: Sequence[Hashable] | None = None,
    rows: int = 2,
) -> Share:
    """The mean of cross-fitted `right_sides`, or of `right_orders` (one of `rows` a pair), from pairs of these topics.

    The effective number of rows is p (1 - p) over the variance of p between topics, at most `rows` a pair, less what
    the folds share (see the module). Where all topics agree there is no variance to see: then it is their number.
    """
    share, ways = float(shares.mean()), ways_of(topics, questions)
    number = _groups(coarsest(ways))
    variance = _by_ways(ways, lambda way: _variance_between(shares - share, way))
    if variance <= np.finfo(float).eps:
        return Share(share, float(number), number)
    if len(ways) > 1:
        variance *= _of_few(number)
    effective = min(share * (1 - share) / variance, float(rows * len(shares)))
    return Share(share, effective / _shared(min(FOLDS, number)), number)


def _variance_between(apart: np.ndarray, way: np.ndarray) -> float:
    """The variance of a mean of pairs, from how far those of every group lie `apart` from it."""
    sums, number = np.bincount(way, apart), _groups(way)
    return float((sums**2).sum()) / len(apart) ** 2 * number / (number - 1)


def _by_ways(ways: Sequence[np.ndarray], variance_by: Callable[[np.ndarray], float]) -> float:
    """A variance by one way, or by two: that by either, less that by both at once; no less than by one alone."""
    by_each = [variance_by(way) for way in ways]
    if len(ways) == 1:
        return by_each[0]
    both = numbered(list(zip(*(way.tolist() for way in ways), strict=True)))
    return max(*by_each, sum(by_each) - variance_by(both))


def _of_few(number: int) -> float:
    """By how much more Student's t of so many groups asks of a variance than a normal quantile (Korn & Graubard)."""
    from scipy.special import ndtri, stdtrit

    tail = (1 + LEVEL) / 2
    return float((stdtrit(number - 1, tail) / ndtri(tail)) ** 2)


@checked
def effect_size(
    read: HeldOut,
    topics: Sequence[Hashable],
    resampling: Resampling,
    questions: Sequence[Hashable] | None = None,
) -> Replicated:
    """Cohen's d of cross-fitted rows, in standard deviations of one class, from resampled topics.

    The mean of positive less that of negative, over the root of the two classes' mean variance (SMALLEST_SPREAD at
    least). A studentised bootstrap (Efron & Tibshirani 1993, chapter 12.5): replicates are d - t x (standard error of
    d), t being a resample's distance from d in its own standard errors. A resample that drew one topic alone has no
    such error and no value, so from two or three topics there is no interval (CannotTell). Where questions recur in
    other topics, the fewer of both are resampled, and the standard error of d is that of both. Raises ValueError for a
    resampling of other than as many units as there are topics.
    """
    ways = ways_of(topics, questions)
    fewest = coarsest(ways)
    number = _groups(fewest)
    if resampling.n != number:
        raise ValueError(
            f"{number} topics do not fit a resampling of {resampling.n} {resampling.sample}: resample the topics."
        )
    moments = np.stack([np.ones(len(topics)), read.positive, read.negative, read.positive**2, read.negative**2])

    def effects_by(way: np.ndarray, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        sums = np.stack([np.bincount(way, row) for row in moments])
        return _effects(sums, np.ones((1, _groups(way))) if counts is None else counts)

    effect = effects_by(fewest)[0]
    error = np.sqrt(_by_ways(ways, lambda way: float(effects_by(way)[1][0]) ** 2))
    counts = resampling.counts()
    effects, errors = effects_by(fewest, counts)
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


def independent(topics: Sequence[Hashable], questions: Sequence[Hashable] | None = None) -> int:
    """How many topics pairs have, or questions, where these recur in several and are fewer."""
    return _groups(coarsest(ways_of(topics, questions)))


def coarsest(ways: Sequence[np.ndarray]) -> np.ndarray:
    """The way of the fewest groups."""
    return min(ways, key=_groups)


def _groups(way: np.ndarray) -> int:
    return int(way.max(initial=-1)) + 1


def _shared(folds: int) -> float:
    """By how much variance is underestimated between folds that share what they are fitted on."""
    return 1 + folds / (folds - 1)
