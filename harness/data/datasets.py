"""Reads trait data and calibration prompts, and refuses a bad row with its file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

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
INSTRUCTIONS = ("instructions.yaml", "extraction_questions.jsonl")  # the files, in the folder of a trait
NO_INSTRUCTIONS = "has no instructions.yaml in this language; take --elicitation scenarios."
QUESTIONS_A_PHRASING = 6  # asked under both instructions of one phrasing
VALIDATION_SHARE = 0.10  # the sources' split: the last tenth, in file order
MAX_CHARACTERS = 2_000


class DatasetError(ValueError):
    """A data file is missing or a row of it cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Scenario:
    """A prompt whose continuation shows a trait or its opposite.

    Either an unfinished text that the base model continues, whose last clause decides the class; or, where there is an
    `instruction`, a question that the instruct model answers under it. Pairs of one topic are no independent witnesses.
    """

    text: str
    label: str
    pair: int
    topic: str
    instruction: str = ""


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


def load_definition(path: Path) -> dict[str, str]:
    """What a high and a low score mean. Raises DatasetError naming the file."""
    return _definition(path)


def known_traits(language: str) -> tuple[str, ...]:
    """Traits that have a folder of data in `language`, sorted."""
    folder = language_folder(language) / "traits"
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()


def load_trait(folder: Path) -> TraitData:
    """Read and validate `scenarios.jsonl`, `questions.jsonl` and `definition.yaml` of one trait, and, where they are
    there, `instructions.yaml` and the `extraction_questions.jsonl` that are asked under them.

    Raises DatasetError naming file and line for a row that is empty, malformed, duplicated or unbalanced.
    """
    scenarios = [
        _scenario(row, where) for where, row in _rows(folder / "scenarios.jsonl", {"text", "label", "pair", "topic"})
    ]
    questions = [Question(row["text"], row["topic"]) for _, row in _rows(folder / "questions.jsonl", {"text", "topic"})]
    return TraitData(
        folder.name,
        _pairs(scenarios, folder / "scenarios.jsonl"),
        tuple(questions),
        _definition(folder / "definition.yaml"),
        _instructed(folder) if (folder / "instructions.yaml").is_file() else (),
    )


def load_calibration(path: Path) -> tuple[str, ...]:
    """Read the prompts on which massive dims are found. Raises DatasetError as `load_trait` does."""
    return tuple(row["text"] for _, row in _rows(path, {"text"}))


def content_hash(path: Path) -> str:
    """sha256 of a file, or of the names and contents of every file below a folder.

    Raises DatasetError when nothing is there.
    """
    digest = hashlib.sha256()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise DatasetError(f"{path} does not exist or is empty; restore it from the repository.")
    for file in files:
        if path.is_dir():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _rows(path: Path, fields: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; every trait needs scenarios, questions and a definition.")
    seen: dict[str, int] = {}
    number = 0
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path}:{number}"
        row = _row(raw, where, fields)
        text = row["text"]
        if text in seen:
            raise DatasetError(f"{where}: the text repeats line {seen[text]}; remove one of the two.")
        seen[text] = number
        yield where, row
    if number == 0:
        raise DatasetError(f"{path} is empty; it needs at least one row.")


def _row(raw: bytes, where: str, fields: set[str]) -> dict[str, Any]:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: not UTF-8 ({error.reason} at byte {error.start}); re-encode the file.") from error
    if not line.strip():
        raise DatasetError(f"{where}: empty line; remove it.")
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON ({error.msg} at column {error.colno}); one object a line.") from error
    if not isinstance(row, dict) or set(row) != fields:
        found = sorted(row) if isinstance(row, dict) else type(row).__name__
        raise DatasetError(f"{where}: expected the fields {sorted(fields)}, found {found}.")
    if not isinstance(row["text"], str) or not row["text"].strip():
        raise DatasetError(f"{where}: the text is empty; write one or remove the row.")
    if len(row["text"]) > MAX_CHARACTERS:
        raise DatasetError(f"{where}: {len(row['text'])} characters; at most {MAX_CHARACTERS} are allowed.")
    return row


def _scenario(row: dict[str, Any], where: str) -> Scenario:
    if row["label"] not in LABELS:
        raise DatasetError(f"{where}: label {row['label']!r}; it must be one of {', '.join(LABELS)}.")
    if type(row["pair"]) is not int:
        raise DatasetError(f"{where}: pair {row['pair']!r}; it must be a whole number.")
    return Scenario(row["text"], row["label"], row["pair"], str(row["topic"]))


def _pairs(scenarios: list[Scenario], path: Path) -> tuple[tuple[Scenario, Scenario], ...]:
    """Scenarios grouped by their pair number, in file order; each pair needs both classes exactly once."""
    grouped: dict[int, dict[str, Scenario]] = {}
    for number, scenario in enumerate(scenarios, start=1):
        members = grouped.setdefault(scenario.pair, {})
        if scenario.label in members:
            raise DatasetError(f"{path}:{number}: pair {scenario.pair} has two {scenario.label} scenarios.")
        members[scenario.label] = scenario
    for pair, members in grouped.items():
        missing = [label for label in LABELS if label not in members]
        if missing:
            raise DatasetError(f"{path}: pair {pair} has no {missing[0]} scenario; classes must balance.")
    return tuple((members["positive"], members["negative"]) for members in grouped.values())


def _instructed(folder: Path) -> Pairs:
    """Each phrasing with a few extraction questions, both instructions before the same question.

    Phrasings go through the questions in turn, from the first again after the last.
    """
    path = folder / "instructions.yaml"
    read = _yaml(path)
    phrasings = read.get("phrasings") if isinstance(read, dict) else None
    if not isinstance(phrasings, list) or len(phrasings) < 2 or not all(_is_contrast(one) for one in phrasings):
        raise DatasetError(f"{path}: expected two or more `phrasings`, each a `positive` and a `negative` text.")
    questions = [row["text"] for _, row in _rows(folder / "extraction_questions.jsonl", {"text", "topic"})]
    if len(questions) < QUESTIONS_A_PHRASING:
        raise DatasetError(
            f"{folder / 'extraction_questions.jsonl'}: {len(questions)} questions; {QUESTIONS_A_PHRASING} or more are "
            "asked under every instruction."
        )
    found = []
    for pair in range(QUESTIONS_A_PHRASING * len(phrasings)):
        number, text = pair // QUESTIONS_A_PHRASING, questions[pair % len(questions)]
        both = (phrasings[number][label].strip() for label in LABELS)
        one, other = (
            Scenario(text, label, pair, f"phrasing {number + 1}", instruction)
            for label, instruction in zip(LABELS, both, strict=True)
        )
        found.append((one, other))
    return tuple(found)


def _is_contrast(phrasing: Any) -> bool:
    """Whether it is two different texts, one that asks for the trait and one for its opposite."""
    return (
        isinstance(phrasing, dict)
        and set(phrasing) == {*LABELS}
        and all(isinstance(text, str) and text.strip() for text in phrasing.values())
        and phrasing["positive"].strip() != phrasing["negative"].strip()
    )


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, or a date that is none, are ValueErrors
        raise DatasetError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from error


def _definition(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; a trait needs name, statement, score_high and score_low.")
    definition = _yaml(path)
    needed = {"name", "statement", "score_high", "score_low"}
    if not isinstance(definition, dict) or not needed <= set(definition):
        raise DatasetError(f"{path}: expected the fields {sorted(needed)}.")
    return {str(key): str(value) for key, value in definition.items()}
