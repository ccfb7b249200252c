"""Estimated costs have the roofline's properties: limits, monotony, and which limit binds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lab import costs
from harness.lab.costs import CPU, H100, L4, Accelerator, Work
from harness.models.architecture import GEMMA2_2B, GEMMA3_1B, GEMMA3_4B, LLAMA3_8B, QWEN3_4B, Architecture

BF16 = "bfloat16"
ARCHITECTURES = st.sampled_from([GEMMA3_4B, GEMMA3_1B, GEMMA2_2B, LLAMA3_8B, QWEN3_4B])
ACCELERATORS = st.sampled_from(costs.ACCELERATORS)
WORK = st.builds(
    Work,
    rows=st.integers(0, 300),
    prompt_tokens=st.integers(1, 200),
    new_tokens=st.integers(0, 40),
    batch_rows=st.integers(1, 300),
    captured=st.booleans(),
)
few = settings(max_examples=40, deadline=None)


def test_one_row_of_an_8_gb_model_at_3_35_terabytes_a_second_waits_for_its_weights() -> None:
    step = costs.decode_step(QWEN3_4B, BF16, H100, 1, 100)
    assert step.bound == "bandwidth"
    cached = QWEN3_4B.cache_bytes(100, BF16)
    assert step.seconds == pytest.approx((8.044936192e9 + cached) / 3.35e12, rel=1e-12)
    assert step.seconds == pytest.approx(0.0024, abs=0.0001)


def test_many_rows_are_bound_by_arithmetic() -> None:
    """Beyond about 300 rows (989e12 / 3.35e12 operations a byte, two operations and two bytes a weight)."""
    bounds = {rows: costs.decode_step(GEMMA3_4B, BF16, H100, rows, 1).bound for rows in (200, 250, 350, 400)}
    assert bounds == {200: "bandwidth", 250: "bandwidth", 350: "arithmetic", 400: "arithmetic"}
    assert costs.prefill(GEMMA3_4B, BF16, H100, 64, 40).bound == "arithmetic"


@few
@given(ARCHITECTURES, ACCELERATORS, WORK, st.integers(1, 100))
def test_more_rows_or_tokens_never_cost_less(
    architecture: Architecture, accelerator: Accelerator, work: Work, more: int
) -> None:
    for field in ("rows", "prompt_tokens", "new_tokens"):
        larger = replace(work, **{field: getattr(work, field) + more})
        for cost in (costs.estimated_seconds, lambda *given: costs.limits(*given).seconds):
            assert cost(architecture, BF16, accelerator, larger) >= cost(architecture, BF16, accelerator, work)
        assert costs.peak_bytes(architecture, BF16, larger) >= costs.peak_bytes(architecture, BF16, work)


@few
@given(ARCHITECTURES, ACCELERATORS, WORK)
def test_an_estimate_is_never_below_the_roofline_nor_the_launches(
    architecture: Architecture, accelerator: Accelerator, work: Work
) -> None:
    seconds = costs.estimated_seconds(architecture, BF16, accelerator, work)
    found = costs.passes(architecture, BF16, accelerator, work)
    assert seconds >= sum(count * one.seconds for one, _, count in found) * (1 - 1e-12)
    launches = sum(count for _, _, count in found) * architecture.blocks * accelerator.launch_seconds
    assert seconds >= launches * (1 - 1e-12)


@few
@given(ARCHITECTURES, WORK)
def test_time_is_linear_in_the_number_of_equal_batches(architecture: Architecture, work: Work) -> None:
    one = replace(work, rows=work.batch_rows)
    many = replace(work, rows=5 * work.batch_rows)
    seconds = costs.estimated_seconds(architecture, BF16, L4, one)
    assert costs.estimated_seconds(architecture, BF16, L4, many) == pytest.approx(5 * seconds, rel=1e-9)
    assert costs.peak_bytes(architecture, BF16, many) == costs.peak_bytes(architecture, BF16, one)


@few
@given(ARCHITECTURES, st.integers(1, 400), st.integers(1, 200), st.floats(1.1, 50.0))
def test_only_what_binds_matters(architecture: Architecture, rows: int, context: int, factor: float) -> None:
    step = costs.decode_step(architecture, BF16, H100, rows, context)
    if step.bound == "bandwidth":
        other = replace(H100, bfloat16_flops=H100.bfloat16_flops * factor)
    else:
        other = replace(H100, bandwidth=H100.bandwidth * factor)
    assert costs.decode_step(architecture, BF16, other, rows, context).seconds == step.seconds


def test_in_the_limit_of_one_batch_a_fused_sweep_reads_the_weights_once_a_step() -> None:
    apart = costs.limits(GEMMA3_4B, BF16, H100, Work(1600, 40, 64, 20))
    fused = costs.limits(GEMMA3_4B, BF16, H100, Work(1600, 40, 64, 1600))
    assert apart.arithmetic == pytest.approx(fused.arithmetic, rel=1e-12)
    weights = GEMMA3_4B.read_bytes(BF16) / H100.bandwidth
    assert apart.bandwidth - fused.bandwidth == pytest.approx(79 * 64 * weights, rel=1e-9)


def test_a_slower_number_format_has_its_own_peak_and_bytes() -> None:
    half, whole = (costs.decode_step(GEMMA3_4B, dtype, H100, 1, 10) for dtype in (BF16, "float32"))
    assert whole.bandwidth == pytest.approx(2 * half.bandwidth)
    assert whole.arithmetic == pytest.approx(half.arithmetic * 989 / 67)
    with pytest.raises(ValueError, match="float64"):
        H100.peak("float64")


def test_batches_cover_the_rows() -> None:
    assert Work(7, 1, 1, 3).batches == (3, 3, 1)
    assert Work(6, 1, 1, 3).batches == (3, 3)
    assert Work(0, 1, 1, 3).batches == ()
    with pytest.raises(ValueError, match="batch one row"):
        Work(1, 1, 1, 0)


def test_capturing_costs_one_more_step_and_the_sums_of_every_block() -> None:
    work = Work(8, 40, 20, 8)
    captured = replace(work, captured=True)
    more, less = (costs.limits(GEMMA3_4B, BF16, H100, one) for one in (captured, work))
    step = costs.decode_step(GEMMA3_4B, BF16, H100, 8, 60)
    assert more.arithmetic - less.arithmetic == pytest.approx(step.arithmetic)
    assert more.bandwidth - less.bandwidth == pytest.approx(step.bandwidth)
    many, none = (costs.peak_bytes(GEMMA3_4B, BF16, replace(one, new_tokens=500)) for one in (captured, work))
    assert many - none == 8 * 34 * 2560 * 8


def test_a_response_of_one_token_is_one_pass_and_of_none_still_one() -> None:
    (one,), (none,) = (costs.passes(GEMMA3_4B, BF16, H100, Work(4, 40, new, 4)) for new in (1, 0))
    assert one[0].seconds == none[0].seconds
    assert one[2] == none[2] == 1


@few
@given(ARCHITECTURES, ACCELERATORS, WORK)
def test_the_largest_batch_that_fits_fits_and_one_more_row_does_not(
    architecture: Architecture, accelerator: Accelerator, work: Work
) -> None:
    rows = costs.rows_that_fit(architecture, BF16, accelerator, work)
    assert rows <= work.batch_rows

    def need(count: int) -> int:
        return costs.peak_bytes(architecture, BF16, replace(work, rows=count, batch_rows=max(count, 1)))

    if rows:
        assert need(rows) <= 0.9 * accelerator.memory
    if rows < min(max(work.rows, 1), work.batch_rows):
        assert need(rows + 1) > 0.9 * accelerator.memory


def test_a_model_larger_than_the_memory_fits_no_row() -> None:
    assert costs.rows_that_fit(LLAMA3_8B, BF16, CPU, Work(10, 40, 64, 10)) == 0
    assert costs.rows_that_fit(LLAMA3_8B, BF16, H100, Work(10, 40, 64, 10)) == 10


def test_memory_is_the_weights_and_what_a_batch_needs() -> None:
    work = Work(64, 40, 64, 64)
    beside = costs.peak_bytes(GEMMA3_4B, BF16, work) - GEMMA3_4B.weight_bytes(BF16)
    cache = 64 * GEMMA3_4B.cache_bytes(104, BF16)
    logits = 64 * GEMMA3_4B.vocabulary * 2
    assert cache + logits < beside < 2 * (cache + logits)


def test_a_gpu_is_known_by_its_name() -> None:
    names = {
        "NVIDIA H100 80GB HBM3": costs.H100,
        "NVIDIA H200": costs.H200,
        "NVIDIA A100-SXM4-80GB": costs.A100,
        "NVIDIA L4": costs.L4,
        "NVIDIA GeForce RTX 4090": costs.RTX4090,
        "NVIDIA L40S": None,
        "Tesla T4": None,
    }
    assert {name: costs.named(name) for name in names} == names


def test_the_accelerator_here_is_the_gpu_or_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert costs.accelerator_here() is costs.H100
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name, expected in (("NVIDIA L4", costs.L4), ("Tesla T4", costs.H100)):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        assert costs.accelerator_here() is expected


def test_a_judge_is_called_twice_a_response_and_three_times_with_relevance() -> None:
    assert costs.judge_calls(100) == 200
    assert costs.judge_calls(100, relevance=True) == 300
    api = costs.judging("api", 100, relevance=True)
    assert (api.calls, api.seconds) == (300, None)


def test_a_local_judge_reads_250_tokens_a_call() -> None:
    found = costs.judging("local", 160, GEMMA3_4B, BF16, L4)
    batch = costs.prefill(GEMMA3_4B, BF16, L4, 32, 250)
    assert found.seconds == pytest.approx(10 * batch.seconds / costs.PREFILL_EFFICIENCY)
    with pytest.raises(ValueError, match="architecture"):
        costs.judging("local", 1)
