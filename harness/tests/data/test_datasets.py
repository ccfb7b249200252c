"""A good data set loads as written; a bad row is refused with its file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.datasets import DatasetError, load_calibration, load_trait

GOOD_SCENARIOS = [
    {"text": f"scenario {pair} {label}", "label": label, "pair": pair, "topic": "t"}
    for pair in range(20)
    for label in ("positive", "negative")
]
GOOD_QUESTIONS = [{"text": f"question {number}?", "topic": "t"} for number in range(5)]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scenarios.jsonl").write_bytes(lines(GOOD_SCENARIOS))
    (tmp_path / "questions.jsonl").write_bytes(lines(GOOD_QUESTIONS))
    (tmp_path / "definition.yaml").write_text("name: n\nstatement: s\nscore_high: h\nscore_low: l\n")
    return tmp_path


def test_a_good_trait_loads_with_the_last_tenth_kept_for_validation(folder: Path) -> None:
    data = load_trait(folder)
    assert len(data.pairs) == 20
    assert data.training_pairs == 18
    assert [one.label for one in data.pairs[3]] == ["positive", "negative"]
    assert [question.text for question in data.questions] == [row["text"] for row in GOOD_QUESTIONS]


GOOD = json.dumps(GOOD_SCENARIOS[0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"scenarios\.jsonl:41: not JSON"),
        (GOOD.replace("scenario 0", r"\ud83d"), r"scenarios\.jsonl:41: '\\ud83d' is half of a character"),
        (GOOD.replace("0 positive", "new").replace('"t"', "null"), r"scenarios\.jsonl:41: topic None"),
        ("[]", r"scenarios\.jsonl:41: expected the fields .* found list"),
        ('{"text": "x"}', r"scenarios\.jsonl:41: expected the fields"),
        (GOOD.replace("scenario 0 positive", "  "), r"scenarios\.jsonl:41: the text is empty"),
        (GOOD.replace("scenario 0 positive", "x" * 3000), r"scenarios\.jsonl:41: 3000 characters"),
        (GOOD, r"scenarios\.jsonl:41: the text repeats line 1"),
        (GOOD.replace("0 positive", "new").replace('"positive"', '"maybe"'), r":41: label 'maybe'"),
        (GOOD.replace("0 positive", "new").replace('"pair": 0', '"pair": "0"'), r":41: pair '0'"),
        (GOOD.replace("0 positive", "new"), r":41: pair 0 has two positive"),
        (GOOD.replace("0 positive", "new").replace('"pair": 0', '"pair": 99'), r"pair 99 has no negative"),
    ],
)
def test_a_bad_row_names_its_file_and_line(folder: Path, line: str, message: str) -> None:
    path = folder / "scenarios.jsonl"
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    with pytest.raises(DatasetError, match=message):
        load_trait(folder)


def test_bytes_that_are_not_utf8_name_their_line(folder: Path) -> None:
    path = folder / "questions.jsonl"
    path.write_bytes(path.read_bytes() + b'{"text": "\xff", "topic": "t"}\n')
    with pytest.raises(DatasetError, match=r"questions\.jsonl:6: not UTF-8"):
        load_trait(folder)


@pytest.mark.parametrize("name", ["scenarios.jsonl", "questions.jsonl", "definition.yaml"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=name):
        load_trait(folder)


def test_half_of_a_character_in_a_definition_is_named_with_its_line(folder: Path) -> None:
    path = folder / "definition.yaml"
    path.write_text(path.read_text() + '\nlast: "\\ud83d"\n')
    line = path.read_text().count("\n")
    with pytest.raises(DatasetError, match=rf"definition\.yaml:{line}: '\\ud83d' is half of a character"):
        load_trait(folder)


def test_a_number_names_a_topic_and_0_is_one(folder: Path) -> None:
    rows = [row | {"topic": row["pair"] % 2} for row in GOOD_SCENARIOS]
    (folder / "scenarios.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert {one.topic for one, _ in load_trait(folder).pairs} == {"0", "1"}


@pytest.mark.parametrize("text", ["", "name: [", "name: n\n"])
def test_a_definition_without_its_fields_is_refused(folder: Path, text: str) -> None:
    (folder / "definition.yaml").write_text(text)
    with pytest.raises(DatasetError, match=r"definition\.yaml"):
        load_trait(folder)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calibration.jsonl").write_bytes(b"")
    with pytest.raises(DatasetError, match="is empty; it needs at least one row"):
        load_calibration(tmp_path / "calibration.jsonl")
