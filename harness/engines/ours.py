"""This project's own engine: `harness.decoding.steering`, on which the claims rest."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.decoding.generation import left_pad, position_ids
from harness.decoding.steering import Row, RowSteering, steer
from harness.engines.batches import unpadded
from harness.engines.protocol import NotSupported, Prompts, States, Steering
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks


def rows_of(prompts: Prompts, steering: Steering | None) -> list[Row]:
    """One row a prompt, all steered alike."""
    if steering is None:
        return [Row(tuple(prompt)) for prompt in prompts]
    return [Row(tuple(prompt), steering.vector, steering.coefficient, steering.block) for prompt in prompts]


class OurEngine:
    """`steer` and its hooks. It always decodes with a cache."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """As `Engine` says."""
        if not cache:
            raise NotSupported("our engine has no option to decode without a KV cache.")
        positions = "all" if steering is None else steering.positions
        rows = rows_of(prompts, steering)
        found = steer(self._decoder, rows, max_new_tokens, batch_rows=len(rows), positions=positions)
        return [list(one.ids) for one in found.responses]

    @torch.inference_mode()
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        """As `Engine` says."""
        ids, mask = left_pad(prompts, self._decoder.pad_id, self._decoder.device)
        steered = RowSteering(rows_of(prompts, steering), self._decoder)
        steered.positions(mask, prompt=True)
        seen: dict[int, Tensor] = {}
        with steered.on(self._decoder.blocks), recorded_blocks(self._decoder.blocks, seen.__setitem__):
            self._decoder.model(
                input_ids=ids, attention_mask=mask.long(), position_ids=position_ids(mask), use_cache=False
            )
        return unpadded(seen[block], prompts)
