"""Reads a steering vector that somebody else made, and says where it came from and at which block it steers.

A block is counted from 0, and a vector steers at its output: block B is `hidden_states[B + 1]` of transformers. Files
seldom say how they count, and nothing is guessed: where a file does not state the block, whoever names it does.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.streams import first_line

HOOK = "output of the decoder's block, counted from 0"  # what a file of ours states, and what a number of a block means
NUMPY_KINDS = {"F64", "F32", "F16"}  # numbers of safetensors that NumPy has, too
OURS = "steering_claims."  # before the names of what a GGUF file of ours states
WRITTEN = re.compile(r"(?P<name>[^=]+)=(?P<file>.+?)(?:\[(?P<entry>[^\[\]]+)\])?(?::(?P<block>\d+))?")
CONVENTIONS = (
    "Here block B is the output of the decoder's block B, counted from 0: hidden_states[B + 1] of transformers."
    " repeng reads and steers direction.N at block N, so FILE[N]:N; row r of persona_vectors is hidden_states[r], so "
    "FILE[r]:r-1."
)


class VectorError(ValueError):
    """A vector cannot be read, or it is not said what it is; the message names the file and what to write."""


@dataclass(frozen=True, eq=False)
class Vector:
    """A vector to be tried: its `values` as the file has them, and the block at whose output it is added.

    `origin` is the file's name and the entry of it, `only` the models and traits that it is kept to (none: all it
    fits), `stated` what else the file says of itself.
    """

    name: str
    block: int
    values: Float[np.ndarray, hidden]
    origin: str
    only: tuple[str, ...] = ()
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the values as float32, and of the block: equal for equal vectors, whatever file they lie in."""
        values = np.ascontiguousarray(self.values, np.float32)
        return hashlib.sha256(values.tobytes() + str(self.block).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Entry:
    """One vector of a file; `block` where the file states it, else None."""

    values: np.ndarray[Any, Any]
    block: int | None = None


def parse(text: str) -> Vector:
    """The vector of `[MODEL/][TRAIT/]NAME=FILE[ENTRY][:BLOCK]`, e.g. `mine=refusal.safetensors` or `mine=v.npy:13`.

    Raises VectorError for what is not written so, for a file that cannot be read without running code of it, and where
    the entry or the block is neither written nor stated.
    """
    written = WRITTEN.fullmatch(text)
    *only, name = written["name"].split("/") if written else ("",)
    if not written or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name):
        raise VectorError(f"{text!r}: write NAME=FILE or NAME=FILE:BLOCK, the name of letters and digits.")
    path = Path(os.path.expanduser(written["file"]))
    entries, stated = read(path)
    block = None if written["block"] is None else int(written["block"])
    key = written["entry"] if written["entry"] is not None else _only_entry(path, entries, block)
    if key not in entries:
        raise VectorError(f"{path} has no entry {key!r}, it has {_some(entries)}; write {name}=FILE[ENTRY]:BLOCK.")
    entry = entries[key]
    if block is not None and entry.block is not None and block != entry.block:
        raise VectorError(
            f"{path}: the entry {key!r} says that it belongs to block {entry.block}, not {block}; leave out :{block}."
        )
    at = entry.block if block is None else block
    if at is None:
        raise VectorError(f"{path} does not say at which block it steers; write {name}={text.partition('=')[2]}:BLOCK. "
                          f"{CONVENTIONS}")  # fmt: skip
    if not np.isfinite(entry.values).all() or not entry.values.any():
        what = "is zero" if np.isfinite(entry.values).all() else "holds NaN or infinity"
        raise VectorError(f"{path}: the entry {key!r} {what}, so it points nowhere; save it again.")
    origin = path.name if len(entries) == 1 else f"{path.name}[{key}]"
    return Vector(name, at, entry.values.astype(np.float64), origin, tuple(only), stated)


def _only_entry(path: Path, entries: Mapping[str, Entry], block: int | None) -> str:
    """The entry that is meant where none is named."""
    fitting = [key for key, one in entries.items() if len(entries) == 1 or (block is not None and one.block == block)]
    if len(fitting) != 1:
        raise VectorError(
            f"{path} holds {len(entries)} vectors ({_some(entries)}); write NAME=FILE[ENTRY]:BLOCK. {CONVENTIONS}"
        )
    return fitting[0]


def _some(entries: Mapping[str, Entry]) -> str:
    keys = list(map(repr, entries))
    return ", ".join(keys) if len(keys) <= 4 else f"{keys[0]}, {keys[1]} to {keys[-1]}"


