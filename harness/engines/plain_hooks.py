"""Plain forward hooks of PyTorch around `generate` of transformers, as most scripts steer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.engines.batches import added, answers, greedily, padded, unpadded
from harness.engines.protocol import Prompts, States, Steering
from harness.models.decoder import Decoder
from harness.models.hooks import residual


class HooksEngine:
    """A hook on the block adds the vector to what the block passes on, padding included, which nothing attends to."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """As `Engine` says."""
        batch = padded(self._decoder, prompts)
        length = batch["input_ids"].shape[1]
        with self._steered(steering, length, cache):
            found = self._decoder.model.generate(**batch, **greedily(self._decoder, max_new_tokens, cache))
        return answers(self._decoder, found, length)

    @torch.inference_mode()
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        """As `Engine` says."""
        batch = padded(self._decoder, prompts)
        seen: list[Tensor] = []
        with self._steered(steering, batch["input_ids"].shape[1], cache=False):
            handle = self._decoder.blocks[block].register_forward_hook(lambda *call: seen.append(residual(call[-1])))
            try:
                self._decoder.model(**batch, use_cache=False)
            finally:
                handle.remove()
        return unpadded(seen[0], prompts)

    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        """Steer while the context lasts, prompts being `length` tokens long with their padding."""
        if steering is None:
            yield
            return
        vector = added(self._decoder, steering)
        first = length if steering.positions == "response" else 0
        read = 0  # positions in the cache

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            nonlocal read
            stream = residual(output).clone()
            stream[:, max(first - read, 0) :] += vector
            read += stream.shape[1] if cache else 0
            return (stream, *output[1:]) if isinstance(output, tuple) else stream

        handle = self._decoder.blocks[steering.block].register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
