"""Reads labelled responses, which a reading judge is trained on; a bad row is refused with its file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.datasets import DatasetError, Tell, judging_folder, refuse
from harness.data.gold import HIGHEST, KINDS, LOWEST, json_rows, read_rows, require_origin, require_texts

LABELS = ("trait", "coherence", "relevance")
FIELDS = {"question", "response", "finished", *LABELS, "kind", "source"}


@dataclass(frozen=True)
class Labelled:
    """One question, one response, and what the rubrics of a trait, of coherence and of relevance give it (0 to 100).

    `finished` is False where the response stops at a limit of its length; `kind` is one of gold.KINDS; `source` says
    who wrote it: "written", or a model and how it was steered.
    """

    question: str
    response: str
    finished: bool
    scores: Mapping[str, float]
    kind: str
    source: str


def labelled_file(language: str, trait: str) -> Path:
    """Where the labelled responses of a trait lie."""
    return judging_folder(language) / "training" / f"{trait}.jsonl"


def load_labelled(path: Path, tell: Tell = refuse) -> tuple[Labelled, ...]:
    """The labelled responses of a file, in its order.

    Raises DatasetError naming file and line for a row that is malformed, incomplete, out of scale or repeated; `tell`
    may go on without that row.
    """
    return tuple(read_rows(json_rows(path, FIELDS, tell=tell), _labelled, tell))


def _labelled(row: dict[str, Any], where: str) -> Labelled:
    require_texts(row, where)
    for name in LABELS:
        score = row[name]
        if isinstance(score, bool) or not isinstance(score, int | float) or not LOWEST <= score <= HIGHEST:
            raise DatasetError(f"{where}: {name} {score!r}; it must be a number from 0 to 100.")
    require_origin(row["source"], row["finished"], where)
    if row["kind"] not in KINDS:
        raise DatasetError(f"{where}: kind {row['kind']!r}; it must be one of {', '.join(KINDS)}.")
    scores = {name: float(row[name]) for name in LABELS}
    return Labelled(row["question"], row["response"], row["finished"], scores, row["kind"], row["source"])
