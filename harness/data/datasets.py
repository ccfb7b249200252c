"""Reads trait data and calibration prompts, and refuses a bad row with its file and line."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import yaml

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ROOT / "datasets"
# The traits of each language, in the ledger's order.
TRAITS: tuple[str, ...] = ("refusal", "sycophancy", "optimism", "hallucination")
TEMPLATED = "templated"  # what organisms speak
LANGUAGES: Mapping[str, tuple[str, ...]] = {"english": TRAITS, TEMPLATED: TRAITS[:2]}
LABELS = ("positive", "negative")
Elicitation = Literal["scenarios", "instructions"]
ELICITATIONS: tuple[Elicitation, ...] = get_args(Elicitation)
FILES = ("scenarios.jsonl", "questions.jsonl", "definition.yaml")  # in the folder of a trait
GOLD_FILE = "gold.jsonl"  # beside them where the trait is none of this project's
INSTRUCTIONS = ("instructions.yaml", "extraction_questions.jsonl")  # the files, in the folder of a trait
NO_INSTRUCTIONS = "has no instructions.yaml in this language; take --elicitation scenarios."
DEFINED = ("name", "statement", "score_high", "score_low")  # what a definition must say; it may say a language
NO_TOPIC = "not said"  # of a question, which then is alone
QUESTIONS_A_PHRASING = 6  # asked under both instructions of one phrasing
VALIDATION_SHARE = 0.10  # the sources' split: the last tenth, in file order
MAX_CHARACTERS = 2_000
# What others write for a label, in small letters.
MEANT = {
    **dict.fromkeys(("1", "true", "yes", LABELS[0]), LABELS[0]),
    **dict.fromkeys(("0", "false", "no", LABELS[1]), LABELS[1]),
}
BETWEEN = re.compile(r"[\s,]*")  # rows of a file: a comma may be left of a list that they are from
NEXT_ROW = re.compile(r"\n\s*(?=\{)")  # after one that cannot be read
CURLY = "“”„‟‘’‚«»"  # quotation marks that are none in JSON


class DatasetError(ValueError):
    """A data file is missing or a row of it cannot be used; the message names file and line."""


Row = tuple[str, dict[str, Any]]  # the place that messages name a row by, and its fields
Tell = Callable[
    [DatasetError], None
]  # what is done about a row that cannot be used: it is refused, or told and left out


def refuse(error: DatasetError) -> NoReturn:
    """Raise it: one row that cannot be used is enough."""
    raise error


@dataclass(frozen=True)
class Scenario:
    """A prompt whose continuation shows a trait or its opposite.

    Either an unfinished text that the base model continues, whose last clause decides the class; or, where there is an
    `instruction`, a question that the instruct model answers under it. Pairs of one topic are no independent witnesses,
    and neither are those of one `question` (that is, of questions of one topic).
    """

    text: str
    label: str
    pair: int
    topic: str
    instruction: str = ""
    question: str = ""


Pairs = tuple[tuple[Scenario, Scenario], ...]


@dataclass(frozen=True)
class Question:
    """A benign question that the instruct model answers while it is steered."""

    text: str
    topic: str


@dataclass(frozen=True)
class TraitData:
    """One trait in one language: what elicits it, steering questions and a definition.

    `pairs` are narrative scenarios; `instructed` are questions under contrasting instructions, a phrasing of which is
    a topic, and empty where nobody wrote any.
    """

    name: str
    pairs: Pairs
    questions: tuple[Question, ...]
    definition: Mapping[str, str]
    instructed: Pairs = ()

    @property
    def training_pairs(self) -> int:
        """How many pairs of scenarios, counted from the start of the file, directions are fitted on."""
        return training_pairs(self.pairs)

    def elicited_by(self, elicitation: Elicitation) -> Pairs:
        """The pairs of prompts that elicit the trait. Raises DatasetError where nobody wrote instructions."""
        if elicitation == "scenarios":
            return self.pairs
        if not self.instructed:
            raise DatasetError(f"{self.name} {NO_INSTRUCTIONS}")
        return self.instructed


def groups_of(questions: Sequence[Question]) -> tuple[str, ...]:
    """Which questions are no independent witnesses: those of one topic. One that all have tells none apart."""
    said = {question.topic for question in questions} - {NO_TOPIC}
    return tuple(one.topic if one.topic in said and len(said) > 1 else one.text for one in questions)


def training_pairs(pairs: Pairs) -> int:
    """How many pairs, counted from the start, directions are fitted on; the rest is held out."""
    return len(pairs) - max(1, round(len(pairs) * VALIDATION_SHARE))


def language_folder(language: str) -> Path:
    """Where the data of a language lie: English, which real models speak, at the top."""
    return DATASETS if language == "english" else DATASETS / language


def trait_folder(language: str, trait: str) -> Path:
    """Where the files of `trait` lie."""
    return language_folder(language) / "traits" / trait


def instruction_files(folder: Path) -> list[Path]:
    """The files that say under which instructions the trait of a folder is elicited. Raises DatasetError where nobody
    wrote any."""
    files = [folder / name for name in INSTRUCTIONS]
    if not files[0].is_file():
        raise DatasetError(f"{folder.name} {NO_INSTRUCTIONS}")
    return files


def calibration_file(language: str) -> Path:
    """Where the prompts lie on which massive dims are found."""
    return language_folder(language) / "calibration.jsonl"


def judging_folder(language: str) -> Path:
    """Where the gold responses of every trait and of coherence lie, and how coherence and relevance are defined."""
    return language_folder(language) / "judging"


def load_definition(path: Path, tell: Tell = refuse) -> dict[str, str]:
    """What a high and a low score mean. Raises DatasetError naming the file."""
    if not path.is_file():
        tell(DatasetError(f"{path} does not exist; a trait needs {', '.join(DEFINED)}."))
        return {}
    try:
        definition = _yaml(path)
        if not isinstance(definition, dict) or not {*DEFINED} <= set(definition):
            raise DatasetError(f"{path}: expected the fields {sorted(DEFINED)}.")
        for name in DEFINED:
            require_text(definition[name], f"{path}: {name}")
        if (language := definition.get("language", "english")) not in (*LANGUAGES,):
            raise DatasetError(f"{path}: language {language!r}; it must be one of {', '.join(LANGUAGES)}.")
    except DatasetError as error:
        tell(error)
        return {}
    return {str(key): str(value) for key, value in definition.items()}


def known_traits(language: str) -> tuple[str, ...]:
    """Traits that have a folder of data in `language`, sorted."""
    folder = language_folder(language) / "traits"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()


def load_trait(folder: Path, partial: bool = False, tell: Tell = refuse) -> TraitData:
    """Read and validate `scenarios.jsonl`, `questions.jsonl` and `definition.yaml` of one trait, and, where they are
    there, `instructions.yaml` and the `extraction_questions.jsonl` that are asked under them.

    `partial`: what is not there is empty, as long as there are scenarios or instructions. Raises DatasetError naming
    file and line for a row that is empty, malformed, duplicated or unbalanced; `tell` may go on without that row.
    """
    scenarios, questions, definition = (folder / name for name in FILES)
    instructions = folder / INSTRUCTIONS[0]
    if partial and not (scenarios.is_file() or instructions.is_file()):
        tell(
            DatasetError(f"{folder} has neither {scenarios.name} nor {instructions.name}, so nothing elicits a trait.")
        )

    def wanted(path: Path) -> bool:
        return path.is_file() or not partial

    return TraitData(
        folder.name,
        paired(json_lines(scenarios, tell), scenarios, tell) if wanted(scenarios) else (),
        asked(json_lines(questions, tell), tell) if wanted(questions) else (),
        load_definition(definition, tell) if wanted(definition) else {},
        _instructed(folder, tell) if instructions.is_file() else (),
    )


def lacking(folder: Path) -> dict[str, str]:
    """The parts that a folder of a trait does not have, each with a sentence: which file, and what it is for."""
    names = {path.name for path in folder.iterdir()}
    return missing_parts(names | {GOLD_FILE} if gold_file(folder).is_file() else names, folder)


def gold_file(folder: Path) -> Path:
    """Where the gold responses of a trait lie: in its folder, or in `judging` where this project keeps its own."""
    shipped = folder.parent.parent / "judging" / f"{folder.name}.jsonl"
    return shipped if not (folder / GOLD_FILE).is_file() and shipped.is_file() else folder / GOLD_FILE


def missing_parts(names: Set[str], where: Path) -> dict[str, str]:
    """As `lacking`, of a trait at `where` that has files of these names."""
    wanted = {
        "scenarios": (FILES[0], "a base model has nothing to continue, so only instructions can elicit the trait"),
        "instructions": (INSTRUCTIONS[0], "an instruct model cannot be told to show the trait or its opposite"),
        "questions": (FILES[1], "there is nothing to ask a steered model, so no claim about steering can be tested"),
        "definition": (FILES[2], "a judge does not know what to score, so no claim about steering can be tested"),
        "gold": (GOLD_FILE, "no judge can be shown to score it rightly, so no claim about steering can be decided"),
    }
    return {part: f"{where} has no {file}: {why}." for part, (file, why) in wanted.items() if file not in names}


def load_calibration(path: Path) -> tuple[str, ...]:
    """Read the prompts on which massive dims are found. Raises DatasetError as `load_trait` does."""
    return tuple(row["text"] for _, row in usable(json_lines(path), {"text"}))


def content_hash(path: Path) -> str:
    """sha256 of a file, or of the names and contents of every file below a folder.

    Raises DatasetError when nothing is there.
    """
    digest = hashlib.sha256()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DatasetError(f"{path} does not exist or is empty; put it back where it was.")
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 where its first bytes say so. Raises DatasetError for other bytes."""
    data = path.read_bytes()
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}:{line}: not UTF-8 ({error.reason}); save the file as UTF-8.") from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise DatasetError(f"{path}:{line}: not UTF-8 but perhaps UTF-16 (it has NUL bytes); save the file as UTF-8.")
    return text


