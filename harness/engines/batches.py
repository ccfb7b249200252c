"""Prompts as the padded batch that transformers takes, and what comes back as answers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.decoding.generation import left_pad
from harness.engines.protocol import Prompts, States, Steering
from harness.models.decoder import Decoder


def padded(decoder: Decoder, prompts: Prompts) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, both int64 [rows, positions], padded on the left."""
    ids, mask = left_pad(prompts, decoder.pad_id, decoder.device)
    return {"input_ids": ids, "attention_mask": mask.long()}


def greedily(decoder: Decoder, max_new_tokens: int, cache: bool) -> dict[str, Any]:
    """The options of `generate` that make it greedy, and let it stop where this project's engine does."""
    return {
        "max_new_tokens": max_new_tokens,
        "do_sample": False,
        "use_cache": cache,
        "eos_token_id": sorted(decoder.stop_ids),
        "pad_token_id": decoder.pad_id,
    }


def answers(decoder: Decoder, sequences: Tensor, length: int) -> list[list[int]]:
    """Answers in what `generate` returns, int64 [rows, positions]: behind the prompt, before a stop token."""
    found = []
    for row in sequences[:, length:].tolist():
        end = next((place for place, token in enumerate(row) if token in decoder.stop_ids), len(row))
        found.append(row[:end])
    return found


def unpadded(outputs: Tensor, prompts: Prompts) -> States:
    """The block outputs of every prompt's own tokens, of [rows, positions, hidden] padded on the left."""
    return [output[-len(prompt) :].float().cpu().numpy() for output, prompt in zip(outputs, prompts, strict=True)]


def added(decoder: Decoder, steering: Steering) -> Tensor:
    """Coefficient x vector, [hidden] in the model's number format and on its device."""
    return (torch.from_numpy(steering.vector) * steering.coefficient).to(decoder.device, decoder.model.dtype)
