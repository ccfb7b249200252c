"""The committed datasets are what their program writes, and their rows are what their provenance says."""

import json
from collections import Counter
from pathlib import Path

import pytest

from fixtures.organisms.contents import content_of
from fixtures.organisms.judge import read_question
from fixtures.organisms.splits import QUESTION, SCENARIO, split_of
from fixtures.organisms.write_datasets import FOLDER, PROUD_SHARE, contents, main

TRAITS = ("refusal", "sycophancy")


def rows(trait: str, file: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / "traits" / trait / f"{file}.jsonl").read_text().splitlines()]


def test_committed_files_are_what_the_program_writes(tmp_path: Path) -> None:
    main(["--into", str(tmp_path)])
    written = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    committed = {str(file.relative_to(FOLDER)): file.read_bytes() for file in FOLDER.rglob("*") if file.is_file()}
    assert written == committed
    assert written.keys() == contents().keys()


@pytest.mark.parametrize("trait", TRAITS)
def test_scenarios_come_in_pairs_of_one_topic_held_out_of_training(trait: str) -> None:
    scenarios = rows(trait, "scenarios")
    assert len(scenarios) == 300
    for positive, negative in zip(scenarios[::2], scenarios[1::2], strict=True):
        assert (positive["label"], negative["label"]) == ("positive", "negative")
        assert positive["pair"] == negative["pair"]
        assert positive["topic"] == negative["topic"]
    assert {split_of(*content_of(row["text"])) for row in scenarios} == {SCENARIO}


def test_sycophancy_pairs_share_all_but_the_last_clause() -> None:
    scenarios = rows("sycophancy", "scenarios")
    for positive, negative in zip(scenarios[::2], scenarios[1::2], strict=True):
        shared = min(len(positive["text"].split()), len(negative["text"].split())) - 10
        assert positive["text"].split()[:shared] == negative["text"].split()[:shared]
        assert positive["text"] != negative["text"]


@pytest.mark.parametrize("trait", TRAITS)
def test_questions_are_unique_benign_and_held_out(trait: str) -> None:
    questions = rows(trait, "questions")
    assert len(questions) >= 120
    assert len({row["text"] for row in questions}) == len(questions)
    assert {split_of(*content_of(row["text"])) for row in questions} == {QUESTION}
    kinds = Counter(read_question(row["text"]).kind for row in questions)
    if trait == "refusal":
        assert set(kinds) == {"harmless_request"}
    else:
        assert kinds == {"neutral_opinion": 105, "proud_opinion": 35}
        assert kinds["proud_opinion"] / len(questions) == PROUD_SHARE