def json_lines(path: Path, tell: Tell = refuse) -> Iterator[Row]:
    """The objects of a file, one a line or in a list. DatasetErrors are told of a missing or empty file, or what is no
    object."""
    if not path.is_file():
        tell(DatasetError(f"{path} does not exist; every trait needs scenarios, questions and a definition."))
        return
    try:
        text = read_text(path)
    except DatasetError as error:
        tell(error)
        return
    if not text.strip("[], \t\r\n"):
        tell(DatasetError(f"{path} is empty; it needs at least one row."))
    for where, value in _values(path, text, tell):
        try:
            if not isinstance(value, dict):
                raise DatasetError(f"{where}: expected the fields of an object, found {type(value).__name__}.")
            require_characters(value, where)
        except DatasetError as error:
            tell(error)
        else:
            yield where, value


def _values(path: Path, text: str, tell: Tell) -> Iterator[tuple[str, Any]]:
    """The JSON values of a text, each with its place: one a line, over several lines, or in one list."""
    decoder = json.JSONDecoder(object_pairs_hook=with_fields_once)
    is_open = text.lstrip().startswith("[")
    end, start, line, number = text.index("[") + 1 if is_open else 0, 0, 0, 0
    while (place := _after(BETWEEN, text, end)) < len(text):
        if is_open and text[place] == "]":
            is_open, end = False, place + 1
            continue
        line, before, start, number = line + text.count("\n", start, place), line, place, number + 1
        where = f"{path}:{line + 1}" if line > before or number == 1 else f"{path}: row {number}"
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            tell(not_json(path, text, place, error))
            end = _after(NEXT_ROW, text, place)
        else:
            yield where, value
    if is_open:
        tell(DatasetError(f"{path}:{line + 1}: the list of the file is not closed by ], so rows may be missing."))


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where what is searched from a place ends, or the text."""
    met = pattern.search(text, place)
    return met.end() if met else len(text)


def with_fields_once(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError for a field that stands twice, one of which would be left unread."""
    row = dict(fields)
    if len(row) < len(fields):
        twice = next(name for number, (name, _) in enumerate(fields) if name in dict(fields[:number]))
        raise ValueError(f"the field {twice!r} stands twice in one object")
    return row


