"""What a plan says is decided in 80 % of samples, is."""

import pytest

from harness.montecarlo.power import decided
from harness.stats.power import KINDS, SIZES, Kind, _table, smallest_effect, words


@pytest.mark.parametrize(
    "questions", [24, pytest.param(60, marks=pytest.mark.slow), pytest.param(180, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_effect_is_decided_in_80_percent_of_fresh_samples(kind: Kind, questions: int) -> None:
    effect = smallest_effect(questions, kind)
    if effect is not None:
        assert decided(kind, questions, effect, 120, seed=7) == pytest.approx(0.8, abs=0.12)
        assert decided(kind, questions, effect / 2, 60, seed=7) < 0.5


def test_effects_fall_with_questions_and_are_those_of_the_table_at_its_sizes() -> None:
    for kind in KINDS:
        effects = [smallest_effect(size, kind) for size in (*SIZES, 4 * SIZES[-1])]
        assert effects[:-1] == pytest.approx([_table()[kind][size] for size in SIZES])
        known = [effect for effect in effects if effect is not None]
        assert known == sorted(known, reverse=True)
        assert known[-1] == pytest.approx(known[-2] / 2)
        assert known[-2] < (smallest_effect(SIZES[-1] - 40, kind) or 0) < known[-3]


def test_too_few_questions_are_said_to_decide_nothing() -> None:
    assert words(3) == "3 questions decide no Delta in 80 % of samples; ask 24 or more"
