"""Sees that every key and tensor of a GGUF file is in the model that transformers made of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.models.leftovers import is_off, refuse_leftovers, why_harmless
from harness.models.loadable import ModelError

# Where a configuration keeps what a key of the architecture says; of several names the first that it has.
NAMES: Mapping[str, tuple[str, ...]] = {
    "context_length": ("n_ctx", "n_positions", "max_position_embeddings"),
    "block_count": ("num_hidden_layers",),
    "embedding_length": ("hidden_size",),
    "feed_forward_length": ("feed_forward_length", "intermediate_size"),
    "vocab_size": ("vocab_size",),
    "attention.head_count": ("num_attention_heads",),
    "attention.head_count_kv": ("num_key_value_heads", "num_attention_heads"),
    "attention.layer_norm_rms_epsilon": ("rms_norm_eps", "norm_eps", "layer_norm_epsilon"),
    "attention.layer_norm_epsilon": ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"),
    "attn_logit_softcapping": ("attn_logit_softcapping",),
    "final_logit_softcapping": ("final_logit_softcapping",),
    "use_parallel_residual": ("use_parallel_residual",),
    "expert_count": ("num_experts", "num_local_experts"),
    "expert_used_count": ("num_experts_per_tok",),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "expert_weights_norm": ("norm_topk_prob",),
    "expert_weights_scale": ("routed_scaling_factor",),
    "nextn_predict_layers": ("num_nextn_predict_layers",),
    "full_attention_interval": ("full_attention_interval",),
    "shortconv.l_cache": ("conv_L_cache",),
    "ssm.conv_kernel": ("linear_conv_kernel_dim", "conv_kernel"),
    "ssm.state_size": ("linear_key_head_dim", "state_size"),
    "ssm.group_count": ("linear_num_key_heads",),
    "ssm.time_step_rank": ("linear_num_value_heads", "time_step_rank"),
}
# What a key that a file leaves out means, as the format has it.
ABSENT: Mapping[str, object] = {
    "rope.freq_base": 10000.0,
    "rope.scaling.type": "none",
    "attention.sliding_window": 0,
    "tokenizer.ggml.add_space_prefix": True,
}
REQUIRED = (
    *("block_count", "context_length", "embedding_length"),
    *("tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.eos_token_id"),
)
_FREQUENCIES = "rope_freqs.weight"
# How numbers and words are parted before pairs are merged, where transformers has no pattern for it.
PLAIN_SPLITS = ("default", "gpt-2", "mpt", "olmo", "phi-2")
DIGIT_SPLITS = ("smollm", "starcoder", "refact")
# Tokenizers of byte pairs that open a text with <bos> where a file does not say; no other of that kind does.
BOS_SPLITS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "lfm2", "tekken")


def fields_of(reader: Any) -> dict[str, Any]:
    """The keys of a GGUF file with their values; of a list of texts only how many they are."""
    from gguf import GGUFValueType

    long = [GGUFValueType.ARRAY, GGUFValueType.STRING]
    return {
        key: len(field.data) if list(field.types) == long else field.contents() for key, field in reader.fields.items()
    }


def refuse_at_once(name: str, keys: Mapping[str, Any], tensors: int) -> None:
    """Raise ModelError for a file that is no model by itself, or that leaves out what nothing else would show."""
    if (kind := keys.get("general.type", "model")) != "model":
        raise ModelError(f"{name} holds no model but what it calls {kind!r}; give the file of the model.")
    if (count := keys.get("split.count", 0)) > 1:
        raise ModelError(
            f"{name} is file {keys.get('split.no', 0) + 1} of {count} of one model; join them with "
            f"llama-gguf-split --merge FIRST WHOLE, and give the file that it makes."
        )
    if keys.get("split.tensors.count", tensors) != tensors:
        raise ModelError(f"{name} holds {tensors} of {keys['split.tensors.count']} tensors; get the file again.")
    arch = keys.get("general.architecture")
    missing = [key for key in REQUIRED if not {key, f"{arch}.{key}"} & keys.keys()]
    if not any(key.endswith(("layer_norm_rms_epsilon", "layer_norm_epsilon")) for key in keys):
        missing.append("attention.layer_norm_epsilon")
    if f"{arch}.ssm.state_size" not in keys and f"{arch}.attention.head_count" not in keys:
        missing.append("attention.head_count")
    if "tokenizer.ggml.bos_token_id" not in keys and keys.get("tokenizer.ggml.add_bos_token") is not False:
        missing.append("tokenizer.ggml.bos_token_id")
    if missing:
        raise ModelError(f"{name} does not say its {missing[0]}; get the file again, or convert the model again.")


def apply_keys(keys: Mapping[str, Any], tensors: Mapping[str, Any], model: Any) -> None:
    """Put into a model's configuration what transformers leaves out of it, where it has a place."""
    config, arch = model.config, keys["general.architecture"]
    if arch in ("gemma2", "gemma3") and f"{arch}.attention.scale" not in keys:
        # The largest of both families divides by the width of all heads; no key says so, llama.cpp knows it by depth.
        largest = {"gemma2": 46, "gemma3": 62}[arch] == config.num_hidden_layers
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads if largest else config.head_dim
    if keys.get(f"{arch}.rope.scaling.type") == "linear":
        _full_rope(config).update(rope_type="linear", factor=float(keys.get(f"{arch}.rope.scaling.factor", 1.0)))
    if _FREQUENCIES in tensors and arch == "llama" and _full_rope(config)["rope_type"] == "default":
        factors = [float(factor) for factor in tensors[_FREQUENCIES].data]
        # The one kind of rotary embedding that takes a list of factors; short and long texts have the same.
        _full_rope(config).update(rope_type="longrope", short_factor=factors, long_factor=factors)
        _full_rope(config).update(
            attention_factor=1.0, factor=1.0, original_max_position_embeddings=config.max_position_embeddings
        )
    ends = [keys.get(f"tokenizer.ggml.{end}_token_id") for end in ("eos", "eot", "eom")]
    if len(stops := sorted({int(end) for end in ends if end is not None})) > 1:
        model.generation_config.eos_token_id = stops


