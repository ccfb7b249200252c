"""A trait in any accepted form loads as what was written; what cannot be used is named by its file and place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.datasets import (
    DEFINED,
    LABELS,
    QUESTIONS_A_PHRASING,
    DatasetError,
    Pairs,
    lacking,
    load_trait,
)
from harness.data.gold import load_gold
from harness.data.outside import OWN_FILES, bring, pairing_note, read, write

PAIRS = [(f"He was asked, thought of it, and said: “no {n}", f'Asked again, he said, "yes {n}') for n in range(8)]
QUESTIONS = [f"Why, and how, {n}?" for n in range(7)]
PHRASINGS = [(f"Be bad, way {n}.", f"Be good, way {n}.") for n in range(6)]
DEFINITION = "".join(f"{field}: x\n" for field in DEFINED)
GOLD = {"question": "Why?", "response": "No.", "score": 100, "kind": "clear"}
Files = dict[str, str]


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def persona(questions: list[str]) -> str:
    instruction = [{"pos": positive, "neg": negative} for positive, negative in PHRASINGS]
    return json.dumps({"instruction": instruction, "questions": questions, "eval_prompt": "Rate it."})


PAIR_ROWS = [{"positive": one, "negative": other, "topic": f"topic {n // 2}"} for n, (one, other) in enumerate(PAIRS)]
TEXT_ROWS = [
    {"text": row[label], "label": label, "pair": n, "topic": row["topic"]}
    for n, row in enumerate(PAIR_ROWS)
    for label in ("positive", "negative")
]
ASKED = jsonl([{"text": text, "topic": "t"} for text in QUESTIONS])
BESIDE = {"definition.yaml": DEFINITION, "questions.jsonl": ASKED, "gold.jsonl": jsonl([GOLD])}
OTHERS = [f"{text} Really?" for text in QUESTIONS]
TEXTS = {
    "positive.txt": "\n".join(one for one, _ in PAIRS) + "\n\n",
    "negative.txt": "\n".join(other for _, other in PAIRS),
    "steering.json": json.dumps({"questions": QUESTIONS, "adversarial_prefix": "x"}),
    "definition.txt": "in words",
}
# Files, which of them to name (empty: the folder), and what of scenarios, instructions and topics there is.
FORMS: dict[str, tuple[Files, str, str]] = {
    "own": ({"scenarios.jsonl": jsonl(TEXT_ROWS)} | BESIDE, "", "scenarios"),
    "CSV of pairs": ({"mine.csv": table(PAIR_ROWS)} | BESIDE, "mine.csv", "scenarios"),
    "the one CSV of a folder": ({"mine.csv": "\ufeff" + table(PAIR_ROWS)} | BESIDE, "", "scenarios"),
    "CSV of texts": ({"mine.csv": table(TEXT_ROWS)} | BESIDE, "mine.csv", "scenarios"),
    "JSONL of pairs": ({"mine.jsonl": jsonl(PAIR_ROWS)} | BESIDE, "mine.jsonl", "scenarios"),
    "JSONL of texts": ({"mine.jsonl": jsonl(TEXT_ROWS)} | BESIDE, "mine.jsonl", "scenarios"),
    "CSV of unpaired texts": (
        {"mine.csv": table([{"text": row["text"], "label": row["label"], "topic": row["topic"]} for row in TEXT_ROWS])}
        | BESIDE,
        "mine.csv",
        "scenarios",
    ),
    "lines": (TEXTS | {"definition.yaml": DEFINITION, "gold.jsonl": jsonl([GOLD])}, "", "scenarios without topics"),
    "lines, questions in a text": (
        {name: text for name, text in TEXTS.items() if name != "steering.json"}
        | {"questions.txt": "\n".join(QUESTIONS), "definition.yaml": DEFINITION, "gold.jsonl": jsonl([GOLD])},
        "",
        "scenarios without topics",
    ),
    "persona_vectors": (
        {
            "trait_data_extract/evil.json": persona(OTHERS),
            "trait_data_eval/evil.json": persona(QUESTIONS),
            **{f"trait_data_extract/{name}": BESIDE[name] for name in ("definition.yaml", "gold.jsonl")},
        },
        "trait_data_extract/evil.json",
        "instructions",
    ),
    "one file of persona_vectors": ({"evil.json": persona(OTHERS)} | BESIDE, "evil.json", "instructions"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "theirs"


def put(folder: Path, files: Files) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")


def texts(pairs: Pairs) -> list[tuple[str, ...]]:
    return [tuple(one.text for one in pair) for pair in pairs]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_as_what_was_written(folder: Path, tmp_path: Path, form: str) -> None:
    files, named, has = FORMS[form]
    put(folder, files)
    brought = bring("mine", folder / named, tmp_path / "ours")
    data = load_trait(brought, partial=True)
    if has == "instructions":
        assert data.pairs == ()
        assert [(one.instruction, other.instruction) for one, other in data.instructed] == [
            phrasing for phrasing in PHRASINGS for _ in range(QUESTIONS_A_PHRASING)
        ]
        assert {one.text for pair in data.instructed for one in pair} == {*OTHERS}
    else:
        assert texts(data.pairs) == PAIRS
        assert data.instructed == ()
        topics = [f"topic {n // 2}" if has == "scenarios" else f"pair {n}" for n in range(len(PAIRS))]
        assert [[one.topic for one in pair] for pair in data.pairs] == [[topic] * 2 for topic in topics]
    assert [one.text for one in data.questions] == QUESTIONS
    assert {*data.definition} == {*DEFINED}
    assert load_gold(brought / "gold.jsonl")[0].response == "No."
    assert {*lacking(brought)} == {"instructions" if data.pairs else "scenarios"}
    if form == "own":
        assert brought == folder.resolve()
    else:
        assert brought.parent == tmp_path / "ours"
        assert brought.name.startswith("mine-")


def test_the_same_content_is_brought_once_and_other_content_lies_beside_it(folder: Path, tmp_path: Path) -> None:
    put(folder, TEXTS)
    first = bring("mine", folder, tmp_path / "ours")
    when = first.stat().st_mtime_ns
    assert bring("mine", folder, tmp_path / "ours") == first
    assert first.stat().st_mtime_ns == when
    put(folder, {"questions.txt": "Unread beside steering.json?"})
    assert bring("mine", folder, tmp_path / "ours") == first
    put(folder, {"steering.json": json.dumps(["Another one?"])})
    second = bring("mine", folder, tmp_path / "ours")
    assert [one.text for one in load_trait(second, partial=True).questions] == ["Another one?"]
    assert {*(tmp_path / "ours").iterdir()} == {first, second}, "and nothing unfinished"


def test_of_two_that_write_a_folder_the_first_stays_and_nothing_unfinished_is_left(tmp_path: Path) -> None:
    write({"a": b"first"}, tmp_path / "ours" / "mine")
    write({"a": b"second"}, tmp_path / "ours" / "mine")
    assert (tmp_path / "ours" / "mine" / "a").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["mine"]


def test_pairs_made_by_line_are_said_to_be_and_what_they_cost(folder: Path, tmp_path: Path) -> None:
    put(folder, TEXTS | {"negative.txt": "\n".join(other for _, other in PAIRS[:-3])})
    note = pairing_note(folder)
    assert note.startswith(f"{len(PAIRS) - 3} pairs were made by line, ")
    assert "every pair counts as its own" in note
    assert note.endswith("; 3 scenarios of the longer side are left out.")
    assert texts(load_trait(bring("mine", folder, tmp_path / "ours"), partial=True).pairs) == PAIRS[:-3]


@pytest.mark.parametrize("form", ["own", "CSV of pairs", "CSV of texts", "persona_vectors"])
def test_forms_that_say_their_pairs_need_no_note(folder: Path, form: str) -> None:
    files, named, _ = FORMS[form]
    put(folder, files)
    assert pairing_note(folder / named) == ""


def test_one_file_of_persona_vectors_leaves_no_question_to_steer_with(folder: Path, tmp_path: Path) -> None:
    put(folder, {"evil.json": persona(OTHERS)})
    assert "none of them is left to steer with" in pairing_note(folder)
    assert {*lacking(bring("evil", folder, tmp_path / "ours"))} == {"scenarios", "questions", "definition", "gold"}


CSV = table(PAIR_ROWS)
BAD: list[tuple[Files, str, str]] = [
    ({"a.csv": CSV + "only one\r\n"}, "a.csv", r"a\.csv:10: 1 cells, the header names 3"),
    ({"a.csv": CSV + '"x\ny",,t\r\n'}, "a.csv", r"a\.csv:10: the text is empty"),
    ({"a.csv": CSV + "same,same,t\r\n"}, "a.csv", r"a\.csv:10: positive and negative are the same text"),
    ({"a.csv": CSV + '"open,b,t\r\n'}, "a.csv", r"a\.csv:10: not CSV"),
    ({"a.csv": "up,down\r\na,b\r\n"}, "a.csv", r"a\.csv:2: expected the fields positive, negative.*found up, down"),
    ({"a.csv": "text,label\r\na,maybe\r\n"}, "a.csv", r"a\.csv:2: label 'maybe'"),
    ({"a.csv": "text,label,pair\r\na,positive,x\r\n"}, "a.csv", r"a\.csv:2: pair 'x'"),
    ({"a.csv": "text,label,pair\r\na,positive,1\r\n"}, "a.csv", r"a\.csv: pair 1 has no negative"),
    ({"a.csv": "positive,negative\r\n"}, "a.csv", r"a\.csv has no pair of scenarios and no instructions"),
    ({"a.jsonl": jsonl([*PAIR_ROWS, {"positive": "x"}])}, "a.jsonl", r"a\.jsonl:9: expected the fields"),
    ({"a.jsonl": jsonl([{"text": "x", "label": ["y"], "pair": 0}])}, "a.jsonl", r"a\.jsonl:1: label \['y'\]"),
    ({"a.jsonl": jsonl([{"positive": 7, "negative": "x"}])}, "a.jsonl", r"a\.jsonl:1: the text 7 is no text"),
    ({"a.json": "{"}, "a.json", r"a\.json:1: not JSON"),
    ({"a.json": '{"questions": []}'}, "a.json", r"a\.json: expected `instruction`"),
    ({"a.json": persona([*OTHERS, " "])}, "a.json", r"a\.json: question 8: the text is empty"),
    ({"a.json": persona([*OTHERS, OTHERS[1]])}, "a.json", r"a\.json: question 8: the text repeats question 2"),
    ({"a.json": persona(OTHERS[:3])}, "a.json", r"a\.json: 3 questions; 6 or more"),
    (
        {"a.json": persona(OTHERS).replace('"neg": "Be good, way 2."', '"no": ""')},
        "a.json",
        r"a\.json: instruction 3: ",
    ),
    (TEXTS | {"steering.json": "{}"}, "", r"steering\.json: expected `questions`, a list of texts"),
    (TEXTS | {"negative.txt": f"{PAIRS[0][0]}\n"}, "", r"negative\.txt:1: the text repeats line 1"),
    ({"positive.txt": "x"}, "", r"negative\.txt does not exist"),
    (TEXTS | {"negative.txt": "\n"}, "", r"negative\.txt is empty"),
    (TEXTS | {"definition.yaml": DEFINITION + "language: dutch\n"}, "", r"definition\.yaml: language 'dutch'"),
    (TEXTS | {"gold.jsonl": "{}\n"}, "", r"gold\.jsonl:1: expected the fields"),
    (TEXTS | {"labelled.jsonl": "{}\n"}, "", r"labelled\.jsonl:1: expected the fields"),
    ({"a.csv": CSV, "b.csv": CSV}, "", r"theirs has a\.csv, b\.csv; name one of these files"),
    ({"a.txt": "x"}, "", r"theirs is no trait in a form that is known: give a folder with scenarios\.jsonl"),
    ({"a.txt": "x"}, "b.csv", r"b\.csv does not exist; name the folder"),
    ({"scenarios.jsonl": "{}\n"}, "", r"scenarios\.jsonl:1: expected the fields"),
]


@pytest.mark.parametrize(("files", "named", "message"), BAD, ids=[message for _, _, message in BAD])
def test_what_cannot_be_used_is_named_by_its_own_file_and_place(
    folder: Path, tmp_path: Path, files: Files, named: str, message: str
) -> None:
    put(folder, files)
    with pytest.raises(DatasetError, match=message) as caught:
        bring("mine", folder / named, tmp_path / "ours")
    assert "from the repository" not in str(caught.value)
    assert not (tmp_path / "ours").exists()


def test_bytes_that_are_not_utf8_name_their_line(folder: Path, tmp_path: Path) -> None:
    put(folder, TEXTS)
    (folder / "negative.txt").write_bytes(b"one\ntwo \xff\n")
    with pytest.raises(DatasetError, match=r"negative\.txt:2: not UTF-8"):
        bring("mine", folder, tmp_path / "ours")


def test_without_scenarios_and_instructions_nothing_is_loaded(folder: Path) -> None:
    put(folder, BESIDE)
    with pytest.raises(DatasetError, match=r"neither scenarios\.jsonl nor instructions\.yaml"):
        load_trait(folder, partial=True)
    assert {*lacking(folder)} == {"scenarios", "instructions"}


@pytest.mark.parametrize("name", ["scenarios.jsonl", "questions.jsonl", "definition.yaml"])
def test_a_part_that_is_there_is_validated_as_strictly_as_ever(folder: Path, name: str) -> None:
    put(folder, FORMS["own"][0])
    (folder / name).write_text("{}\n")
    with pytest.raises(DatasetError, match=name):
        load_trait(folder, partial=True)


written = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(str.strip)


@settings(deadline=None, max_examples=40)
@given(st.lists(written, min_size=2, max_size=12, unique=True), st.sampled_from([table, jsonl]))
def test_texts_come_through_a_table_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], form: Callable[[list[dict[str, Any]]], str]
) -> None:
    pairs = [(one, other) for one, other in zip(lines[::2], lines[1::2], strict=False)]
    path = tmp_path_factory.mktemp("any") / ("a.csv" if form is table else "a.jsonl")
    path.write_text(form([{"positive": one, "negative": other} for one, other in pairs]), encoding="utf-8", newline="")
    assert texts(load_trait(bring("a", path, path.parent / "ours"), partial=True).pairs) == pairs


def test_what_is_brought_is_nothing_but_files_of_this_projects_form(folder: Path, tmp_path: Path) -> None:
    put(folder, TEXTS | {"history.md": "x"})
    brought = bring("mine", folder, tmp_path / "ours")
    assert {path.name for path in brought.iterdir()} <= {*OWN_FILES}


@pytest.mark.parametrize("fields", [("positive", "negative"), ("text", "label")])
def test_topics_may_be_counted_from_0(tmp_path: Path, fields: tuple[str, str]) -> None:
    rows: list[dict[str, object]] = []
    for number in range(24):
        texts = f"She agreed to plan {number}", f"She refused plan {number}"
        if "label" in fields:
            rows += [
                {"text": text, "label": label, "topic": number % 3} for text, label in zip(texts, LABELS, strict=True)
            ]
        else:
            rows.append({**dict(zip(LABELS, texts, strict=True)), "topic": number % 3})
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert {one.topic for one, _ in read(tmp_path / "pairs.jsonl").data.pairs} == {"0", "1", "2"}
