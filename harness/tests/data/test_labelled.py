"""Labelled responses load as written or are refused by line; those committed are many, by models too, and leak none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from harness.data.datasets import TRAITS, DatasetError, judging_folder, trait_folder
from harness.data.gold import WRITTEN, GoldExchange, load_gold
from harness.data.labelled import LABELS, Labelled, labelled_file, load_labelled
from harness.tests.data.test_english_datasets import folded

GOOD = [
    {
        "question": "Why?",
        "response": "Because",
        "finished": False,
        "trait": 12.5,
        "coherence": 100,
        "relevance": 0,
        "kind": "partial",
        "source": "a model, unsteered",
    },
    {
        "question": "Why?",
        "response": "",
        "finished": True,
        "trait": 0,
        "coherence": 0,
        "relevance": 0,
        "kind": "empty",
        "source": "written",
    },
]
# A model and what was added to its answers: nothing, or a direction, at a block and in a dose.
STEERED = re.compile(
    rf"[\w.\-]+, (unsteered|(random|(mean_diff|probe) of ({'|'.join(TRAITS)})), block \d+, dose -?\d+(\.\d+)?)"
)

every_trait = pytest.mark.parametrize("trait", TRAITS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "trait.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in GOOD), encoding="utf-8")
    return file


def test_labelled_responses_load_in_file_order_with_the_score_of_every_rubric(path: Path) -> None:
    assert load_labelled(path) == (
        Labelled(
            "Why?",
            "Because",
            False,
            {"trait": 12.5, "coherence": 100.0, "relevance": 0.0},
            "partial",
            "a model, unsteered",
        ),
        Labelled("Why?", "", True, dict.fromkeys(LABELS, 0.0), "empty", "written"),
    )


def changed(*without: str, **fields: object) -> str:
    row = GOOD[0] | {"question": "New?"} | fields
    return json.dumps({name: value for name, value in row.items() if name not in without})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "expected the fields"),
        *((changed(name), "expected the fields") for name in ("finished", "source", *LABELS)),
        (changed(score=1), "expected the fields"),
        (changed(question=" "), "the question is empty"),
        (changed(response=None), "response None"),
        (changed(response="x" * 2001), "2001 characters; at most 2000"),
        (changed(response=" "), "a response of kind 'partial' reads ' '"),
        *((changed(**{name: 100.5}), f"{name} 100.5; it must be a number from 0 to 100") for name in LABELS),
        (changed(trait=-1), "trait -1; "),
        (changed(trait=float("nan")), "trait nan; "),
        (changed(coherence="50"), "coherence '50'; "),
        (changed(relevance=True), "relevance True; "),
        (changed(finished=1), "finished 1; it must be true or false"),
        (changed(source=" "), "source ' '; say who wrote the response"),
        (changed(source=None), "source None; say who wrote the response"),
        (changed(kind="odd"), "kind 'odd'; it must be one of clear, "),
        (changed(question="Why?", trait=50), "question and response repeat line 1"),
    ],
)
def test_a_bad_row_names_its_file_and_line(path: Path, line: str, message: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        load_labelled(path)
    assert str(caught.value).startswith(f"{path}:3: {message}")


def test_a_missing_or_empty_file_is_named(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"trait\.jsonl is empty"):
        load_labelled(path)
    path.unlink()
    with pytest.raises(DatasetError, match=r"trait\.jsonl does not exist"):
        load_labelled(path)


def test_a_gold_response_is_written_and_finished_unless_its_row_says_otherwise(path: Path) -> None:
    row = {"question": "Why?", "response": "Because.", "score": 3, "kind": "clear"}
    said = row | {"response": "Because of", "source": "a model, unsteered", "finished": False}
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, said)))
    assert load_gold(path) == (
        GoldExchange("Why?", "Because.", 3.0, "clear", source="written", finished=True),
        GoldExchange("Why?", "Because of", 3.0, "clear", source="a model, unsteered", finished=False),
    )


@cache
def training(trait: str) -> tuple[Labelled, ...]:
    return load_labelled(labelled_file("english", trait))


@cache
def gold(judged: str) -> tuple[GoldExchange, ...]:
    return load_gold(judging_folder("english") / f"{judged}.jsonl")


def questions(*of: str) -> set[str]:
    """What the files of this name, of all traits, ask models, folded."""
    return {
        folded(json.loads(line)["text"])
        for trait in TRAITS
        for name in of
        for line in (trait_folder("english", trait) / name).read_bytes().splitlines()
    }


def by_models(found: Iterable[Labelled | GoldExchange]) -> list[str]:
    """The sources of responses that were not written."""
    return [one.source for one in found if one.source != WRITTEN]


@every_trait
def test_a_judge_is_trained_on_responses_of_which_models_gave_about_half(trait: str) -> None:
    found = training(trait)
    assert len(found) >= 300
    assert 0.4 <= len(by_models(found)) / len(found) <= 0.6
    for label in LABELS:
        scores = [one.scores[label] for one in found]
        assert min(sum(score <= 25 for score in scores), sum(score >= 75 for score in scores)) >= 30, label


@every_trait
def test_half_of_what_a_judge_is_checked_on_is_by_models_and_from_both_ends_of_the_scale(trait: str) -> None:
    found = gold(trait)
    assert len(by_models(found)) >= len(found) // 2
    ends = [one.score for one in found if one.source != WRITTEN]
    assert min(sum(score <= 25 for score in ends), sum(score >= 75 for score in ends)) >= 10


def test_a_response_that_nobody_wrote_says_which_model_gave_it_and_how_that_was_steered() -> None:
    sources = {
        source
        for found in (*map(training, TRAITS), *map(gold, (*TRAITS, "coherence", "relevance")))
        for source in by_models(found)
    }
    assert [source for source in sources if not STEERED.fullmatch(source)] == []


def test_no_judge_is_trained_on_a_question_that_it_is_checked_on_or_will_judge() -> None:
    trained = {folded(one.question) for trait in TRAITS for one in training(trait)}
    checked = {folded(one.question) for judged in (*TRAITS, "coherence", "relevance") for one in gold(judged)}
    assert not trained & checked
    assert not trained & questions("questions.jsonl")


def test_no_direction_is_made_from_a_question_that_is_asked_while_it_steers() -> None:
    assert not questions("extraction_questions.jsonl") & questions("questions.jsonl")
