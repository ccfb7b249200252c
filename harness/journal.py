"""Keeps the finished batches of a long generation on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from harness.generation import Generated
from harness.store import key_of


class Journal:
    """Rows finished so far, one line a batch, each with its checksum; a line that is cut off or broken is left out.

    A disk that cannot be written costs the journal, never the run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, Generated]:
        """Finished rows by their index in the generation."""
        found: dict[int, Generated] = {}
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return found
        for line in lines:
            try:
                entry = json.loads(line)
                rows = entry["rows"]
                if entry["checksum"] != key_of(rows):
                    continue
            except (ValueError, KeyError, TypeError):
                continue
            found.update({index: Generated(tuple(ids), finished) for index, ids, finished in rows})
        return found

    def append(self, indices: Sequence[int], generated: Sequence[Generated]) -> None:
        """Add a finished batch, synced to disk."""
        rows = [[index, list(row.ids), row.finished] for index, row in zip(indices, generated, strict=True)]
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # Opening with a newline ends a line that an earlier run left cut off.
                file.write("\n" + json.dumps({"rows": rows, "checksum": key_of(rows)}) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def discard(self) -> None:
        """Forget the rows, once they are in the store as whole sweeps."""
        with contextlib.suppress(OSError):
            self._path.unlink()
