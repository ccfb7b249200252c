"""Reads a trait from anywhere on disk, in any form that is accepted, and brings it into this project's own form."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.data.datasets import (
    FILES,
    GOLD_FILE,
    INSTRUCTIONS,
    LABELS,
    NO_TOPIC,
    DatasetError,
    Question,
    Row,
    Tell,
    TraitData,
    asked,
    gold_file,
    instructed,
    json_lines,
    load_definition,
    load_trait,
    not_json,
    paired,
    read_text,
    refuse,
    require_label,
    require_two,
    with_fields_once,
)
from harness.data.gold import GoldExchange, load_gold
from harness.data.labelled import Labelled, load_labelled
from harness.hashes import key_of

SCENARIOS, QUESTIONS, DEFINITION = FILES
LABELLED_FILE = "labelled.jsonl"
OWN_FILES = (*FILES, *INSTRUCTIONS, LABELLED_FILE)
STEERING = "steering.json"
# The fields of a table that must be there, and those that may be: a pair a row, or a scenario a row.
TABLES = (({"positive", "negative"}, {"topic"}), ({"text", "label"}, {"pair", "topic"}))
EXTRACT, EVALUATE = "trait_data_extract", "trait_data_eval"  # the folders of persona_vectors
FORMS = (
    f"a folder with {SCENARIOS} or {INSTRUCTIONS[0]}, one with positive.txt and negative.txt, a JSON file of "
    "persona_vectors, or a CSV, JSONL or JSON file of pairs or texts"
)


@dataclass(frozen=True)
class Brought:
    """A trait as it was read, and what its form does not say (`note`, empty where it says all).

    `files` are those of this project's form, by name; `own` is whether it was in that form already.
    """

    data: TraitData
    gold: tuple[GoldExchange, ...]
    labelled: tuple[Labelled, ...]
    files: Mapping[str, bytes]
    note: str = ""
    own: bool = False


@dataclass(frozen=True)
class Parts:
    """What one form has: rows of scenarios, phrasings and questions, each with the place that messages name it by."""

    scenarios: Sequence[Row] = ()
    questions: Sequence[Row] = ()
    phrasings: Sequence[tuple[str, Any]] = ()
    extraction_questions: Sequence[Row] = ()
    note: str = ""


def bring(name: str, where: Path, into: Path) -> Path:
    """A folder with the trait at `where` in this project's form: `where` itself, or one below `into` named by content.

    Raises DatasetError, which names the original file and its line, row or entry, for what cannot be used.
    """
    found = read(where)
    if found.own:
        return where.resolve()
    content = {file: hashlib.sha256(data).hexdigest() for file, data in found.files.items()}
    folder = into / f"{name}-{key_of(content)[:12]}"
    if not folder.is_dir():
        write(found.files, folder)
    return folder


def pairing_note(where: Path) -> str:
    """What it costs that the form at `where` leaves something unsaid, such as pairs; empty where it says all.

    Raises DatasetError as `bring` does.
    """
    return read(where).note


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a folder of files whole or not at all: a temporary folder beside it, renamed. One that came first stays.

    Raises OSError where it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".", suffix=".partial"))
    try:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        temporary.chmod(0o755)  # mkdtemp's own mode would hide the folder from everybody else
        os.rename(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read(where: Path, tell: Tell = refuse) -> Brought:
    """The trait at `where`, whatever its form, with the files beside it that belong to it.

    DatasetErrors tell of everything that cannot be used; where `tell` returns, the rest is read without it. Raises
    DatasetError where there is no form that is known.
    """
    beside = where if where.is_dir() else where.parent
    own = where.is_dir() and any((where / name).is_file() for name in (SCENARIOS, INSTRUCTIONS[0]))
    if own:
        data, files, note = load_trait(where, partial=True, tell=tell), _files_of(where, OWN_FILES), ""
    else:
        data, files, note = _converted(where, beside, tell)
    graded = gold_file(where) if own else beside / GOLD_FILE
    gold = load_gold(graded, tell) if graded.is_file() else ()
    if graded.is_file():
        files[GOLD_FILE] = graded.read_bytes()
    labelled = load_labelled(beside / LABELLED_FILE, tell) if (beside / LABELLED_FILE).is_file() else ()
    return Brought(data, gold, labelled, files, note, own)


def _converted(where: Path, beside: Path, tell: Tell) -> tuple[TraitData, dict[str, bytes], str]:
    """What is in another form than this project's: as it was read, as files, and what it does not say."""
    form, source = _form(where)
    parts = form(source, tell)
    definition = load_definition(beside / DEFINITION, tell) if (beside / DEFINITION).is_file() else {}
    questions = asked(parts.questions or _questions_beside(beside, tell), tell)
    extraction = asked(parts.extraction_questions, tell)
    data = TraitData(
        where.stem,
        paired(parts.scenarios, source, tell),
        questions,
        definition,
        instructed(parts.phrasings, source, extraction, source, tell) if parts.phrasings else (),
    )
    if not (data.pairs or data.instructed):
        tell(DatasetError(f"{source} has no pair of scenarios and no instructions, so nothing elicits a trait."))
    files = _written(data, parts, extraction) | _files_of(beside, (DEFINITION, LABELLED_FILE))
    return data, files, parts.note


