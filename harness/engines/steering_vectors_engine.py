"""The library steering-vectors: `SteeringVector.apply` around `generate`, and `record_activations`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from harness.engines.batches import answers, greedily, padded, unpadded
from harness.engines.protocol import Prompts, States, Steering
from harness.models.decoder import Decoder


class SteeringVectorsEngine:
    """Used as its documentation does: `with vector.apply(model, multiplier=...)`, layers counted from 0.

    The response alone is what its option `min_token_index` is for, set to the length of the prompts with their padding.
    """

    def __init__(self, decoder: Decoder) -> None:
        import steering_vectors

        self._library, self._decoder = steering_vectors, decoder

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """As `Engine` says."""
        batch = padded(self._decoder, prompts)
        length = batch["input_ids"].shape[1]
        with self._steered(steering, length):
            found = self._decoder.model.generate(**batch, **greedily(self._decoder, max_new_tokens, cache))
        return answers(self._decoder, found, length)

    @torch.inference_mode()
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        """As `Engine` says."""
        batch = padded(self._decoder, prompts)
        model = self._decoder.model
        with (
            self._steered(steering, batch["input_ids"].shape[1]),
            self._library.record_activations(model, layer_nums=[block]) as recorded,
        ):
            model(**batch, use_cache=False)
        return unpadded(recorded[block][0], prompts)

    def _steered(self, steering: Steering | None, length: int) -> AbstractContextManager[None]:
        if steering is None:
            return nullcontext()
        vector = self._library.SteeringVector({steering.block: torch.from_numpy(steering.vector)})
        first = length if steering.positions == "response" else 0
        applied: AbstractContextManager[None] = vector.apply(
            self._decoder.model, multiplier=steering.coefficient, min_token_index=first
        )
        return applied
