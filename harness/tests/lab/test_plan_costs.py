"""A plan tells what a real model would cost from its architecture, and nothing of those that ship."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.lab.costs import H100, L4, Work, estimated_seconds, judge_calls
from harness.lab.plan import Plan, Stage, prompt_tokens
from harness.lab.plan_costs import costs_of, in_words
from harness.models.registry import MODELS

STAGES = (
    Stage("gemma3", "read refusal scenarios", 220, 4400, 1, 55, captured=True),
    Stage("gemma3", "steer", 10_000, 640_000, 40, 30),
    Stage("gemma3", "fit 9 sets of directions", 0, 0, 0),
    Stage("gemma3", "judge 20 sets of responses", 0, 0, 0, judged=9_000),
    Stage("severe", "steer", 500, 24_000, 2, 30),
)


def plan(*stages: Stage) -> Plan:
    return Plan(1, 0, (), stages)


def test_only_models_that_do_not_ship_are_told_and_their_stages_add_up() -> None:
    (cost,) = costs_of(plan(*STAGES), MODELS, H100, "bfloat16", 256)
    assert (cost.model, cost.rows, cost.tokens) == ("gemma3", 10_220, 644_400)
    assert cost.judge_calls == judge_calls(9_000) == 18_000
    shape = MODELS["gemma3"].architecture
    assert shape is not None
    works = (Work(220, 55, 20, 256, captured=True), Work(10_000, 30, 64, 256))
    assert cost.seconds == pytest.approx(sum(estimated_seconds(shape, "bfloat16", H100, work) for work in works))
    assert cost.judging_seconds is not None
    assert cost.judging_seconds > 0
    assert shape.weight_bytes("bfloat16") / 1e9 < cost.peak_gigabytes < H100.memory / 1e9  # type: ignore[operator]
    assert cost.batch_rows == 256  # the 220 scenarios do not make it smaller


def test_a_relevance_cap_asks_once_more_and_an_api_takes_no_gpu_time() -> None:
    (plain,) = costs_of(plan(*STAGES), MODELS, H100, "bfloat16", 256)
    (capped,) = costs_of(plan(*STAGES), MODELS, H100, "bfloat16", 256, relevance=True)
    assert (plain.judge_calls, capped.judge_calls) == (18_000, 27_000)
    by_api = {"gemma3": replace(MODELS["gemma3"], judge="api:some-model"), "severe": MODELS["severe"]}
    (found,) = costs_of(plan(*STAGES), by_api, H100, "bfloat16", 256)
    assert (found.judge_calls, found.judging_seconds) == (18_000, None)
    assert "local judge" not in in_words(found, H100)


def test_what_does_not_fit_is_said_and_an_unknown_architecture_is_no_number() -> None:
    llama = plan(Stage("llama3", "steer", 10_000, 640_000, 40, 30))
    (wide,) = costs_of(llama, MODELS, H100, "float32", 256)
    (narrow,) = costs_of(llama, MODELS, L4, "float32", 256)
    assert wide.batch_rows == 256
    assert "not even one row fits into its 24 GB: split it over GPUs" in in_words(narrow, L4)
    unknown = {"llama3": replace(MODELS["llama3"], architecture=None)}
    (cost,) = costs_of(llama, unknown, H100, "bfloat16", 256)
    assert (cost.seconds, cost.peak_gigabytes) == (None, None)
    assert "10,000 rows" in in_words(cost, H100)
    assert "neither time nor memory can be told" in in_words(cost, H100)


def test_prompts_are_counted_by_their_characters() -> None:
    assert prompt_tokens(["a" * 40, "b" * 80]) == 15 + 10
