"""The check tells everything that is wrong at once, what is too small, and what the numbers of rows decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.check import main
from harness.data.datasets import load_trait, trait_folder
from harness.stats.tails import FEWEST
from harness.tests.data.test_outside import FORMS, GOLD, PAIRS, TEXT_ROWS, jsonl, put

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
    for part in ("pair 0 has no negative", "pair 1 has no positive", "phrasing 2: expected", "phrasing 4: expected"):
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
