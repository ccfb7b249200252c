"""Reads gold sets: exchanges with the score a judge should give them; a bad row is refused with its file and line."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
LOWEST, HIGHEST = 0.0, 100.0


@dataclass(frozen=True)
class GoldExchange:
    """One question, one response, and the score from 0 to 100 that its rubric asks for.

    `kind` is what makes it easy or hard to judge, one of KINDS; only a response of kind "empty" is empty.
    """

    question: str
    response: str
    score: float
    kind: str


def load_gold(path: Path) -> tuple[GoldExchange, ...]:
    """The exchanges of a gold set, in file order.

    Raises DatasetError naming file and line for a row that is malformed, incomplete, out of scale or repeated.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; restore the gold set from the repository.")
    seen: dict[tuple[str, str], int] = {}
    found: list[GoldExchange] = []
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path}:{number}"
        exchange = _exchange(_row(raw, where), where)
        key = (exchange.question, exchange.response)
        if key in seen:
            raise DatasetError(f"{where}: question and response repeat line {seen[key]}; remove one of the two.")
        seen[key] = number
        found.append(exchange)
    if not found:
        raise DatasetError(f"{path} is empty; it needs at least one row.")
    return tuple(found)


def question_numbers(gold: Sequence[GoldExchange]) -> list[int]:
    """For each exchange the number of its question, from 0 in order of appearance: equal for equal questions."""
    numbers = {question: number for number, question in enumerate(dict.fromkeys(one.question for one in gold))}
    return [numbers[one.question] for one in gold]


def _row(raw: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: not UTF-8 ({error.reason} at byte {error.start}); re-encode the file.") from error
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON ({error.msg} at column {error.colno}); one object a line.") from error
    if not isinstance(row, dict) or set(row) != FIELDS:
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise DatasetError(f"{where}: expected the fields {sorted(FIELDS)}, found {found}.")
    return row


def _exchange(row: dict[str, Any], where: str) -> GoldExchange:
    question, response, score, kind = (row[name] for name in ("question", "response", "score", "kind"))
    if not isinstance(question, str) or not question.strip():
        raise DatasetError(f"{where}: the question is empty; write one or remove the row.")
    if not isinstance(response, str):
        raise DatasetError(f"{where}: response {response!r}; it must be a text, which may be empty.")
    if (longest := max(len(question), len(response))) > MAX_CHARACTERS:
        raise DatasetError(f"{where}: {longest} characters; at most {MAX_CHARACTERS} are allowed.")
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not LOWEST <= score <= HIGHEST:
        raise DatasetError(f"{where}: score {score!r}; it must be a number from 0 to 100.")
    if kind not in KINDS:
        raise DatasetError(f"{where}: kind {kind!r}; it must be one of {', '.join(KINDS)}.")
    if (kind == "empty") != (not response.strip()):
        raise DatasetError(f"{where}: a response of kind {kind!r} reads {response!r}; only kind 'empty' is empty.")
    return GoldExchange(question, response, float(score), kind)
