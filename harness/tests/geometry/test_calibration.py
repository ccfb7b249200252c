"""Coefficients and doses, on published numbers and under changes of scale."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from harness.geometry.calibration import (
    activation_norm,
    base_coefficient,
    coefficient_for_dose,
    dose,
    effective_coefficient,
)
from harness.geometry.cleaning import clean, share_outside
from harness.geometry.directions import DegenerateDirection

examples = settings(deadline=None, derandomize=True, max_examples=60)
seeds = st.integers(0, 10_000)
positive_numbers = st.floats(1e-3, 1e6)
factors = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])


def direction_and_dims(seed: int) -> tuple[np.ndarray, tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=7)
    direction[2] *= 30
    return direction, (2, 5)


def test_the_activation_norm_is_the_mean_of_row_norms_with_and_without_dims():
    rows = np.array([[3.0, 4.0, 100.0], [0.0, 5.0, 0.0]])
    assert activation_norm(rows, without=(2,)) == pytest.approx(5.0)
    assert activation_norm(rows) == pytest.approx((math.sqrt(10_025) + 5) / 2)
    assert activation_norm(rows, without=(0, 1, 2)) == 0.0


def test_the_base_coefficient_of_a_unit_direction_is_the_norm():
    assert base_coefficient(25_984, np.array([0.6, 0.8])) == pytest.approx(25_984)


@examples
@given(seed=seeds, norm=positive_numbers, factor=factors)
def test_the_base_coefficient_scales_with_the_norm_and_against_the_direction(seed, norm, factor):
    direction, _ = direction_and_dims(seed)
    base = base_coefficient(norm, direction)
    assert base_coefficient(norm * factor, direction) == pytest.approx(factor * base)
    assert base_coefficient(norm, direction * factor) == pytest.approx(base / factor)


@examples
@given(seed=seeds, factor=factors)
def test_the_activation_norm_scales_with_the_activations(seed, factor):
    rows = np.random.default_rng(seed).normal(size=(5, 6))
    assert activation_norm(rows * factor, (1,)) == pytest.approx(factor * activation_norm(rows, (1,)))


@examples
@given(seed=seeds, coefficient=st.floats(-1e6, 1e6))
def test_the_effective_coefficient_of_a_cleaned_direction_is_its_coefficient(seed, coefficient):
    direction, dims = direction_and_dims(seed)
    assert effective_coefficient(coefficient, clean(direction, dims), dims) == pytest.approx(coefficient)


@examples
@given(seed=seeds, coefficient=positive_numbers)
def test_the_effective_coefficient_is_the_share_outside_of_the_length_added(seed, coefficient):
    direction, dims = direction_and_dims(seed)
    added = coefficient * np.linalg.norm(direction)
    assert effective_coefficient(coefficient, direction, dims) == pytest.approx(added * share_outside(direction, dims))


def test_2500_times_a_direction_with_479_thousandths_outside_acts_like_1197():
    mean_diff = np.array([math.sqrt(1 - 0.479**2), 0.479])
    assert effective_coefficient(2500, mean_diff, (0,)) == pytest.approx(1197.5)


@examples
@given(seed=seeds, coefficient=positive_numbers, norm=positive_numbers)
def test_coefficient_for_dose_inverts_dose(seed, coefficient, norm):
    direction, dims = direction_and_dims(seed)
    given_dose = dose(coefficient, direction, dims, norm)
    assert coefficient_for_dose(given_dose, direction, dims, norm) == pytest.approx(coefficient)


@examples
@given(seed=seeds, coefficient=positive_numbers, norm=positive_numbers, factor=factors)
def test_a_dose_does_not_change_when_activations_and_coefficient_scale_together(seed, coefficient, norm, factor):
    direction, dims = direction_and_dims(seed)
    assert dose(coefficient * factor, direction, dims, norm * factor) == pytest.approx(
        dose(coefficient, direction, dims, norm)
    )


def test_impossible_calibrations_are_refused():
    direction, dims = direction_and_dims(0)
    for norm in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="must be positive and finite"):
            base_coefficient(norm, direction)
        with pytest.raises(ValueError, match="without massive dims"):
            dose(1.0, direction, dims, norm)
        with pytest.raises(ValueError, match="without massive dims"):
            coefficient_for_dose(1.0, direction, dims, norm)
    with pytest.raises(DegenerateDirection):
        base_coefficient(1.0, np.zeros(3))
    with pytest.raises(DegenerateDirection, match="Nothing is left"):
        coefficient_for_dose(1.0, np.array([1.0, 0.0]), (0,), 1.0)
    with pytest.raises(ValueError, match="no activations"):
        activation_norm(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="Row 1 of the activations"):
        activation_norm(np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match=r"Dims \[3\] do not exist"):
        activation_norm(np.ones((2, 3)), (3,))
    with pytest.raises(TypeCheckError):
        activation_norm(np.ones(3))