def check_keys(name: str, keys: Mapping[str, Any], config: Any) -> None:
    """Raise ModelError unless the configuration says what each key says, or the key is known to be harmless."""
    arch = keys["general.architecture"]
    stated = {key.removeprefix(f"{arch}."): value for key, value in keys.items()}
    for key, value in ({one: ABSENT[one] for one in ABSENT if "." in one and one[:9] != "tokenizer"} | stated).items():
        if why_harmless("keys", key) or (key not in stated and _loaded(key, config) is None):
            continue
        taken = _loaded(key, config)
        if taken is None and not is_off(value) and not (value == 1 and "scal" in key):
            refuse_leftovers(name, "keys", [key], f"it says {value!r}; take the safetensors checkpoint instead")
        if taken is not None and not _same(value, taken):
            statement = f"says {value!r} for {key}" if key in stated else f"does not say {key}, which means {value!r}"
            raise ModelError(
                f"{name} {statement}, and it is loaded with {taken!r}; take the safetensors checkpoint instead."
            )


def _loaded(key: str, config: Any) -> Any:
    """What a configuration says for a key of the architecture; None where it has no place for it."""
    if key in COMPUTED:
        return COMPUTED[key](config)
    return next((getattr(config, one) for one in NAMES.get(key, ()) if getattr(config, one, None) is not None), None)


def _same(stated: object, taken: object) -> bool:
    if isinstance(stated, list) and not isinstance(taken, list):
        return all(_same(one, taken) for one in stated if one)  # one a block, 0 where a block has none
    if isinstance(stated, (int, float)) and isinstance(taken, (int, float)):
        return math.isclose(stated, taken, rel_tol=1e-6)
    return stated == taken


def _full_rope(config: Any) -> dict[str, Any]:
    """The rotary embedding of blocks that attend to everything; empty where a model has none."""
    rope: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    full: dict[str, Any] = rope.get("full_attention", rope)
    return full


def _local_rope(config: Any) -> dict[str, Any]:
    local: dict[str, Any] = (getattr(config, "rope_parameters", None) or {}).get("sliding_attention") or {}
    return local


def _head(config: Any) -> int | None:
    if getattr(config, "num_attention_heads", None) is None:
        return None
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _rotated(config: Any) -> int | None:
    rope, head = _full_rope(config), _head(config)
    part = rope.get("partial_rotary_factor", getattr(config, "partial_rotary_factor", None) or 1.0)
    return int(head * part) if rope and head else None


def _scaling(config: Any) -> str | None:
    # Factors that were taken from the file's tensor are no scaling by a key.
    kind = _full_rope(config).get("rope_type")
    return "none" if kind in ("default", "longrope") else kind


def _window(config: Any) -> int:
    kinds = getattr(config, "layer_types", None)
    local = kinds is None or "sliding_attention" in kinds
    return int(getattr(config, "sliding_window", None) or 0) if local else 0


def _pattern(config: Any) -> list[bool] | None:
    kinds = getattr(config, "layer_types", None)
    return None if kinds is None else [kind == "sliding_attention" for kind in kinds]


def _scale(config: Any) -> float | None:
    squared = getattr(config, "query_pre_attn_scalar", None) or _head(config)
    return None if squared is None else float(squared) ** -0.5