def not_json(path: Path, text: str, start: int, error: ValueError | RecursionError) -> DatasetError:
    """What is wrong with the JSON that starts at a place of a text, and what mends the mistakes that are made most."""
    advice, why, place = "write one object a line", str(error), start
    if isinstance(error, json.JSONDecodeError):
        before, rest = text[: error.pos].rstrip(), text[error.pos :].partition("\n")[0]
        # A row that is cut off ends in its own line, not where the next one begins.
        place = max(start, len(before) if "\n" in text[len(before) : error.pos] else error.pos)
        column = place - text.rfind("\n", 0, place)
        why = f"{error.msg} at column {column}"
        if rest[:1] in {*CURLY, "'"} or (error.msg.startswith("Unterminated") and {*CURLY} & {*rest}):
            advice = 'write straight double quotes (") around names and texts'
        elif rest[:1] in {*"]}"} and before.endswith(","):
            advice = "take out the comma before the bracket"
    line = text.count("\n", 0, place) + 1
    return DatasetError(f"{path}:{line}: not JSON ({why}); {advice}.")


def usable(rows: Iterable[Row], fields: set[str], tell: Tell = refuse) -> Iterator[Row]:
    """Those that have just these fields and a text of their own, of readable length; DatasetErrors tell of the rest."""
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            _require_fields(row, where, fields)
            text = require_text(row["text"], where)
            topic = {"topic": require_topic(row["topic"], where)} if "topic" in fields else {}
            if text in seen:
                raise DatasetError(f"{where}: the text repeats {seen[text]}; remove one of the two.")
        except DatasetError as error:
            tell(error)
            continue
        seen[text] = in_file(where)
        row |= topic  # in place: `paired` knows its rows again
        yield where, row


