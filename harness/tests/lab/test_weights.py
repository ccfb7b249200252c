"""Weights load on first need, once, and are gone after their release."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.lab import weights as weights_module
from harness.lab.keys import Environment
from harness.lab.weights import Weights
from harness.models.decoder import Decoder, wrap
from harness.models.registry import ModelSpec


@pytest.fixture
def weights(tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch) -> Weights:
    original = tiny_decoder("llama")

    def load(folder: Path, name: str, dtype: str, device: str, attention: str, device_map: str | None) -> Decoder:
        assert (dtype, device, attention, device_map) == ("bfloat16", "cpu", "auto", None)
        return wrap(name, original.model, original.tokenizer)

    monkeypatch.setattr(weights_module, "load_decoder", load)
    monkeypatch.setattr(weights_module, "probed", lambda decoder, _questions: decoder)  # needs words
    specs = {
        name: ModelSpec(name, Path("base"), Path("instruct"), "l", "j", {}, (1.0,), 1, name) for name in ("one", "two")
    }
    return Weights(specs, Environment("bfloat16", "cpu", ()))


def test_each_role_loads_once_on_first_need(weights: Weights) -> None:
    assert weights.events == []
    first = weights.get("one", "base")
    assert weights.get("one", "base") is first
    weights.get("one", "instruct")
    assert weights.events == ["load one base", "load one instruct"]
    assert first.name == "one (base)"


def test_release_frees_both_roles_of_one_model_and_no_other(weights: Weights) -> None:
    gone = weakref.ref(weights.get("one", "base"))
    weights.get("one", "instruct")
    kept = weights.get("two", "base")
    weights.release("one")
    gc.collect()
    assert gone() is None
    assert weights.held == (("two", "base"),)
    assert weights.get("two", "base") is kept
    assert weights.events[-1] == "release one"


def test_a_model_that_was_released_loads_again(weights: Weights) -> None:
    weights.get("one", "base")
    weights.release("one")
    weights.get("one", "base")
    assert weights.events == ["load one base", "release one", "load one base"]


def test_one_role_can_be_freed_alone(weights: Weights) -> None:
    weights.get("one", "base")
    kept = weights.get("one", "instruct")
    weights.release("one", "base")
    assert weights.held == (("one", "instruct"),)
    assert weights.get("one", "instruct") is kept
    assert weights.events[-1] == "release one base"


def test_what_was_loaded_from_a_folder_is_found_by_it(weights: Weights) -> None:
    assert weights.holding(Path("instruct")) is None
    loaded = weights.get("two", "instruct")
    assert weights.holding(Path("instruct")) is loaded
    weights.release("two")
    assert weights.holding(Path("instruct")) is None


def test_the_number_format_is_that_of_the_model_of_the_table_and_else_the_runs() -> None:
    specs = {
        name: ModelSpec(
            name, Path(name), Path(f"{name} instruct"), "words", "grammar", {}, (1.0,), 1, name, dtype=dtype
        )
        for name, dtype in (("fixed", "float32"), ("free", ""))
    }
    weights = Weights(specs, Environment("bfloat16", "cpu", ()))
    folders = ("fixed", "fixed instruct", "free instruct", "nobody's")
    found = [weights.number_format(Path(folder)) for folder in folders]
    assert found == ["float32", "float32", "bfloat16", "bfloat16"]
