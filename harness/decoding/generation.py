"""Greedy decoding of a batch of token-id rows, left-padded, dropping rows as they finish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from harness.decoding.cache import give_room
from harness.models.decoder import Decoder, are_finite, cache_name
from harness.models.loadable import ModelError

CHECK_EVERY = 8  # steps between two looks for finished rows where looking makes the host wait for the device
NO_TOKEN = -1  # where NaN or infinite logits choose none
REMEDY = "run in float32 or bfloat16 (float16 overflows on massive activations)"


class BadActivations(RuntimeError):
    """Activations or logits are NaN or infinite; the message names the block and the rows.

    `rows` are the numbers of these rows, `responses` those of the others, by number.
    """

    def __init__(
        self, message: str, rows: Sequence[int] = (), responses: Mapping[int, Generated] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.rows, self.responses = tuple(rows), responses


class RowWatcher(Protocol):
    """Something that follows the rows of a batch through decoding, such as steering hooks."""

    def positions(self, active: Bool[Tensor, "rows positions"], prompt: bool) -> None:
        """Called before each forward pass with its positions that are neither padding nor after a stop token begins."""

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


def usual_pace(device: torch.device) -> int:
    """Steps between two looks for finished rows: looking costs nothing on a CPU, elsewhere the host has to wait."""
    return 1 if device.type == "cpu" else CHECK_EVERY


@torch.inference_mode()
def greedy(
    decoder: Decoder,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    stop_ids: frozenset[int] | None = None,
    watcher: RowWatcher | None = None,
    check_every: int | None = None,
    feed_last: bool = False,
) -> list[Generated]:
    """Continue every row greedily by at most `max_new_tokens` tokens, in one batch.

    `stop_ids` default to the decoder's own; an empty set generates exactly `max_new_tokens` tokens.
    Finished rows are looked for and dropped every `check_every` steps (None: every step on a CPU, every 8 elsewhere,
    because the host has to wait for the device to look); what a row says after its stop token is cut off, so that the
    result is the same for every value (up to floating-point order). A cache that rows cannot be taken out of keeps them
    to the end. The order of the results is the order of the rows.
    With `feed_last` the last token is fed back like all before it, in one more pass that chooses nothing: so a watcher
    has seen every response token go through the blocks.
    Raises ValueError for a `check_every` below 1, ModelError for a row that the model's context has no room for, and,
    when all other rows are finished, BadActivations for rows whose logits choose no token.
    """
    if check_every is None:
        check_every = usual_pace(decoder.device)
    if check_every < 1:
        raise ValueError(f"check_every is {check_every}; look for finished rows every step (1) or more rarely.")
    longest = max(map(len, rows))
    if decoder.context is not None and longest + max_new_tokens > decoder.context:
        raise ModelError(
            f"{decoder.name}: a prompt of {longest} tokens and {max_new_tokens} new ones do not fit into its context "
            f"of {decoder.context} (max_position_embeddings); take a model with a longer one."
        )
    stops = decoder.stop_ids if stop_ids is None else stop_ids
    stop_tensor = torch.tensor(sorted(stops), dtype=torch.long, device=decoder.device)
    ids, mask = left_pad(rows, decoder.pad_id, decoder.device)
    alive = torch.arange(len(rows), device=decoder.device)  # original index of each row still in the batch
    done = torch.zeros_like(alive, dtype=torch.bool)  # which of them met a stop token, looked at by nobody yet
    columns: list[tuple[Tensor, Tensor]] = []  # (original rows, their next token), one entry a step
    cache, named = None, cache_name(decoder.model)
    tokens, positions = ids, position_ids(mask)
    for step in range(max_new_tokens + feed_last):
        if watcher is not None:
            watcher.positions(mask if step == 0 else ~done.unsqueeze(-1), step == 0)
        output = decoder.model(
            input_ids=tokens,
            attention_mask=mask.long(),
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{named: cache},
        )
        if step == max_new_tokens:
            break
        cache = output[named]
        if step == 0:
            give_room(cache, ids.shape[1] + max_new_tokens)
        chosen, valid = output.logits[:, -1].argmax(dim=-1), are_finite(output.logits[:, -1])
        columns.append((alive, chosen.where(valid, NO_TOKEN)))
        if stops:
            done = done | torch.isin(chosen, stop_tensor) | ~valid
        if stops and (step + 1) % check_every == 0:
            keep = (~done).nonzero().squeeze(-1)  # the host waits for the device here
            if len(keep) == 0:
                break
            if len(keep) < len(alive) and decoder.manner.drops:
                # Indices on the CPU fit the cache of every device that the blocks may be spread over.
                cache.batch_select_indices(keep.cpu() if decoder.is_spread else keep)
                alive, chosen, mask, positions = alive[keep], chosen[keep], mask[keep], positions[keep]
                done = done[keep]
                if watcher is not None:
                    watcher.keep(keep)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        tokens, positions = chosen.unsqueeze(-1), positions[:, -1:] + 1
    responses, bad = _collect(columns, len(rows), stops)
    if bad:
        message = (
            f"{decoder.name}: NaN or infinite logits in {len(bad)} of {len(rows)} rows, first row {bad[0]}; {REMEDY}."
        )
        raise BadActivations(message, bad, {row: one for row, one in enumerate(responses) if row not in bad})
    return responses


def _collect(
    columns: list[tuple[Tensor, Tensor]], rows: int, stops: frozenset[int]
) -> tuple[list[Generated], list[int]]:
    """Each row's tokens up to its stop token, and the rows whose logits chose no token before it.

    What a row says after its stop token was only not dropped yet.
    """
    responses: list[list[int]] = [[] for _ in range(rows)]
    finished = [False] * rows
    bad: list[int] = []
    if not columns:
        return [Generated((), False) for _ in range(rows)], []
    # One transfer from the device for all steps.
    indices, tokens = (torch.cat(parts).tolist() for parts in zip(*columns, strict=True))
    for row, token in zip(indices, tokens, strict=True):
        if finished[row]:
            continue
        if token == NO_TOKEN:
            bad.append(row)
        if token in stops or token == NO_TOKEN:
            finished[row] = True
        else:
            responses[row].append(token)
    return [Generated(tuple(ids), done) for ids, done in zip(responses, finished, strict=True)], sorted(bad)
