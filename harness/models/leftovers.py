"""Whatever a checkpoint holds is loaded, known to be harmless, or refused: one rule for every format."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.models.loadable import ModelError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# Full matches of what may be left over, by kind, and why it changes no logit.
HARMLESS: Mapping[str, Mapping[str, str]] = {
    "tensors": {
        r"(.+\.)?rotary_emb\.inv_freq": "computed from the configuration; compared with them in `_check_frequencies`",
        r"(.+\.)?position_ids": "a count from 0",
        r"(.+\.)?num_batches_tracked": "a count of training steps",
        r"(.+\.)?(attn|attention)\.(masked_)?bias": "a causal mask, which is computed",
    },
    "files of weights": {
        r"consolidated.*\.safetensors": "the same weights under the names that their maker gave them",
        r"model\.(fp32|fp16|bf16|float32|float16|bfloat16)(-\d+-of-\d+)?\.safetensors": "the same in another format",
    },
    "keys in config.json": {
        r"_.+": "notes of transformers about the object in memory",
        r"architectures|auto_map|custom_pipelines|model_type|transformers_(version|weights)": "names of code",
        r"torch_dtype|dtype|bf16|fp16|fp32|params_dtype": "the number format, which the run chooses",
        r".*(dropout|pdrop|drop_rate|droprate|_drop)(_.+)?": "used in training only",
        r"initializer_.+|init_.+|.*_init_std|.*aux_loss.*|.*z_loss.*|.*loss_(coef|type|function)": "training only",
        r"gradient_checkpointing|pretraining_tp|use_cache|cache_implementation|unsloth_.+": "of the run",
        r"output_(attentions|hidden_states|router_logits|past)": "what else is handed out",
        r"(use_)?_?flash_attn.*|attn_implementation|use_sdpa.*|reorder_and_upcast_attn|.*fused.*": "of the kernels",
        r"(bos|eos|pad|unk|sep|cls|mask|image|video|audio|decoder_start|boi|eoi)_token_(id|index)": "the tokenizer's",
        r"tokenizer_class|processor_class|prefix|language|license|tags|model_max_length|(max_)?seq_len(gth)?": "notes",
        r"(task_specific|problem|finetuning|summary|classifier)_.*|.*id2label|.*label2id|num_labels": "of classifiers",
        r"quantization_config|transformers\.js_config|neuron|base_model_name(_or_path)?": "read elsewhere, or notes",
        r"vision_config|audio_config|.*projector.*|mm_.+|vision_.+|image_.+|audio_.+": "no picture or sound passes",
        r"mtp_.+|num_nextn_predict_layers": "of the head that guesses several tokens ahead, which no logit passes",
        r"max_window_layers|max_sequence_length|max_length|sliding_window_pattern": "in `layer_types`, or a limit",
    },
    "keys in the rotary embedding": {r"finetuned|mrope_interleaved": "a note, or read by the architecture"},
    "keys": {
        r"GGUF\..+|general\.(architecture|file_type|quantization_version|alignment)|split\..+": "checked as it is read",
        r"general\.(name|author|version|organization|finetune|basename|description|quantized_by|size_label)": "notes",
        r"general\.(url|doi|uuid|repo_url|tags|languages|datasets|type)": "notes; the type is checked",
        r"general\.(license|source|base_model|dataset)(\..+)?": "notes",
        r"general\.sampling\..+": "how to sample, which is not done here",
        r"quantize\.imatrix\..+": "what the quantization was tuned on",
        r"tokenizer\.chat_templates?(\..+)?": "read by transformers, or templates for other uses",
        r"tokenizer\.ggml\.(model|pre|tokens|scores|token_type|merges)": "read by transformers",
        r"tokenizer\.ggml\.(bos|eos|unknown|padding)_token_id": "read by transformers",
        r"tokenizer\.ggml\.(eot|eom)_token_id": "taken as tokens that end a response",
        r"tokenizer\.ggml\.add_(bos_token|eos_token|space_prefix)": "kept beside the tokenizer, or checked",
        r"tokenizer\.ggml\.(fim_.+|prefix|suffix|middle|seperator|mask|cls)_token_id": "in no prompt here",
        r"tokenizer\.ggml\.(add_sep_token|token_type_count)": "of encoders",
    },
}
# What a configuration must state: nothing in the weights would show that its class filled in something else.
REQUIRED = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "hidden_act", "hidden_activation"),
    *("activation_function", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"),
    *("query_pre_attn_scalar", "final_logit_softcapping", "attn_logit_softcapping", "sliding_window", "logit_scale"),
    *("num_experts_per_tok", "routed_scaling_factor", "embedding_multiplier", "residual_multiplier"),
    *("attention_multiplier", "logits_scaling"),
)
_ROPE = frozenset(
    (
        *("rope_type", "type", "rope_theta", "factor", "partial_rotary_factor", "attention_factor", "mrope_section"),
        *("original_max_position_embeddings", "max_position_embeddings", "beta_fast", "beta_slow", "truncate"),
        *("short_factor", "long_factor", "short_mscale", "long_mscale", "low_freq_factor", "high_freq_factor"),
        *("mscale", "mscale_all_dim", "llama_4_scaling_beta"),
    )
)
_FLOATS = ("F64", "F32", "F16", "BF16")
_QUANTIZED_BESIDE = ("hf_quant_config.json", "quantize_config.json", "quant_config.json")


def why_harmless(kind: str, name: str) -> str:
    """Why nothing is lost with a name that is left over, or an empty text."""
    return next((why for pattern, why in HARMLESS[kind].items() if re.fullmatch(pattern, name)), "")


def refuse_leftovers(where: str, kind: str, names: Iterable[str], remedy: str) -> None:
    """Raise ModelError, in one sentence, for names that nothing here reads and that are not known to be harmless."""
    if left := sorted(name for name in names if not why_harmless(kind, name)):
        raise ModelError(f"{where} holds {len(left)} {kind} that nothing here reads, first {left[0]}; {remedy}.")


def is_off(value: object) -> bool:
    """Whether a setting asks for nothing."""
    return value is None or value is False or value in (0, "", "none", [], {})


def check_files(folder: Path, name: str, config: Mapping[str, Any]) -> None:
    """Raise ModelError for weights beside those that are loaded, and for numbers that mean nothing without a scale."""
    files = weight_files(folder, config)
    beside = {path.name for path in folder.glob("*.safetensors")} - set(files)
    beside |= {path.name for path in folder.glob("adapter_*")}
    remedy = "merge an adapter into its base model, and move away what does not belong to the model"
    refuse_leftovers(f"{name}: {folder}", "files of weights", beside, remedy)
    quantized = bool(config.get("quantization_config"))
    if not quantized and (stated := [one for one in _QUANTIZED_BESIDE if (folder / one).is_file()]):
        raise ModelError(
            f"{name}: {folder}/{stated[0]} says that the weights are quantized, and config.json says nothing of it; "
            "take the checkpoint that is not quantized."
        )
    held: dict[str, str] = {}
    for file in files:
        for tensor, dtype in _tensors(folder / file):
            if tensor in held:
                raise ModelError(f"{name}: {held[tensor]} and {file} both hold {tensor}; get the checkpoint again.")
            held[tensor] = file
            if not quantized and dtype not in _FLOATS and not why_harmless("tensors", tensor):
                raise ModelError(
                    f"{name}: {tensor} in {folder}/{file} is kept as {dtype}, which means nothing without its scales, "
                    "and config.json names no quantization; take the checkpoint that is not quantized."
                )


def weight_files(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """The files that weights are loaded from; none where they cannot be told."""
    first = first_file(folder, config)
    if not first.endswith(".json"):
        return [first] if (folder / first).is_file() else []
    try:
        return sorted(set(json.loads((folder / first).read_bytes())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def first_file(folder: Path, config: Mapping[str, Any]) -> str:
    """The file of weights, or the index of several, that loading begins with."""
    named = config.get("transformers_weights")
    return named if isinstance(named, str) else WEIGHTS if (folder / WEIGHTS).is_file() else INDEX


def _tensors(path: Path) -> Iterator[tuple[str, str]]:
    """Names and number formats in a safetensors file; what is wrong with the file is said when it is loaded."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        yield from ((name, str(one["dtype"])) for name, one in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, MemoryError, OverflowError):
        return


