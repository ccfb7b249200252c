"""Records block outputs at response tokens: token ids end to end, own hooks, accumulation in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harness.decoding.generation import Generated, greedy, left_pad, position_ids
from harness.geometry.calibration import activation_norm
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks


class BadActivations(RuntimeError):
    """Activations are NaN or infinite; the message names the block and the rows."""


@torch.inference_mode()
def response_activations(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    visit: Callable[[int, Float[Tensor, "rows positions hidden"], Bool[Tensor, "rows positions"]], None],
) -> None:
    """Read prompts with their responses once and show every block's output with the mask of response positions.

    `visit(block, residual stream, mask)`: the residual stream is [rows, positions, hidden], rows as given.
    """
    whole = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
    ids, real = left_pad(whole, decoder.pad_id, decoder.device)
    length = ids.shape[1]
    lengths = torch.tensor([len(response) for response in responses], device=ids.device)
    is_response = torch.arange(length, device=ids.device) >= (length - lengths).unsqueeze(-1)
    with recorded_blocks(decoder.blocks, lambda block, stream: visit(block, stream, is_response.to(stream.device))):
        decoder.model(
            input_ids=ids,
            attention_mask=real.long(),
            position_ids=position_ids(real),
            use_cache=False,
            logits_to_keep=1,
        )


def window_means(
    decoder: Decoder, prompts: Sequence[Sequence[int]], windows: Sequence[int], labels: Sequence[str]
) -> tuple[dict[int, Float[np.ndarray, "rows blocks hidden"]], list[Generated]]:
    """Mean block output over response tokens 0..n-1 for every window n, from one greedy run of the longest.

    Exactly max(windows) tokens are generated: stop tokens do not end a row, as in the published protocol.
    `labels` name the rows in errors. Raises BadActivations naming block and row for NaN or infinity.
    """
    generated = greedy(decoder, prompts, max(windows), stop_ids=frozenset())
    means = {window: np.zeros((len(prompts), decoder.depth, decoder.width), np.float32) for window in windows}

    def visit(block: int, stream: Tensor, _mask: Tensor) -> None:
        # Every response has the same length and ends its row, so the last columns are the response.
        tail = stream[:, -max(windows) :].double()
        for window in windows:
            means[window][:, block] = tail[:, :window].mean(dim=1).float().cpu().numpy()
        require_finite(means[max(windows)][:, block], block, labels)

    response_activations(decoder, prompts, [row.ids for row in generated], visit)
    return means, generated


class ResponseStatistics:
    """Running statistics of block outputs over response tokens, summed in float64.

    `median` is the median over tokens and dims of |a|, over everything seen (kept as float32 until asked for).
    """

    def __init__(self, depth: int, width: int) -> None:
        self._sum = np.zeros((depth, width))
        self._peak = np.zeros((depth, width))
        self._magnitudes: list[list[np.ndarray[Any, Any]]] = [[] for _ in range(depth)]
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
) -> None:
    """Take the model's own greedy responses to one batch of prompts into `statistics`.

    Raises BadActivations as `window_means` does; nothing is taken in when the batch fails.
    """
    generated = greedy(decoder, prompts, max_new_tokens)
    taken: list[tuple[int, np.ndarray[Any, Any]]] = []

    def visit(block: int, stream: Tensor, mask: Tensor) -> None:
        for row, (values, response) in enumerate(zip(stream, mask, strict=True)):
            chosen = values[response].float().cpu().numpy()
            require_finite(chosen.sum(axis=0, keepdims=True), block, labels[row : row + 1])
            taken.append((block, chosen))

    response_activations(decoder, prompts, [row.ids for row in generated], visit)
    for block, chosen in taken:
        statistics.add(block, chosen)


def require_finite(values: Float[np.ndarray, "rows hidden"], block: int, labels: Sequence[str]) -> None:
    """Raise BadActivations naming the block and the first bad row when anything is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=-1))
    if len(bad):
        raise BadActivations(
            f"block {block}: NaN or infinite activations in {len(bad)} of {len(values)} rows, first {labels[bad[0]]}; "
            "run in float32 or bfloat16 (float16 overflows on massive activations)."
        )
