"""Turns the weights of a GGUF file into safetensors that any decoder is loaded from, in the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from harness.models.loadable import ModelError
from harness.streams import first_line

ORIGIN = "ORIGIN.json"  # beside the weights: where they came from, and how they were quantised
_MIB = 2**20
_GROWTH = 9  # float32 over the smallest quantisations, of three to four bits a weight


def cache_folder() -> Path:
    """Where this project keeps what it makes of other people's files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steering-claims"


def unpacked(gguf: Path, sha256: str) -> Path:
    """The folder of a GGUF file's weights as safetensors, made on first need; named by the content of the file.

    Raises ModelError in one sentence: no room, or a file that transformers cannot read.
    """
    folder = cache_folder() / f"gguf-{sha256[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed, free = _GROWTH * gguf.stat().st_size, shutil.disk_usage(folder.parent).free
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
    """Write the weights of a GGUF file as float32 safetensors, with its tokenizer, into a folder. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name, "local_files_only": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(dtype=torch.float32, trust_remote_code=False, **where)
        # The weights are plain numbers now, and saving what calls itself quantized is refused.
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.is_quantized, model.hf_quantizer = False, None
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(trust_remote_code=False, **where).save_pretrained(folder)
    except Exception as error:  # whatever the file holds becomes one sentence, its cause kept
        raise ModelError(f"{gguf.name} could not be read: {first_line(error)}") from error


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
