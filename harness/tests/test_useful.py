"""The useful range is found where it was planted, and its absence is never a number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.resampling import Plan
from harness.stats import NoValidRun
from harness.useful import nearest_useful

UNITS = 60
PLAN = Plan((UNITS,), "questions", "made up", 300, 1)
DELTAS = np.array([0.0, 5.0, 20.0, 60.0, 95.0])
COHERENCE = np.array([95.0, 95.0, 90.0, 80.0, 40.0])


def measured(amounts: np.ndarray, deltas: np.ndarray = DELTAS, coherence: np.ndarray = COHERENCE, noise: float = 2.0):
    generator = np.random.default_rng(2)

    def spread(means: np.ndarray) -> np.ndarray:
        return (means[:, None] + generator.normal(0, noise, (len(means), UNITS))).clip(0, 100)

    baseline = np.full(UNITS, 3.0)
    return nearest_useful(spread(3.0 + deltas), spread(coherence), baseline, amounts, PLAN)


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([0.2, 0.4, 0.8, 1.6, 3.2], 1.0),  # useful from 0.8 to 1.6: 1 lies inside
        ([1.0, 2.0, 4.0, 8.0, 16.0], 4.0),  # 1 is too little
        ([0.01, 0.02, 0.04, 0.08, 0.16], 0.08),  # 1 is too much
    ],
)
def test_the_nearest_useful_amount_is_the_edge_of_the_range_or_one_inside_it(
    amounts: list[float], expected: float
) -> None:
    assert measured(np.array(amounts)).estimate().value == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(order=st.permutations(range(5)))
def test_the_order_of_the_runs_does_not_matter(order: list[int]) -> None:
    amounts = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    found = measured(amounts[order], DELTAS[order], COHERENCE[order], noise=0.0)
    assert found.value == pytest.approx(4.0)


def test_an_edge_that_cannot_be_told_widens_the_interval() -> None:
    deltas = np.array([0.0, 10.2, 20.0, 60.0, 95.0])
    estimate = measured(np.array([1.0, 2.0, 4.0, 8.0, 16.0]), deltas, noise=8.0).estimate()
    assert (estimate.low, estimate.high) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("deltas", "coherence"), [(DELTAS * 0.05, COHERENCE), (DELTAS, COHERENCE * 0.5), (DELTAS - 55, COHERENCE)]
)
def test_a_sweep_without_a_useful_run_has_no_range(deltas: np.ndarray, coherence: np.ndarray) -> None:
    with pytest.raises(NoValidRun, match="No useful range: of 5 runs, none has an effect of 10"):
        measured(np.ones(5), deltas, coherence)


def test_a_run_whose_responses_are_mostly_unjudged_is_not_useful() -> None:
    trait = np.repeat((3.0 + DELTAS)[:, None], UNITS, axis=1)
    coherence = np.repeat(COHERENCE[:, None], UNITS, axis=1)
    amounts = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    trait[2, :20] = np.nan
    found = nearest_useful(trait, coherence, np.full(UNITS, 3.0), amounts, PLAN)
    assert found.value == pytest.approx(8.0)
