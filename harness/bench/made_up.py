"""Decoders of true size with random weights, and random prompts for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness.models.architecture import GEMMA2_2B, GEMMA3_1B, GEMMA3_4B, LLAMA3_8B, QWEN3_4B, Architecture
from harness.models.attention import register
from harness.models.decoder import Decoder, wrap

SHAPES = {
    "gemma3-4b": GEMMA3_4B,
    "gemma3-1b": GEMMA3_1B,
    "gemma2-2b": GEMMA2_2B,
    "llama3-8b": LLAMA3_8B,
    "qwen3-4b": QWEN3_4B,
    # For tests, and for a first look at a machine.
    "tiny-gemma3": Architecture("gemma3", 6, 64, 4, 2, 16, 96, 512, True, sliding_window=32, local_blocks=5),
    "tiny-gemma2": Architecture("gemma2", 4, 64, 4, 2, 16, 96, 512, True, sliding_window=32, local_blocks=2),
    "tiny-llama": Architecture("llama", 4, 64, 4, 2, 16, 96, 512, False),
    "tiny-qwen3": Architecture("qwen3", 4, 64, 4, 2, 32, 96, 512, True),
}


class NoTokenizer:
    """Stands where a tokenizer would: token ids are made up, and nothing is read."""

    pad_token_id = 0
    bos_token_id = eos_token_id = chat_template = None


def config_of(architecture: Architecture) -> Any:
    """A transformers configuration of these sizes, with the family's own order of local and global blocks."""
    import transformers

    kind = {
        "gemma2": transformers.Gemma2Config,
        "gemma3": transformers.Gemma3TextConfig,
        "llama": transformers.LlamaConfig,
        "qwen3": transformers.Qwen3Config,
    }[architecture.family]
    sizes: dict[str, Any] = {
        "vocab_size": architecture.vocabulary,
        "hidden_size": architecture.width,
        "intermediate_size": architecture.intermediate,
        "num_hidden_layers": architecture.blocks,
        "num_attention_heads": architecture.heads,
        "num_key_value_heads": architecture.kv_heads,
        "head_dim": architecture.head_dim,
        "tie_word_embeddings": architecture.tied,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    if architecture.sliding_window is not None:
        sizes["sliding_window"] = architecture.sliding_window
    return kind(**sizes)


def build(name: str, architecture: Architecture, dtype: str, device: str) -> Decoder:
    """A decoder of random weights, made in place on the device, in its number format from the start.

    Its one stop token lies outside the vocabulary, so that finished rows are looked for and none is ever found.
    """
    from transformers import AutoModelForCausalLM

    config = config_of(architecture)
    attention = register() if getattr(config, "attn_logit_softcapping", None) else "sdpa"
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, dtype), attn_implementation=attention, trust_remote_code=False
        )
    model.to_empty(device=device)
    model.tie_weights()  # allocation parted what is tied; joined again before anything is drawn, it is held once
    torch.manual_seed(0)
    # The library's own: normal matrices, norms that change nothing, and the buffers that are no weights (rotations,
    # Gemma's embedding scale), which hold garbage until then.
    model.init_weights()
    model.eval().requires_grad_(False)
    return replace(wrap(name, model, NoTokenizer()), stop_ids=frozenset([architecture.vocabulary]))


def made_up_prompts(count: int, vocabulary: int, seed: int, mean: int = 40) -> list[tuple[int, ...]]:
    """Random token ids, about `mean` a prompt (normal with a standard deviation of a quarter of it)."""
    generator = np.random.default_rng(seed)
    lengths = np.clip(np.rint(generator.normal(mean, mean / 4, count)), max(1, 0.4 * mean), 2 * mean).astype(int)
    return [tuple(generator.integers(1, vocabulary, length).tolist()) for length in lengths]
