"""A good gold set loads as written; a bad row is refused with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.datasets import DatasetError
from harness.data.gold import GoldExchange, load_gold

GOOD = [
    {"question": "Why?", "response": "Because.", "score": 100, "kind": "clear"},
    {"question": "Why?", "response": "", "score": 0, "kind": "empty"},
    {"question": "How?", "response": "Because.", "score": 12.5, "kind": "off topic"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "trait.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in GOOD), encoding="utf-8")
    return file


def test_a_good_gold_set_loads_in_file_order(path: Path) -> None:
    assert load_gold(path) == (
        GoldExchange("Why?", "Because.", 100.0, "clear"),
        GoldExchange("Why?", "", 0.0, "empty"),
        GoldExchange("How?", "Because.", 12.5, "off topic"),
    )


def test_text_beyond_ascii_is_read_as_utf8_and_keeps_its_line_breaks(path: Path) -> None:
    row = {"question": "¿Qué?", "response": "海水\nщи", "score": 98, "kind": "other language"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert load_gold(path) == (GoldExchange("¿Qué?", "海水\nщи", 98.0, "other language"),)


def changed(**fields: object) -> str:
    return json.dumps({"question": "New?", "response": "Yes.", "score": 50, "kind": "partial"} | fields)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"trait\.jsonl:4: not JSON"),
        ("[]", r"trait\.jsonl:4: expected the fields .* found list"),
        ('{"question": "x"}', r"trait\.jsonl:4: expected the fields .* found \['question'\]"),
        (changed(note="x"), r"trait\.jsonl:4: expected the fields"),
        (changed(question="  "), r"trait\.jsonl:4: the question is empty"),
        (changed(question=7), r"trait\.jsonl:4: the question 7 is no text"),
        (changed(response=None), r"trait\.jsonl:4: response None"),
        (changed(response="x" * 2001), r"trait\.jsonl:4: 2001 characters; at most 2000"),
        (changed(question="x" * 2002), r"trait\.jsonl:4: 2002 characters; at most 2000"),
        (changed(score=100.5), r"trait\.jsonl:4: score 100\.5"),
        (changed(score=-1), r"trait\.jsonl:4: score -1"),
        (changed(score="50"), r"trait\.jsonl:4: score '50'"),
        (changed(score=True), r"trait\.jsonl:4: score True"),
        (changed(score=float("nan")), r"trait\.jsonl:4: score nan"),
        (changed(kind="odd"), r"trait\.jsonl:4: kind 'odd'; it must be one of clear, hedged"),
        (changed(kind=["clear"]), r"trait\.jsonl:4: kind \['clear'\]"),
        (changed(response=" \n"), r"trait\.jsonl:4: a response of kind 'partial' reads ' \\n'"),
        (changed(kind="empty"), r"trait\.jsonl:4: a response of kind 'empty' reads 'Yes\.'"),
        (json.dumps(GOOD[0] | {"score": 1}), r"trait\.jsonl:4: question and response repeat line 1"),
    ],
)
def test_a_bad_row_names_its_file_and_line(path: Path, line: str, message: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        load_gold(path)


def test_bytes_that_are_not_utf8_name_their_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"question": "\xff"}\n')
    with pytest.raises(DatasetError, match=r"trait\.jsonl:4: not UTF-8"):
        load_gold(path)


def test_a_missing_or_empty_gold_set_is_named(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"trait\.jsonl is empty"):
        load_gold(path)
    path.unlink()
    with pytest.raises(DatasetError, match=r"trait\.jsonl does not exist"):
        load_gold(path)
