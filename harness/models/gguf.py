"""Turns the weights of a GGUF file into safetensors that any decoder is loaded from, in the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.models.gguf_keys import (
    apply_keys,
    check_keys,
    check_tensors,
    check_tokenizer,
    contents_of,
    refuse_at_once,
    settings_of,
)
from harness.models.leftovers import check_loaded
from harness.models.loadable import ModelError
from harness.streams import first_line

ORIGIN = "ORIGIN.json"  # beside the weights: where they came from, and how they were quantised
# Goes up whenever the same file would become other weights or another tokenizer: older conversions are not used.
_CONVERTER = 2
_MIB = 2**20
_GROWTH = 9  # float32 over the smallest quantisations, of three to four bits a weight


def cache_folder() -> Path:
    """Where this project keeps what it makes of other people's files; begins with ~ where nobody knows what HOME is."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "steering-claims"


def made_cache_folder() -> Path:
    """The same, made if it is not there. Raises ModelError where it cannot be."""
    folder = cache_folder()
    if folder.parts[0] == "~":
        raise ModelError("There is no home folder to keep weights in; let HOME or XDG_CACHE_HOME name a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{folder} could not be made ({error.strerror}); let XDG_CACHE_HOME name a folder that can be written to."
        ) from error
    return folder


def converted(name: str, sha256: str) -> Path:
    """The folder for what is made of a GGUF file, named by its content and by the code that makes it."""
    return cache_folder() / f"{name}-{_CONVERTER}-{version('transformers')}-{sha256}"


def unpacked(gguf: Path, sha256: str) -> Path:
    """The folder of a GGUF file's weights as safetensors, made on first need; named by the content of the file.

    Raises ModelError in one sentence: no room, or a file that transformers cannot read.
    """
    folder = converted("gguf", sha256[:16])
    if folder.is_dir():
        return folder
    needed, free = _GROWTH * gguf.stat().st_size, shutil.disk_usage(made_cache_folder()).free
    if free < needed:
        raise ModelError(
            f"{gguf.name} may take {needed // _MIB} MiB as float32, and {folder.parent} has {free // _MIB}; make room, "
            "or let XDG_CACHE_HOME name a larger disk."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="gguf-") as scratch:
        made = Path(scratch, "made")
        dequantize(gguf, made)
        kept = {"from": gguf.name, "sha256": sha256, "quantization": quantization_in(gguf)}
        (made / ORIGIN).write_text(json.dumps(kept, indent=1) + "\n")
        put(made, folder)
    return folder


def put(made: Path, folder: Path) -> None:
    """Give a finished folder its name, unless somebody else made the same meanwhile."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def dequantize(gguf: Path, folder: Path) -> None:
    """Write the weights of a GGUF file as float32 safetensors, with its tokenizer, into a folder.

    Raises ModelError, also for a file that holds more, less or other than what would be written.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        keys, tensors = contents_of(gguf)
        refuse_at_once(gguf.name, keys, len(tensors))
        _write_model(gguf, folder, keys, tensors)
        _write_tokenizer(gguf, folder, keys)
    except ModelError:
        raise
    except Exception as error:  # whatever the file holds becomes one sentence, its cause kept
        raise ModelError(f"{gguf.name} could not be read: {first_line(error)}") from error


def _write_model(gguf: Path, folder: Path, keys: dict[str, Any], tensors: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(
        dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True, **_where(gguf)
    )
    apply_keys(keys, tensors, model)
    check_tensors(gguf.name, tensors, model, keys)
    check_loaded(gguf.name, "it", model, report)
    check_keys(gguf.name, keys, model.config)
    # The weights are plain numbers now, and saving what calls itself quantized is refused.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized, model.hf_quantizer = False, None
    model.save_pretrained(folder)


def _write_tokenizer(gguf: Path, folder: Path, keys: dict[str, Any]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(**_where(gguf))
    check_tokenizer(gguf.name, keys, tokenizer)
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_bytes()) | settings_of(keys), indent=1) + "\n")


def _where(gguf: Path) -> dict[str, Any]:
    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    return {**where, "local_files_only": True, "trust_remote_code": False}


def quantization_in(gguf: Path) -> str:
    """How a GGUF file says that its weights are quantised, such as Q4_1; empty where it does not say."""
    from gguf import GGUFReader, LlamaFileType

    field = GGUFReader(gguf).get_field("general.file_type")
    number = int(field.contents()) if field is not None else None
    known = {int(kind): kind.name.removeprefix("MOSTLY_") for kind in LlamaFileType}
    return "" if number is None else known.get(number, f"GGUF type {number}")


def quantization_of(folder: Path) -> str:
    """How the weights of a checkpoint's folder were quantised, in a word or two; empty where they were not."""
    if (folder / ORIGIN).is_file():
        told = str(json.loads((folder / ORIGIN).read_bytes()).get("quantization", ""))
        return f"{told}, as float32" if told else ""
    config = json.loads((folder / "config.json").read_bytes())
    found = config.get("quantization_config") or {}
    method = found.get("quant_method", "bitsandbytes" if found else "")
    bits = next((f"{bits} bit" for bits in (4, 8) if found.get(f"load_in_{bits}bit") or found.get("bits") == bits), "")
    return " ".join(filter(None, (method, bits)))
