"""Directions are what their formulas say, whatever the scale of the activations, and nonsense is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from harness.geometry.directions import (
    METHODS,
    DegenerateDirection,
    NonFiniteActivations,
    cosine,
    gradient,
    mean_diff,
    probe,
    random_direction,
    shuffled_probe,
    unit,
    unit_mean_diff,
)
from harness.stats.tails import CannotTell

examples = settings(deadline=None, derandomize=True, max_examples=40)
few = settings(examples, max_examples=15)
seeds = st.integers(0, 10_000)
# The published methods; the gradient method (which is not free of scale) and the controls have their own tests.
FITTED = {name: METHODS[name] for name in ("mean_diff", "probe")}
PROBES = ("probe", "probe C=100", "probe C=10000", "probe C=1000000")  # ever less regularised
FACTORS = [1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3, 1e6]


def classes(seed: int, rows: int = 20, hidden: int = 8, massive: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that differ in two dims; dim 3 is `massive` in both, as a residual stream has it."""
    rng = np.random.default_rng(seed)
    positive, negative = rng.normal(size=(2, rows, hidden))
    positive[:, :2] += 1.0
    positive[:, 3] += massive
    negative[:, 3] += 0.95 * massive
    return positive, negative[: rows - 3]


def logistic_gradient(
    weights: np.ndarray, intercept: float, rows: np.ndarray, labels: np.ndarray, regularisation_c: float
) -> np.ndarray:
    """The gradient of |w|^2 / 2 + C x (sum of log losses) in the weights."""
    chances = 1 / (1 + np.exp(-(rows @ weights + intercept)))
    return weights + regularisation_c * rows.T @ (chances - labels)


def optimum_along(towards: np.ndarray, rows: np.ndarray, labels: np.ndarray, c: float) -> tuple[float, float]:
    """The length along `towards` and the intercept of least loss, by Newton steps in those two numbers."""
    table = np.column_stack([rows @ towards, np.ones(len(rows))])
    at = np.zeros(2)
    for _ in range(50):
        chances = 1 / (1 + np.exp(-(table @ at)))
        slope = c * table.T @ (chances - labels) + np.array([at[0], 0.0])
        curvature = c * (table * (chances * (1 - chances))[:, None]).T @ table + np.diag([1.0, 0.0])
        at = at - np.linalg.solve(curvature, slope)
    return float(at[0]), float(at[1])


@examples
@given(seed=seeds, massive=st.sampled_from([0.0, 30.0, 1e4]))
def test_swapping_the_classes_negates_mean_diff(seed, massive):
    positive, negative = classes(seed, massive=massive)
    np.testing.assert_array_equal(mean_diff(negative, positive), -mean_diff(positive, negative))


@few
@given(seed=seeds, massive=st.sampled_from([0.0, 30.0]))
def test_swapping_the_classes_negates_the_probe(seed, massive):
    positive, negative = classes(seed, massive=massive)
    np.testing.assert_allclose(probe(negative, positive), -probe(positive, negative), atol=1e-6)


@few
@given(seed=seeds, factor=st.sampled_from(FACTORS), method=st.sampled_from(sorted(FITTED)))
def test_scaling_all_activations_changes_no_direction(seed, factor, method):
    positive, negative = classes(seed, massive=30.0)
    np.testing.assert_allclose(
        METHODS[method](positive * factor, negative * factor), METHODS[method](positive, negative), atol=1e-6
    )


@examples
@given(seed=seeds)
def test_mean_diff_equals_the_difference_of_exact_means(seed):
    positive, negative = classes(seed, massive=1e4)
    exact = [
        math.fsum(positive[:, dim]) / len(positive) - math.fsum(negative[:, dim]) / len(negative)
        for dim in range(positive.shape[1])
    ]
    length = math.sqrt(math.fsum(entry**2 for entry in exact))
    np.testing.assert_allclose(mean_diff(positive, negative), [entry / length for entry in exact], atol=1e-12)


