"""Coefficients, doses and the published search, on published numbers and under changes of scale."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from harness.geometry.calibration import (
    Scored,
    activation_norm,
    base_coefficient,
    coefficient_for_dose,
    dose,
    effective_coefficient,
    search,
    start_coefficient,
)
from harness.geometry.cleaning import clean, share_outside
from harness.geometry.directions import DegenerateDirection

examples = settings(deadline=None, derandomize=True, max_examples=60)
seeds = st.integers(0, 10_000)
positive_numbers = st.floats(1e-3, 1e6)
factors = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])

# Published for gemma3, refusal, block 15, response[:5]: coefficient, mean trait, mean coherence.
PUBLISHED_SWEEP = np.array(
    [
        (784, 1.8, 93.3),
        (902, 1.9, 93.0),
        (1037, 11.4, 93.6),
        (1192, 26.8, 70.7),
        (1371, 53.4, 53.7),
        (1577, 88.1, 42.4),
    ]
)


def published_sweep(coefficient: float) -> Scored:
    """The published table, interpolated; beyond its ends, the scores at its ends."""
    coefficients, trait, coherence = PUBLISHED_SWEEP.T
    return Scored(
        float(np.interp(coefficient, coefficients, trait)),
        float(np.interp(coefficient, coefficients, coherence)),
    )


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


def test_the_published_norms_give_the_published_starts():
    direction = np.array([0.6, 0.8])
    assert start_coefficient(25_984, direction) == pytest.approx(18_189, abs=0.5)
    assert start_coefficient(1_120, direction) == pytest.approx(784)


@examples
@given(seed=seeds, norm=positive_numbers, factor=factors)
def test_base_and_start_coefficients_scale_with_the_norm_and_against_the_direction(seed, norm, factor):
    direction, _ = direction_and_dims(seed)
    for coefficient in (base_coefficient, start_coefficient):
        assert coefficient(norm * factor, direction) == pytest.approx(factor * coefficient(norm, direction))
        assert coefficient(norm, direction * factor) == pytest.approx(coefficient(norm, direction) / factor)


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


def test_the_search_from_the_corrected_start_finds_the_published_best_within_one_step_of_the_table():
    result = search(published_sweep, 784)
    assert result.best is not None
    assert 1037 < result.best.coefficient < 1371
    assert result.best.coherence >= 70
    assert result.best.trait > 15
    assert len(result.trials) == 5


def test_the_search_from_the_uncorrected_start_finds_no_valid_run_and_does_not_call_it_zero():
    result = search(published_sweep, 18_189)
    assert result.best is None
    assert not any(trial.valid for trial in result.trials)
    assert min(trial.coefficient for trial in result.trials) > 1577


def test_without_momentum_the_search_goes_up_by_30_and_down_by_15_percent():
    result = search(lambda c: Scored(c, 90.0 if c < 150 else 10.0), 100, steps=4, momentum=0.0)
    assert [trial.coefficient for trial in result.trials] == pytest.approx([100, 130, 169, 169 * 0.85])
    assert result.best.coefficient == pytest.approx(169 * 0.85)


def test_momentum_mixes_a_tenth_of_the_previous_factor_into_the_next():
    result = search(lambda c: Scored(c, 90.0 if c < 130 else 10.0), 100, steps=4)
    first = 0.1 * 1 + 0.9 * 1.3
    second = 0.1 * first + 0.9 * 1.3
    third = 0.1 * second + 0.9 * 0.85
    steps = np.cumprod([100, first, second, third])
    assert [trial.coefficient for trial in result.trials] == pytest.approx(list(steps))


def test_the_best_trial_is_the_valid_one_of_largest_trait_not_the_last_or_the_largest():
    result = search(lambda c: Scored(-abs(c - 130), 90.0), 100, momentum=0.0)
    assert result.best.coefficient == pytest.approx(130)
    assert result.trials[-1].coefficient > 280


@examples
@given(scale=factors, start=st.floats(500, 5000))
def test_the_search_is_homogeneous_in_scale(scale, start):
    plain = search(published_sweep, start)
    scaled = search(lambda coefficient: published_sweep(coefficient / scale), start * scale)
    assert [trial.coefficient for trial in scaled.trials] == pytest.approx(
        [trial.coefficient * scale for trial in plain.trials]
    )
    assert [trial.valid for trial in scaled.trials] == [trial.valid for trial in plain.trials]


def test_coherence_exactly_at_the_gate_is_valid():
    assert search(lambda _: Scored(1.0, 70.0), 1, steps=1).best is not None
    assert search(lambda _: Scored(1.0, 69.99), 1, steps=1).best is None


@pytest.mark.parametrize("missing", [Scored(math.nan, 90.0), Scored(50.0, math.nan)])
def test_a_trial_without_judgement_is_not_valid_and_sends_the_search_down(missing):
    result = search(lambda _: missing, 100, steps=2, momentum=0.0)
    assert result.best is None
    assert result.trials[1].coefficient == pytest.approx(85)


@pytest.mark.parametrize(
    "settings_", [{"steps": 0}, {"momentum": 1.0}, {"down": 0.0}, {"up": 0.9}, {"down": 1.1}], ids=str
)
def test_a_search_that_cannot_run_is_refused(settings_):
    with pytest.raises(ValueError, match="cannot run"):
        search(published_sweep, 784, **settings_)


def test_a_start_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="start coefficient is 0"):
        search(published_sweep, 0)
