"""Finds a checkpoint's files on this machine, never on the network, and says how to get what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.models.gguf import ORIGIN, unpacked
from harness.models.leftovers import first_file
from harness.models.loadable import ModelError, why_no_decoder

GGUF = ".gguf"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
_IDENTITY_SUFFIXES = {".safetensors", ".json", ".jinja", ".model", ".tiktoken"}
_IDENTITY_NAMES = {"merges.txt", "vocab.txt"}
_REVISION = re.compile(r"\w[\w.\-/]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONVERT = (
    "python -c 'import sys; from transformers import AutoModelForCausalLM as M; "
    "M.from_pretrained(sys.argv[1], use_safetensors=False).save_pretrained(sys.argv[1])'"
)


class NotAtHand(ModelError):
    """A checkpoint cannot be loaded from this machine as it is.

    `reason` says why in one sentence; `command` is what makes it available, one shell command or comment a line.
    """

    def __init__(self, reason: str, command: str) -> None:
        self.reason = reason
        self.command = command
        steps = "; ".join(line.removeprefix("# ") for line in command.splitlines())
        super().__init__(f"{reason.removesuffix('.')}; to get it: {steps}")


@dataclass(frozen=True)
class Checkpoint:
    """Where a model is: a hub id such as "google/gemma-3-4b-pt", at a revision or the newest, or a folder.

    Or one GGUF file: its path, or a hub id with the name of its `file` there. `gated` says that the hub hands it out
    only after its licence was accepted; `command` is what makes the folder, where neither the hub nor the checkout has
    it.
    """

    where: str
    revision: str | None = None
    gated: bool = False
    command: str = ""
    file: str = ""

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read "ID_OR_FOLDER[@REVISION]", "FILE.gguf" or "ID:FILE.gguf[@REVISION]"; what exists here wins, and has no
        revision. Raises ModelError."""
        path = Path(os.path.expanduser(text))
        if text and (path.is_dir() or (path.suffix == GGUF and path.is_file())):
            return cls(text)
        where, at, revision = text.partition("@")
        where, colon, file = where.partition(":") if where.endswith(GGUF) else (where, "", "")
        if where.endswith(GGUF) and not colon:
            raise ModelError(f"{text!r} is no file that exists; correct the path, or write ID:FILE{GGUF}.")
        if file and Path(file).is_absolute() | (".." in Path(file).parts):
            raise ModelError(f"{text!r} names no file of a repository after its colon; give its path there.")
        if at and not is_revision(revision):
            raise ModelError(
                f"{text!r} names no revision after its @; give a branch, a tag or a commit as in ID@REVISION."
            )
        if not is_hub_id(where):
            raise ModelError(
                f"{text!r} is neither a folder that exists nor an id of the Hugging Face hub such as "
                "google/gemma-3-4b-pt; correct the path or the id."
            )
        return cls(where, revision or None, file=file)

    def __str__(self) -> str:
        where = f"{self.where}:{self.file}" if self.file else self.where
        return f"{where}@{self.revision}" if self.revision else where

    @property
    def folder(self) -> Path | None:
        """The folder that it names, or None when it is an id of the hub."""
        folder = Path(os.path.expanduser(self.where))
        return folder if self.where and self.revision is None and folder.is_dir() else None


def is_hub_id(text: str) -> bool:
    """Whether the hub could have a model of this id."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(text)
    except HFValidationError:
        return False
    return True


def is_revision(text: str) -> bool:
    """Whether a text can be a branch, a tag, a pull request's ref or a commit."""
    return _REVISION.fullmatch(text) is not None and ".." not in text


def locate(checkpoint: Checkpoint) -> Path:
    """The folder with the configuration, the tokenizer and all safetensors weights of a checkpoint.

    A folder is taken as it is, a hub id from the local Hugging Face cache, and of a GGUF file the folder that is made
    of it once (`harness.models.gguf`), which may raise ModelError. Raises NotAtHand, whose `command` tells
    how to get what is missing; nothing is ever downloaded here, and no pickle is ever opened.
    """
    there = at_hand(checkpoint)
    if there.is_file():
        return unpacked(there, _content_sha256(there))
    if reason := why_no_decoder(_config(there, checkpoint)):
        raise NotAtHand(f"{checkpoint} cannot be steered: {reason}.", "# take the checkpoint of a decoder instead")
    return there