@few
@given(
    seed=seeds,
    hidden=st.sampled_from([4, 16, 90]),
    massive=st.sampled_from([0.0, 30.0]),
    c=st.sampled_from([0.1, 1.0, 10.0, 1e4]),
)
def test_the_loss_has_no_slope_at_the_probe(seed, hidden, massive, c):
    positive, negative = classes(seed, hidden=hidden, massive=massive)
    towards = probe(positive, negative, regularisation_c=c)
    rows = np.concatenate([positive, negative])
    rows = np.array([row / math.sqrt(math.fsum(row**2)) for row in rows])
    labels = np.array([1.0] * len(positive) + [0.0] * len(negative))
    length, intercept = optimum_along(towards, rows, labels, c)
    assert length > 0
    slope = logistic_gradient(length * towards, intercept, rows, labels, c)
    assert np.abs(slope).max() < 1e-6 * max(1.0, length)


@few
@given(seed=seeds)
def test_the_probe_is_the_same_with_more_dims_than_rows(seed):
    positive, negative = classes(seed)
    empty_dims = ((0, 0), (0, 60))
    wide = probe(np.pad(positive, empty_dims), np.pad(negative, empty_dims))
    np.testing.assert_allclose(wide, np.pad(probe(positive, negative), (0, 60)), atol=1e-6)


@few
@given(seed=seeds, method=st.sampled_from(["unit_mean_diff", *PROBES]))
def test_what_reads_unit_rows_does_not_see_the_length_of_a_row(seed, method):
    positive, negative = classes(seed, massive=30.0)
    rng = np.random.default_rng(seed + 1)
    longer, shorter = (rng.uniform(0.01, 100, (len(rows), 1)) * rows for rows in (positive, negative))
    found, expected = METHODS[method](longer, shorter), METHODS[method](positive, negative)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert cosine(mean_diff(longer, shorter), mean_diff(positive, negative)) < 0.999  # which does


@examples
@given(seed=seeds, length=st.sampled_from(FACTORS))
def test_mean_diff_of_rows_of_one_length_is_that_of_unit_rows(seed, length):
    positive, negative = (length * rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in classes(seed))
    np.testing.assert_allclose(unit_mean_diff(positive, negative), mean_diff(positive, negative), atol=1e-12)


def test_the_probe_leaves_the_mean_difference_of_unit_rows_as_its_regularisation_falls():
    positive, negative = classes(2, rows=60, hidden=30, massive=30.0)
    third = unit_mean_diff(positive, negative)
    fitted = [probe(positive, negative, 0.01), *(METHODS[name](positive, negative) for name in PROBES)]
    apart = [cosine(one, third) for one in fitted]
    assert apart[0] > 0.9999
    assert (-np.diff(apart) > 0.0001).all()
    assert apart[-1] < 0.9


def test_the_probe_points_to_the_positive_class():
    positive, negative = classes(0)
    assert (positive @ probe(positive, negative)).mean() > (negative @ probe(positive, negative)).mean()


@pytest.mark.parametrize("method", FITTED.values(), ids=FITTED)
def test_a_direction_is_a_unit_float64_vector_and_its_input_is_left_alone(method):
    positive, negative = classes(1)
    before = positive.copy(), negative.copy()
    direction = method(positive, negative)
    assert direction.dtype == np.float64
    assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-12)
    np.testing.assert_array_equal(positive, before[0])
    np.testing.assert_array_equal(negative, before[1])


@pytest.mark.parametrize("method", FITTED.values(), ids=FITTED)
def test_float32_activations_are_computed_on_in_float64(method):
    positive, negative = (rows.astype(np.float32) for rows in classes(2, massive=1e4))
    np.testing.assert_allclose(
        method(positive, negative),
        method(positive.astype(np.float64), negative.astype(np.float64)),
        atol=1e-9,
    )


@pytest.mark.parametrize("method", FITTED.values(), ids=FITTED)
def test_classes_that_do_not_differ_have_no_direction(method):
    rows = np.random.default_rng(0).normal(size=(12, 5)) * 1e4
    with pytest.raises(DegenerateDirection, match="scenarios differ"):
        method(rows, rows[::-1].copy())


@pytest.mark.parametrize("method", FITTED.values(), ids=FITTED)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(method, bad):
    positive, negative = classes(3)
    negative[5, 2] = negative[7, 0] = bad
    with pytest.raises(NonFiniteActivations, match=r"Row 5 of the negative activations .*2 such rows") as error:
        method(positive, negative)
    assert error.value.rows == (5, 7)


