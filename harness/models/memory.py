"""Runs in batches that fit: what runs out of memory is tried again in halves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import torch

from harness.models.loadable import ModelError


def free_memory() -> None:
    """Return the memory of models that nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on a CPU and on MPS torch says so in the message alone."""
    said = ("can't allocate memory", "MPS backend out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in said)


def in_batches(
    lengths: Sequence[int],
    batch_rows: int,
    run: Callable[[list[int]], None],
    on_halved: Callable[[int], None] | None = None,
) -> int:
    """Run row indices in batches of at most `batch_rows`, longest rows first, and count the calls that succeeded.

    Sorting by length keeps padding small and lets the batch that needs most memory come first. When a batch runs out
    of memory the batch size is halved (`on_halved` is told the new size) and the batch is tried again. Raises
    ModelError, in one sentence, for a single row that does not fit.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start, calls = 0, 0
    while start < len(order):
        batch = order[start : start + batch_rows]
        try:
            run(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            start += len(batch)
            calls += 1
            continue
        # Out of the handler, so that nothing holds what the batch had taken by then.
        free_memory()
        if len(batch) == 1:
            raise ModelError(
                f"memory ran out with a single row of {lengths[batch[0]]} prompt tokens; take bfloat16 (--dtype), "
                "spread the model over all GPUs (--device split), or take a smaller one."
            )
        batch_rows = len(batch) // 2
        if on_halved is not None:
            on_halved(batch_rows)
    return calls
