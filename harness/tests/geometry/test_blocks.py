"""The block to steer is the one whose scenarios lie furthest apart along a direction of other scenarios."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.geometry.blocks import choose, separation

seeds = st.integers(0, 2**32 - 1)


def classes(seed: int, apart: float, pairs: int = 40, hidden: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds around a common offset, `apart` along the first dim."""
    random = np.random.default_rng(seed)
    positive, negative = random.normal(size=(2, pairs, hidden))
    positive[:, 0] += apart / 2
    negative[:, 0] -= apart / 2
    return positive + 3.0, negative + 3.0


@settings(deadline=None, max_examples=25)
@given(seed=seeds)
def test_classes_further_apart_separate_more(seed: int) -> None:
    near, far = (separation(*classes(seed, apart)) for apart in (1.0, 8.0))
    assert far > near


@settings(deadline=None, max_examples=25)
@given(seed=seeds, scale=st.floats(0.01, 1e4))
def test_scale_and_the_order_of_pairs_two_by_two_do_not_matter(seed: int, scale: float) -> None:
    positive, negative = classes(seed, 2.0)
    found = separation(positive, negative)
    assert separation(positive * scale, negative * scale) == pytest.approx(found, rel=1e-6)
    order = np.arange(40).reshape(-1, 2)[::-1].ravel()  # the even pairs stay even
    assert separation(positive[order], negative[order]) == pytest.approx(found, rel=1e-9)


def test_it_is_read_on_pairs_that_the_direction_was_not_made_from() -> None:
    """Pure noise in many dims separates perfectly where it was fitted, and not elsewhere."""
    found = [separation(*classes(seed, 0.0, pairs=10, hidden=400)) for seed in range(20)]
    assert abs(np.mean(found)) < 0.5


def test_massive_dims_are_left_out_of_the_direction() -> None:
    positive, negative = classes(3, 6.0)
    random = np.random.default_rng(4)
    positive[:, 1] = 500.0 * (1 + 0.2 * random.normal(size=40))
    negative[:, 1] = 500.0 * (1 + 0.2 * random.normal(size=40))
    whole = separation(positive, negative)
    assert separation(positive, negative, [1]) > whole + 0.1
    # With the dim in every row at one value, cleaning it or not makes no difference.
    positive[:, 1] = negative[:, 1] = 500.0
    assert separation(positive, negative, [1]) == pytest.approx(separation(positive, negative), rel=1e-6)


def test_the_largest_is_chosen_and_the_earlier_of_two_alike() -> None:
    assert choose([4, 5, 6], [1.0, 3.0, 2.0]) == 5
    assert choose([4, 5, 6], [3.0, 3.0, 2.0]) == 4
    with pytest.raises(ValueError, match="0 blocks and 0 separations"):
        choose([], [])
