"""Reads responses through a frozen decoder: what a block passes on, averaged over the response's tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.decoding.generation import REMEDY, BadActivations
from harness.models.decoder import Decoder, cache_name
from harness.models.hooks import residual
from harness.models.memory import in_batches

Ids = tuple[int, ...]


class _Read(Exception):
    """Every block that is wanted has been seen: the rest of the pass would change nothing."""


def mean_states(
    decoder: Decoder, exchanges: Sequence[tuple[Ids, Ids]], blocks: Sequence[int], batch_rows: int = 64
) -> Float[np.ndarray, "exchanges blocks hidden"]:
    """Block outputs averaged over response tokens, of (prompt, response) token ids, float32.

    Every distinct prompt is read once and every distinct exchange once; blocks above the highest of `blocks` are not
    run on responses. NaN for a response of no token, and for an exchange that is longer than the model's context.
    Raises BadActivations, when all have been read, with the places of exchanges that give NaN or infinity.
    """
    readable = [
        (prompt, response)
        for prompt, response in dict.fromkeys(exchanges)
        if response and (decoder.context is None or len(prompt) + len(response) <= decoder.context)
    ]
    by_prompt: dict[Ids, list[Ids]] = {}
    for prompt, response in readable:
        by_prompt.setdefault(prompt, []).append(response)
    found: dict[tuple[Ids, Ids], np.ndarray] = {}
    for prompt, responses in by_prompt.items():
        cache = _prompt_cache(decoder, prompt) if decoder.manner.continues else None

        def run(batch: list[int], prompt: Ids = prompt, responses: list[Ids] = responses, cache: Any = cache) -> None:
            chosen = [responses[index] for index in batch]
            for response, mean in zip(chosen, _read(decoder, cache, prompt, chosen, blocks), strict=True):
                found[prompt, response] = mean

        in_batches([len(response) for response in responses], decoder.together(batch_rows), run)
    bad = {exchange for exchange, mean in found.items() if not np.isfinite(mean).all()}
    if places := [place for place, exchange in enumerate(exchanges) if exchange in bad]:
        block = blocks[int(np.argmin(np.isfinite(found[exchanges[places[0]]]).all(axis=-1)))]
        what = f"in {len(places)} of {len(exchanges)} exchanges, first exchange {places[0]}"
        raise BadActivations(f"{decoder.name}: block {block}: NaN or infinite activations {what}; {REMEDY}.", places)
    unread = np.full((len(blocks), decoder.width), np.nan, np.float32)
    return np.stack([found.get(exchange, unread) for exchange in exchanges])


@torch.inference_mode()
def _prompt_cache(decoder: Decoder, prompt: Ids) -> Any:
    """Keys and values of one prompt, one row; in the kind of cache that the model itself makes."""
    ids = torch.tensor([prompt], dtype=torch.long, device=decoder.device)
    output = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True, logits_to_keep=1)
    return getattr(output, cache_name(decoder.model))


@torch.inference_mode()
def _read(
    decoder: Decoder, prompt_cache: Any, prompt: Ids, responses: Sequence[Ids], blocks: Sequence[int]
) -> Float[np.ndarray, "rows blocks hidden"]:
    """One pass over responses that follow one prompt, whose cache is given; without one, prompt and response are read
    whole.

    They are padded on the right, so that no real token sees padding, which the mask nevertheless admits: a position
    that sees nothing would turn into NaN.
    """
    cached: dict[str, Any] = {}
    if prompt_cache is not None:
        cache = copy.deepcopy(prompt_cache)
        cache.batch_repeat_interleave(len(responses))
        cached = {cache_name(decoder.model): cache}
    opening, start = ((), len(prompt)) if cached else (prompt, 0)
    longest = len(opening) + max(map(len, responses))
    ids = torch.full((len(responses), longest), decoder.pad_id, dtype=torch.long)
    real = torch.zeros((len(responses), longest), dtype=torch.float32)
    for row, response in enumerate(responses):
        end = len(opening) + len(response)
        ids[row, :end] = torch.tensor((*opening, *response), dtype=torch.long)
        real[row, len(opening) : end] = 1.0 / len(response)
    means = torch.zeros(len(responses), len(blocks), decoder.width)
    with stopped_after(decoder.blocks, blocks, lambda place, stream: means[:, place].copy_(_mean(stream, real))):
        decoder.model(
            input_ids=ids.to(decoder.device),
            attention_mask=torch.ones((len(responses), start + longest), dtype=torch.long, device=decoder.device),
            position_ids=torch.arange(start, start + longest, device=decoder.device).expand(len(responses), -1),
            use_cache=bool(cached),
            logits_to_keep=1,
            **cached,
        )
    return means.numpy()


def _mean(stream: Float[Tensor, "rows tokens hidden"], shares: Float[Tensor, "rows tokens"]) -> Tensor:
    """The mean over real tokens, each counting its share, in float32 whatever the weights are in."""
    return torch.einsum("rth,rt->rh", stream.float(), shares.to(stream.device)).cpu()


@contextmanager
def stopped_after(blocks: nn.ModuleList, wanted: Sequence[int], record: Any) -> Iterator[None]:
    """While it lasts, call `record(place in wanted, residual stream)` for these blocks, and end the pass after the last
    of them; removes its own hooks, also after an error."""
    handles = []
    highest = max(wanted)

    def watch(block: int) -> Any:
        places = [place for place, one in enumerate(wanted) if one == block]

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            for place in places:
                record(place, residual(output))
            if block == highest:
                raise _Read

        return hook

    try:
        for block in {*wanted}:
            handles.append(blocks[block].register_forward_hook(watch(block)))
        yield
    except _Read:
        pass
    finally:
        for handle in handles:
            handle.remove()
