"""Bounds hold for every vector and every number that rounds to what was published, and no bound is wider than said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.sources.arithmetic import (
    PublishedQuantity,
    angle,
    answers,
    capped_share,
    cosine_with_own_cleaning,
    energy,
    mean_energy_left,
    share_left,
    smallest_norm,
    third_cosine,
)
from harness.sources.intervals import Impossible, Interval, anywhere, exactly, largest, least
from harness.sources.published import load_published
from harness.sources.table import PublishedError

WIDTH = 5
vectors = hnp.arrays(np.float64, WIDTH, elements=st.floats(-10, 10)).filter(lambda one: np.linalg.norm(one) > 0.1)
numbers = st.floats(-1e3, 1e3)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Interval, float]:
    """An interval and a number inside it."""
    low, value, inside, high = sorted(draw(st.tuples(*[numbers] * 4)))
    return Interval(value, low, high), inside


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def without_first(vector: np.ndarray) -> np.ndarray:
    left = vector.copy()
    left[0] = 0.0
    assume(np.linalg.norm(left) > 0.05)
    return left


def holds(interval: Interval, number: float, slack: float = 1e-6) -> bool:
    return interval.low - slack <= number <= interval.high + slack


@given(intervals(), intervals())
def test_arithmetic_holds_every_result_of_numbers_inside(
    one: tuple[Interval, float], other: tuple[Interval, float]
) -> None:
    (left, x), (right, y) = one, other
    slack = 1e-9 * (1 + abs(x)) * (1 + abs(y)) * 10
    assert holds(left + right, x + y, slack)
    assert holds(left - right, x - y, slack)
    assert holds(left * right, x * y, slack)
    assert holds(2.0 - left, 2.0 - x, slack)
    assert holds(abs(left), abs(x), slack)
    assert holds(left.squared(), x * x, slack)
    assert holds(least(left, right), min(x, y))
    assert holds(largest(left, right), max(x, y))
    assert holds(left.squared().root(), abs(x), 1e-4)
    if right.low > 1e-3 or right.high < -1e-3:
        assert holds(left / right, x / y, slack * 1e6)


def test_arithmetic_is_no_wider_than_rounding_makes_it() -> None:
    one, other = Interval(2, 1.5, 2.5), Interval(4, 3, 5)
    assert one + other == Interval(6, 4.5, 7.5)
    assert one - other == Interval(-2, -3.5, -0.5)
    assert one * other == Interval(8, 4.5, 12.5)
    assert one / Interval(4, 2, 8) == Interval(0.5, 0.1875, 1.25)
    assert 1 / Interval(2, 1, 4) == Interval(0.5, 0.25, 1)
    assert abs(Interval(-1, -2, 1)) == Interval(1, 0, 2)
    assert abs(Interval(-3, -4, -2)) == Interval(3, 2, 4)
    assert Interval(-1, -2, 1).squared() == Interval(1, 0, 4)
    assert exactly(3) == Interval(3, 3, 3)
    assert anywhere(one, other) == Interval(3.25, 1.5, 5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(Impossible, match="may be 0"):
        exactly(1) / Interval(0.1, -0.1, 0.2)
    with pytest.raises(Impossible, match="no square root"):
        Interval(0.1, -0.1, 0.2).root()
    with pytest.raises(Impossible, match="is no cosine"):
        angle(Interval(1.2, 1.1, 1.3))
    with pytest.raises(Impossible, match="exceeds the upper one"):
        anywhere(exactly(2), exactly(1))
    with pytest.raises(ValueError, match="give finite bounds"):
        Interval(2, 0, 1)
    with pytest.raises(ValueError, match="give finite bounds"):
        Interval(math.nan, math.nan, math.nan)


@given(vectors, vectors, vectors)
def test_the_third_cosine_of_any_three_vectors_is_within_its_bounds(
    a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> None:
    assert holds(third_cosine(exactly(cosine(a, b)), exactly(cosine(b, c))), cosine(a, c))


def test_the_bounds_of_the_third_cosine_are_reached() -> None:
    a, b, c = (np.array([math.cos(degrees), math.sin(degrees)]) for degrees in np.radians([0, 30, 50]))
    bounds = third_cosine(exactly(cosine(a, b)), exactly(cosine(b, c)))
    assert bounds.low == pytest.approx(cosine(a, c))
    assert bounds.high == pytest.approx(math.cos(math.radians(10)))
    assert third_cosine(exactly(-1), exactly(-1)).low == pytest.approx(1)  # two half turns are none


def test_a_rounded_cosine_widens_the_third() -> None:
    wide = third_cosine(Interval(0.477, 0.4765, 0.4775), Interval(0.996, 0.9955, 0.9965))
    narrow = third_cosine(exactly(0.477), exactly(0.996))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.low, narrow.high) == pytest.approx((0.397, 0.554), abs=0.001)


@given(vectors, vectors)
def test_the_share_left_by_cleaning_is_within_its_bounds(direction: np.ndarray, target: np.ndarray) -> None:
    cleaned = without_first(direction)
    assume(abs(cosine(cleaned, target)) > 1e-3)
    share = float(np.linalg.norm(cleaned) / np.linalg.norm(direction))
    bounds = share_left(exactly(cosine(direction, target)), exactly(cosine(cleaned, target)))
    assert holds(bounds, share)
    assert 0 <= bounds.low <= bounds.high <= 1


def test_the_share_left_is_exact_for_a_target_without_the_dims() -> None:
    direction, target = np.array([3.0, 4.0, 0.0]), np.array([0.0, 1.0, 1.0])
    cleaned = np.array([0.0, 4.0, 0.0])
    bounds = share_left(exactly(cosine(direction, target)), exactly(cosine(cleaned, target)))
    assert bounds.value == pytest.approx(0.8)


@given(vectors, vectors)
def test_a_target_keeps_at_least_its_cosine_with_anything_cleaned(direction: np.ndarray, target: np.ndarray) -> None:
    cleaned, own = without_first(direction), without_first(target)
    assert holds(cosine_with_own_cleaning(exactly(cosine(cleaned, target))), cosine(target, own))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_the_mean_energy_is_within_what_mean_and_range_of_cosines_allow(cosines: list[float]) -> None:
    values = np.array(cosines)
    bounds = mean_energy_left(exactly(values.mean()), exactly(values.min()), exactly(values.max()))
    assert holds(bounds, float((values**2).mean()))


def test_the_bounds_of_the_mean_energy_are_reached() -> None:
    alike = mean_energy_left(exactly(0.5), exactly(0.5), exactly(0.5))
    assert (alike.low, alike.high) == pytest.approx((0.25, 0.25))
    apart = mean_energy_left(exactly(0.5), exactly(0), exactly(1))  # half of the blocks at each end
    assert apart.high == pytest.approx(0.5)


@given(hnp.arrays(np.float64, (7, WIDTH), elements=st.floats(-100, 100)))
def test_no_vectors_have_a_smaller_mean_norm_than_their_parts_allow(rows: np.ndarray) -> None:
    parts = [float(np.linalg.norm(part, axis=1).mean()) for part in (rows[:, :1], rows[:, 1:], rows)]
    assert smallest_norm(exactly(parts[0]), exactly(parts[1])).high <= parts[2] + 1e-6


def test_energy_is_the_square_of_the_norm() -> None:
    assert energy(exactly(0.5)) == Interval(0.25, 0.25, 0.25)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(60, 75), st.floats(10, 50), st.floats(80, 100))
def test_no_run_passes_the_gate_with_more_capped_answers(
    refused: list[bool], gate: float, cap: float, others: float
) -> None:
    coherence = np.where(refused, cap, others).mean()
    most = capped_share(exactly(gate), Interval(others, others - 1, others + 1), exactly(cap))
    if coherence >= gate:
        assert np.mean(refused) <= most.high + 1e-9
    narrow = capped_share(exactly(gate), exactly(others), exactly(cap))
    assert narrow.value * cap + (1 - narrow.value) * others == pytest.approx(gate)
    assert most.low <= narrow.value <= most.high


def test_capped_answers_above_the_gate_are_not_limited() -> None:
    assert capped_share(exactly(70), exactly(93), exactly(90)).low == 1.0
    assert capped_share(exactly(95), exactly(93), exactly(50)).high == 0.0


def test_one_flipped_answer_of_ten_is_ten_points() -> None:
    assert answers(exactly(10), exactly(10)).value == pytest.approx(1)
    assert answers(exactly(5), exactly(20)).value == pytest.approx(1)


def test_a_quantity_reads_its_values_in_order_with_their_rounding() -> None:
    ids = ("gemma3.refusal.probe.best_delta", "gemma3.refusal.mean_diff.best_delta")
    estimate = PublishedQuantity("trait points", ids, lambda one, other: one - other).compute(load_published())
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((5.9, 5.8, 6.0))
    assert (estimate.n, estimate.sample, estimate.unit) == (2, "published values", "trait points")
    with pytest.raises(PublishedError, match="called 'nothing'"):
        PublishedQuantity("share", ("nothing",), exactly).compute(load_published())
