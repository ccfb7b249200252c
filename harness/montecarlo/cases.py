"""The procedures that claims use, each on worlds of known truth: what was not simulated cannot decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.montecarlo import separation
from harness.montecarlo.case import POINTS, RESAMPLES, SIZES, Case
from harness.montecarlo.worlds import GATE, PLATEAU, RISING, Line, World, moved
from harness.quantities import (
    AroundBase,
    BestDelta,
    CoherenceAt,
    CurveGap,
    GainWhereNeeded,
    Largest,
    NeededAmount,
    Quantity,
    Recipe,
    SearchDelta,
    Settings,
    Smallest,
)
from harness.quantities.algebra import Difference, OnCell, OneOfPair, Ratio, UnderRelevanceCap, Unpaired
from harness.stats.evidence import Evidence
from harness.stats.resampling import Replicated

SETTINGS = Settings(resamples=RESAMPLES)
FEW = (60, 120)  # sizes of what takes long
USUAL = (24, 60, 120)  # sizes that models are run at


def procedure(quantity: Quantity) -> str:
    """How a quantity comes to its interval, whatever its directions are: "BestDelta - BestDelta over draws"."""
    match quantity:
        case Difference(left, right):
            return f"{procedure(left)} - {procedure(right)}"
        case Ratio(left, right):
            return f"{procedure(left)} / {procedure(right)}"
        case Unpaired(left, right):
            return f"{procedure(left)} less {procedure(right)}, unpaired"
        case Smallest(members):
            return "smallest of " + " or ".join(sorted({procedure(member) for member in members}))
        case Largest(members):
            return "largest of " + " or ".join(sorted({procedure(member) for member in members}))
        case OneOfPair(quantity=inner) | UnderRelevanceCap(quantity=inner):
            return procedure(inner)
        case OnCell():
            recipes = [one for one in vars(quantity).values() if isinstance(one, Recipe)]
            drawn = quantity.steers and any(recipe.is_control for recipe in recipes)
            return type(quantity).__name__ + (" over draws" if drawn else "")
    raise TypeError(f"{type(quantity).__name__} is no quantity that a claim can be about.")


def simulated(
    name: str,
    quantity: Quantity,
    truth: float,
    world: World,
    unit: str = "points",
    effects: tuple[float, ...] = POINTS,
    settings: Settings = SETTINGS,
    sizes: Sequence[int] = SIZES,
    repeats: float = 1.0,
) -> Case:
    """A case that evaluates a quantity as a claim does, on responses that are drawn."""

    def draw(rng: np.random.Generator, n: int, graded: bool) -> Evidence:
        return quantity.evaluate(world.cell(n, settings), world.answers(rng, n, graded))

    return Case(name, truth, unit, draw, (procedure(quantity),), effects, sizes=tuple(sizes), repeats=repeats)


def crossed(name: str, pair: tuple[Quantity, Quantity], truth: float, world: World, sizes: Sequence[int]) -> Case:
    """The difference of two quantities where every question is answered along each of five extractions: five times the
    rows. Its replicates are the mean's, moved by Student's t times the standard error over extractions."""
    from scipy.special import stdtrit

    def draw(rng: np.random.Generator, n: int, graded: bool) -> Evidence:
        cell = world.cell(n, SETTINGS)
        several: list[Replicated] = []
        for answers in world.crossed(rng, n, graded, FIVE.extractions):
            one, other = (quantity.evaluate(cell, answers) for quantity in pair)
            assert isinstance(one, Replicated)
            assert isinstance(other, Replicated)
            several.append(one - other)
        values = np.array([each.value for each in several])
        mean, error = np.mean([each.replicates for each in several], axis=0), values.std(ddof=1) / np.sqrt(len(values))
        moves = error * stdtrit(len(values) - 1, (rng.permutation(len(mean)) + 0.5) / len(mean))
        return replace(several[0], value=float(values.mean()), replicates=mean + moves)

    return Case(name, truth, "points", draw, sizes=tuple(sizes), repeats=0.3)


# Stand for any directions: whether scenarios are told apart, which is asked of each, is soon told of these.
A, B, C, D, E = [Recipe(method, window) for window in (5, 10, 20) for method in ("mean_diff", "unit_mean_diff")][:5]
RANDOM = Recipe("random")
ONE, TWO, FIVE, TEN = (replace(SETTINGS, extractions=count) for count in (1, 2, 5, 10))
RATIOS = (0.2, 0.5, 1.0)
GAIN = RISING.best()[0]
AHEAD = World({A: moved(RISING, 0.05)})  # by 5 points, at every dose and so at the best
EIGHT, EIGHTEEN = (Line((0.4,) * runs, (0.9,) * runs, tuple(np.linspace(0.4, 3.0, runs).tolist())) for runs in (8, 18))
APART = World({A: moved(RISING, 0.04), B: moved(RISING, -0.04)})
FAR_APART = {A: moved(PLATEAU, 0.1), B: moved(PLATEAU, -0.1), RANDOM: moved(PLATEAU, -0.1)}


def _search_truth() -> float:
    """The best trial of the published search from 0.7 on the true means, in points."""
    amount, factor, best = 0.7, 1.0, 0.0
    for _ in range(5):
        trait, coherence = RISING.at(amount)
        best = max(best, 100 * trait) if coherence >= GATE else best
        factor = 0.1 * factor + 0.9 * (1.3 if coherence >= GATE else 0.85)
        amount *= factor
    return best


SEARCH = _search_truth()
SEARCHED = BestDelta(A, ("doses", "around base")) - SearchDelta(A)
BESTS = {recipe: BestDelta(recipe) for recipe in (A, B, C, D, RANDOM)}
LEADS = tuple(BESTS[A] - BESTS[other] for other in (B, C, D))
SIX = tuple(BESTS[one] - BestDelta(other) for one in (A, B) for other in (C, D, E))
TWO_GAINS = Largest((BESTS[A] - BESTS[C], BESTS[B] - BESTS[C]))
DOSES = NeededAmount(A) / NeededAmount(B)
ELSEWHERE = GainWhereNeeded(A, B)
FURTHER = replace(RISING, doses=tuple(1.3 * dose for dose in RISING.doses))
FLAT_TOP = Line((0.30, 0.90, 0.97, 0.98, 0.985, 0.99, 0.99), (0.9,) * 6 + (0.5,))  # which dose is best, chance decides
NEAR_GATE, AT_GATE = (
    Line((0.1, 0.2, 0.35, 0.5, 0.7), (0.9, near, near, near, 0.4), (0.6, 1.0, 1.4, 1.8, 2.2)) for near in (0.69, 0.7)
)
LOST = Line((0.30, 0.40, 0.45, 0.45), (0.90, 0.74, 0.64, 0.60), (0.3, 0.5, 0.6, 2.5))  # before half of a base of 1.2
EARLY = Line((0.40, 0.55, 0.65, 0.70, 0.75, 0.78, 0.80), (0.9,) * 6 + (0.6,))
FLAT_BEFORE = Line((0.20, 0.20, 0.20, 0.20, 0.30, 0.50, 0.50), (0.9,) * 6 + (0.4,))  # reaches its half at a dose of 1.1
LATER = 100 * (RISING.at(1.1)[0] - 0.25)
# A run of large effect fails the gate, unless judges fail on what is incoherent in it.
HIDDEN = Line((0.10, 0.20, 0.40, 0.60, 0.95), (0.92, 0.90, 0.85, 0.74, 0.62), (0.6, 1.0, 1.4, 1.8, 2.2))
STEERING: tuple[Case, ...] = (
    simulated("coherence of a run, 10 % missing", CoherenceAt(A, "full base", 0.7), 85.0, World(missing=0.1)),
    simulated("best", BESTS[A], GAIN, World()),
    simulated("best, 10 % missing", BESTS[A], GAIN, World(missing=0.1)),
    simulated("best, 30 % of what is incoherent missing", BESTS[A], GAIN, World(incoherent=0.3)),
    simulated(
        "best, beyond the gate but for what is missing", BESTS[A], HIDDEN.best()[0], World(usual=HIDDEN, incoherent=0.3)
    ),
    simulated("best, trait follows coherence", BESTS[A], GAIN, World(follows=0.8)),
    simulated("best, trait against coherence", BESTS[A], GAIN, World(follows=-0.8)),
    simulated("best of 7 equal runs", BESTS[A], 40.0, World(usual=PLATEAU)),
    simulated("best, 3 equal blocks", BESTS[A], GAIN, World(blocks=3), repeats=0.5),
    simulated(
        "best, 8 equal blocks of 8 equal runs", BESTS[A], 40.0, World(usual=EIGHT, blocks=8), sizes=FEW, repeats=0.3
    ),
    simulated(
        "best, 11 equal blocks of 18 equal runs",
        BESTS[A],
        40.0,
        World(usual=EIGHTEEN, blocks=11),
        sizes=FEW,
        repeats=0.2,
    ),
    simulated("best, 5 extractions of spread 5", BESTS[A], GAIN, World(extraction=5.0), settings=FIVE, repeats=0.5),
    simulated("best of 7 equal runs, 5 extractions alike", BESTS[A], 40.0, World(usual=PLATEAU), settings=FIVE),
    simulated("best of a control, draws of spread 10", BESTS[RANDOM], 40.0, World({RANDOM: PLATEAU}, draw=10.0)),
    simulated(
        "best of a control of which one draw in ten gains 60",
        BESTS[RANDOM],
        10.0,
        World({RANDOM: moved(PLATEAU, -0.36)}, rare=0.1),
    ),
    simulated("best of a control that does nothing", BESTS[RANDOM], 2.0, World({RANDOM: moved(PLATEAU, -0.38)})),
    simulated("best around the base", AroundBase(A), GAIN, World()),
    # Any interval would be false: nothing is coherent from half the base on, and the best lies below that.
    simulated(
        "best around the base, nothing coherent there", AroundBase(A), 100.0, World(usual=LOST, base=1.2), sizes=USUAL
    ),
    simulated("difference of bests", BESTS[A] - BESTS[B], 5.0, AHEAD),
    simulated("difference of bests, 10 % missing", BESTS[A] - BESTS[B], 5.0, replace(AHEAD, missing=0.1)),
    simulated("difference of bests, answers nearly alike", BESTS[A] - BESTS[B], 0.0, World(alike=0.9)),
    simulated("difference of bests, 3 blocks", BESTS[A] - BESTS[B], 5.0, replace(AHEAD, blocks=3), repeats=0.5),
    simulated(
        "difference of bests, 5 extractions of spread 5",
        BESTS[A] - BESTS[B],
        5.0,
        replace(AHEAD, extraction=5.0),
        settings=FIVE,
        repeats=0.5,
    ),
    *(
        simulated(
            f"difference of bests of 7 equal runs, {settings.extractions} extractions of spread 5",
            BESTS[A] - BESTS[B],
            5.0,
            World({A: moved(PLATEAU, 0.05)}, usual=PLATEAU, extraction=5.0),
            settings=settings,
            sizes=USUAL,
        )
        for settings in (TWO, FIVE, TEN)
    ),
    crossed(
        "difference of bests of 7 equal runs, every question along each of 5 extractions of spread 5",
        (BESTS[A], BESTS[B]),
        5.0,
        World({A: moved(PLATEAU, 0.05)}, usual=PLATEAU, extraction=5.0),
        USUAL,
    ),
    simulated("difference of bests around the base", AroundBase(A) - AroundBase(B), 5.0, AHEAD),
    simulated("smallest of 2 equal leads", Smallest(LEADS[:2]), 5.0, AHEAD),
    simulated("smallest of 3 equal leads", Smallest(LEADS), 0.0, World()),
    simulated("smallest of 6 equal leads", Smallest(SIX), 0.0, World(), repeats=0.5),
    simulated("smallest of leads of 0 and 15", Smallest(LEADS[:2]), 0.0, World({C: moved(RISING, -0.15)})),
    simulated("largest of 2 equal gains", TWO_GAINS, 0.0, World()),
    simulated("largest of 2 equal gains, nearly alike", TWO_GAINS, 0.0, World(alike=0.9)),
    simulated("best, coherence flat just below the gate", BESTS[A], NEAR_GATE.best()[0], World(usual=NEAR_GATE)),
    simulated("best, coherence flat at the gate", BESTS[A], AT_GATE.best()[0], World(usual=AT_GATE)),
    simulated("ratio of needed doses", DOSES, 1.0, World(), "ratio", RATIOS),
    simulated("ratio of needed doses, truly 1.3", DOSES, 1.3, World({A: FURTHER}), "ratio", RATIOS),
    simulated("ratio of needed doses, nearly alike", DOSES, 1.0, World(alike=0.9), "ratio", RATIOS),
    simulated("ratio of needed doses, flat on top", DOSES, 1.0, World(usual=FLAT_TOP), "ratio", RATIOS),
    simulated("ratio of needed doses, 3 blocks", DOSES, 1.0, World(blocks=3), "ratio", RATIOS, repeats=0.5),
    simulated("ratio of needed doses, half near the first run", DOSES, 1.0, World(usual=EARLY), "ratio", RATIOS),
    simulated("adaptive search", SearchDelta(A), SEARCH, World()),
    simulated("adaptive search, trait follows coherence", SearchDelta(A), SEARCH, World(follows=0.8)),
    simulated("adaptive search, 3 blocks", SearchDelta(A), SEARCH, World(blocks=3), sizes=FEW, repeats=0.5),
    simulated("best minus adaptive search", SEARCHED, GAIN - SEARCH, World()),
    simulated("best minus adaptive search, 3 blocks", SEARCHED, GAIN - SEARCH, World(blocks=3), sizes=FEW, repeats=0.3),
    simulated("gain where another needs it, less its own", ELSEWHERE, 0.0, World()),
    simulated("gain where another needs it, nearly alike", ELSEWHERE, 0.0, World(alike=0.9)),
    simulated("gain where another needs it, flat on top", ELSEWHERE, 0.0, World(usual=FLAT_TOP)),
    simulated(
        "gain where another needs it, which is flat before", ELSEWHERE, LATER, World({B: FLAT_BEFORE}), sizes=USUAL
    ),
    simulated("gain where another needs it, 3 blocks", ELSEWHERE, 0.0, World(blocks=3), sizes=FEW, repeats=0.5),
    simulated(
        "gain of a control where another needs it", GainWhereNeeded(RANDOM, B), 0.0, World(draw=5.0), repeats=0.5
    ),
    simulated("gap of curves that coincide", CurveGap(A, B), 0.0, World()),
    simulated("gap of curves that coincide, nearly alike", CurveGap(A, B), 0.0, World(alike=0.9)),
    simulated("gap of curves 8 points apart", CurveGap(A, B), 8.0, APART),
    simulated("gap of curves 20 points apart", CurveGap(A, B), 20.0, World(FAR_APART, usual=PLATEAU)),
    simulated("gap of curves 8 points apart at 3 blocks", CurveGap(A, B), 8.0, replace(APART, blocks=3), repeats=0.5),
    simulated(
        "gap from a control, 5 draws of spread 5", CurveGap(A, RANDOM), 20.0, World(FAR_APART, usual=PLATEAU, draw=5.0)
    ),
)
CASES = (*STEERING, *separation.CASES)