def read(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    """Every vector of a file by its name there, and what the file states of itself.

    Reads safetensors, NumPy's .npy, control vectors in GGUF, and tensors of torch (.pt, .pth, .bin) by weights_only;
    a matrix holds one vector a row, named by its number (by NAME.number where a file has several matrices). Raises
    VectorError for anything else.
    """
    readers = {
        ".safetensors": _safetensors,
        ".npy": _npy,
        ".gguf": _gguf,
        **dict.fromkeys((".pt", ".pth", ".bin"), _torch),
    }
    if ":" in path.suffix:
        raise VectorError(f"{path}: what follows the colon is no number of a block; write NAME=FILE:BLOCK.")
    if path.suffix not in readers:
        raise VectorError(f"{path}: a vector is read from {', '.join(readers)}; save it as one of these.")
    if not path.is_file():
        raise VectorError(f"{path} does not exist; give the file of a vector.")
    try:
        entries, stated = readers[path.suffix](path)
    except VectorError:
        raise
    except Exception as error:  # each library tells a broken file in its own way
        raise VectorError(
            f"{path} cannot be read as {path.suffix} ({first_line(error)[:200]}); save plain tensors."
        ) from error
    if not entries:
        raise VectorError(f"{path} holds no vector.")
    return entries, stated


def _safetensors(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        kinds = {file.get_slice(name).get_dtype() for name in list(file.keys())}
    with safe_open(path, "np" if kinds <= NUMPY_KINDS else "pt") as file:  # torch takes seconds to import
        stated = dict(file.metadata() or {})
        block = _stated_block(stated)
        tensors = [(name, file.get_tensor(name), block) for name in list(file.keys())]
    return _entries(path, tensors), stated


def _npy(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    return _entries(path, [(path.stem, np.load(path, allow_pickle=False), None)]), {}


def _gguf(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    import gguf

    reader = gguf.GGUFReader(path)
    own = [name for name in reader.fields if name.startswith(OURS)]
    stated = {name.removeprefix(OURS): str(reader.fields[name].contents()) for name in own}
    block = _stated_block(stated)
    named = {tensor.name.removeprefix("direction."): tensor for tensor in reader.tensors if "direction." in tensor.name}
    found = {name: gguf.dequantize(one.data, one.tensor_type).reshape(-1) for name, one in named.items()}
    return {name: Entry(values, block) for name, values in found.items()}, stated


def _stated_block(stated: Mapping[str, str]) -> int | None:
    """The block that a file of ours states, which says how it counts."""
    return int(stated["block"]) if stated.get("hook") == HOOK and stated.get("block", "").isdigit() else None


def _torch(path: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    import torch

    held = torch.load(path, map_location="cpu", weights_only=True)
    named = held if isinstance(held, dict) else {path.stem: held}
    tensors: list[tuple[str, Any, int | None]] = []
    for name, one in named.items():
        if isinstance(one, dict):  # the steered model of lm-evaluation-harness, whose names are those of modules
            if one.get("action") != "add":
                raise VectorError(f"{path}: {name!r} does {one.get('action')!r}; only what is added is a vector here.")
            place = re.search(r"(?:^|\.)layers\.(\d+)$", str(name))
            vector = one["steering_vector"] * float(one["steering_coefficient"])
            tensors.append((str(name), vector, int(place[1]) if place else None))
        elif isinstance(one, torch.Tensor):
            tensors.append((str(name), one, None))
    return _entries(path, tensors), {}


def _entries(path: Path, tensors: Sequence[tuple[str, Any, int | None]]) -> dict[str, Entry]:
    """The vectors of a file's tensors (name, values, block), each with its name: the tensor's own, or the number of a
    row of a matrix, behind the matrix's name where there are several."""
    arrays = [(name, _array(name, tensor), block) for name, tensor, block in tensors]
    several = sum(array.ndim == 2 for _, array, _ in arrays) > 1
    found: dict[str, Entry] = {}
    for name, array, block in arrays:
        rows = {f"{name}.{number}" if several else str(number): row for number, row in enumerate(array)}
        keyed = {name: array} if array.ndim == 1 else rows
        if twice := found.keys() & keyed:
            raise VectorError(f"{path}: {min(twice)!r} names two vectors; save each in a file of its own.")
        found |= {key: Entry(values, block) for key, values in keyed.items()}
    return found


def _array(name: str, tensor: Any) -> np.ndarray[Any, Any]:
    """A tensor as a vector, or as a matrix of several."""
    array = np.asarray(tensor.float().numpy() if hasattr(tensor, "numpy") else tensor, np.float32)
    array = array.reshape(array.shape[-1]) if array.size == array.shape[-1:][0] else array
    if array.ndim not in (1, 2):
        raise VectorError(f"{name!r} has the shape {list(array.shape)}; a vector has one axis, several have two.")
    return array
