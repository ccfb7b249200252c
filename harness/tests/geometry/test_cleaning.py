"""Cleaning takes the massive dims out of a direction, and nothing else."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import TypeCheckError

from harness.geometry.cleaning import clean, clean_all, clean_by, outside, share_outside, treat
from harness.geometry.directions import DegenerateDirection
from harness.geometry.massive import ranked_dims

examples = settings(deadline=None, derandomize=True, max_examples=150)
HIDDEN = 6
entries = st.just(0.0) | st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)
vectors = arrays(np.float64, HIDDEN, elements=entries)
dim_lists = st.lists(st.integers(0, HIDDEN - 1), max_size=HIDDEN).map(tuple)


def assume_something_outside(direction: np.ndarray, dims: tuple[int, ...]) -> None:
    left = np.delete(direction, list(dims))
    assume(left.size and np.abs(left).max() > 1e-9 * np.abs(direction).max())


@examples
@given(direction=vectors, dims=dim_lists)
def test_a_cleaned_direction_is_zero_on_its_dims_of_unit_norm_and_parallel_elsewhere(direction, dims):
    assume_something_outside(direction, dims)
    cleaned = clean(direction, dims)
    assert not cleaned[list(dims)].any()
    assert np.linalg.norm(cleaned) == pytest.approx(1, abs=1e-12)
    kept = np.setdiff1d(np.arange(HIDDEN), dims)
    np.testing.assert_allclose(
        cleaned[kept] * np.linalg.norm(direction[kept]),
        direction[kept],
        rtol=1e-9,
        atol=1e-9 * abs(direction).max(),
    )


@examples
@given(direction=vectors, dims=dim_lists)
def test_cleaning_is_idempotent(direction, dims):
    assume_something_outside(direction, dims)
    once = clean(direction, dims)
    np.testing.assert_allclose(clean(once, dims), once, rtol=0, atol=1e-15)


@examples
@given(direction=vectors, dims=dim_lists)
def test_cleaning_gives_a_finite_direction_or_says_that_there_is_none(direction, dims):
    try:
        cleaned = clean(direction, dims)
    except DegenerateDirection:
        return
    assert np.isfinite(cleaned).all()


@pytest.mark.parametrize("length", [1e-300, 1e300])
def test_cleaning_survives_any_length(length):
    np.testing.assert_allclose(clean(np.array([3.0, 5.0, -4.0]) * length, (1,)), [0.6, 0, -0.8])


@examples
@given(direction=vectors)
def test_without_dims_the_direction_itself_stays(direction):
    assume_something_outside(direction, ())
    np.testing.assert_allclose(clean(direction, ()), direction / np.linalg.norm(direction), rtol=1e-9)
    assert share_outside(direction, ()) == pytest.approx(1)


@examples
@given(direction=vectors, dims=dim_lists, data=st.data())
def test_the_order_and_the_repetition_of_dims_do_not_matter(direction, dims, data):
    assume_something_outside(direction, dims)
    again = (*data.draw(st.permutations(dims)), *dims)
    np.testing.assert_array_equal(clean(direction, again), clean(direction, dims))


@examples
@given(direction=vectors, dims=dim_lists)
def test_the_shares_inside_and_outside_are_the_two_sides_of_a_right_triangle(direction, dims):
    assume_something_outside(direction, dims)
    rest = [dim for dim in range(HIDDEN) if dim not in dims]
    assert share_outside(direction, dims) ** 2 + share_outside(direction, rest) ** 2 == pytest.approx(1)
    assert share_outside(direction, dims) * np.linalg.norm(direction) == pytest.approx(
        np.linalg.norm(outside(direction, dims))
    )


@examples
@given(direction=vectors)
def test_cleaning_more_of_the_ranking_leaves_ever_less_outside(direction):
    assume(np.abs(direction).max() > 0)
    ranking = ranked_dims(direction)
    shares = [share_outside(direction, ranking[:k]) for k in range(HIDDEN + 1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0


@pytest.mark.parametrize("noise", [0.0, 1e-13])
def test_a_direction_wholly_inside_the_dims_is_an_error(noise):
    with pytest.raises(DegenerateDirection, match=r"Nothing is left .* outside 2 massive dims: clean fewer"):
        clean(np.array([3.0, noise, -4.0]), (0, 2))


def test_a_zero_direction_is_an_error():
    with pytest.raises(DegenerateDirection, match="has no direction"):
        clean(np.zeros(3), (0,))


@pytest.mark.parametrize("dims", [(3,), (-1,), (0, 99)])
def test_a_dim_that_does_not_exist_is_an_error_and_never_wraps_around(dims):
    with pytest.raises(ValueError, match=r"do not exist in a direction of width 3: name dims 0 to 2"):
        clean(np.ones(3), dims)
    with pytest.raises(ValueError, match="do not exist"):
        share_outside(np.ones(3), dims)


def test_the_input_is_left_alone_and_a_wrong_shape_refused():
    direction = np.ones(3)
    clean(direction, (0,))
    np.testing.assert_array_equal(direction, np.ones(3))
    with pytest.raises(TypeCheckError):
        clean(np.ones((2, 3)), (0,))


@examples
@given(directions=arrays(np.float64, (3, HIDDEN), elements=entries), dims=dim_lists)
def test_cleaning_all_at_once_is_cleaning_one_by_one(directions, dims):
    for direction in directions:
        assume_something_outside(direction, dims)
    one_by_one = np.array([clean(direction, dims) for direction in directions])
    np.testing.assert_allclose(clean_all(directions, dims), one_by_one, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("bad", [[1.0, 0, 0], [0.0, 0, 0], [np.nan, 1, 1]])
def test_cleaning_all_at_once_names_the_row_that_has_nothing_left(bad):
    with pytest.raises(DegenerateDirection, match="direction 1 of 2 outside 1 massive dims"):
        clean_all(np.array([[1.0, 1, 1], bad]), (0,))
    with pytest.raises(ValueError, match=r"Dims \[3\] do not exist"):
        clean_all(np.ones((2, 3)), (3,))


rows_of_vectors = arrays(np.float64, (4, HIDDEN), elements=st.floats(-1e3, 1e3))


@examples
@given(rows=rows_of_vectors, dims=dim_lists, how=st.sampled_from(["zero", "winsorise", "mean"]))
def test_treating_rows_changes_nothing_outside_the_dims_and_disarms_what_is_inside(rows, dims, how):
    assume(len(set(dims)) < HIDDEN)
    treated = treat(rows, dims, how)
    others = [dim for dim in range(HIDDEN) if dim not in dims]
    assert np.array_equal(treated[:, others], rows[:, others])
    inside = treated[:, sorted(set(dims))]
    if how == "zero":
        assert not inside.any()
    elif how == "winsorise":
        assert (np.abs(inside) <= np.abs(rows[:, others]).max(axis=1, keepdims=True)).all()
        assert (np.sign(inside) * np.sign(rows[:, sorted(set(dims))]) >= 0).all()
    else:
        assert np.allclose(inside, rows[:, sorted(set(dims))].mean(axis=0), rtol=1e-12, atol=1e-9)


def test_winsorising_clips_to_the_largest_entry_outside_and_keeps_the_sign():
    treated = treat(np.array([[900.0, -3.0, 2.0, -70.0], [1.0, 4.0, -5.0, 0.5]]), (0, 3), "winsorise")
    assert treated.tolist() == [[3.0, -3.0, 2.0, -3.0], [1.0, 4.0, -5.0, 0.5]]


def test_a_direction_cleaned_by_zeroing_is_the_cleaned_direction_and_winsorised_of_unit_norm():
    direction = np.array([0.9, 0.3, -0.3, 0.1])
    assert np.allclose(clean_by(direction, (0,)), clean(direction, (0,)))
    winsorised = clean_by(direction, (0,), "winsorise")
    assert np.linalg.norm(winsorised) == pytest.approx(1.0)
    assert winsorised[0] == pytest.approx(winsorised[1])


def test_treatments_without_meaning_are_refused():
    with pytest.raises(ValueError, match="replace by the mean before fitting"):
        treat(np.ones((1, 3)), (0,), "mean")
    with pytest.raises(ValueError, match="nothing says what to clip them to"):
        treat(np.ones((2, 2)), (0, 1), "winsorise")
    with pytest.raises(ValueError, match="do not exist"):
        treat(np.ones((2, 2)), (5,))