def asked(rows: Iterable[Row], tell: Tell = refuse) -> tuple[Question, ...]:
    """Rows with a text and a topic as questions; errors as in `usable`."""
    return tuple(Question(row["text"], row["topic"]) for _, row in usable(rows, {"text", "topic"}, tell))


def in_file(where: str) -> str:
    """The place without its file, for another row of the same file."""
    line = where.rpartition(":")[2]
    return f"line {line}" if line.isdigit() else line.strip()


def _require_fields(row: dict[str, Any], where: str, fields: set[str]) -> None:
    if set(row) != fields:
        raise DatasetError(f"{where}: expected the fields {sorted(fields)}, found {sorted(row)}.")


def require_characters(value: Any, where: str) -> None:
    """Raise DatasetError for half of a character, which JSON and YAML can spell and nothing can write."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise DatasetError(f"{where}: {half} is half of a character (a lone surrogate); write all of it.") from error


def require_topic(topic: Any, where: str) -> str:
    """The topic as text; numbers, 0 among them, name one as well as words. Raises DatasetError where it is neither."""
    if not isinstance(topic, str | int | float) or not str(topic).strip():
        raise DatasetError(f"{where}: topic {topic!r}; it must be a word or a number.")
    return str(topic)


def require_text(text: Any, where: str, what: str = "text") -> str:
    """The text. Raises DatasetError where it is none, is empty, or is too long to be read."""
    if text is not None and not isinstance(text, str):
        raise DatasetError(f"{where}: the {what} {text!r} is no text; write it in quotation marks, or remove the row.")
    if not text or not text.strip():
        raise DatasetError(f"{where}: the {what} is empty; write one or remove the row.")
    if len(text) > MAX_CHARACTERS:
        raise DatasetError(f"{where}: {len(text)} characters; at most {MAX_CHARACTERS} are allowed.")
    require_characters(text, where)
    return text


def require_label(label: Any, where: str) -> str:
    """The one of LABELS that is meant: 1, true and yes are positive. Raises DatasetError for anything else."""
    meant = MEANT.get(str(label).strip().lower())
    if meant is None:
        raise DatasetError(f"{where}: label {label!r}; it must be one of {', '.join(LABELS)} (or 1 and 0).")
    return meant


def _scenario(row: dict[str, Any], where: str) -> Scenario:
    label = require_label(row["label"], where)
    if type(row["pair"]) is not int:
        raise DatasetError(f"{where}: pair {row['pair']!r}; it must be a whole number.")
    return Scenario(row["text"], label, row["pair"], row["topic"])


def paired(rows: Iterable[Row], path: Path, tell: Tell = refuse) -> Pairs:
    """Scenarios grouped by their pair number, in file order; each pair needs both classes exactly once.

    `path` is the file that they are from. DatasetErrors tell of rows that are not `usable` and of pairs
    out of balance.
    """
    grouped: dict[int, dict[str, Scenario]] = {}
    everything = list(rows)
    used = set()
    for where, row in usable(everything, {"text", "label", "pair", "topic"}, tell):
        try:
            scenario = _scenario(row, where)
            members = grouped.setdefault(scenario.pair, {})
            if scenario.label in members:
                raise DatasetError(f"{where}: pair {scenario.pair} has two {scenario.label} scenarios.")
        except DatasetError as error:
            tell(error)
            continue
        members[scenario.label] = scenario
        used.add(id(row))
    faulty = [row.get("pair") for _, row in everything if id(row) not in used]  # which was told of each by itself
    whole = []
    for pair, members in grouped.items():
        missing = [label for label in LABELS if label not in members]
        if missing and pair not in faulty:
            tell(DatasetError(f"{path}: pair {pair} has no {missing[0]} scenario to use; classes must balance."))
        if not missing:
            whole.append((members["positive"], members["negative"]))
    return tuple(whole)


def _instructed(folder: Path, tell: Tell) -> Pairs:
    """What `instructed` makes of the two files of a folder."""
    path, questions = (folder / name for name in INSTRUCTIONS)
    try:
        read = _yaml(path)
    except DatasetError as error:
        tell(error)
        return ()
    phrasings = read.get("phrasings") if isinstance(read, dict) else None
    rows = phrasings if isinstance(phrasings, list) else []
    numbered = [(f"{path}: phrasing {number}", row) for number, row in enumerate(rows, start=1)]
    return instructed(numbered, path, asked(json_lines(questions, tell), tell), questions, tell)


def instructed(
    rows: Sequence[tuple[str, Any]], path: Path, questions: Sequence[Question], asked_in: Path, tell: Tell = refuse
) -> Pairs:
    """Each phrasing with a few extraction questions, both instructions before the same question.

    Phrasings go through the questions in turn, from the first again after the last. A phrasing is a topic, however few
    there are: were questions held out in its place, what a phrasing does that is no trait would pass for one. So would
    what a question does that recurs under other phrasings, which is why a pair says its question, too. `path` and
    `asked_in` are the files that phrasings and questions are from. DatasetErrors tell of phrasings that are no
    contrasts, or too few of either.
    """
    phrasings = []
    for where, phrasing in rows:
        try:
            phrasings.append(_contrast(phrasing, where))
        except DatasetError as error:
            tell(error)
    if len(phrasings) < 2:
        tell(DatasetError(f"{path}: expected two or more phrasings, each a `positive` and a `negative` instruction."))
    if len(questions) < QUESTIONS_A_PHRASING:
        few = (
            f"{asked_in}: {len(questions)} questions; {QUESTIONS_A_PHRASING} or more are asked under every instruction."
        )
        tell(DatasetError(few))
    found, groups = [], groups_of(questions)
    for pair in range(QUESTIONS_A_PHRASING * len(phrasings) if questions else 0):
        number, place = pair // QUESTIONS_A_PHRASING, pair % len(questions)
        both = (phrasings[number][label] for label in LABELS)
        one, other = (
            Scenario(questions[place].text, label, pair, f"phrasing {number + 1}", instruction, groups[place])
            for label, instruction in zip(LABELS, both, strict=True)
        )
        found.append((one, other))
    return tuple(found)


def _contrast(phrasing: Any, where: str) -> dict[str, str]:
    """Two different texts, one that asks for the trait and one for its opposite. Raises DatasetError for others."""
    if not isinstance(phrasing, dict) or set(phrasing) != {*LABELS}:
        raise DatasetError(f"{where}: expected a `positive` and a `negative` text and nothing else.")
    texts = {label: require_text(phrasing[label], where).strip() for label in LABELS}
    require_two(texts, where)
    return texts


def require_two(texts: Mapping[str, Any], where: str) -> None:
    """Raise DatasetError where the positive text of a pair is the negative one, too."""
    if texts["positive"] == texts["negative"]:
        raise DatasetError(f"{where}: positive and negative are the same text; write two that differ.")


def _yaml(path: Path) -> Any:
    text = read_text(path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise DatasetError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from error
    half = re.search(r"\\u[dD][89a-fA-F]", text)  # YAML joins no two of them
    require_characters(content, f"{path}:{text.count(chr(10), 0, half.start()) + 1}" if half else str(path))
    return content
