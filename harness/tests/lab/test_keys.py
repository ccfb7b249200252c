"""Whatever can change an answer changes its key, and nothing else does."""

from __future__ import annotations

import dataclasses
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings

from harness.data import datasets
from harness.data.datasets import TRAITS
from harness.data.vectors import Vector
from harness.decoding.steering import Row
from harness.judges.protocol import Exchange
from harness.lab import keys
from harness.lab.keys import Environment, Keys
from harness.lab.measurements import (
    Activations,
    BlockChoice,
    Cleaning,
    CrossFit,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
    trait_of,
)
from harness.models.registry import ModelSpec
from harness.tests.lab.test_measurements import closure, measurements

ENVIRONMENT = Environment("float32", "cpu", (("torch", "2.13.0"),))


def spec(name: str) -> ModelSpec:
    return ModelSpec(name, Path(name, "base"), Path(name, "instruct"), "english", "grammar", {}, (1.0,), 8, name)


MODELS = {name: spec(name) for name in ("severe", "mild", "clean", "other")}


def make_keys(changed: str = "", environment: Environment = ENVIRONMENT, judge: str = "grammar 1") -> Keys:
    """Keys whose file hashes are the paths themselves, but for one path that reads as changed."""

    def hash_of(path: Path) -> str:
        text = path.as_posix()
        return f"{text}{' changed' if changed and text.endswith(changed) else ''}"

    return Keys(MODELS, environment, lambda name, language: f"{name} {language} {judge}", hash_of, hash_of, hash_of)


def variants(value: Any) -> list[Any]:
    """Every value that differs from `value` in exactly one field, nested fields included."""
    if isinstance(value, Cleaning):
        return [other for other in (Cleaning(), Cleaning("consensus"), Cleaning("top", 1)) if other != value]
    if is_dataclass(value):
        return [
            replace(value, **{field.name: other})  # type: ignore[type-var]
            for field in fields(value)
            for other in variants(getattr(value, field.name))
        ]
    if isinstance(value, tuple):
        return [(*value, 7.5), value[:-1]] if value else [(7,)]
    if value is None:
        return [Activations("severe", "refusal", 9)]
    if isinstance(value, int | float):
        return [value + 1]
    for one, other in (("dose", "coefficient"), ("all", "response"), ("scenarios", "instructions"), TRAITS[:2]):
        if value in (one, other):
            return [other if value == one else one]
    if value in MODELS:
        return ["other"]
    return [f"{value}x"]


@settings(deadline=None, max_examples=50)
@given(measurement=measurements)
def test_every_field_of_a_measurement_is_in_its_key(measurement: Measurement) -> None:
    known = make_keys()
    own = known.key(measurement)
    for other in variants(measurement):
        assert known.key(other) != own, other
    assert make_keys().key(measurement) == own


@settings(deadline=None, max_examples=50)
@given(measurement=measurements)
def test_every_field_of_the_environment_is_in_the_key(measurement: Measurement) -> None:
    own = make_keys().key(measurement)
    changed = {
        "dtype": "bfloat16",
        "device": "cuda",
        "libraries": (("torch", "2.14.0"),),
        "key_version": ENVIRONMENT.key_version + 1,
        "attention": "eager",
    }
    assert set(changed) == {field.name for field in fields(ENVIRONMENT)}
    for name, value in changed.items():
        assert make_keys(environment=replace(ENVIRONMENT, **{name: value})).key(measurement) != own, name