@pytest.mark.parametrize("method", FITTED.values(), ids=FITTED)
def test_an_empty_class_and_a_wrong_shape_are_refused(method):
    positive, negative = classes(4)
    with pytest.raises(CannotTell, match="no positive activations"):
        method(positive[:0], negative)
    with pytest.raises(TypeCheckError):
        method(positive, negative[:, 1:])
    with pytest.raises(TypeCheckError):
        method(positive[0], negative)
    with pytest.raises(TypeCheckError):
        method(positive.astype(int), negative)


def test_a_zero_row_cannot_be_normalised():
    positive, negative = classes(5)
    positive[4] = 0
    with pytest.raises(ValueError, match="Row 4 of the positive activations is zero"):
        probe(positive, negative)


def test_a_probe_that_does_not_converge_is_an_error():
    with pytest.raises(ValueError, match="did not converge within 2 iterations"):
        probe(*classes(6), max_iter=2)


@pytest.mark.parametrize("length", [1e-300, 1e-3, 1.0, 1e6, 1e300])
def test_unit_vectors_and_cosines_survive_any_length(length):
    np.testing.assert_allclose(unit(np.array([3.0, -4.0]) * length), [0.6, -0.8], rtol=1e-12)
    assert cosine(np.array([1.0, 1.0]) * length, np.array([1.0, 0.0])) == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("nothing", [np.zeros(3), np.array([1.0, np.nan, 0.0]), np.array([np.inf, 0.0, 0.0])])
def test_what_has_no_direction_has_no_cosine(nothing):
    with pytest.raises(DegenerateDirection, match="has no direction"):
        cosine(nothing, np.ones(3))


@examples
@given(seed=seeds)
def test_cosines_stay_between_minus_one_and_one(seed):
    vector = np.random.default_rng(seed).normal(size=7)
    assert cosine(vector, vector) <= 1
    assert cosine(vector, -3 * vector) >= -1
    assert cosine(vector, vector) == pytest.approx(1)


@few
@given(seed=seeds)
def test_the_gradient_method_separates_and_weighs_a_massive_dim_like_any_other(seed: int) -> None:
    positive, negative = classes(seed, massive=1000.0)
    found = gradient(positive, negative)
    assert np.linalg.norm(found) == pytest.approx(1.0)
    # Adam moves every dim by about rate x steps along the sign of its difference, whatever its size.
    difference = positive.mean(axis=0) - negative.mean(axis=0)
    clear = np.abs(difference) > 0.05
    assert (np.sign(found[clear]) == np.sign(difference[clear])).mean() > 0.8
    assert abs(found[3]) < 0.75 < abs(mean_diff(positive, negative)[3])


def test_one_adam_step_of_the_gradient_method_is_rate_along_each_sign() -> None:
    positive, negative = np.array([[3.0, -2.0, 0.5]]), np.array([[1.0, 1.0, 0.0]])
    start = unit(np.random.default_rng(0).standard_normal(3))
    assert np.allclose(
        gradient(positive, negative, steps=1), unit(start + 0.01 * np.array([1.0, -1.0, 1.0])), atol=1e-6
    )


@few
@given(seed=seeds)
def test_controls_know_nothing_of_the_labels(seed: int) -> None:
    positive, negative = classes(seed)
    assert np.array_equal(random_direction(positive, negative), random_direction(negative, positive * 5))
    assert np.linalg.norm(random_direction(positive, negative)) == pytest.approx(1.0)
    assert np.array_equal(shuffled_probe(positive, negative), shuffled_probe(positive, negative))


def test_a_probe_on_shuffled_labels_loses_what_the_probe_finds_however_far_apart_the_classes_lie() -> None:
    rng = np.random.default_rng(0)
    axis, shared = np.eye(100)[0], 100 * np.eye(100)[1]
    positive, negative = (rng.normal(size=(61, 100)) + side * axis + shared for side in (8, -8))
    truth = probe(positive, negative)
    drawn = [shuffled_probe(positive, negative, seed) for seed in range(12)]
    assert max(abs(cosine(one, truth)) for one in drawn) < 0.3
    assert max(abs(cosine(one, drawn[0])) for one in drawn[1:]) < 0.9, "every seed has a draw of its own"


def test_random_directions_differ_by_seed_and_point_nowhere_in_particular() -> None:
    rows = np.ones((2, 400))
    drawn = np.stack([random_direction(rows, rows, seed) for seed in range(20)])
    cosines = (drawn @ drawn.T)[np.triu_indices(20, 1)]
    assert np.abs(cosines).max() < 0.25
