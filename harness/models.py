"""Loads a decoder and finds its blocks, width and special tokens, whatever its architecture."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn


class ModelError(RuntimeError):
    """A model cannot be loaded or used as a decoder; the message says which and what to do."""


@dataclass(frozen=True)
class Decoder:
    """A loaded language model with what steering needs to know of it.

    `blocks` are the decoder blocks in order; `width` is the size of the residual stream;
    `stop_ids` end a response; `pad_id` fills rows on the left.
    """

    name: str
    model: Any
    tokenizer: Any
    blocks: nn.ModuleList
    width: int
    pad_id: int
    stop_ids: frozenset[int]

    @property
    def device(self) -> torch.device:
        """Where the inputs of the model go."""
        device: torch.device = self.model.device
        return device

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, opened by exactly one `<bos>` where the tokenizer has one."""
        ids = list(self.tokenizer(text, add_special_tokens=True)["input_ids"])
        bos = self.tokenizer.bos_token_id
        return ids if bos is None or ids[:1] == [bos] else [bos, *ids]

    def encode_question(self, question: str) -> list[int]:
        """Token ids of one user turn in the chat template, ready for the model's turn."""
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
        )
        ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        bos = self.tokenizer.bos_token_id
        if bos is not None and ids.count(bos) != 1:
            raise ModelError(
                f"{self.name}: the chat template gives {ids.count(bos)} <bos> tokens; exactly one is expected."
            )
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of response tokens, special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))


def load_decoder(folder: Path | str, name: str, dtype: str = "float32", device: str = "cpu") -> Decoder:
    """Load safetensors weights and the tokenizer beside them, in the number format and on the device named.

    Raises ModelError in one sentence.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    # Our own progress tells what is being loaded; theirs would break the terminal's lines.
    logging.disable_progress_bar()
    if isinstance(folder, Path) and not (folder / "config.json").is_file():
        raise ModelError(f"{name}: no model at {folder}; restore it or train it (see README, organisms).")
    try:
        config = AutoConfig.from_pretrained(folder).get_text_config()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        # The fused kernel leaves out the soft-capping of attention logits that Gemma 2 was trained with.
        attention = "eager" if getattr(config, "attn_logit_softcapping", None) else "sdpa"
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, attn_implementation=attention
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {folder} could not be loaded: {str(error).splitlines()[0]}") from error
    model.to(device).eval().requires_grad_(False)
    return wrap(name, model, tokenizer)


def wrap(name: str, model: Any, tokenizer: Any) -> Decoder:
    """A Decoder around a model that is already in memory."""
    config = model.config.get_text_config()
    stops = model.generation_config.eos_token_id
    stop_ids = frozenset([stops] if isinstance(stops, int) else stops or [])
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(stop_ids, default=0)
    return Decoder(name, model, tokenizer, find_blocks(model), int(config.hidden_size), int(pad), stop_ids)


def find_blocks(model: nn.Module) -> nn.ModuleList:
    """The list of decoder blocks: the outermost ModuleList of the text part with one entry a layer.

    Raises ModelError when there is none.
    """
    depth = model.config.get_text_config().num_hidden_layers  # type: ignore[union-attr, operator]
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth and "vision" not in path:
            return module
    raise ModelError(f"{type(model).__name__}: no list of {depth} decoder blocks was found; it cannot be steered.")


def free_memory() -> None:
    """Return the memory of models that nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