def _written(data: TraitData, parts: Parts, extraction: tuple[Question, ...]) -> dict[str, bytes]:
    """The files of this project's form that hold what was read in another one."""
    scenarios = [
        {"text": one.text, "label": one.label, "pair": one.pair, "topic": one.topic}
        for pair in data.pairs
        for one in pair
    ]
    phrasings = {"phrasings": [phrasing for _, phrasing in parts.phrasings]}
    files = {
        SCENARIOS: _jsonl(scenarios),
        QUESTIONS: _jsonl([vars(one) for one in data.questions]),
        INSTRUCTIONS[0]: yaml.safe_dump(phrasings, allow_unicode=True).encode() if parts.phrasings else b"",
        INSTRUCTIONS[1]: _jsonl([vars(one) for one in extraction]),
    }
    return {name: content for name, content in files.items() if content}


def _jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _files_of(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _form(where: Path) -> tuple[Callable[[Path, Tell], Parts], Path]:
    """What reads the form at `where`, and the file or folder to read."""
    if where.is_dir():
        if any((where / f"{label}.txt").is_file() for label in LABELS):
            return _texts, where
        inside = where / EXTRACT if (where / EXTRACT).is_dir() else where
        candidates = sorted(path for path in inside.iterdir() if path.suffix in (".json", ".csv"))
        if len(candidates) > 1:
            raise DatasetError(f"{inside} has {', '.join(path.name for path in candidates)}; name one of these files.")
        source = candidates[0] if candidates else where
    else:
        source = where
    forms = {".json": _persona, ".csv": _csv, ".jsonl": _json_lines}
    if not source.exists():
        raise DatasetError(f"{source} does not exist; name the folder or the file of a trait.")
    if not source.is_file() or source.suffix not in forms:
        raise DatasetError(f"{where} is no trait in a form that is known: give {FORMS}.")
    return forms[source.suffix], source


def _texts(folder: Path, tell: Tell) -> Parts:
    """`positive.txt` and `negative.txt`, a scenario a line, and the questions of `steering.json`."""
    rows = [
        (where, {"text": text, "label": label})
        for label in LABELS
        for where, text in _lines(folder / f"{label}.txt", tell)
    ]
    scenarios, note = _by_line(rows, tell)
    questions = _strings(folder / STEERING, "questions", tell) if (folder / STEERING).is_file() else []
    return Parts(scenarios, questions, note=note)


def _persona(path: Path, tell: Tell) -> Parts:
    """Instructions with the questions that are asked under them; those to steer with are in the other folder's file."""
    text = _text(path, tell)
    if text.lstrip().startswith("["):  # rows, as JSONL has them
        return _json_lines(path, tell)
    read = _parsed(path, text, tell)
    listed = read.get("instruction") if isinstance(read, dict) else None
    if not isinstance(listed, list) or not listed:
        tell(DatasetError(f"{path}: expected `instruction`, a list of a `pos` and a `neg` text each, and `questions`."))
        listed = []
    phrasings = [
        (f"{path}: instruction {number}", _contrast(one) if isinstance(one, dict) else one)
        for number, one in enumerate(listed, start=1)
    ]
    extraction = _strings(path, "questions", tell)
    other = path.parent.parent / EVALUATE / path.name
    if other.is_file() and other != path:
        return Parts((), _strings(other, "questions", tell), phrasings, extraction)
    note = f"The questions of {path.name} are asked under its instructions, so none of them is left to steer with."
    return Parts((), (), phrasings, extraction, note)


def _contrast(one: Mapping[str, Any]) -> dict[str, Any]:
    """An instruction of persona_vectors by this project's words."""
    return {{"pos": "positive", "neg": "negative"}.get(name, name): text for name, text in one.items()}


def _csv(path: Path, tell: Tell) -> Parts:
    return _tabular(_cells(path, tell), tell)


def _json_lines(path: Path, tell: Tell) -> Parts:
    return _tabular(json_lines(path, tell), tell)


def _tabular(rows: Iterable[Row], tell: Tell) -> Parts:
    """Rows with a positive and a negative text, or with one text and its label."""
    kept = _alike(rows, tell)
    fields = set(kept[0][1]) if kept else set()
    if "label" in fields and "pair" not in fields:
        scenarios, note = _by_line(kept, tell)
        return Parts(scenarios, note=note)
    scenarios = []
    for number, (where, row) in enumerate(kept):
        pair = _whole(row.get("pair", number))
        texts = [(row["label"], row["text"])] if "label" in row else [(label, row[label]) for label in LABELS]
        try:
            if len(texts) == len(LABELS):
                require_two(row, where)
        except DatasetError as error:
            tell(error)
            continue
        topic = _topic(row) or f"pair {pair}"
        scenarios += [(where, {"text": text, "label": label, "pair": pair, "topic": topic}) for label, text in texts]
    return Parts(scenarios)


def _alike(rows: Iterable[Row], tell: Tell) -> list[Row]:
    """The rows that have the fields of the first, which must be those of a pair or of a scenario."""
    kept: list[Row] = []
    for where, row in rows:
        if not kept and not any(needed <= set(row) <= needed | further for needed, further in TABLES):
            wanted = "positive, negative[, topic] or text, label[, pair, topic]"
            tell(DatasetError(f"{where}: expected the fields {wanted}, found {', '.join(map(str, row))}."))
            return []
        if kept and set(row) != set(kept[0][1]):
            tell(DatasetError(f"{where}: expected the fields {sorted(kept[0][1])}, found {sorted(row)}."))
        else:
            kept.append((where, row))
    return kept


def _by_line(rows: Iterable[Row], tell: Tell) -> tuple[list[Row], str]:
    """Pairs of the first positive and the first negative text, of the second and the second ..., within each topic.

    Also what that costs, in words.
    """
    grouped: dict[str, dict[str, list[Row]]] = {}
    for where, row in rows:
        try:
            label = require_label(row["label"], where)
        except DatasetError as error:
            tell(error)
            continue
        grouped.setdefault(_topic(row), {one: [] for one in LABELS})[label].append((where, row))
    found: list[Row] = []
    for topic, members in grouped.items():
        for both in zip(*members.values(), strict=False):
            pair = len(found) // 2
            found += [
                (where, {"text": row["text"], "label": label, "pair": pair, "topic": topic or f"pair {pair}"})
                for label, (where, row) in zip(members, both, strict=True)
            ]
    left = sum(len(side) for members in grouped.values() for side in members.values()) - len(found)
    note = (
        f"{len(found) // 2} pairs were made by line, as nothing says which scenarios belong together: the members of a "
        "pair differ in wording, too, so intervals that resample pairs are wider than those of pairs that were written"
    )
    note += (
        ""
        if any(grouped)
        else "; no topics are said, so every pair counts as its own and pairs alike may be held out apart"
    )
    note += f"; {left} scenarios of the longer side are left out." if left else "."
    return found, note


def _topic(row: Mapping[str, Any]) -> str:
    """The topic that a row names; empty where it names none."""
    topic = row.get("topic")
    return "" if topic is None else str(topic).strip()


def _whole(number: Any) -> Any:
    """A cell of a CSV file as the number that it is."""
    return int(number) if isinstance(number, str) and number.strip().isdecimal() else number


def _questions_beside(folder: Path, tell: Tell) -> Sequence[Row]:
    """Those of `questions.jsonl`, or a line each of `questions.txt`; none where neither is there."""
    if (folder / QUESTIONS).is_file():
        return list(json_lines(folder / QUESTIONS, tell))
    path = folder / "questions.txt"
    lines = _lines(path, tell) if path.is_file() else []
    return [(where, {"text": text, "topic": NO_TOPIC}) for where, text in lines]


def _lines(path: Path, tell: Tell) -> list[tuple[str, str]]:
    """The lines that are not blank, without the space around them; DatasetError if there is none."""
    lines = [(f"{path}:{number}", line.strip()) for number, line in enumerate(_text(path, tell).split("\n"), start=1)]
    found = [(where, text) for where, text in lines if text]
    if path.is_file() and not found:
        tell(DatasetError(f"{path} is empty; it needs at least one line."))
    return found


def _cells(path: Path, tell: Tell) -> list[Row]:
    """The rows of a CSV file by its header, each named by its first line."""
    lines = csv.reader(io.StringIO(_text(path, tell), newline=""), strict=True)
    header: list[str] = []
    found: list[Row] = []
    start = 1
    try:
        for cells in lines:
            where, start = f"{path}:{start}", lines.line_num + 1
            if not header:
                header = [name.strip() for name in cells]
            elif cells and len(cells) != len(header):
                tell(
                    DatasetError(
                        f"{where}: {len(cells)} cells, the header names {len(header)}; quote cells with commas."
                    )
                )
            elif cells:
                found.append((where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        tell(DatasetError(f"{path}:{start}: not CSV ({error}); close the quotation or double the marks inside it."))
    return found


def _strings(path: Path, field: str, tell: Tell) -> list[Row]:
    """The texts that a JSON file lists under `field`, or lists and nothing else."""
    read = _parsed(path, _text(path, tell), tell)
    listed = read.get(field) if isinstance(read, dict) else read
    if not isinstance(listed, list):
        tell(DatasetError(f"{path}: expected `{field}`, a list of texts."))
        return []
    return [(f"{path}: question {number}", {"text": text, "topic": NO_TOPIC}) for number, text in enumerate(listed, 1)]


def _parsed(path: Path, text: str, tell: Tell) -> Any:
    try:
        return json.loads(text, object_pairs_hook=with_fields_once)
    except (ValueError, RecursionError) as error:
        tell(not_json(path, text, 0, error))
        return {}


def _text(path: Path, tell: Tell) -> str:
    """The text of a file; empty where it is not there or not UTF-8."""
    try:
        return read_text(path)
    except FileNotFoundError:
        tell(DatasetError(f"{path} does not exist; write it."))
    except DatasetError as error:
        tell(error)
    return ""
