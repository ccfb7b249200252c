"""Keeps finished batches of long work on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from harness.decoding.generation import Generated
from harness.hashes import key_of
from harness.judges.protocol import Exchange, Judgement


class CheckedLines:
    """Batches of rows, one line a batch, each with its checksum; a line that is cut off or broken is left out.

    A disk that cannot be written costs the journal, never the run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Any]:
        """Every row of every whole batch."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return
        for line in lines:
            try:
                entry = json.loads(line)
                if entry["checksum"] != key_of(entry["rows"]):
                    continue
            except (ValueError, KeyError, TypeError):
                continue
            yield from entry["rows"]

    def add(self, rows: Sequence[Any]) -> None:
        """Add a finished batch, synced to disk."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                # Opening with a newline ends a line that an earlier run left cut off.
                file.write("\n" + json.dumps({"rows": rows, "checksum": key_of(rows)}) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def discard(self) -> None:
        """Forget the rows, once they are in the store as whole answers."""
        with contextlib.suppress(OSError):
            self._path.unlink()


class Journal(CheckedLines):
    """Generated rows by their index in the generation."""

    def read(self) -> dict[int, Generated]:
        """Finished rows by their index in the generation."""
        return {index: Generated(tuple(ids), finished) for index, ids, finished in self.rows()}

    def append(self, indices: Sequence[int], generated: Sequence[Generated]) -> None:
        """Add a finished batch."""
        self.add([[index, list(row.ids), row.finished] for index, row in zip(indices, generated, strict=True)])


class JudgementJournal(CheckedLines):
    """Judgements by the exchange that was judged."""

    def read(self) -> dict[Exchange, Judgement]:
        """What was judged so far."""
        return {Exchange(*exchange): Judgement(*judgement) for exchange, judgement in self.rows()}

    def append(self, judged: Mapping[Exchange, Judgement]) -> None:
        """Add what was just judged."""
        if judged:
            self.add([[list(astuple(one)), list(astuple(judgement))] for one, judgement in judged.items()])
