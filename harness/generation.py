"""Greedy decoding of a batch of token-id rows, left-padded, dropping rows as they finish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from harness.models import Decoder


class RowWatcher(Protocol):
    """Something that follows the rows of a batch through decoding, such as steering hooks."""

    def positions(self, active: Bool[Tensor, "rows positions"], prompt: bool) -> None:
        """Called before each forward pass with the mask of real (not padding) positions in it."""

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Called when only these rows of the present batch go on."""


@dataclass(frozen=True)
class Generated:
    """Response token ids without the stop token; `finished` says that a stop token ended them."""

    ids: tuple[int, ...]
    finished: bool


def left_pad(
    rows: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[Int[Tensor, "rows positions"], Bool[Tensor, "rows positions"]]:
    """Token ids padded on the left to one length, and the mask of real positions."""
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, length - len(row) :] = torch.tensor(row, dtype=torch.long)
        mask[index, length - len(row) :] = True
    return ids.to(device), mask.to(device)


def position_ids(mask: Bool[Tensor, "rows positions"]) -> Int[Tensor, "rows positions"]:
    """Positions counted from each row's first real token, so that padding never shifts a row."""
    return (mask.long().cumsum(dim=-1) - 1).clamp(min=0)


@torch.inference_mode()
def greedy(
    decoder: Decoder,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    stop_ids: frozenset[int] | None = None,
    watcher: RowWatcher | None = None,
) -> list[Generated]:
    """Continue every row greedily by at most `max_new_tokens` tokens, in one batch.

    `stop_ids` default to the decoder's own; an empty set generates exactly `max_new_tokens` tokens.
    The order of the results is the order of the rows.
    """
    stops = decoder.stop_ids if stop_ids is None else stop_ids
    stop_tensor = torch.tensor(sorted(stops), dtype=torch.long, device=decoder.device)
    ids, mask = left_pad(rows, decoder.pad_id, decoder.device)
    alive = torch.arange(len(rows), device=decoder.device)  # original index of each row still in the batch
    columns: list[tuple[Tensor, Tensor]] = []  # (original rows, their next token), one entry a step
    cache = None
    tokens, positions = ids, position_ids(mask)
    for step in range(max_new_tokens):
        if watcher is not None:
            watcher.positions(mask if step == 0 else mask[:, -1:], step == 0)
        output = decoder.model(
            input_ids=tokens,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = output.past_key_values
        chosen = output.logits[:, -1].argmax(dim=-1)
        columns.append((alive, chosen))
        keep = (~torch.isin(chosen, stop_tensor)).nonzero().squeeze(-1)
        if len(keep) == 0:
            break
        if len(keep) < len(alive):
            cache.batch_select_indices(keep)
            alive, chosen, mask, positions = alive[keep], chosen[keep], mask[keep], positions[keep]
            if watcher is not None:
                watcher.keep(keep)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        tokens, positions = chosen.unsqueeze(-1), positions[:, -1:] + 1
    return _collect(columns, len(rows), stops)


def _collect(columns: list[tuple[Tensor, Tensor]], rows: int, stops: frozenset[int]) -> list[Generated]:
    responses: list[list[int]] = [[] for _ in range(rows)]
    finished = [False] * rows
    for indices, chosen in columns:
        for row, token in zip(indices.tolist(), chosen.tolist(), strict=True):
            if token in stops:
                finished[row] = True
            else:
                responses[row].append(token)
    return [Generated(tuple(ids), done) for ids, done in zip(responses, finished, strict=True)]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; on a CPU torch says so in a plain RuntimeError's message."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def in_batches(
    lengths: Sequence[int],
    batch_rows: int,
    run: Callable[[list[int]], None],
    on_halved: Callable[[int], None] | None = None,
) -> int:
    """Run row indices in batches of at most `batch_rows`, longest rows first, and count the calls that succeeded.

    Sorting by length keeps padding small and lets the batch that needs most memory come first. When a batch runs out
    of memory the batch size is halved (`on_halved` is told the new size) and the batch is tried again; a single row
    that does not fit raises the out-of-memory error.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start, calls = 0, 0
    while start < len(order):
        batch = order[start : start + batch_rows]
        try:
            run(batch)
        except (RuntimeError, MemoryError) as error:
            if len(batch) == 1 or not is_out_of_memory(error):
                raise
            batch_rows = max(1, len(batch) // 2)
            if on_halved is not None:
                on_halved(batch_rows)
            continue
        start += len(batch)
        calls += 1
    return calls
