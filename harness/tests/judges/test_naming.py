"""Names of judges: four kinds, two of them with a model, and an error that lists them."""

from __future__ import annotations

import pytest

from harness.judges.errors import JudgeError
from harness.judges.naming import FORMS, JudgeName, parse_judge


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("local:google/gemma-2-2b-it", JudgeName("local", "google/gemma-2-2b-it")),
        ("local:google/gemma-2-2b-it@abc123", JudgeName("local", "google/gemma-2-2b-it@abc123")),
        ("local:/models/a: b", JudgeName("local", "/models/a: b")),
        ("api:gpt-4.1-mini", JudgeName("api", "gpt-4.1-mini")),
        ("api:org/model:free", JudgeName("api", "org/model:free")),
        ("lexical", JudgeName("lexical")),
        (" grammar ", JudgeName("grammar")),
    ],
)
def test_a_name_says_the_kind_and_the_model(text: str, name: JudgeName) -> None:
    assert parse_judge(text) == name
    assert str(name) == text.strip()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no judge; known are"),
        ("gpt-4", "names no judge; known are"),
        ("Local:x", "names no judge; known are"),
        ("local", "does not say which model judges; known forms are"),
        ("api: ", "does not say which model judges; known forms are"),
        ("lexical:", "names a model, but a judge of kind lexical has none; known forms are"),
        ("grammar:severe", "names a model, but a judge of kind grammar has none; known forms are"),
    ],
)
def test_a_name_that_means_nothing_is_an_error_in_one_sentence_that_lists_the_forms(text: str, problem: str) -> None:
    with pytest.raises(JudgeError) as caught:
        parse_judge(text)
    assert str(caught.value) == f"{text!r} {problem} {FORMS}."
