"""What the massive dims of a stream are, by both definitions, and how severe they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from harness.geometry.massive import (
    consensus_dims,
    overall_severity,
    ranked_dims,
    severity,
    sun_dims,
    top_dims,
)

examples = settings(deadline=None, derandomize=True, max_examples=60)

# Three blocks of width 6: dim 4 is massive and negative in all; dims 0 and 2 are in the top three of two.
HAND_MADE = np.array(
    [
        [3.0, 0.1, 2.0, 0.2, -900.0, 0.3],
        [5.0, 0.1, 0.2, 4.0, -800.0, 0.3],
        [0.1, 0.2, -7.0, 0.3, -700.0, 6.0],
    ]
)


def random_blocks(seed: int, blocks: int = 4, hidden: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(blocks, hidden))


def test_top_dims_are_the_largest_by_absolute_mean_largest_first():
    assert top_dims(HAND_MADE, k=3) == ((4, 0, 2), (4, 0, 3), (4, 2, 5))


def test_ties_go_to_the_lower_dim():
    assert top_dims(np.array([[1.0, -2.0, 2.0, -1.0]]), k=4) == ((1, 2, 0, 3),)


def test_a_dim_that_cancels_over_tokens_is_not_massive_because_the_mean_is_signed():
    assert top_dims(np.array([[0.0, 5.0, -6.0]]), k=2) == ((2, 1),)


def test_consensus_dims_are_those_in_the_top_of_enough_blocks_in_ascending_order():
    top = top_dims(HAND_MADE, k=3)
    assert consensus_dims(top, at_least=3) == (4,)
    assert consensus_dims(top, at_least=2) == (0, 2, 4)
    assert consensus_dims(top, at_least=1) == (0, 2, 3, 4, 5)


def test_a_block_that_names_a_dim_twice_counts_once():
    assert consensus_dims(((7, 7, 7), (1, 2, 3)), at_least=2) == ()


def test_the_published_rule_takes_five_dims_of_each_block_and_three_blocks():
    blocks = np.zeros((4, 8)) + np.arange(8)
    blocks[0] = blocks[0][::-1]
    assert top_dims(blocks)[1] == (7, 6, 5, 4, 3)
    assert consensus_dims(top_dims(blocks)) == (3, 4, 5, 6, 7)


@examples
@given(seed=st.integers(0, 10_000), at_least=st.integers(1, 5), data=st.data())
def test_consensus_does_not_depend_on_the_order_of_blocks(seed, at_least, data):
    top = top_dims(random_blocks(seed, blocks=5), k=3)
    shuffled = tuple(data.draw(st.permutations(top)))
    assert consensus_dims(shuffled, at_least) == consensus_dims(top, at_least)


@examples
@given(seed=st.integers(0, 10_000), factor=st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]))
def test_top_dims_and_severity_do_not_depend_on_scale(seed, factor):
    blocks = random_blocks(seed)
    assert top_dims(blocks * factor) == top_dims(blocks)
    np.testing.assert_allclose(severity(blocks * factor), severity(blocks), rtol=1e-12)


@examples
@given(seed=st.integers(0, 10_000))
def test_top_k_grows_by_inclusion_and_starts_the_ranking(seed):
    blocks = random_blocks(seed)
    for k in range(1, blocks.shape[1]):
        for smaller, larger, block in zip(top_dims(blocks, k), top_dims(blocks, k + 1), blocks, strict=True):
            assert larger[:k] == smaller
            assert ranked_dims(block)[:k] == smaller
    assert sorted(ranked_dims(blocks[0])) == list(range(blocks.shape[1]))


def test_severity_is_the_dominant_dim_over_the_median_dim():
    np.testing.assert_allclose(severity(HAND_MADE), [900 / 1.15, 800 / 2.15, 700 / 3.15])
    assert overall_severity(HAND_MADE) == pytest.approx(800 / 2.15)


def test_sun_dims_exceed_100_and_reach_1000_medians():
    peak = np.array([[100.0, 101.0, 5000.0, 99_999.0]] * 3)
    assert sun_dims(peak, np.array([0.01, 1.0, 5.0])) == ((1, 2, 3), (2, 3), (2, 3))


def test_sun_dims_need_more_than_the_threshold_but_only_reach_the_ratio():
    assert sun_dims(np.array([[100.0, 1000.0]]), np.array([0.1])) == ((1,),)
    assert sun_dims(np.array([[100.0, 1000.0]]), np.array([1.0])) == ((1,),)
    assert sun_dims(np.array([[100.0, 999.0]]), np.array([1.0])) == ((),)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_block_that_is_not_finite_is_named(bad):
    blocks = HAND_MADE.copy()
    blocks[1, 3] = bad
    for refuse in (top_dims, severity, overall_severity):
        with pytest.raises(ValueError, match=r"block 1 hold NaN or infinity .* capture them again"):
            refuse(blocks[:, :])


def test_a_median_of_zero_is_refused_and_its_block_named():
    blocks = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 3.0]])
    with pytest.raises(ValueError, match=r"median \|mean activation\| of block 1 is zero"):
        severity(blocks)


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="choose k from 1 to 6"):
        top_dims(HAND_MADE, k=7)
    with pytest.raises(ValueError, match="at least 1 block"):
        consensus_dims(((1,),), at_least=0)
    with pytest.raises(ValueError, match="negative"):
        sun_dims(np.array([[-1.0, 200.0]]), np.array([0.1]))


def test_a_wrong_shape_is_refused():
    with pytest.raises(TypeCheckError):
        top_dims(HAND_MADE[0])
    with pytest.raises(TypeCheckError):
        sun_dims(HAND_MADE, np.ones(2))
