"""Worlds whose truth is known, and the project's procedures run on them, for `harness.montecarlo`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.interpolation import Curve, best_on_curves, curve_gap, search_on_curve
from harness.resampling import CannotTell, Plan, Replicated
from harness.stats import best_of_grid, mean_of, paired_difference

Draw = Callable[[np.random.Generator, int, bool], Replicated]

QUESTION_SHARE = 0.5  # of the variance of a latent score lies in the question, which correlates the runs
MISSING = 0.1  # share of judgements that are missing where any are
GRADERS = 4  # a graded score is the mean of so many all-or-nothing ones
RESAMPLES = 1000  # of questions; half of what claims use, for speed
REFIT_RESAMPLES = 200  # of scenario pairs, as claims use
HIDDEN, BLOCKS = 32, 3  # of the directions whose cosines are taken

AMOUNTS = np.linspace(0.4, 1.6, 7)
TRAIT = np.array([0.05, 0.15, 0.30, 0.45, 0.60, 0.75, 0.90])  # share of answers that show the trait, by amount
COHERENCE = np.array([0.92, 0.88, 0.82, 0.76, 0.66, 0.50, 0.30])  # crosses 0.7 at 60 % of the way from 1.0 to 1.2
CROSSING = 0.6
BEST_GAIN = 100 * (TRAIT[3] + CROSSING * (TRAIT[4] - TRAIT[3]))
BEST_AMOUNT = AMOUNTS[3] + CROSSING * (AMOUNTS[4] - AMOUNTS[3])
SEARCH_START = 0.7


@dataclass(frozen=True)
class Case:
    """A procedure on a world: its truth (None: the expectation of its value), and what it is measured in.

    `margin` is how far inside and outside a rule's bound is placed besides on the truth. `pairs` cases resample
    scenario pairs and know no all-or-nothing scores.
    """

    name: str
    truth: float | None
    unit: str
    margin: float
    draw: Draw
    pairs: bool = False
    used: bool = True


def scores(
    rng: np.random.Generator, chances: np.ndarray, questions: np.ndarray, graded: bool, missing: float = 0.0
) -> np.ndarray:
    """Scores (runs, units) from 0 to 100 whose means are 100 x `chances`, correlated through `questions` (units,)."""
    from scipy.special import ndtri

    graders = GRADERS if graded else 1
    own = rng.normal(size=(graders, len(chances), len(questions)))
    latent = np.sqrt(QUESTION_SHARE) * questions + np.sqrt(1 - QUESTION_SHARE) * own
    found: np.ndarray = 100.0 * (latent < ndtri(chances)[:, None]).mean(axis=0)
    if missing:
        found[rng.random(found.shape) < missing] = np.nan
    return found


def plan(n: int, resamples: int = RESAMPLES) -> Plan:
    """The plan of every simulated data set of n units."""
    return Plan((n,), resamples=resamples)


def _mean(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    drawn = scores(rng, np.array([0.3]), rng.normal(size=n), graded, MISSING)
    return mean_of(drawn[0], plan(n), bounds=(0.0, 100.0))


def _difference(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    one, other = scores(rng, np.array([0.5, 0.4]), rng.normal(size=n), graded, MISSING)
    return paired_difference(one, other, plan(n), bounds=(0.0, 100.0))


def _few_differ(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    """Two runs whose answers agree but for 10 % of the questions, all in one direction."""
    one = scores(rng, np.array([0.4]), rng.normal(size=n), graded)[0]
    other = np.where(rng.random(n) < 0.1 / 0.6, 100.0, one)
    return paired_difference(np.maximum(one, other), one, plan(n), bounds=(0.0, 100.0))


def _grid(chances: list[float]) -> Draw:
    def draw(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
        questions = rng.normal(size=n)
        drawn = scores(rng, np.array([0.1, *chances]), questions, graded)
        drawn[1:][rng.random((len(chances), n)) < MISSING] = np.nan
        coherence = np.full((len(chances), n), 90.0)
        return best_of_grid(drawn[1:], coherence, drawn[0], plan(n), min_judged=0.5).delta

    return draw


def _curve(
    rng: np.random.Generator,
    questions: np.ndarray,
    graded: bool,
    shift: float = 0.0,
    missing: float = 0.0,
    correlation: float = 0.0,
) -> Curve:
    other = correlation * questions + np.sqrt(1 - correlation**2) * rng.normal(size=len(questions))
    return Curve(
        AMOUNTS,
        scores(rng, TRAIT + shift, questions, graded, missing),
        scores(rng, COHERENCE, other, graded, missing),
    )


def _interpolated(missing: float = 0.0, correlation: float = 0.0, amount: bool = False) -> Draw:
    def draw(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
        curve = _curve(rng, rng.normal(size=n), graded, missing=missing, correlation=correlation)
        best = best_on_curves([curve], np.zeros(n), np.full(n, 95.0), plan(n), min_judged=0.5)
        return best.amount if amount else best.delta

    return draw


def _two_bests(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    questions, baseline, coherent = rng.normal(size=n), np.zeros(n), np.full(n, 95.0)
    one, other = (
        best_on_curves([_curve(rng, questions, graded, shift)], baseline, coherent, plan(n)).delta
        for shift in (0.05, -0.045)
    )
    return one - other


def _ratio(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
    one, other = scores(rng, np.array([0.6, 0.4]), rng.normal(size=n), graded)
    if not other.any():
        raise CannotTell("A ratio to a mean of 0 has no value.")
    return mean_of(one, plan(n)) / mean_of(other, plan(n))


def _search(correlation: float) -> Draw:
    def draw(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
        curve = _curve(rng, rng.normal(size=n), graded, correlation=correlation)
        return search_on_curve(curve, np.zeros(n), np.full(n, 95.0), SEARCH_START, plan(n))

    return draw


def _gap(shift: float) -> Draw:
    def draw(rng: np.random.Generator, n: int, graded: bool) -> Replicated:
        questions = rng.normal(size=n)
        one, other = (_curve(rng, questions, graded, by) for by in (shift / 2, -shift / 2))
        return curve_gap(one, other, plan(n, RESAMPLES // 2), splits=10)

    return draw


def _cosines(rng: np.random.Generator, n: int, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of one direction with two others, (1 + resamples,) each, refitted as mean_diff is on n pairs."""
    counts = np.vstack([np.ones(n), plan(n, REFIT_RESAMPLES).counts()]) / n
    shared = rng.normal(size=(n, BLOCKS, HIDDEN))
    refitted = []
    for turn in (0.0, 0.3, 1.0):
        direction = np.zeros(HIDDEN)
        direction[:2] = np.cos(turn), np.sin(turn)
        own = 0.6 * shared + 0.8 * rng.normal(size=shared.shape)
        rows = (signal * direction + own).reshape(n, -1)
        vectors = (counts @ rows).reshape(-1, BLOCKS, HIDDEN)
        refitted.append(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
    one, near, far = refitted
    return (one * near).sum(axis=-1).mean(axis=-1), (one * far).sum(axis=-1).mean(axis=-1)


def _cosine(signal: float, recentred: bool, difference: bool = False) -> Draw:
    def draw(rng: np.random.Generator, n: int, _graded: bool) -> Replicated:
        near, far = (
            Replicated(float(each[0]), each[1:], plan(n, REFIT_RESAMPLES), "cosine", n)
            for each in _cosines(rng, n, signal)
        )
        quantity = near - far if difference else near
        return quantity.recentred() if recentred else quantity

    return draw


def _search_truth() -> float:
    """Where the search ends on the curve of the true means."""
    flat = np.ones((1, 2))
    curve = Curve(AMOUNTS, 100 * TRAIT[:, None] * flat, 100 * COHERENCE[:, None] * flat)
    return search_on_curve(curve, np.zeros(2), np.full(2, 95.0), SEARCH_START, plan(2, 1)).value


CASES = (
    Case("mean score, 10 % missing", 30.0, "points", 10, _mean),
    Case("paired difference, 10 % missing", 10.0, "points", 10, _difference),
    Case("paired difference, 10 % of answers differ", 10.0, "points", 10, _few_differ),
    Case("best of 1 run", 40.0, "points", 10, _grid([0.5])),
    Case("best of 8 equal runs, 10 % missing", 40.0, "points", 10, _grid([0.5] * 8)),
    Case("best of 5 rising runs, 10 % missing", 50.0, "points", 10, _grid([0.2, 0.3, 0.4, 0.5, 0.6])),
    Case("interpolated best", BEST_GAIN, "points", 10, _interpolated()),
    Case("interpolated best, 10 % missing", BEST_GAIN, "points", 10, _interpolated(missing=MISSING)),
    Case("interpolated best, trait follows coherence", BEST_GAIN, "points", 10, _interpolated(correlation=0.8)),
    Case("interpolated best, trait against coherence", BEST_GAIN, "points", 10, _interpolated(correlation=-0.8)),
    Case("amount of the interpolated best", BEST_AMOUNT, "dose", 0.2, _interpolated(amount=True)),
    Case("difference of two interpolated bests", 9.5, "points", 10, _two_bests),
    Case("ratio of two means", 1.5, "ratio", 0.5, _ratio),
    Case("adaptive search on the curve", _search_truth(), "points", 10, _search(0.0)),
    Case("adaptive search, trait follows coherence", _search_truth(), "points", 10, _search(0.8)),
    Case("gap between coinciding curves", None, "points", 10, _gap(0.0)),
    Case("gap between curves 8 points apart", None, "points", 10, _gap(0.08)),
    Case("cosine, clear directions", None, "cosine", 0.1, _cosine(3.0, True), pairs=True),
    Case("cosine, noisy directions", None, "cosine", 0.1, _cosine(1.0, True), pairs=True),
    Case("difference of cosines, noisy directions", None, "cosine", 0.1, _cosine(1.0, True, True), pairs=True),
    Case("cosine, clear directions, not recentred", None, "cosine", 0.1, _cosine(3.0, False), pairs=True, used=False),
    Case("cosine, noisy directions, not recentred", None, "cosine", 0.1, _cosine(1.0, False), pairs=True, used=False),
)
