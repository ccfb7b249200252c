"""The check tells everything that is wrong at once, what is too small, and what the numbers of rows decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.check import main
from harness.data.datasets import load_trait, trait_folder
from harness.data.outside import read
from harness.stats.tails import FEWEST
from harness.tests.data.test_outside import (
    BESIDE,
    FORMS,
    GOLD,
    OTHERS,
    PAIR_ROWS,
    PAIRS,
    TEXT_ROWS,
    jsonl,
    persona,
    put,
    texts,
)

OWN = FORMS["own"][0]
GRADED = [
    GOLD | {"question": f"{label} {number}?", "score": score}
    for label, score in (("positive", 100), ("negative", 0))
    for number in range(11)
]


def test_five_faults_in_four_files_are_told_at_once_with_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(
        tmp_path,
        OWN
        | {
            "scenarios.jsonl": jsonl([*TEXT_ROWS, TEXT_ROWS[0], {"text": "x"}]),
            "questions.jsonl": OWN["questions.jsonl"] + "{\n",
            "definition.yaml": "name: x\n",
            "gold.jsonl": jsonl([*GRADED, GRADED[0] | {"question": "New?", "score": 101}]),
        },
    )
    assert main([str(tmp_path)]) == 1
    told = capsys.readouterr().out.splitlines()
    wrong = [line.removeprefix(f"wrong: {tmp_path}/") for line in told if line.startswith("wrong: ")]
    assert [line.split(": ")[0] for line in wrong] == [
        "scenarios.jsonl:17",
        "scenarios.jsonl:18",
        "questions.jsonl:8",
        "definition.yaml",
        "gold.jsonl:23",
    ]
    assert told[-1] == "5 wrong, 1 too small"  # four topics


def test_every_row_of_an_unbalanced_pair_and_every_empty_phrasing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phrasings = "phrasings: [{positive: a, negative: b}, {positive: c}, {positive: d, negative: e}, {positive: f}]"
    put(
        tmp_path,
        {
            "scenarios.jsonl": jsonl([TEXT_ROWS[0], TEXT_ROWS[3], *TEXT_ROWS[4:]]),
            "instructions.yaml": phrasings,
            "extraction_questions.jsonl": OWN["questions.jsonl"],
        },
    )
    assert main([str(tmp_path)]) == 1
    told = capsys.readouterr().out
    for part in (
        "pair 0 has no negative",
        "pair 1 has no positive",
        "phrasing 2: expected",
        "(2 times; next phrasing 4)",
    ):
        assert part in told
    assert "4 wrong" in told


def test_a_part_that_decides_nothing_is_told_and_one_row_more_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def files(topics: int, questions: int, graded: int) -> dict[str, str]:
        rows = [row | {"topic": f"topic {int(row['pair']) % topics}"} for row in TEXT_ROWS]
        asked = "".join(OWN["questions.jsonl"].splitlines(keepends=True)[:questions])
        return OWN | {"scenarios.jsonl": jsonl(rows), "questions.jsonl": asked, "gold.jsonl": jsonl(GRADED[-graded:])}

    put(tmp_path, files(FEWEST - 1, FEWEST - 1, 21))
    assert main([str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert told.count("too small: ") == 3
    assert "scenarios (scenarios.jsonl) of 5 topics" in told
    assert "5 questions (questions.jsonl)" in told
    assert "no judge can pass" in told
    put(tmp_path, files(FEWEST, FEWEST, 22))
    assert main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "0 wrong, 0 too small" in told
    assert "a judge that errs in nothing passes" in told.replace("\n", " ")


@pytest.mark.parametrize("language", ["english", "templated"])
def test_the_shipped_traits_have_nothing_wrong(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(trait_folder(language, "refusal"))]) == 0
    assert "gold.jsonl" not in capsys.readouterr().out, "theirs lie in judging/"


def test_parts_that_are_missing_are_told_with_what_they_are_for_and_are_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, {name: text for name, text in FORMS["lines"][0].items() if name in ("positive.txt", "negative.txt")})
    assert main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for part in ("instructions.yaml", "questions.jsonl", "definition.yaml", "gold.jsonl"):
        assert f"told: {tmp_path} has no {part}: " in told
    assert "8 pairs were made by line" in told


def test_what_is_written_is_the_trait_in_this_projects_form_and_nothing_is_overwritten(tmp_path: Path) -> None:
    put(tmp_path / "theirs", {name: text for name, text in FORMS["lines"][0].items() if name != "gold.jsonl"})
    arguments = [str(tmp_path / "theirs"), "--write", str(tmp_path / "ours" / "mine")]
    assert main(arguments) == 0
    assert [tuple(one.text for one in pair) for pair in load_trait(tmp_path / "ours" / "mine").pairs] == PAIRS
    with pytest.raises(SystemExit):
        main(arguments)


def test_nothing_is_written_of_a_trait_with_a_row_that_cannot_be_used(tmp_path: Path) -> None:
    put(tmp_path / "theirs", FORMS["lines"][0] | {"gold.jsonl": "{}\n"})
    assert main([str(tmp_path / "theirs"), "--write", str(tmp_path / "ours")]) == 1
    assert not (tmp_path / "ours").exists()


def test_what_is_no_trait_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "nowhere does not exist; name the folder" in capsys.readouterr().out


LINES = jsonl(PAIR_ROWS)
MEANT = (1, 0, True, False, "Yes", "no ", "1", "0")
LABELLED = [row | {"label": MEANT[number % len(MEANT)]} for number, row in enumerate(TEXT_ROWS)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("mine.jsonl", LINES.encode("utf-16")),
        ("mine.jsonl", LINES.replace("\n", "\n\n \n").encode()),
        ("mine.jsonl", LINES.replace("\n", ",\n").encode()),
        ("mine.jsonl", json.dumps(PAIR_ROWS).encode()),
        ("mine.jsonl", json.dumps(PAIR_ROWS, indent=2).replace("  }\n]", "  },\n]").encode()),
        ("mine.jsonl", "\n".join(json.dumps(row, indent=2) for row in PAIR_ROWS).encode()),
        ("mine.jsonl", jsonl(LABELLED).encode()),
        ("mine.json", json.dumps(PAIR_ROWS, indent=2).encode()),
    ],
    ids=[
        "mark",
        "UTF-16",
        "blank lines",
        "commas",
        "list",
        "list over lines",
        "objects over lines",
        "labels",
        "list in .json",
    ],
)
def test_what_can_only_mean_one_thing_is_read_as_that(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert texts(read(path).data.pairs) == PAIRS


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ('{"positive": "a %d", "negative": "b %d",}', "take out the comma before the bracket"),
        ("{“positive”: “a %d”, “negative”: “b %d”}", "write straight double quotes"),
        ('{"positive": "a %d”, "negative": "b %d"}', "write"),
        ("{'positive': 'a %d', 'negative': 'b %d'}", "write straight double quotes"),
        ('{"positive": "a %d", "negative": "b %d"', "write one object a line"),
        ('{"positive": "a %d", "positive": "b %d"}', "the field 'positive' stands twice"),
        ('{"positive": "a %d", "negative": %d, "topic": "t"}', "is no text; write it in quotation marks"),
        ('{"positive": "a %d", "negative": "a %d", "topic": "t"}', "positive and negative are the same text"),
        ('["a %d", "b %d"]', "expected the fields of an object, found list"),
        ('{"text": "a %d", "label": "maybe %d", "pair": 1}', "it must be one of positive, negative (or 1 and 0)"),
    ],
)
def test_each_kind_of_mistake_is_named_once_with_how_often_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, sentence: str
) -> None:
    first = "" if row.startswith('{"text"') else LINES.partition("\n")[0]
    (tmp_path / "a.jsonl").write_text("\n".join([first, *(row % (n, n) for n in range(25))]), encoding="utf-8")
    assert main([str(tmp_path / "a.jsonl")]) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    assert wrong[0].startswith(f"wrong: {tmp_path}/a.jsonl:2: ")
    assert sentence in wrong[0]
    assert wrong[0].endswith("(25 times; next line 3, line 4, line 5, line 6 ...)")
    assert len(wrong) == 1 or "nothing elicits a trait" in wrong[1]


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_one_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    rows = [{"positive": f"é {n}", "negative": f"à {n}"} for n in range(25)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    put(tmp_path, OWN)
    for name in ("scenarios.jsonl", "gold.jsonl"):
        (tmp_path / name).write_bytes(lines.encode(encoding))
        assert main([str(tmp_path)]) == 1
        assert capsys.readouterr().out.count(f"{name}:1: not UTF-8") == 1


def test_the_five_phrasings_of_persona_vectors_are_a_warning_and_four_are_too_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def examined(phrasings: int) -> str:
        content = json.loads(persona(OTHERS))
        content["instruction"] = content["instruction"][:phrasings]
        put(tmp_path, {"questions.jsonl": BESIDE["questions.jsonl"], "evil.json": json.dumps(content)})
        assert main([str(tmp_path / "evil.json")]) == (phrasings < 5)
        return capsys.readouterr().out

    told = examined(5)
    assert "warning: " in told
    assert "(instructions.yaml) of 5 phrasings" in told
    assert "needs a sixth pair of instructions" in told
    assert "topics" not in told
    assert "too small: " in examined(4)
    assert "warning: " not in examined(6)
