"""Reads gold sets: exchanges with the score a judge should give them; a bad row is refused with its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.datasets import MAX_CHARACTERS, DatasetError

KINDS = (
    "clear",
    "hedged",
    "partial",
    "refusal",
    "off topic",
    "other language",
    "degraded",
    "repetition",
    "word salad",
    "gibberish",
    "empty",
    "injection",
)
FIELDS = {"question", "response", "score", "kind"}
WRITTEN = "written"  # the source of a response that no model wrote
LOWEST, HIGHEST = 0.0, 100.0


@dataclass(frozen=True)
class GoldExchange:
    """One question, one response, and the score from 0 to 100 that its rubric asks for.

    `kind` is what makes it easy or hard to judge, one of KINDS; only a response of kind "empty" is empty. `source` says
    who wrote the response: "written", or a model and how it was steered; `finished` is False where it stops at a limit
    of its length.
    """

    question: str
    response: str
    score: float
    kind: str
    source: str = WRITTEN
    finished: bool = True


def load_gold(path: Path) -> tuple[GoldExchange, ...]:
    """The exchanges of a gold set, in file order; a row may leave out `source` ("written") and `finished` (true).

    Raises DatasetError naming file and line for a row that is malformed, incomplete, out of scale or repeated.
    """
    return tuple(_exchange(row, where) for where, row in json_rows(path, FIELDS, {"source", "finished"}))


def question_numbers(gold: Sequence[GoldExchange]) -> list[int]:
    """For each exchange the number of its question, from 0 in order of appearance: equal for equal questions."""
    numbers = {question: number for number, question in enumerate(dict.fromkeys(one.question for one in gold))}
    return [numbers[one.question] for one in gold]


def json_rows(path: Path, fields: set[str], optional: Set[str] = frozenset()) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file, one a line, each with the place that messages name it by.

    Raises DatasetError for a missing or empty file, a row of other fields, or a question and response that repeat.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; restore it from the repository.")
    seen: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path}:{number}"
        row = _row(raw, where, fields, optional)
        key = (str(row["question"]), str(row["response"]))
        if key in seen:
            raise DatasetError(f"{where}: question and response repeat line {seen[key]}; remove one of the two.")
        seen[key] = number
        yield where, row
    if not seen:
        raise DatasetError(f"{path} is empty; it needs at least one row.")


def _row(raw: bytes, where: str, fields: set[str], optional: Set[str]) -> dict[str, Any]:
    try:
        row = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: not UTF-8 ({error.reason} at byte {error.start}); re-encode the file.") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON ({error.msg} at column {error.colno}); one object a line.") from error
    if not isinstance(row, dict) or not fields <= set(row) <= fields | optional:
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise DatasetError(f"{where}: expected the fields {sorted(fields)}, found {found}.")
    return row


def require_texts(row: dict[str, Any], where: str) -> None:
    """Raise DatasetError unless question and response are texts of readable length, and only kind "empty" is empty."""
    question, response, kind = (row[name] for name in ("question", "response", "kind"))
    if not isinstance(question, str) or not question.strip():
        raise DatasetError(f"{where}: the question is empty; write one or remove the row.")
    if not isinstance(response, str):
        raise DatasetError(f"{where}: response {response!r}; it must be a text, which may be empty.")
    if (longest := max(len(question), len(response))) > MAX_CHARACTERS:
        raise DatasetError(f"{where}: {longest} characters; at most {MAX_CHARACTERS} are allowed.")
    if (kind == "empty") != (not response.strip()):
        raise DatasetError(f"{where}: a response of kind {kind!r} reads {response!r}; only kind 'empty' is empty.")


def _exchange(row: dict[str, Any], where: str) -> GoldExchange:
    score, kind = row["score"], row["kind"]
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not LOWEST <= score <= HIGHEST:
        raise DatasetError(f"{where}: score {score!r}; it must be a number from 0 to 100.")
    if kind not in KINDS:
        raise DatasetError(f"{where}: kind {kind!r}; it must be one of {', '.join(KINDS)}.")
    require_texts(row, where)
    source, finished = row.get("source", WRITTEN), row.get("finished", True)
    require_origin(source, finished, where)
    return GoldExchange(row["question"], row["response"], float(score), kind, source, finished)


def require_origin(source: Any, finished: Any, where: str) -> None:
    """Raise DatasetError unless it is said who wrote a response, and whether it is whole."""
    if not isinstance(source, str) or not source.strip():
        raise DatasetError(f"{where}: source {source!r}; say who wrote the response.")
    if not isinstance(finished, bool):
        raise DatasetError(f"{where}: finished {finished!r}; it must be true or false.")
