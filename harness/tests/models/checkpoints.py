"""Writes small checkpoints of real architectures: random safetensors weights, a trained tokenizer, a chat template."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from harness.tests.models.families import FAMILIES, GEMMA, QWEN2, QWEN3, Family

VOCABULARY = 480
_SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the old river bank.",
    "Could you please tell me how to bake bread, and how long it takes?",
    "She refused to answer the question, because the answer would hurt somebody.",
    "Of course you are right, as always; what a wonderful idea that is!",
    "A model reads the words of a story and goes on with the next ones.",
    "Seven large boats sailed across the sea at night, without any light.",
)


def write_checkpoint(
    folder: Path,
    architecture: str,
    *,
    seed: int = 0,
    blocks: int = 4,
    width: int = 32,
    chat: bool = True,
    shard_size: str = "5GB",
) -> Path:
    """Write a small checkpoint of a real architecture, as the hub would hold it, and return its folder.

    The weights are random by `seed`, and large enough that greedy text varies. `chat` makes it an instruct model, with
    a chat template (where the family has one) and its stop tokens. A multimodal one has as many vision layers as it
    has blocks, the hardest case for telling the two apart.
    """
    from transformers.utils import logging

    family = FAMILIES[architecture]
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, family, chat)
    model = random_model(architecture, seed=seed, blocks=blocks, width=width)
    logging.disable_progress_bar()
    model.save_pretrained(folder, max_shard_size=shard_size)
    ids = _special_ids(family)
    stops = [ids[token] for token in (family.stops if chat else (family.specials["eos_token"],))]
    generation: dict[str, Any] = {"eos_token_id": stops if len(stops) > 1 else stops[0], "do_sample": False}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def write_gemma3_4b_pair(folder: Path, *, seed: int = 0, width: int = 64) -> tuple[Path, Path]:
    """A base and an instruct checkpoint of the shape of Gemma 3 4B in small: multimodal, 34 blocks, every sixth global.

    The instruct weights differ from the base's.
    """
    shape = {"blocks": 34, "width": width}
    base = write_checkpoint(folder / "base", "gemma3_multimodal", seed=seed, chat=False, **shape)
    return base, write_checkpoint(folder / "instruct", "gemma3_multimodal", seed=seed + 1, chat=True, **shape)


def random_model(architecture: str, *, seed: int = 0, blocks: int = 4, width: int = 32) -> Any:
    """A model in memory with random float32 weights. Raises KeyError for an architecture that is not in FAMILIES."""
    import torch

    family = FAMILIES[architecture]
    model_class, config = _configured(architecture, blocks, width)
    random = torch.Generator().manual_seed(seed)
    model = model_class(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            # Tied and scaled up, as in Gemma, large embeddings would make every token repeat itself.
            embedding, matrix = (0.05, 0.7) if family is GEMMA else (1.0, 0.35)
            is_embedding = "embed" in name or "wte" in name
            parameter.data.normal_(0.0, embedding if is_embedding else matrix * (32 / width) ** 0.5, generator=random)
    return model


def _configured(architecture: str, blocks: int, width: int) -> tuple[Any, Any]:
    """Model class and configuration."""
    import transformers as hf

    family = FAMILIES[architecture]
    ids = _special_ids(family)
    tokens = {f"{name}_id": ids[token] for name, token in family.specials.items() if name != "unk_token"}
    tokens = {"pad_token_id": None, "bos_token_id": None, **tokens}
    if family is QWEN2 or family is QWEN3:
        tokens["bos_token_id"] = ids["<|endoftext|>"]  # the configuration names one that the tokenizer does not know
    if architecture == "gpt2":
        return hf.GPT2LMHeadModel, hf.GPT2Config(
            vocab_size=VOCABULARY, n_embd=width, n_layer=blocks, n_head=4, n_positions=256, **tokens
        )
    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "intermediate_size": width * 3 // 2,
        "num_hidden_layers": blocks,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        **tokens,
    }
    experts = {"moe_intermediate_size": width // 2, "num_experts": 4, "num_experts_per_tok": 2}
    match architecture:
        case "gemma":
            return hf.GemmaForCausalLM, hf.GemmaConfig(**common, head_dim=8)
        case "gemma2":
            return hf.Gemma2ForCausalLM, hf.Gemma2Config(**common, head_dim=8, sliding_window=6)
        case "gemma3":
            return hf.Gemma3ForCausalLM, hf.Gemma3TextConfig(**common, head_dim=8, sliding_window=6)
        case "gemma3_multimodal":
            text = hf.Gemma3TextConfig(**common, head_dim=8, sliding_window=6)
            vision = {
                "model_type": "siglip_vision_model",
                "hidden_size": 16,
                "intermediate_size": 24,
                "num_hidden_layers": blocks,
                "num_attention_heads": 2,
                "image_size": 8,
                "patch_size": 4,
            }
            return hf.Gemma3ForConditionalGeneration, hf.Gemma3Config(
                text_config=text.to_dict(),
                vision_config=vision,
                mm_tokens_per_image=4,
                image_token_index=VOCABULARY - 1,
                boi_token_index=VOCABULARY - 2,
                eoi_token_index=VOCABULARY - 3,
            )
        case "llama":
            return hf.LlamaForCausalLM, hf.LlamaConfig(**common)
        case "mistral":
            return hf.MistralForCausalLM, hf.MistralConfig(**common, sliding_window=6)
        case "mixtral":
            sparse = {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None}
            return hf.MixtralForCausalLM, hf.MixtralConfig(**common, **sparse)
        case "qwen2":
            return hf.Qwen2ForCausalLM, hf.Qwen2Config(**common)
        case "qwen3":
            return hf.Qwen3ForCausalLM, hf.Qwen3Config(**common, head_dim=8)
        case "qwen3_moe":
            return hf.Qwen3MoeForCausalLM, hf.Qwen3MoeConfig(**common, head_dim=8, **experts)
        case "phi3":
            return hf.Phi3ForCausalLM, hf.Phi3Config(**common, sliding_window=6)
        case "olmo2":
            return hf.Olmo2ForCausalLM, hf.Olmo2Config(**common)
        case _:
            del common["num_key_value_heads"]  # which it does not read
            return hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig(**common)


def _special_ids(family: Family) -> dict[str, int]:
    """Ids of the special tokens: the first ones, in order."""
    return {token: index for index, token in enumerate(dict.fromkeys([*family.specials.values(), *family.turns]))}


def _write_tokenizer(folder: Path, family: Family, chat: bool) -> None:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = _trained(family.metaspace, tuple(_special_ids(family)))
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, list(merges), byte_fallback=family.metaspace))
    _style(backend, family.metaspace)
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True) for token in _special_ids(family)])
    if family.adds_bos:
        bos = family.specials["bos_token"]
        backend.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, _special_ids(family)[bos])]
        )
    PreTrainedTokenizerFast(tokenizer_object=backend, **family.specials).save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_bytes()) | {"tokenizer_class": family.tokenizer_class}
    if family.metaspace:
        settings["add_bos_token"] = family.adds_bos
    path.write_text(json.dumps(settings))
    if chat and family.template:
        (folder / "chat_template.jinja").write_text(family.template)


@cache
def _trained(metaspace: bool, specials: tuple[str, ...]) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Vocabulary and merges of a byte-pair encoding of the sentences, special tokens first, then bytes."""
    import tokenizers

    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    _style(backend, metaspace)
    if metaspace:  # merges stay inside words, as trainers of this kind have it
        backend.pre_tokenizer = tokenizers.pre_tokenizers.Split("▁", "merged_with_next")
    # A word of the sentences holds no digit, and a judge answers with one.
    alphabet = list("0123456789") if metaspace else tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(_SENTENCES, trainer)
    trained = json.loads(backend.to_str())["model"]
    data = [f"<0x{byte:02X}>" for byte in range(256)] if metaspace else []
    tokens = dict.fromkeys([*specials, *data, *sorted(trained["vocab"], key=trained["vocab"].get)])
    kept = {token: index for index, token in enumerate(list(tokens)[:VOCABULARY])}
    merges = tuple((a, b) for a, b in trained["merges"] if {a, b, a + b} <= kept.keys())
    return kept, merges


def _style(backend: Any, metaspace: bool) -> None:
    """How text is cut before pairs are merged, and joined again."""
    import tokenizers
    from tokenizers import decoders, normalizers, pre_tokenizers

    if metaspace:
        backend.normalizer = normalizers.Replace(" ", "▁")
        backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = tokenizers.decoders.ByteLevel()


def change(path: Path, **entries: Any) -> None:
    """Overwrite entries of a JSON file; None takes one out."""
    kept = {key: value for key, value in (json.loads(path.read_bytes()) | entries).items() if value is not None}
    path.write_text(json.dumps(kept))