def at_hand(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint that is whole, of whatever kind it is, or its GGUF file; errors as in `locate`.

    Looks at files alone: what kinds there are only transformers knows, which imports torch to say so.
    """
    if (gguf := _gguf(checkpoint)) is not None:
        return gguf
    folder = checkpoint.folder or _snapshot(checkpoint)
    config = _config(folder, checkpoint)
    _require_weights(folder, config, checkpoint)
    if not any((folder / name).is_file() for name in _TOKENIZERS) and not any(folder.glob("*.tiktoken")):
        raise NotAtHand(
            f"{checkpoint} has a configuration but no tokenizer in {folder}.", _download(checkpoint, "tokenizer*")
        )
    return folder


def _gguf(checkpoint: Checkpoint) -> Path | None:
    """The GGUF file that a checkpoint names, on this machine; None when it names none. Raises NotAtHand."""
    if not checkpoint.file:
        path = Path(os.path.expanduser(checkpoint.where))
        return path if checkpoint.where.endswith(GGUF) and path.is_file() else None
    there: Path = _snapshot(checkpoint) / checkpoint.file
    if not there.is_file():
        raise NotAtHand(f"{checkpoint} is not in the local Hugging Face cache.", _download(checkpoint))
    return there


def _snapshot(checkpoint: Checkpoint) -> Path:
    """The folder of a hub id's revision in the local cache, as huggingface_hub lays it out."""
    from huggingface_hub import constants

    if checkpoint.command:
        raise NotAtHand(f"{checkpoint} is not on this machine.", checkpoint.command)
    if not is_hub_id(checkpoint.where) or not is_revision(checkpoint.revision or "main"):
        raise NotAtHand(
            f"{checkpoint} is neither a folder that exists nor an id of the hub.", "# correct the path or the id"
        )
    cache = Path(constants.HF_HUB_CACHE)
    repository = cache / f"models--{checkpoint.where.replace('/', '--')}"
    snapshots = repository / "snapshots"
    present = sorted(entry.name for entry in snapshots.iterdir() if entry.is_dir()) if snapshots.is_dir() else []
    if not present:
        spelling = "" if checkpoint.gated else "# check the spelling of the id at https://huggingface.co/models\n"
        raise NotAtHand(
            f"{checkpoint} is not in the local Hugging Face cache ({cache}).", spelling + _download(checkpoint)
        )
    revision = checkpoint.revision or constants.DEFAULT_REVISION
    reference = repository / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    if commit not in present:
        raise NotAtHand(
            f"{checkpoint} is in the local Hugging Face cache not at revision {revision} but at {', '.join(present)}.",
            _download(checkpoint) + f"\n# or name what is there: {checkpoint.where}@{present[-1]}",
        )
    return snapshots / commit


def _config(folder: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise NotAtHand(
                f"{checkpoint} is an adapter without the model that it adapts.",
                "# merge it into its base model, and give the folder of the merged model",
            )
        raise NotAtHand(f"{checkpoint} has no config.json in {folder}.", _download(checkpoint))
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise NotAtHand(f"{path} is not JSON.", _download(checkpoint)) from error
    if not isinstance(config, dict):
        raise NotAtHand(f"{path} is no JSON object.", _download(checkpoint))
    return config


def _require_weights(folder: Path, config: dict[str, Any], checkpoint: Checkpoint) -> None:
    """Raise NotAtHand unless every safetensors file that would be loaded is there and whole."""
    first = first_file(folder, config)
    if not (folder / first).is_file():
        _raise_without_safetensors(folder, checkpoint)
    files = _shards(folder / first, checkpoint) if first.endswith(".json") else [first]
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise NotAtHand(
            f"{checkpoint} is here only in part: {len(missing)} of {len(files)} weight files are missing from "
            f"{folder} ({', '.join(missing)}).",
            _download(checkpoint),
        )
    broken = [name for name in files if not _is_whole(folder / name)]
    if broken:
        raise NotAtHand(
            f"{checkpoint} has weight files that are cut off or stand-ins for the real ones ({', '.join(broken)}).",
            _download(checkpoint, force=True),
        )


def _raise_without_safetensors(folder: Path, checkpoint: Checkpoint) -> None:
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern) if path.name[:8] != "training")
    if not pickles:
        raise NotAtHand(f"{checkpoint} has no safetensors weights in {folder}.", _download(checkpoint))
    if checkpoint.folder is not None:
        command = f"# only if you trust where it comes from:\n{_CONVERT} {shlex.quote(str(folder))}"
    else:
        command = (
            f"{_download(checkpoint, '*.safetensors*')}\n"
            "# if it has none: ask https://huggingface.co/spaces/safetensors/convert for a pull request with them,\n"
            f"# download that with: hf download {checkpoint.where} --revision refs/pr/NUMBER\n"
            f"# and name it as {checkpoint.where}@refs/pr/NUMBER"
        )
    raise NotAtHand(
        f"{checkpoint} has only pickled weights ({', '.join(pickles)}), which can run code and are never loaded.",
        command,
    )


