"""Contrasting instructions become pairs of prompts: one question under both of a phrasing, phrasings held out whole."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.data.datasets import (
    QUESTIONS_A_PHRASING,
    TEMPLATED,
    TRAITS,
    DatasetError,
    Pairs,
    Scenario,
    known_traits,
    load_trait,
    training_pairs,
    trait_folder,
)

PHRASINGS = [{"positive": f"Do it, way {one}.", "negative": f"Leave it, way {one}.\n"} for one in range(1, 11)]
QUESTIONS = [{"text": f"question {number}?", "topic": "t"} for number in range(8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trait with a pair of scenarios, ten phrasings and eight questions to ask under them."""
    rows = [{"text": label, "label": label, "pair": 0, "topic": "t"} for label in ("positive", "negative")]
    write_rows(tmp_path / "scenarios.jsonl", rows)
    write_rows(tmp_path / "questions.jsonl", [{"text": "why?", "topic": "t"}])
    write_rows(tmp_path / "extraction_questions.jsonl", QUESTIONS)
    (tmp_path / "definition.yaml").write_text("name: n\nstatement: s\nscore_high: h\nscore_low: l\n")
    (tmp_path / "instructions.yaml").write_text(yaml.safe_dump({"phrasings": PHRASINGS}))
    return tmp_path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def topics(pairs: Pairs) -> set[str]:
    return {one.topic for pair in pairs for one in pair}


def test_each_phrasing_is_asked_with_six_questions_and_both_its_instructions_stand_before_the_same_one(
    folder: Path,
) -> None:
    pairs = load_trait(folder).elicited_by("instructions")
    assert len(pairs) == QUESTIONS_A_PHRASING * len(PHRASINGS) == 60
    asked = [QUESTIONS[number % 8]["text"] for number in range(60)]  # in turn, from the first again after the last
    for number, (positive, negative) in enumerate(pairs):
        way = number // QUESTIONS_A_PHRASING + 1
        common = {"text": asked[number], "pair": number, "topic": f"phrasing {way}", "question": asked[number]}
        assert positive == Scenario(label="positive", instruction=f"Do it, way {way}.", **common)  # type: ignore[arg-type]
        assert negative == Scenario(label="negative", instruction=f"Leave it, way {way}.", **common)  # type: ignore[arg-type]


def test_the_last_tenth_is_held_out_with_a_phrasing_of_its_own(folder: Path) -> None:
    pairs = load_trait(folder).elicited_by("instructions")
    fitted = training_pairs(pairs)
    assert topics(pairs[fitted:]) == {"phrasing 10"}
    assert topics(pairs[:fitted]) == {f"phrasing {number}" for number in range(1, 10)}


def test_instructions_leave_the_scenarios_as_they_are(folder: Path) -> None:
    data = load_trait(folder)
    assert [one.text for one in data.elicited_by("scenarios")[0]] == ["positive", "negative"]
    assert {one.instruction for pair in data.pairs for one in pair} == {""}
    assert data.training_pairs == training_pairs(data.pairs)


def test_a_trait_without_instructions_says_so_when_it_is_asked_for_them(folder: Path) -> None:
    (folder / "instructions.yaml").unlink()
    data = load_trait(folder)
    assert data.elicited_by("scenarios") == data.pairs
    with pytest.raises(DatasetError, match=rf"^{folder.name} has no instructions\.yaml in this language; take "):
        data.elicited_by("instructions")


GOOD = PHRASINGS[0]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "phrasings: [",
        "- phrasings",
        "phrasings: 7",
        {"phrasing": PHRASINGS},
        {"phrasings": [GOOD]},
        {"phrasings": [GOOD, "Do it."]},
        {"phrasings": [GOOD, {"positive": "Do it."}]},
        {"phrasings": [GOOD, GOOD | {"topic": "t"}]},
        {"phrasings": [GOOD, GOOD | {"negative": "  "}]},
        {"phrasings": [GOOD, GOOD | {"negative": True}]},
        {"phrasings": [GOOD, GOOD | {"negative": GOOD["positive"]}]},
    ],
)
def test_instructions_that_are_no_contrasts_are_refused_with_their_path(folder: Path, content: Any) -> None:
    path = folder / "instructions.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(DatasetError) as caught:
        load_trait(folder)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (None, " does not exist"),
        ([], " is empty"),
        (QUESTIONS[:5], ": 5 questions; 6 or more are asked under every instruction."),
        ([*QUESTIONS, QUESTIONS[0]], ":9: the text repeats line 1"),
        ([*QUESTIONS, {"text": "why?"}], ":9: expected the fields ['text', 'topic']"),
        ([*QUESTIONS, {"text": " ", "topic": "t"}], ":9: the text is empty"),
    ],
)
def test_extraction_questions_that_cannot_be_asked_are_refused_with_their_path(
    folder: Path, rows: list[dict[str, Any]] | None, problem: str
) -> None:
    path = folder / "extraction_questions.jsonl"
    path.unlink() if rows is None else write_rows(path, rows)
    with pytest.raises(DatasetError) as caught:
        load_trait(folder)
    assert str(caught.value).startswith(f"{path}{problem}")


@pytest.mark.parametrize("trait", TRAITS)
def test_every_english_trait_has_instructions_in_phrasings_enough_to_hold_some_out(trait: str) -> None:
    pairs = load_trait(trait_folder("english", trait)).elicited_by("instructions")
    fitted = training_pairs(pairs)
    assert len(pairs) - fitted >= 10
    assert not topics(pairs[:fitted]) & topics(pairs[fitted:])
    texts = Counter(one.instruction for pair in pairs for one in pair)
    assert len(texts) == 2 * len(topics(pairs))  # no two phrasings share one
    assert max(Counter(positive.text for positive, _ in pairs).values()) <= 2
    assert not [one for pair in pairs for one in pair if one.instruction in one.text]


def test_the_organisms_language_has_none() -> None:
    for trait in known_traits(TEMPLATED):
        with pytest.raises(DatasetError, match=f"{trait} has no instructions.yaml in this language"):
            load_trait(trait_folder(TEMPLATED, trait)).elicited_by("instructions")


def test_few_phrasings_are_held_out_all_the_same(folder: Path) -> None:
    (folder / "instructions.yaml").write_text(yaml.safe_dump({"phrasings": PHRASINGS[:5]}))
    assert topics(load_trait(folder).instructed) == {f"phrasing {number}" for number in range(1, 6)}