# Where more than the name of an attribute is needed.
COMPUTED: Mapping[str, Callable[[Any], Any]] = {
    "attention.key_length": _head,
    "attention.value_length": _head,
    "attention.scale": _scale,
    "attention.sliding_window": _window,
    "attention.sliding_window_pattern": _pattern,
    "attention.causal": lambda _config: True,
    "rope.dimension_count": _rotated,
    "rope.dimension_count_swa": _rotated,
    "rope.dimension_sections": lambda config: _full_rope(config).get("mrope_section"),
    "rope.freq_base": lambda config: _full_rope(config).get("rope_theta"),
    "rope.freq_base_swa": lambda config: _local_rope(config).get("rope_theta"),
    "rope.scaling.type": _scaling,
    "rope.scaling.factor": lambda config: _full_rope(config).get("factor"),
    "rope.scale_linear": lambda config: _full_rope(config).get("factor"),
}


def check_tensors(name: str, tensors: Mapping[str, Any], model: Any, keys: Mapping[str, Any]) -> None:
    """Raise ModelError for tensors that transformers left out, which its own report says of few architectures."""
    from transformers.integrations.gguf import is_gguf_arch_supported
    from transformers.modeling_gguf_pytorch_utils import TENSOR_PROCESSORS, TensorProcessor, get_gguf_hf_weights_map

    arch = keys["general.architecture"]
    if is_gguf_arch_supported(arch):
        return
    processor = TENSOR_PROCESSORS.get(arch, TensorProcessor)(config=model.config.to_dict())
    taken = set(get_gguf_hf_weights_map(model, processor))
    if _full_rope(model.config).get("rope_type") == "longrope":
        taken.add(_FREQUENCIES)
    left = {tensor for tensor in tensors if not {tensor, re.sub(r"_exps\.weight$", "_exps", tensor)} & taken}
    refuse_leftovers(name, "tensors", left, "take the safetensors checkpoint instead")


def check_tokenizer(name: str, keys: Mapping[str, Any], tokenizer: Any) -> None:
    """Raise ModelError where transformers made another tokenizer than the file describes; numbers are parted here."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    part = keys.get("tokenizer.ggml.pre", "default")
    if keys["tokenizer.ggml.model"] == "gpt2":
        if part in DIGIT_SPLITS:
            alone = Digits(individual_digits=True)
            tokenizer.backend_tokenizer.pre_tokenizer = Sequence([alone, ByteLevel(add_prefix_space=False)])
        elif part not in (*PLAIN_SPLITS, *GGUF_PRE_TOKENIZER_SPLITS):
            raise ModelError(f"{name} parts text into words as {part!r} does, which is not known here.")
    prefix = keys.get("tokenizer.ggml.add_space_prefix", keys["tokenizer.ggml.model"] == "llama")
    first = tokenizer.convert_ids_to_tokens(tokenizer("x", add_special_tokens=False)["input_ids"])[0]
    if prefix != first.startswith(("▁", "Ġ")):
        raise ModelError(f"{name} says {prefix} for add_space_prefix, and its tokenizer opens a text with {first!r}.")
    _open_texts(name, keys, tokenizer)
    for end in ("bos", "eos"):
        if (stated := keys.get(f"tokenizer.ggml.{end}_token_id")) != getattr(tokenizer, f"{end}_token_id"):
            raise ModelError(f"{name} says {stated} for {end}_token_id, and its tokenizer has another.")


def opens_with_bos(keys: Mapping[str, Any]) -> bool:
    """Whether a `<bos>` opens a text: as the file says, else as llama.cpp takes it for a tokenizer of this kind."""
    usual = keys["tokenizer.ggml.model"] == "llama" or keys.get("tokenizer.ggml.pre") in BOS_SPLITS
    return bool(keys.get("tokenizer.ggml.add_bos_token", usual))


def _open_texts(name: str, keys: Mapping[str, Any], tokenizer: Any) -> None:
    """Let a `<bos>` open every text where the file wants it, which transformers leaves out of some tokenizers."""
    from tokenizers.processors import TemplateProcessing

    bos, wanted = tokenizer.bos_token_id, opens_with_bos(keys)
    opens = bos is not None and list(tokenizer("x")["input_ids"][:1]) == [bos]
    if opens and not wanted:
        raise ModelError(f"{name} says that no <bos> opens a text, and its tokenizer puts one.")
    if wanted and not opens:
        opened = f"{tokenizer.bos_token} $A"
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=opened, pair=f"{opened} $B", special_tokens=[(tokenizer.bos_token, bos)]
        )


def settings_of(keys: Mapping[str, Any]) -> dict[str, bool]:
    """What a file says of tokens that open and end a text, for tokenizer_config.json, which loses it on saving."""
    return {"add_bos_token": opens_with_bos(keys), "add_eos_token": bool(keys.get("tokenizer.ggml.add_eos_token"))}


def contents_of(gguf: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keys and tensors of a GGUF file by name; raises what the library raises for a file that is none."""
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    return fields_of(reader), {tensor.name: tensor for tensor in reader.tensors}
