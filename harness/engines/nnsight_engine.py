"""The library nnsight: edits of a block's output inside `generate` and `trace` of a `TransformersModel`."""

from __future__ import annotations

import warnings
from functools import reduce
from typing import Any

import torch

from harness.engines.batches import added, answers, greedily, padded, unpadded
from harness.engines.protocol import Prompts, States, Steering
from harness.models.decoder import Decoder


class NnsightEngine:
    """Used as its README does: `blocks[n].output` is edited in place, at the steps that `tracer.iter` selects.

    What follows an open loop over steps never runs, so the answer is read in an `invoke` of its own. Every such loop
    ends with a warning that says so, which is left out here.
    """

    def __init__(self, decoder: Decoder) -> None:
        import nnsight

        self._decoder = decoder
        self._model = nnsight.TransformersModel(decoder.model, tokenizer=decoder.tokenizer)
        path = next(name for name, module in decoder.model.named_modules() if module is decoder.blocks)
        self._blocks: Any = reduce(getattr, path.split("."), self._model)

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """As `Engine` says."""
        model, blocks = self._model, self._blocks
        batch = padded(self._decoder, prompts)
        length = batch["input_ids"].shape[1]
        options = greedily(self._decoder, max_new_tokens, cache)
        if steering is None:
            with model.generate(batch, **options) as tracer:
                found = tracer.result.save()
            return answers(self._decoder, found, length)
        vector, block = added(self._decoder, steering), steering.block
        response = steering.positions == "response"
        # With a cache every step but the first is fed one response token; without, prompts are read at every step.
        step, place = (int(response), 0) if cache else (0, length * response)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*was never reached", category=UserWarning)
            with model.generate(**options) as tracer:
                with tracer.invoke(batch):
                    for _ in tracer.iter[step:]:
                        blocks[block].output[:, place:] += vector
                with tracer.invoke():
                    found = tracer.result.save()
        return answers(self._decoder, found, length)

    @torch.inference_mode()
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        """As `Engine` says."""
        model, blocks = self._model, self._blocks
        batch = padded(self._decoder, prompts)
        edits = {} if steering is None else {steering.block: added(self._decoder, steering)}
        with model.trace(batch, use_cache=False):
            for number in sorted({*edits, block}):  # in the order in which they run
                if number in edits:
                    blocks[number].output[:] += edits[number]
                if number == block:
                    seen = blocks[number].output.save()
        return unpadded(seen, prompts)