def check_config(name: str, stated: Mapping[str, Any], config: Any) -> None:
    """Raise ModelError for what config.json states and its class does not read, or leaves to it silently.

    The text part of a larger model is stated as a difference to its class, so nothing is required of it.
    """
    text = config.get_text_config()
    parts = [(stated, config)] + [
        (part, text) for key, part in stated.items() if isinstance(part, dict) and getattr(config, key, None) is text
    ]
    remedy = f"take them out if they change nothing that {config.model_type} computes, or take another checkpoint"
    for part, loaded in parts:
        refuse_leftovers(name, "keys in config.json", _unread(part, loaded), remedy)
        rotary = [one for key in ("rope_parameters", "rope_scaling") for one in _rotary(part.get(key), loaded)]
        unknown = {key for one in rotary for key, value in one.items() if key not in _ROPE and not is_off(value)}
        refuse_leftovers(name, "keys in the rotary embedding", unknown, remedy)
    if text is config and (silent := _unstated(stated, config)):
        raise ModelError(f"{name}: config.json does not state {silent[0]}; get the checkpoint again.")


def _unread(stated: Mapping[str, Any], config: Any) -> list[str]:
    known = {*(field.name for field in dataclasses.fields(config)), *config.attribute_map, *vars(type(config)())}
    # What became an attribute, though the class itself has none of this name, was only handed through, unless the
    # model asks for it by name.
    passed = [key for key in stated.keys() & vars(config).keys() - known if not is_off(stated[key])]
    code = _code(config) if passed else ""
    handed = [key for key in passed if not re.search(rf"config\.{re.escape(key)}\b|[\"']{re.escape(key)}[\"']", code)]
    twins = {"hidden_act", "hidden_activation", "activation_function"}  # one setting, stated under two names
    taken = [getattr(config, twin) for twin in twins & known]
    return [key for key in handed if not (key in twins and stated[key] in taken)]


