"""Records block outputs at response tokens while they are generated: own hooks, accumulation in float64."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harness.decoding.generation import REMEDY, BadActivations, Generated, greedy
from harness.geometry.calibration import activation_norm
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks

Visit = Callable[[int, Float[Tensor, "rows hidden"], Bool[Tensor, " rows"], Sequence[str]], None]


class _Reader:
    """Shows what every block passes on at each response token, in the pass that the token is fed to."""

    def __init__(self, labels: Sequence[str], visit: Visit) -> None:
        self._labels, self._visit = labels, visit
        self._said: Tensor | None = None  # the rows that are fed a response token; None while prompts are read

    def positions(self, active: Bool[Tensor, "rows positions"], prompt: bool) -> None:
        self._said = None if prompt else active[:, -1]

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        self._labels = [self._labels[row] for row in rows.tolist()]

    def record(self, block: int, stream: Float[Tensor, "rows positions hidden"]) -> None:
        if self._said is not None:
            self._visit(block, stream[:, -1], self._said, self._labels)
        else:  # what the first token is chosen by
            require_finite(stream[:, -1].float().cpu().numpy(), block, self._labels)


def read_while_generating(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    labels: Sequence[str],
    visit: Visit,
    stop_ids: frozenset[int] | None = None,
) -> list[Generated]:
    """Generate greedily, and show every block's output at each response token as soon as it is there.

    `visit(block, outputs, said, labels)`: outputs are [rows, hidden] on the block's own device, of one token of each
    row that is still in the batch, in the order of their labels; rows that are not `said` have met their stop token.
    Raises BadActivations naming the first row whose logits are NaN or infinite, or a block's output before the first.
    """
    reader = _Reader(labels, visit)
    with recorded_blocks(decoder.blocks, reader.record):
        try:
            return greedy(decoder, prompts, max_new_tokens, stop_ids=stop_ids, watcher=reader, feed_last=True)
        except BadActivations as error:
            if not error.rows:  # of a block, which named its row
                raise
            raise _bad("after the last block: NaN or infinite logits", [*error.rows], labels) from error


def summing_device(device: torch.device) -> torch.device:
    """Where outputs that lie on a device are summed in float64: there, but Apple's GPUs have no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def window_means(
    decoder: Decoder, prompts: Sequence[Sequence[int]], windows: Sequence[int], labels: Sequence[str]
) -> tuple[dict[int, Float[np.ndarray, "rows blocks hidden"]], list[Generated]]:
    """Mean block output over response tokens 0..n-1 for every window n, from one greedy run of the longest.

    Exactly max(windows) tokens are generated: stop tokens do not end a row, as in the published protocol.
    `labels` name the rows in errors. Raises BadActivations naming block and row for NaN or infinity.
    """
    means = {window: np.zeros((len(prompts), decoder.depth, decoder.width), np.float32) for window in windows}
    sums: dict[int, Tensor] = {}
    tokens: Counter[int] = Counter()  # by block

    def visit(block: int, outputs: Tensor, _said: Tensor, labels: Sequence[str]) -> None:
        sums[block] = sums.get(block, 0.0) + outputs.to(summing_device(outputs.device)).double()
        tokens[block] += 1
        if (window := tokens[block]) in means:
            means[window][:, block] = (sums[block] / window).float().cpu().numpy()
            require_finite(means[window][:, block], block, labels)

    return means, read_while_generating(decoder, prompts, max(windows), labels, visit, stop_ids=frozenset())


class ResponseStatistics:
    """Running statistics of block outputs over response tokens, summed in float64.

    `median` is the median over tokens and dims of |a|, over everything seen (kept as float32 until asked for).
    """

    def __init__(self, depth: int, width: int) -> None:
        self._sum = np.zeros((depth, width))
        self._peak = np.zeros((depth, width))
        self._magnitudes = [[np.zeros((0, width), np.float32)] for _ in range(depth)]
        self.tokens = 0

    def add(self, block: int, values: Float[np.ndarray, "tokens hidden"]) -> None:
        """Take in the outputs of one block at some response tokens."""
        self._sum[block] += values.sum(axis=0, dtype=np.float64)
        self._peak[block] = np.maximum(self._peak[block], np.abs(values).max(axis=0, initial=0.0))
        self._magnitudes[block].append(np.abs(values).astype(np.float32))
        if block == 0:
            self.tokens += len(values)

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """`mean`, `peak` float32 [blocks, hidden] and `median` float32 [blocks]."""
        median = [np.median(np.concatenate(parts)) for parts in self._magnitudes]
        return {
            "mean": (self._sum / max(self.tokens, 1)).astype(np.float32),
            "peak": self._peak.astype(np.float32),
            "median": np.asarray(median, np.float32),
        }

    def token_norms(self, without: Sequence[int] = ()) -> Float[np.ndarray, " blocks"]:
        """The mean norm of a token in every block, leaving out the dims in `without`, in activation units and float64.

        Every token's norm is taken by itself, one block at a time, from the magnitudes kept for the median: which dims
        are massive is known only when all tokens have been seen. Errors as in `calibration.activation_norm`.
        """
        return np.asarray([activation_norm(np.concatenate(parts), without) for parts in self._magnitudes])


def add_responses(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    labels: Sequence[str],
    statistics: ResponseStatistics,
    stop_ids: frozenset[int] | None = None,
) -> None:
    """Take the model's own greedy responses to one batch of prompts into `statistics`.

    `stop_ids` as in `greedy`; a stop token is no part of a response. Raises BadActivations as `window_means` does;
    nothing is taken in when the batch fails.
    """
    taken: list[tuple[int, np.ndarray[Any, Any]]] = []

    def visit(block: int, outputs: Tensor, said: Tensor, labels: Sequence[str]) -> None:
        rows = said.cpu()
        values = outputs.cpu()[rows].float().numpy()
        require_finite(values, block, list(compress(labels, rows.tolist())))
        taken.append((block, values))

    read_while_generating(decoder, prompts, max_new_tokens, labels, visit, stop_ids)
    for block, values in taken:
        statistics.add(block, values)


def require_finite(values: Float[np.ndarray, "rows hidden"], block: int, labels: Sequence[str]) -> None:
    """Raise BadActivations naming the block and the first bad row when anything is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=-1)).tolist()
    if bad:
        raise _bad(f"block {block}: NaN or infinite activations", bad, labels)


def _bad(what: str, bad: Sequence[int], labels: Sequence[str]) -> BadActivations:
    return BadActivations(f"{what} in {len(bad)} of {len(labels)} rows, first {labels[bad[0]]}; {REMEDY}.")
