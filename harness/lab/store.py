"""Keeps answers on disk under the hash of everything that could change them; verified on read, atomic on write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from harness.atomic import write_atomically
from harness.hashes import canonical, key_of

Array = np.ndarray[Any, Any]


class CorruptEntry(Exception):
    """A stored entry does not match its checksum, or half of it is gone; it must be measured again."""


class StoreUnwritable(OSError):
    """The store could not be written (full disk, no permission); what was measured is still in memory."""


@dataclass(frozen=True)
class Answer:
    """What a measurement came to: arrays by name, and a record of JSON values."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """Answers by key in a folder: `<k[:2]>/<key>.json` (record, checksums) and `.safetensors` (arrays).

    The JSON file is written last, so an entry exists completely or not at all.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self, key: str) -> tuple[Path, Path]:
        """The record's and the arrays' file of `key`."""
        folder = self.root / key[:2]
        return folder / f"{key}.json", folder / f"{key}.safetensors"

    def __contains__(self, key: str) -> bool:
        return all(path.is_file() for path in self.paths(key))

    def get(self, key: str) -> Answer | None:
        """The answer of `key`, or None when there is none. Raises CorruptEntry when it cannot be trusted."""
        record_path, arrays_path = self.paths(key)
        try:
            text = record_path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            raw = arrays_path.read_bytes()
        except FileNotFoundError as error:
            raise CorruptEntry(f"{arrays_path} is gone though its record is there") from error
        try:
            entry = json.loads(text)
            body, checksum = entry["body"], entry["checksum"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptEntry(f"{record_path} is not a record of this store") from error
        if key_of(body) != checksum or body.get("key") != key:
            raise CorruptEntry(f"{record_path} does not match its checksum")
        if hashlib.sha256(raw).hexdigest() != body["arrays"]:
            raise CorruptEntry(f"{arrays_path} does not match its checksum")
        try:
            return Answer(load_arrays(raw), body["record"])
        except SafetensorError as error:  # the checksum matched, so it was written broken
            raise CorruptEntry(f"{arrays_path} is not a safetensors file") from error

    def put(self, key: str, description: Any, answer: Answer) -> None:
        """Write an answer atomically. Raises StoreUnwritable, leaving no partial file, when the disk refuses."""
        record_path, arrays_path = self.paths(key)
        raw = save_arrays({name: np.ascontiguousarray(array) for name, array in answer.arrays.items()})
        body = {
            "key": key,
            "description": description,
            "record": dict(answer.record),
            "arrays": hashlib.sha256(raw).hexdigest(),
        }
        try:
            record_path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(arrays_path, raw)
            write_atomically(record_path, canonical({"body": body, "checksum": key_of(body)}).encode())
        except OSError as error:
            reason = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error))
            raise StoreUnwritable(
                error.errno or 0,
                f"{record_path.parent} could not be written: {reason}; free space or pass --store DIR.",
            ) from error

    @contextlib.contextmanager
    def making(self, what: str) -> Iterator[None]:
        """Hold the store's lock on `what` (a model), so that two processes never measure the same thing twice.

        A process that dies lets go of it. A store that cannot be written has no lock, and needs none.
        """
        folder = self.root / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.lock")
            lock.acquire()
        except OSError:
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def keys(self) -> Iterator[str]:
        """Keys of the complete entries."""
        for record in sorted(self.root.glob("??/*.json")):
            if record.stem in self:
                yield record.stem