def _code(config: Any) -> str:
    """The source of the architecture's model, empty where it is not to be had."""
    try:
        return inspect.getsource(
            importlib.import_module(type(config).__module__.replace("configuration_", "modeling_"))
        )
    except (ImportError, OSError, TypeError):
        return ""


def _rotary(parameters: object, config: Any) -> list[dict[str, Any]]:
    """The settings of the rotary embedding, or those of every kind of block."""
    if not isinstance(parameters, dict):
        return []
    nested = [parameters[kind] for kind in _kinds(config) if kind in parameters]
    return [one for one in nested if isinstance(one, dict)] if nested else [parameters]


def _kinds(config: Any) -> list[str]:
    """The kinds of blocks that have a rotary embedding each; none where all share one."""
    bare = getattr(type(config)(), "rope_parameters", None)
    return sorted(bare.keys() - _ROPE) if isinstance(bare, dict) else []


def _unstated(stated: Mapping[str, Any], config: Any) -> list[str]:
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    named = {config.attribute_map.get(key, key) for key in stated} | stated.keys()
    fields = [config.attribute_map.get(key, key) for key in REQUIRED]
    missing = [field for field in fields if not is_off(defaults.get(field)) and field not in named]
    if str(stated.get("transformers_version", "")).startswith("5"):
        # Older releases left out what is as in the class; this one writes it down.
        rotary = {"rope_parameters", "rope_scaling", "rope_theta"}
        missing += sorted(
            {"layer_types", "rope_parameters"} & defaults.keys() - named - (rotary if named & rotary else set())
        )
    settings = stated.get("rope_parameters")
    if any("rope_theta" not in {*one, *stated} for one in _rotary(settings, config)):
        missing.append("rope_theta")
    kinds = set(_kinds(config)) & set(getattr(config, "layer_types", None) or ())
    nested = kinds & set(settings or ())
    return missing + [f"the rotary embedding of {kind}" for kind in sorted(kinds - nested) if nested]


def _check_frequencies(name: str, folder: Path, files: Iterable[str], model: Any) -> None:
    """Raise ModelError for frequencies of the rotary embedding, kept by old releases, that are not those computed."""
    from safetensors import safe_open

    computed = [buffer.float().cpu() for key, buffer in model.named_buffers() if key.endswith("rotary_emb.inv_freq")]
    for file in files:
        with safe_open(folder / file, "pt") as weights:
            for key in (key for key in weights.keys() if key.endswith("rotary_emb.inv_freq")):  # noqa: SIM118
                kept = weights.get_tensor(key).float()
                if not any(one.shape == kept.shape and one.allclose(kept, rtol=1e-2) for one in computed):
                    raise ModelError(
                        f"{name}: {key} in {folder} is not what config.json gives; get the checkpoint again."
                    )


def check_folder(name: str, folder: Path, model: Any, report: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    """As `check_loaded`, of a folder of safetensors files."""
    check_loaded(name, str(folder), model, report)
    _check_frequencies(name, folder, weight_files(folder, stated), model)


def check_loaded(name: str, where: str, model: Any, report: Mapping[str, Any]) -> None:
    """Raise ModelError for weights that have no place in the model, and for places that no weight fills.

    transformers leaves out the former, fills the latter with random numbers, and goes on.
    """
    mismatched = sorted(str(key[0]) for key in report["mismatched_keys"])
    for what, weights in (("missing", sorted(report["missing_keys"])), ("not of the shape of config.json", mismatched)):
        if weights:
            raise ModelError(
                f"{name}: {len(weights)} weights in {where} are {what}, first {weights[0]}; get the checkpoint again."
            )
    remedy = f"they have no place in {type(model).__name__} as its configuration describes it, so get both again"
    refuse_leftovers(f"{name}: {where}", "tensors", map(str, report["unexpected_keys"]), remedy)
