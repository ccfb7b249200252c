"""Quantities of refitted directions hold their value's own noise, whichever way it lies, within what is possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.refitted import Refitted
from harness.stats.resampling import Replicated, Resampling

RESAMPLING = Resampling(40, "scenario pairs", resamples=400)


def quantity(seed: int, value: float, moved: float) -> Refitted:
    replicates = value + moved + np.random.default_rng(seed).normal(0.0, 0.05, 400)
    return Refitted(value, replicates, RESAMPLING, "cosine", 40, (-1.0, 1.0))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 99), value=st.floats(-0.9, 0.9), moved=st.floats(-0.2, 0.2), level=st.floats(0.6, 0.98))
def test_the_interval_is_the_wider_of_plain_and_recentred_and_its_level_is_found_again(
    seed: int, value: float, moved: float, level: float
) -> None:
    found = quantity(seed, value, moved)
    plain = Replicated(value, found.replicates, RESAMPLING, "cosine", 40)
    both = [plain.estimate(level), plain.recentred().estimate(level)]
    estimate = found.estimate(level)
    assert estimate.low == max(-1.0, min(one.low for one in both))
    assert estimate.high == min(1.0, max(one.high for one in both))
    for end, bound in (("low", estimate.low), ("high", estimate.high)):
        if abs(bound) < 1 and bound != value:
            assert found.level_of_end(end, bound, False) == pytest.approx(1 - level, rel=0.05)  # type: ignore[arg-type]


def test_differences_are_paired_first_and_widened_then() -> None:
    one, other = quantity(1, 0.9, -0.1), quantity(1, 0.5, 0.1)
    difference = one - other
    assert isinstance(difference, Refitted)
    assert difference.bounds == (-2.0, 2.0)
    assert (difference.estimate().low, difference.estimate().high) == pytest.approx((0.2, 0.4))


def test_nothing_impossible_is_in_the_interval() -> None:
    near = quantity(2, 0.97, -0.05)
    assert near.estimate().high == 1.0
    assert near.level_of_end("high", 1.0, False) < 1e-300 < near.level_of_end("high", 1.0, True)
