"""What a design is said to see, it sees, with the intervals that decide."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger.verdict import Verdict, more_than
from harness.stats.averages import mean_of
from harness.stats.power import FEW_DIFFER, MANY_DIFFER, ONE_SIDED, smallest_delta, smallest_effect
from harness.stats.resampling import Resampling

examples = settings(deadline=None, derandomize=True, max_examples=80)
sizes, shares = st.integers(10, 2000), st.sampled_from([ONE_SIDED, FEW_DIFFER, MANY_DIFFER, 1.0])


def simulated_power(effect: float, questions: int, differing: float, repeats: int = 400) -> float:
    """Share of simulated designs in which the project's interval tells a paired difference from 0."""
    rng, resampling = np.random.default_rng(questions), Resampling(questions, resamples=500)
    share = max(differing, effect / 100)
    gained = (share + effect / 100) / 2
    seen = 0
    for _ in range(repeats):
        drawn = rng.random(questions)
        one, other = 100.0 * (drawn < gained), 100.0 * ((drawn >= gained) & (drawn < share))
        estimate = mean_of(one - other, resampling, bounds=(-100, 100)).estimate()
        seen += more_than(0).decide(estimate) is Verdict.SUPPORTED
    return seen / repeats


@pytest.mark.parametrize("differing", [ONE_SIDED, FEW_DIFFER, MANY_DIFFER])
@pytest.mark.parametrize("questions", [20, 60, 120])
def test_the_smallest_effect_is_seen_with_80_percent_power_by_the_actual_intervals(questions, differing):
    effect = smallest_effect(questions, differing)
    assert 0.7 <= simulated_power(effect, questions, differing) <= 0.95
    assert simulated_power(effect / 2, questions, differing) < 0.5


def test_the_design_of_the_project_sees_what_its_report_says():
    assert smallest_effect(120, FEW_DIFFER) == pytest.approx(7.9, abs=0.1)
    assert smallest_effect(120, MANY_DIFFER) == pytest.approx(17.6, abs=0.1)
    assert smallest_delta(120) == smallest_effect(120, ONE_SIDED) == pytest.approx(6.2, abs=0.1)


def test_nothing_below_the_floor_of_the_bounded_interval_is_ever_seen():
    for questions in (10, 60, 120):
        unseen = 1 - 0.025 ** (1 / questions)
        floor = 100 * unseen / (1 - unseen)
        assert smallest_effect(questions, ONE_SIDED, power=0.5) >= floor - 1e-6
        just_below = np.zeros(questions)
        hits = int(np.floor(floor / 100 * questions))
        just_below[:hits] = 100.0
        estimate = mean_of(just_below, Resampling(questions), bounds=(-100, 100)).estimate()
        assert estimate.low <= 0


@examples
@given(questions=sizes, share=shares, span=st.floats(1, 1000))
def test_more_questions_and_agreement_see_less_and_the_unit_of_the_scores_does_not_matter(questions, share, span):
    effect = smallest_effect(questions, share)
    assert smallest_effect(2 * questions, share) < effect
    assert smallest_effect(questions, min(1.0, share + 0.2)) >= effect - 1e-6
    assert smallest_effect(questions, share, span) == pytest.approx(effect * span / 100)
    assert smallest_effect(questions, share, power=0.9) > effect
    assert smallest_effect(questions, share, level=0.99) > effect


def test_impossible_designs_are_refused():
    for wrong in ({"questions": 1}, {"differing": 1.1}, {"level": 1.0}, {"power": 0.3}, {"span": 0.0}):
        with pytest.raises(ValueError, match="is impossible"):
            smallest_effect(**{"questions": 60} | wrong)
    with pytest.raises(ValueError, match=r"tell no difference from 0 at level 0\.95: ask at least 6"):
        smallest_effect(5)
