"""Reads gold sets: exchanges with the score a judge should give them; a bad row is refused with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.data.datasets import (
    MAX_CHARACTERS,
    DatasetError,
    Row,
    Tell,
    in_file,
    json_lines,
    refuse,
    require_text,
)

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
POSITIVE, NEGATIVE = 75.0, 25.0  # gold scores from and up to which a response counts as one or the other
# Gold questions, and those of the rarer side, from which a judge that errs in nothing is shown to reach an AUROC of
# .80, what binds first in `harness.judges.gate` (a test there computes them). Among many, fewer need be on a side.
FEWEST_QUESTIONS = 21
FEWEST_A_SIDE = 11
MANY_QUESTIONS, FEWEST_A_SIDE_OF_MANY = 62, 10
One = TypeVar("One")


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


def load_gold(path: Path, tell: Tell = refuse) -> tuple[GoldExchange, ...]:
    """The exchanges of a gold set, in file order; a row may leave out `source` ("written") and `finished` (true).

    Raises DatasetError naming file and line for a row that is malformed, incomplete, out of scale or repeated; `tell`
    may go on without that row.
    """
    return tuple(read_rows(json_rows(path, FIELDS, {"source", "finished"}, tell), _exchange, tell))


def read_rows(rows: Iterable[Row], read: Callable[[dict[str, Any], str], One], tell: Tell) -> Iterator[One]:
    """Each row as it is read, but for those that cannot be and are told."""
    for where, row in rows:
        try:
            found = read(row, where)
        except DatasetError as error:
            tell(error)
            continue
        yield found


def sides(gold: Sequence[GoldExchange]) -> Mapping[str, int]:
    """To how many questions a gold set has a positive response, a negative one, and either."""
    positive = {one.question for one in gold if one.score >= POSITIVE}
    negative = {one.question for one in gold if one.score <= NEGATIVE}
    return {"positive": len(positive), "negative": len(negative), "either": len(positive | negative)}


def too_few_gold(gold: Sequence[GoldExchange]) -> str:
    """Why no judge of a trait can pass the gate on a gold set, not even one who errs in nothing; empty where one can.

    Questions are counted, as responses to one question are no independent witnesses. A set in which a few questions
    have most of the responses can be too small all the same.
    """
    found = sides(gold)
    rarer = min(found["positive"], found["negative"])
    needed = FEWEST_A_SIDE if found["either"] < MANY_QUESTIONS else FEWEST_A_SIDE_OF_MANY
    if found["either"] >= FEWEST_QUESTIONS and rarer >= needed:
        return ""
    return (
        f"{found['either']} gold questions have a response of {POSITIVE:g} or more ({found['positive']}) or of "
        f"{NEGATIVE:g} or less ({found['negative']}), so no judge can be shown to order them rightly: "
        f"{FEWEST_QUESTIONS} questions, {needed} on each side, are the least; write more."
    )


def question_numbers(gold: Sequence[GoldExchange]) -> list[int]:
    """For each exchange the number of its question, from 0 in order of appearance: equal for equal questions."""
    numbers = {question: number for number, question in enumerate(dict.fromkeys(one.question for one in gold))}
    return [numbers[one.question] for one in gold]


def json_rows(path: Path, fields: set[str], optional: Set[str] = frozenset(), tell: Tell = refuse) -> Iterator[Row]:
    """The objects of a file, one a line, each with the place that messages name it by.

    DatasetErrors tell of a missing or empty file, a row of other fields, or a question and response that repeat.
    """
    if not path.is_file():
        tell(DatasetError(f"{path} does not exist; put it back, or name the folder that has it."))
        return
    seen: dict[tuple[str, str], str] = {}
    for where, row in json_lines(path, tell):
        try:
            if not fields <= set(row) <= fields | optional:
                raise DatasetError(f"{where}: expected the fields {sorted(fields)}, found {sorted(row)}.")
            key = (str(row["question"]), str(row["response"]))
            if key in seen:
                raise DatasetError(f"{where}: question and response repeat {seen[key]}; remove one of the two.")
        except DatasetError as error:
            tell(error)
            continue
        seen[key] = in_file(where)
        yield where, row


def require_texts(row: dict[str, Any], where: str) -> None:
    """Raise DatasetError unless question and response are texts of readable length, and only kind "empty" is empty."""
    question, response, kind = (row[name] for name in ("question", "response", "kind"))
    require_text(question, where, "question")
    if not isinstance(response, str):
        raise DatasetError(f"{where}: response {response!r}; it must be a text, which may be empty.")
    if len(response) > MAX_CHARACTERS:
        raise DatasetError(f"{where}: {len(response)} characters; at most {MAX_CHARACTERS} are allowed.")
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
