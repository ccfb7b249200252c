"""The difference of two samples that share no unit: Newcombe's of two shares, the usual one of two normal means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.geometry.separation import Share
from harness.stats.evidence import Evidence, IndependentDifference
from harness.stats.resampling import Estimate
from harness.stats.tails import LEVEL, CannotTell, End


@dataclass(frozen=True)
class Known:
    """A quantity whose interval is written down; only its estimate is ever asked for."""

    value: float
    n: int
    ends: Callable[[float, float], tuple[float, float]]  # value and normal quantile of the level -> interval
    unit: str = "share"

    def estimate(self, level: float = LEVEL) -> Estimate:
        low, high = self.ends(self.value, NormalDist().inv_cdf((1 + level) / 2))
        return Estimate(self.value, min(low, self.value), max(high, self.value), self.n, self.unit, level)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        raise NotImplementedError


def normal(value: float, error: float, unit: str = "points") -> Known:
    """A mean with a normal standard error."""
    return Known(value, 50, lambda value, z: (value - z * error, value + z * error), unit)


def wilson(hits: int, trials: int) -> Known:
    """A share with Wilson's score interval."""

    def ends(share: float, z: float) -> tuple[float, float]:
        middle = share + z * z / (2 * trials)
        half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
        return (middle - half) / (1 + z * z / trials), (middle + half) / (1 + z * z / trials)

    return Known(hits / trials, trials, ends)


def share(hits: int, trials: int) -> Evidence:
    """A share of held-out pairs as claims have it."""
    return Share(hits / trials, float(trials), trials)


@pytest.mark.parametrize(
    ("left", "right", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_of_two_shares_it_is_the_interval_that_newcombe_published(
    left: tuple[int, int], right: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10."""
    found = IndependentDifference(wilson(*left), wilson(*right)).estimate(0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.n == min(left[1], right[1])


errors = st.floats(0.01, 50.0)
values = st.floats(-100.0, 100.0)
levels = st.floats(0.01, 0.9999)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(one=values, other=values, error=errors, another=errors, level=levels)
def test_of_two_normal_means_it_is_the_usual_one(
    one: float, other: float, error: float, another: float, level: float
) -> None:
    found = IndependentDifference(normal(one, error), normal(other, another)).estimate(level)
    half = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(error, another)
    assert found.value == one - other
    assert (found.low, found.high) == pytest.approx((one - other - half, one - other + half), abs=1e-9)
    assert (found.level, found.unit) == (level, "points")


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(5, 120))
    return draw(st.integers(0, trials)), trials


@settings(deadline=None, derandomize=True, max_examples=50)
@given(left=shares(), right=shares(), first=levels, second=levels)
def test_it_holds_the_value_widens_with_the_level_and_is_mirrored_when_the_two_are_swapped(
    left: tuple[int, int], right: tuple[int, int], first: float, second: float
) -> None:
    difference, swapped = (
        IndependentDifference(share(*one), share(*other)) for one, other in ((left, right), (right, left))
    )
    narrow, wide = (difference.estimate(level) for level in sorted((first, second)))
    assert wide.low <= narrow.low <= difference.value <= narrow.high <= wide.high
    assert max(-wide.low, wide.high) <= 1 + 1e-9
    mirrored = swapped.estimate(wide.level)
    assert (-mirrored.high, -mirrored.value, -mirrored.low) == pytest.approx((wide.low, wide.value, wide.high))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(left=shares(), right=shares(), level=st.floats(0.5, 0.999))
def test_the_level_at_which_an_end_reaches_a_bound_is_that_of_the_interval_that_ends_there(
    left: tuple[int, int], right: tuple[int, int], level: float
) -> None:
    difference = IndependentDifference(share(*left), share(*right))
    found = difference.estimate(level)
    for end, bound, outwards in (("low", found.low, -1), ("high", found.high, 1)):
        if abs(bound - found.value) < 1e-9:
            continue  # a share of all or nothing has no room on this side, at no level
        assert difference.level_of_end(end, bound, False) == pytest.approx(1 - level, rel=1e-6)  # type: ignore[arg-type]
        further = difference.level_of_end(end, bound + 0.02 * outwards, False)  # type: ignore[arg-type]
        assert further < 1 - level
        beyond = found.value - 0.01 * outwards  # the other side of the value itself: no interval ends there
        assert difference.level_of_end(end, beyond, False) == 1.0  # type: ignore[arg-type]


def test_a_bound_that_is_touched_and_not_passed_counts_unless_the_rule_is_strict() -> None:
    all_of_them = Known(1.0, 10, lambda value, z: (value - 0.1 * z, value))
    none_of_them = Known(0.0, 10, lambda value, z: (value, value + 0.1 * z))
    difference = IndependentDifference(all_of_them, none_of_them)  # its high end is 1 at every level
    assert difference.level_of_end("high", 1.0, strict=False) < 1e-9
    assert difference.level_of_end("high", 1.0, strict=True) == 1.0


def test_two_units_have_no_difference_and_what_cannot_be_told_of_one_cannot_be_told_of_both() -> None:
    with pytest.raises(ValueError, match="share less points means nothing: measure both in one unit"):
        IndependentDifference(wilson(3, 10), normal(1.0, 1.0))

    def silent(_value: float, _quantile: float) -> tuple[float, float]:
        raise CannotTell("Nothing was coherent.")

    difference = IndependentDifference(wilson(3, 10), Known(0.5, 10, silent))
    for ask in (difference.estimate, lambda: difference.level_of_end("low", 0.0, strict=False)):
        with pytest.raises(CannotTell, match="Nothing was coherent"):
            ask()
