"""What this project's engine says and passes on, and whether an answer of another engine is as good as that."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.decoding.steering import RowSteering
from harness.engines.ours import OurEngine, rows_of
from harness.engines.protocol import Prompts, States, Steering
from harness.models.decoder import Decoder, find_blocks
from harness.models.hooks import recorded_blocks

# By how much a logit may lie below the largest and count as a tie, because sums in another order move it. On SmolLM2
# the tokens of our own engine, which decodes with a cache, lie 0 below in float32, and up to 0.25 in bfloat16.
TIE = {torch.float32: 1e-3, torch.bfloat16: 0.5}


def copied(decoder: Decoder, dtype: torch.dtype | None = None) -> Decoder:
    """A decoder around a copy of the model, in another number format if one is named."""
    model = copy.deepcopy(decoder.model).to(dtype or decoder.model.dtype)
    return replace(decoder, model=model, blocks=find_blocks(model))


class Reference:
    """A decoder that no other engine touches, read by this project's hooks, every prompt alone and without a cache."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self._engine = OurEngine(decoder)
        self._unsteered: dict[tuple[int, ...], States] = {}

    def answers(self, prompts: Prompts, steering: Steering | None, max_new_tokens: int) -> list[list[int]]:
        """What this project's engine says, all prompts in one batch."""
        return self._engine.generate(prompts, steering, max_new_tokens)

    def states(self, prompt: Sequence[int], steering: Steering | None) -> States:
        """What every block passes on at every token of a prompt, float32, one array a block."""
        if steering is not None:
            return self._read(prompt, (), steering)[1]
        if tuple(prompt) not in self._unsteered:
            self._unsteered[tuple(prompt)] = self._read(prompt, (), None)[1]
        return self._unsteered[tuple(prompt)]

    def objection(
        self, prompt: Sequence[int], answer: Sequence[int], steering: Steering | None, max_new_tokens: int
    ) -> str:
        """Where an answer is not what this project's engine says, and what was expected; empty where it is.

        The answer is read whole: each of its tokens, and its end before `max_new_tokens`, must have the largest logit,
        or one that no arithmetic in the model's number format tells apart from that.
        """
        logits = self._read(prompt, answer, steering)[0]
        stops = sorted(self.decoder.stop_ids)
        for place in range(min(len(answer) + 1, max_new_tokens)):
            scores = logits[place]
            said = [answer[place]] if place < len(answer) else stops
            best = int(scores.argmax())
            gap = float(scores[best] - scores[said].max()) if said else np.inf
            if not gap <= TIE[self.decoder.model.dtype]:
                came = f"{said[0]} came" if place < len(answer) else "the answer ended"
                expected = "its end" if best in stops else str(best)
                return f"at token {place} {came} and {expected} was expected, a logit {gap:.3g} higher"
        if len(answer) > max_new_tokens or any(token in stops for token in answer):
            return f"{len(answer)} tokens came, of which {max_new_tokens} at most and no stop token were expected"
        return ""

    @torch.inference_mode()
    def _read(
        self, prompt: Sequence[int], answer: Sequence[int], steering: Steering | None
    ) -> tuple[Float[Tensor, "answer vocabulary"], States]:
        """Logits of every token of an answer and of what follows it, and all block outputs, of one pass."""
        ids = torch.tensor([[*prompt, *answer]], device=self.decoder.device)
        rows = rows_of([ids[0].tolist()], steering)
        steered = RowSteering(rows, self.decoder)
        active = torch.ones_like(ids, dtype=torch.bool)
        if steering is not None and steering.positions == "response":
            active[:, : len(prompt)] = False
        steered.positions(active, prompt=False)
        states: States = []
        with (
            steered.on(self.decoder.blocks),
            recorded_blocks(self.decoder.blocks, lambda _, stream: states.append(stream[0].float().cpu().numpy())),
        ):
            output = self.decoder.model(
                input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, logits_to_keep=len(answer) + 1
            )
        return output.logits[0].float(), states
