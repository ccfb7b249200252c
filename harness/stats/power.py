"""What a design can see before any data: the smallest detectable effect of n questions."""

import math

from harness.stats.resampling import LEVEL, POWER

ONE_SIDED = 0.0  # no answer differs but those that make the effect: a baseline that never shows the trait
FEW_DIFFER = 0.1  # two directions that nearly agree: the answers to 10 % of the questions differ
MANY_DIFFER = 0.5  # two directions that act on different questions
FEWEST = math.ceil(math.log((1 - LEVEL) / 2) / math.log(0.5))  # questions below which no difference is told from 0
SCORE_SPAN = 100.0  # largest difference of two scores


def smallest_effect(
    questions: int,
    differing: float = FEW_DIFFER,
    span: float = SCORE_SPAN,
    level: float = LEVEL,
    power: float = POWER,
) -> float:
    """The smallest mean difference of paired all-or-nothing scores told from 0 with this power, in points.

    A share `differing` of the questions (at least effect / span) differs by `span` one way or the other, so a
    difference has variance span^2 x differing - effect^2. It is seen when the mean exceeds Student's quantile times its
    standard error and the floor of `tails.interval` for bounded scores. For one run or one pair of runs: choosing the
    best of a grid costs more. Raises ValueError on an impossible setting, and where not even `span` would be seen.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri, stdtrit

    if questions < 2 or not (0 <= differing <= 1 and span > 0 and 0 < level < 1 and 0.5 <= power < 1):
        raise ValueError(
            f"A design of {questions} questions, {differing} of them differing by {span}, level {level} and power "
            f"{power} is impossible: give 2 questions or more, shares in [0, 1] and a power of 0.5 or more."
        )
    tail = (1 - level) / 2
    unseen = 1 - tail ** (1 / questions)
    floor = unseen / (1 - unseen)
    critical, above = -float(stdtrit(questions - 1, tail)), float(ndtri(power))

    def surplus(effect: float) -> float:
        error = math.sqrt(max(max(differing, effect) - effect**2, 0.0) / questions)
        return effect - max(critical * error, floor) - above * error

    if surplus(1.0) < 0:
        raise ValueError(
            f"{questions} questions tell no difference from 0 at level {level}: ask at least "
            f"{math.ceil(math.log(tail) / math.log(0.5))}."
        )
    return span * float(brentq(surplus, 0.0, 1.0, xtol=1e-9))


def smallest_delta(questions: int) -> float:
    """The smallest Delta over an unsteered baseline that is seen, in trait points; errors as in `smallest_effect`.

    Steering is taken to turn answers one way only.
    """
    return smallest_effect(questions, ONE_SIDED)
