"""What an engine is to a check: it generates steered tokens and captures block outputs, by token ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float

from harness.models.decoder import Decoder

Prompts: TypeAlias = Sequence[Sequence[int]]
States: TypeAlias = list[Float[np.ndarray, "positions hidden"]]


class NotSupported(Exception):
    """An engine's library has no such option; the message is a sentence that says so."""


@dataclass(frozen=True)
class Steering:
    """`coefficient` x `vector`, added to what one block passes on.

    `vector` is float32 [hidden]. Block 0 is the first decoder block; what it passes on is `hidden_states[block + 1]`
    of transformers. `positions` "all" are those of prompt and response, "response" those of the generated tokens alone
    as they are fed back.
    """

    vector: Float[np.ndarray, " hidden"]
    block: int
    coefficient: float
    positions: Literal["all", "response"] = "all"


class Engine(Protocol):
    """Something that steers the model of a decoder, which it may change while it is at work and never afterwards."""

    def __init__(self, decoder: Decoder) -> None:
        """Make ready to steer this model. Raises ImportError where the engine's library is not installed."""

    def generate(
        self, prompts: Prompts, steering: Steering | None, max_new_tokens: int, *, cache: bool = True
    ) -> list[list[int]]:
        """Greedy answers to all prompts in one batch: token ids without the stop token, in the order of the prompts.

        `cache` False reads the whole text again for every token. Raises NotSupported for what the engine cannot do, and
        any exception of its own for a block or vector that does not fit the model.
        """

    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        """What a block passes on at every token of all prompts, read in one batch: float32 without padding.

        The vector of a `steering` is there already where it is added to the same block. Raises as `generate` does.
        """
