"""The library repeng: a `ControlModel` with a `ControlVector` around `generate`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from harness.engines.batches import answers, greedily, padded
from harness.engines.protocol import NotSupported, Prompts, States, Steering
from harness.models.decoder import Decoder


def _library() -> Any:
    """The library, whose annotations name a type of NumPy 1, as its metadata ask for; it is there for the import."""
    if hasattr(np, "float_"):
        return import_module("repeng")
    setattr(np, "float_", np.float64)  # noqa: B010  (NumPy's own types do not know the name)
    try:
        return import_module("repeng")
    finally:
        delattr(np, "float_")


class RepengEngine:
    """Used as its README does: `ControlModel(model, layers)`, `set_control(vector, coefficient)`, `generate`.

    A `ControlModel` replaces blocks of the model; `unwrap` puts them back, here after every call. The README has
    `set_control` take effect at every token: there is no option for positions. It shows no block outputs either: it
    reads them, at the last token of texts, only where it trains a vector.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._library, self._decoder = _library(), decoder

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """As `Engine` says."""
        batch = padded(self._decoder, prompts)
        length = batch["input_ids"].shape[1]
        options = greedily(self._decoder, max_new_tokens, cache)
        if steering is None:
            return answers(self._decoder, self._decoder.model.generate(**batch, **options), length)
        if steering.positions == "response":
            raise NotSupported("repeng adds its vector at every token: it has no option for positions.")
        kind = self._decoder.model.config.model_type
        vector = self._library.ControlVector(model_type=kind, directions={steering.block: steering.vector})
        controlled = self._library.ControlModel(self._decoder.model, [steering.block])
        try:
            controlled.set_control(vector, steering.coefficient)
            found = controlled.generate(**batch, **options)
        finally:
            controlled.unwrap()
        return answers(self._decoder, found, length)

    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:  # noqa: ARG002
        """Raises NotSupported."""
        raise NotSupported("repeng shows no block outputs: it reads them only where it trains a vector.")