def _shards(index: Path, checkpoint: Checkpoint) -> list[str]:
    """The weight files that an index names, each once."""
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAtHand(f"{index} is no index of weight files.", _download(checkpoint, force=True)) from error
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise NotAtHand(
                f"{index} names {name!r}, which is no safetensors file beside it.", "# take a safetensors checkpoint"
            )
    return names


def _is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says: 8 bytes of header length, the header, then tensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if 8 + length > size:
            return False
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return False
    return size == 8 + length + max(ends, default=0)


def _download(checkpoint: Checkpoint, include: str = "", *, force: bool = False) -> str:
    """The commands that bring a checkpoint: into the cache, or into the folder that it names."""
    if checkpoint.folder is not None:
        wanted = f" --include {shlex.quote(include)}" if include else ""
        return f"hf download ID_ON_THE_HUB{wanted} --local-dir {shlex.quote(checkpoint.where)}"
    revision = f" --revision {shlex.quote(checkpoint.revision)}" if checkpoint.revision else ""
    file = f" {shlex.quote(checkpoint.file)}" if checkpoint.file else ""
    fetch = f"hf download {checkpoint.where}{file}{revision}{' --force-download' if force else ''}"
    page = f"https://huggingface.co/{checkpoint.where}"
    if checkpoint.gated:
        return f"# accept the licence at {page}\nexport HF_TOKEN=...  # a read token of your account\n{fetch}"
    return fetch


def weights_identity(folder: Path) -> str:
    """sha256 over the names and contents of every file of a checkpoint that can change what it computes.

    Weights, configurations, tokenizer and chat template count, at the top of the folder and among the additional chat
    templates; documentation and pickles, which are never loaded, do not. A file that is a link into the blobs of the
    Hugging Face cache named by a sha256 is not read: that name is the hash of its contents. A snapshot of the cache
    and a plain copy of it are therefore one. Raises ModelError when nothing is there.
    """
    digest = hashlib.sha256()
    count = 0
    for name, path in _identity_files(folder):
        digest.update(name.encode() + b"\0" + bytes.fromhex(_content_sha256(path)))
        count += 1
    if count == 0:
        raise ModelError(f"{folder} holds no file of a model; give the folder with config.json.")
    return digest.hexdigest()


def _identity_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted([*folder.glob("*"), *folder.glob("additional_chat_templates/*")]):
        counts = path.suffix in _IDENTITY_SUFFIXES or path.name in _IDENTITY_NAMES
        if counts and path.is_file() and path.name != ORIGIN:  # which only tells where the others came from
            yield path.relative_to(folder).as_posix(), path


def _content_sha256(path: Path) -> str:
    if path.is_symlink():
        target = path.resolve()
        if target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
            return target.name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