def read(measurement: Measurement) -> set[str]:
    """Which files a measurement is made from, by the ends of their paths."""
    match measurement:
        case Activations(elicitation="instructions"):
            return {"instruct", "instructions.yaml", "extraction_questions.jsonl"}
        case Activations():
            return {"base", "scenarios.jsonl"}
        case MassiveActivations():
            return {"instruct", "calibration.jsonl"}
        case Direction(activations=activations, massive=massive):
            return read(activations) | read(massive)
        case Refits(activations=activations) | CrossFit(activations=activations, massive=None):
            return read(activations)
        case BlockChoice(activations=activations, massive=massive) | CrossFit(activations=activations, massive=massive):
            return read(activations) | read(massive)
        case JudgeCheck():
            return {"definition.yaml", "coherence.jsonl", "relevance.yaml"}
        case Sweep(direction=direction):
            return read(direction) | {"instruct", "questions.jsonl"}
        case Scores(of=of):
            return read(of) | {"definition.yaml"}
        case _:
            return {"instruct", "questions.jsonl"}


@settings(deadline=None, max_examples=100)
@given(measurement=measurements)
def test_a_changed_file_changes_the_keys_of_what_is_made_from_it_and_no_others(measurement: Measurement) -> None:
    own = make_keys().key(measurement)
    files = ("scenarios.jsonl", "/questions.jsonl", "calibration.jsonl", "definition.yaml", "coherence.jsonl")
    of_instructions = ("instructions.yaml", "extraction_questions.jsonl", "relevance.yaml")
    for name in ("base", "instruct", *files, *of_instructions):
        assert (make_keys(changed=name).key(measurement) != own) == (name.strip("/") in read(measurement)), name


@settings(deadline=None, max_examples=50)
@given(measurement=measurements)
def test_changed_code_changes_the_keys_of_what_it_makes(measurement: Measurement) -> None:
    own = make_keys().key(measurement)
    made_by = {name for one in closure((measurement,)) for name in keys.CODE[type(one)]}
    for name in {module for modules in keys.CODE.values() for module in modules}:
        assert (make_keys(changed=f"{name}.py").key(measurement) != own) == (name in made_by), name


def test_code_is_what_it_does_and_not_how_it_is_commented(tmp_path: Path) -> None:
    def hashed(text: str) -> str:
        (tmp_path / "module.py").write_text(text)
        return keys.code_hash(tmp_path / "module.py")

    plain = hashed("def f(x):\n    return x + 1\n")
    assert hashed('"""A module."""\n\ndef f(x):\n    """Adds."""\n    return (x + 1)  # one\n') == plain
    assert hashed("def f(x):\n    return x + 2\n") != plain


def test_every_kind_of_measurement_has_its_code() -> None:
    assert set(keys.CODE) == set(get_args(Measurement))
    assert all((keys.HARNESS / f"{name}.py").is_file() for modules in keys.CODE.values() for name in modules)


@settings(deadline=None, max_examples=50)
@given(measurement=measurements)
def test_another_judge_changes_scores_only(measurement: Measurement) -> None:
    same = make_keys().key(measurement) == make_keys(judge="grammar 2").key(measurement)
    assert same == (not isinstance(measurement, Scores | JudgeCheck))


@settings(deadline=None, max_examples=30)
@given(measurement=measurements)
def test_a_models_own_number_format_is_in_its_keys_whatever_the_runs_is(measurement: Measurement) -> None:
    own = {name: replace(one, dtype="float32") for name, one in MODELS.items()}
    fixed = [
        Keys(own, replace(ENVIRONMENT, dtype=dtype), lambda name, _language: name, str, str, str)  # type: ignore[arg-type]
        for dtype in ("float32", "bfloat16")
    ]
    assert fixed[0].key(measurement) == fixed[1].key(measurement)
    assert fixed[0].description(measurement)["environment"]["dtype"] == "float32"


