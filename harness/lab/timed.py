"""Times one block of a model's shape on this CPU with random numbers, so that a plan can tell minutes here."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from harness.lab.costs import Work
from harness.models.architecture import Architecture

SECONDS = 10.0  # that all timings of a plan take together, at most
MOST_ROWS = 64  # of a batch that is timed; larger ones take in proportion
READ_TOKENS = 64  # of a response that a reading judge reads, at most
READ_SHARE = 2 / 3  # of the blocks, up to the one that it reads


def seconds_here(architecture: Architecture, works: Sequence[Work], read: int = 0) -> float:
    """How long generating `works`, and reading `read` responses once, would take on this CPU in float32.

    Every kind of pass is timed on one block and on the output matrix, and multiplied; what is neither, such as fitting
    directions, is left out.
    """
    kinds = 4 * len(works) + 1
    timed = functools.cache(functools.partial(block_seconds, architecture, budget=SECONDS / kinds))
    of_head = functools.cache(functools.partial(head_seconds, architecture, budget=SECONDS / kinds))
    total = 0.0
    for work in works:
        rows = min(work.batch_rows, MOST_ROWS, max(work.rows, 1))
        first = architecture.blocks * timed(rows, work.prompt_tokens, work.prompt_tokens) + of_head(rows)
        middle = work.prompt_tokens + work.new_tokens // 2
        each = architecture.blocks * timed(rows, 1, middle) + of_head(rows)
        total += work.rows / rows * (first + (work.new_tokens + work.captured - 1) * each)
    if read:
        rows = min(read, MOST_ROWS)
        total += read / rows * READ_SHARE * architecture.blocks * timed(rows, READ_TOKENS, 2 * READ_TOKENS)
    return total


def block_seconds(architecture: Architecture, rows: int, tokens: int, context: int, *, budget: float) -> float:
    """Seconds of one block for `tokens` new tokens of each of `rows` rows that attend to `context` tokens."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention, silu

    one, inner = architecture, architecture.heads * architecture.head_dim
    x = torch.randn(rows * tokens, one.width)
    queries, output = torch.randn(inner, one.width), torch.randn(one.width, inner)
    keys_values = torch.randn(2 * one.kv_heads * one.head_dim, one.width)
    gate_up, down = torch.randn(2 * one.intermediate, one.width), torch.randn(one.width, one.intermediate)
    cached = torch.randn(rows, one.kv_heads, context, one.head_dim)

    def run() -> None:
        asked = (x @ queries.T).view(rows, tokens, one.heads, one.head_dim).transpose(1, 2)
        x @ keys_values.T
        attended = scaled_dot_product_attention(asked, cached, cached, enable_gqa=one.heads != one.kv_heads)
        stream = x + attended.transpose(1, 2).reshape(rows * tokens, inner) @ output.T
        gate, up = (stream @ gate_up.T).chunk(2, dim=-1)
        stream + (silu(gate) * up) @ down.T

    return _timed(run, budget)


def head_seconds(architecture: Architecture, rows: int, *, budget: float) -> float:
    """Seconds of the output matrix for one token of each row, and of choosing the largest logit."""
    import torch

    x, matrix = torch.randn(rows, architecture.width), torch.randn(architecture.vocabulary, architecture.width)
    return _timed(lambda: (x @ matrix.T).argmax(dim=-1), budget)


def _timed(run: Callable[[], object], budget: float) -> float:
    """The mean of as many runs as fit into the budget, two at least, the first of which warms up and does not count."""
    import torch

    with torch.inference_mode():
        run()
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < budget:
            run()
            count += 1
        return (time.perf_counter() - start) / count
