"""Finds the massive dims of a residual stream and says how severe they are."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from harness.shapes import checked


@checked
def top_dims(mean_activation: Float[np.ndarray, "blocks hidden"], k: int = 5) -> tuple[tuple[int, ...], ...]:
    """The `k` dims of largest |signed mean| in every block, largest first, ties by lower index.

    `mean_activation` is the signed mean of each dim over all response tokens, in activation units, as in the
    2026-01-29 edition of the published protocol. Raises ValueError if `k` is not in 1..hidden or a block is
    not finite.
    """
    hidden = mean_activation.shape[1]
    if not 1 <= k <= hidden:
        raise ValueError(f"The {k} top dims of a stream of width {hidden} do not exist: choose k from 1 to {hidden}.")
    _require_finite(mean_activation)
    return tuple(ranked_dims(block)[:k] for block in mean_activation)


@checked
def ranked_dims(
    mean_activation_of_block: Float[np.ndarray, "hidden"],
) -> tuple[int, ...]:
    """All dims of one block by |signed mean|, largest first, ties by lower index.

    Its first k entries are what "top-k cleaning" removes, so top-k grows by inclusion. Raises ValueError if the block
    is not finite.
    """
    _require_finite(mean_activation_of_block[None])
    order = np.argsort(-np.abs(mean_activation_of_block.astype(np.float64)), kind="stable")
    return tuple(int(dim) for dim in order)


@checked
def consensus_dims(top: Sequence[Sequence[int]], at_least: int = 3) -> tuple[int, ...]:
    """The dims, ascending, that stand in the top list of at least `at_least` blocks, whatever the blocks'
    order.

    The published rule; its code says 3 blocks and a comment of it says 2, so the bound is an argument. Raises
    ValueError if `at_least` is below 1.
    """
    if at_least < 1:
        raise ValueError(f"A consensus of {at_least} blocks would hold every dim: ask for at least 1 block.")
    blocks_naming = Counter(dim for dims in top for dim in set(dims))
    return tuple(sorted(dim for dim, blocks in blocks_naming.items() if blocks >= at_least))


def cleaned_dims(
    kind: str, k: int, mean_activation_of_block: np.ndarray, consensus: Sequence[int], own: Sequence[int]
) -> tuple[int, ...]:
    """The dims that a cleaning disarms at a block: "none", its "top" `k`, the "consensus", "per_block" its `own`."""
    match kind:
        case "none":
            return ()
        case "top":
            return tuple(ranked_dims(mean_activation_of_block)[:k])
        case "consensus":
            return tuple(consensus)
        case _:
            return tuple(own)


@checked
def sun_dims(
    peak: Float[np.ndarray, "blocks hidden"],
    median: Float[np.ndarray, "blocks"],
    threshold: float | int = 100.0,
    ratio: float | int = 1000.0,
) -> tuple[tuple[int, ...], ...]:
    """The massive dims of every block, ascending, by the definition of Sun et al. (COLM 2024).

    `peak` is the largest |activation| of each dim over all tokens; `median` is the median |activation| over
    the whole output of the block (all tokens and dims; other medians are in use elsewhere and give other
    dims). A dim is massive when its peak exceeds `threshold` activation units and is at least `ratio` times
    that median. Raises ValueError if either input is not finite or negative.
    """
    _require_finite(peak)
    _require_finite(median[:, None])
    if (peak < 0).any() or (median < 0).any():
        raise ValueError("A peak or median of |activation| is negative: take absolute values before asking for dims.")
    peak, median = peak.astype(np.float64), median.astype(np.float64)
    massive = (peak > threshold) & (peak >= ratio * median[:, None])
    return tuple(tuple(int(dim) for dim in np.flatnonzero(block)) for block in massive)


@checked
def severity(mean_activation: Float[np.ndarray, "blocks hidden"]) -> Float[np.ndarray, "blocks"]:
    """How many times the dominant |signed mean| of each block exceeds the median |signed mean| of the block's
    dims.

    Without a unit; 1 or a little more where no dim is massive. Raises ValueError if a block is not finite, or
    if its median is zero, which only a broken capture gives.
    """
    _require_finite(mean_activation)
    size = np.abs(mean_activation.astype(np.float64))
    median = np.median(size, axis=1)
    zero = np.flatnonzero(median == 0)
    if zero.size:
        raise ValueError(
            f"The median |mean activation| of block {zero[0]} is zero, so nothing can be measured against it: "
            "check that the capture recorded this block."
        )
    return size.max(axis=1) / median


@checked
def overall_severity(mean_activation: Float[np.ndarray, "blocks hidden"]) -> float:
    """The severity of a model: the median of `severity` over its blocks."""
    return float(np.median(severity(mean_activation)))


def _require_finite(blocks: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(blocks).all(axis=1))
    if bad.size:
        raise ValueError(
            f"Activations of block {bad[0]} hold NaN or infinity ({bad.size} such blocks): "
            "capture them again, accumulating in float32 or wider."
        )
