"""Says in one sentence why a checkpoint cannot be loaded as it is asked to be."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DTYPES = ("float32", "bfloat16", "float16")
ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
# Quantizations whose kernels are in packages that a person installs; those of others are fetched and run on loading.
QUANTIZATIONS = ("awq", "bitsandbytes", "compressed-tensors", "gptq", "hqq", "quanto", "torchao")
_PIECES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_READS_PIECES = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}  # packages, and what is imported


class ModelError(RuntimeError):
    """A model cannot be loaded or used as a decoder; the message says which and what to do."""


def why_no_decoder(config: Mapping[str, Any]) -> str:
    """Why a model with this config.json cannot be loaded as a decoder, as a clause; empty when it can."""
    from transformers import __version__
    from transformers.models.auto import modeling_auto as known
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = config.get("model_type")
    if not isinstance(kind, str):
        return "its config.json names no model_type"
    if config.get("is_encoder_decoder", kind in known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES):
        return f"{kind} is an encoder with a decoder, not a decoder alone"
    causal = kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if causal and kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder"):
        return f"{kind} is an encoder, which fills in masked words and generates no text"
    if causal or kind in known.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return ""
    if kind in CONFIG_MAPPING_NAMES:
        return f"{kind} is no decoder that generates text"
    if config.get("auto_map"):
        return f"{kind} needs code that comes with its checkpoint, and such code is never run"
    return f"transformers {__version__} knows no model of type {kind}"


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The configuration of a decoder in a folder. Raises ModelError when there is none, or it is of something else."""
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{name}: no model at {folder}; restore it or train it (see README, organisms).")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{name}: {path} could not be loaded: it is not JSON.") from error
    reason = why_no_decoder(config) if isinstance(config, dict) else "it is no JSON object"
    if reason:
        raise ModelError(f"{name}: {folder} could not be loaded: {reason}.")
    return dict(config)


def check_tokenizer(folder: Path, name: str) -> None:
    """Raise ModelError when only packages that are not here read a folder's tokenizer.

    transformers would name another package, the next that it tries.
    """
    pieces = next((path for one in _PIECES if (path := folder / one).is_file()), None)
    if pieces is None or (folder / "tokenizer.json").is_file():
        return
    with pieces.open("rb") as file:
        is_protobuf = file.read(1) == b"\n"
    missing = [package for package, module in _READS_PIECES.items() if not _is_here(module)]
    if is_protobuf and missing:
        raise ModelError(
            f"{name}: {pieces} is a SentencePiece tokenizer, which is not read without {' and '.join(missing)}; "
            f"run `pip install {' '.join(missing)}`."
        )


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def check_request(
    config: Mapping[str, Any], name: str, dtype: str, device: str, attention: str, device_map: str | None
) -> None:
    """Raise ModelError when a model cannot run as it is asked to."""
    if dtype not in DTYPES:
        raise ModelError(f"{name}: {dtype!r} is no number format to run in; choose one of {', '.join(DTYPES)}.")
    if attention not in ATTENTION:
        raise ModelError(f"{name}: {attention!r} is no attention kernel known here; known: {', '.join(ATTENTION)}.")
    if device_map is not None and device_map not in DEVICE_MAPS:
        raise ModelError(f"{name}: {device_map!r} is no device map; choose one of {', '.join(DEVICE_MAPS)}.")
    if dtype == "float16" and str(config["model_type"]).startswith("gemma3"):
        raise ModelError(
            f"{name}: Gemma 3 overflows in float16, which ends at 65,504 while its massive activations reach 300,000; "
            "take bfloat16 or float32."
        )
    text = config.get("text_config") or config
    if attention == "sdpa" and text.get("attn_logit_softcapping"):
        raise ModelError(f"{name}: sdpa leaves out the cap on attention logits of this model; take eager or auto.")
    if attention.startswith("flash") and dtype == "float32":
        raise ModelError(f"{name}: {attention} computes in bfloat16 or float16 only; take one of them, or sdpa.")
    if attention.startswith("flash"):
        from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

        # Without the package, transformers would fetch a kernel from the hub and run it.
        if not (is_flash_attn_2_available() if attention.endswith("2") else is_flash_attn_3_available()):
            raise ModelError(f"{name}: {attention} is not installed here; install flash-attn, or take sdpa or auto.")
    quantization = config.get("quantization_config")
    method = quantization.get("quant_method", "bitsandbytes") if isinstance(quantization, dict) else ""
    if method and method not in QUANTIZATIONS:
        raise ModelError(
            f"{name}: weights quantized by {method} are not loaded here, only by {', '.join(QUANTIZATIONS)}; "
            "take the checkpoint that is not quantized."
        )
    if device_map is None:
        _check_device(name, device)


def _check_device(name: str, device: str) -> None:
    import torch

    try:
        kind, index = torch.device(device).type, torch.device(device).index
    except RuntimeError as error:
        raise ModelError(f"{name}: {device!r} is no device; choose cpu, cuda or cuda:NUMBER.") from error
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (index or 0) >= count:
            raise ModelError(
                f"{name}: there is no device {device} here, torch sees {count} CUDA devices; choose another, or cpu."
            )
    elif not (kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available())):
        raise ModelError(f"{name}: there is no device {device} here; choose cpu or cuda.")