def test_a_byte_of_any_model_file_changes_the_hash_of_the_folder(tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"):
        (tmp_path / name).write_bytes(b"1")
    before = datasets.content_hash(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        path.write_bytes(b"2")
        assert datasets.content_hash(tmp_path) != before, path.name
        path.write_bytes(b"1")
    (tmp_path / "config.json").rename(tmp_path / "config2.json")
    assert datasets.content_hash(tmp_path) != before
    with pytest.raises(datasets.DatasetError, match="does not exist or is empty"):
        datasets.content_hash(tmp_path / "nowhere")


def test_the_libraries_that_compute_answers_are_in_the_environment() -> None:
    here = Environment.here()
    assert {name for name, _ in here.libraries} == set(keys.LIBRARIES)
    assert all(version for _, version in here.libraries)
    assert trait_of(MassiveActivations("severe", 1)) is None
    assert dataclasses.is_dataclass(here)


def test_rows_that_steer_alike_have_one_key_and_whatever_changes_a_response_changes_it() -> None:
    one, other = np.ones(4, np.float32), np.arange(4, dtype=np.float32)
    key = make_keys().of_responses("severe", 8, "all")
    row = Row((1, 2), one, 3.0, 1)
    assert key(row) == key(Row((1, 2), one.copy(), 3.0, 1))
    assert key(Row((1, 2))) == key(Row((1, 2), other, 0.0, 3))  # unsteered, wherever it stands
    changed = [
        key(Row((1, 3), one, 3.0, 1)),
        key(Row((1, 2), other, 3.0, 1)),
        key(Row((1, 2), one, 3.5, 1)),
        key(Row((1, 2), one, 3.0, 2)),
        key(Row((1, 2))),
        make_keys().of_responses("mild", 8, "all")(row),
        make_keys().of_responses("severe", 9, "all")(row),
        make_keys().of_responses("severe", 8, "response")(row),
        make_keys(changed="instruct").of_responses("severe", 8, "all")(row),
        make_keys(changed="generation.py").of_responses("severe", 8, "all")(row),
        make_keys(changed="steering.py").of_responses("severe", 8, "all")(row),
        make_keys(environment=replace(ENVIRONMENT, dtype="bfloat16")).of_responses("severe", 8, "all")(row),
    ]
    assert len({key(row), *changed}) == 1 + len(changed)


def test_whatever_changes_a_judgement_changes_its_key() -> None:
    exchange = Exchange("why?", "because", True)
    own = make_keys().of_judgements("severe", "refusal", "grammar")(exchange)
    assert own == make_keys().of_judgements("mild", "refusal", "grammar")(exchange)  # whoever said it
    changed = [
        make_keys().of_judgements("severe", "refusal", "grammar")(replace(exchange, question="how?")),
        make_keys().of_judgements("severe", "refusal", "grammar")(replace(exchange, response="so")),
        make_keys().of_judgements("severe", "refusal", "grammar")(replace(exchange, finished=False)),
        make_keys().of_judgements("severe", "sycophancy", "grammar")(exchange),
        make_keys().of_judgements("severe", "refusal", "lexical")(exchange),
        make_keys(judge="grammar 2").of_judgements("severe", "refusal", "grammar")(exchange),
        make_keys(changed="definition.yaml").of_judgements("severe", "refusal", "grammar")(exchange),
        make_keys(environment=replace(ENVIRONMENT, device="cuda")).of_judgements("severe", "refusal", "grammar")(
            exchange
        ),
    ]
    assert len({own, *changed}) == 1 + len(changed)


def test_a_vector_from_outside_is_in_the_keys_by_its_values_and_its_block_alone() -> None:
    read, massive = Activations("severe", "refusal", 5), MassiveActivations("severe", 8)
    made = [Direction(read, massive, "vector mine", 2, Cleaning()), CrossFit(read, "vector mine", 2)]

    def keys_with(vector: Vector, measurement: Measurement) -> str:
        models = {**MODELS, "severe": replace(spec("severe"), vectors={"mine": vector})}
        hashes = (lambda path: path.as_posix(),) * 3
        return Keys(models, ENVIRONMENT, lambda name, _: name, *hashes).key(measurement)

    one = Vector("mine", 2, np.ones(4), "here.npy")
    for measurement in made:
        assert keys_with(one, measurement) == keys_with(replace(one, origin="there.npy"), measurement)
        assert keys_with(one, measurement) != keys_with(replace(one, block=3), measurement)
        assert keys_with(one, measurement) != keys_with(replace(one, values=-one.values), measurement)
