"""Capture reads the right tokens at the right blocks, and leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.decoding import generation
from harness.decoding.capture import (
    BadActivations,
    ResponseStatistics,
    add_responses,
    summing_device,
    window_means,
)
from harness.decoding.generation import greedy
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks, residual
from harness.models.memory import in_batches

PROMPTS = [[2, 5, 9, 11, 30], [2, 7], [2, 40, 41, 42, 43, 44, 45, 46, 47], [2, 60, 61]]
LABELS = [f"scenario {number}" for number in range(4)]


def hidden_states_alone(decoder: Decoder, prompt: list[int], response: tuple[int, ...]) -> np.ndarray:
    """Block outputs at response tokens by the library's own route, one unpadded row: [blocks - 1, tokens, hidden].

    The last block is left out, because that route shows it only after the final norm.
    """
    output = decoder.model(input_ids=torch.tensor([[*prompt, *response]]), output_hidden_states=True)
    return torch.stack(output.hidden_states[1:-1])[:, 0, len(prompt) :].numpy()


def test_window_means_are_the_block_outputs_at_the_first_response_tokens(decoder: Decoder) -> None:
    means, generated = window_means(decoder, PROMPTS, [3, 5], LABELS)
    for row, prompt in enumerate(PROMPTS):
        expected = hidden_states_alone(decoder, prompt, generated[row].ids)
        for window in (3, 5):
            np.testing.assert_allclose(means[window][row, :-1], expected[:, :window].mean(axis=1), rtol=1e-4, atol=1e-4)


def test_one_run_of_the_longest_window_serves_every_shorter_one(decoder: Decoder) -> None:
    together, generated = window_means(decoder, PROMPTS, [2, 4, 7], LABELS)
    alone, short = window_means(decoder, PROMPTS, [4], LABELS)
    assert [row.ids[:4] for row in generated] == [row.ids for row in short]
    np.testing.assert_allclose(together[4], alone[4], rtol=1e-4, atol=1e-5)
    assert {len(row.ids) for row in generated} == {7}


def test_left_padding_never_changes_a_row(decoder: Decoder) -> None:
    batch, _ = window_means(decoder, PROMPTS, [5], LABELS)
    for row, prompt in enumerate(PROMPTS):
        alone, _ = window_means(decoder, [prompt], [5], LABELS[row : row + 1])
        np.testing.assert_allclose(batch[5][row], alone[5][0], rtol=1e-4, atol=1e-5)


def in_place_of(output: object, stream: torch.Tensor) -> object:
    """A block's output with another residual stream."""
    return (stream, *output[1:]) if isinstance(output, tuple) else stream


def test_means_are_accumulated_in_more_than_the_models_precision(decoder: Decoder) -> None:
    # 2^24 + 1 in float32 rounds to 2^24, so a float32 sum would lose the small tokens.
    tokens = [2.0**24, 1.0, 1.0, 2.0]
    assert sum(torch.tensor(tokens)) != sum(tokens)
    values = iter([0.0, *tokens])  # the prompt's first

    def constant(_module: object, _inputs: object, output: object) -> object:
        return in_place_of(output, torch.full_like(residual(output), next(values)))

    handle = decoder.blocks[-1].register_forward_hook(constant)
    try:
        means, _ = window_means(decoder, PROMPTS, [4], LABELS)
    finally:
        handle.remove()
    assert (means[4][:, -1] == sum(tokens) / 4).all()


def test_sums_are_kept_where_the_outputs_are_unless_there_is_no_float64() -> None:
    devices = [summing_device(torch.device(name)) for name in ("cpu", "cuda", "cuda:1", "mps")]
    assert [str(device) for device in devices] == ["cpu", "cuda", "cuda:1", "cpu"]


def test_every_prompt_is_read_once(decoder: Decoder) -> None:
    passes: list[tuple[int, ...]] = []
    handle = decoder.blocks[0].register_forward_hook(lambda _m, _i, out: passes.append(tuple(residual(out).shape[:2])))
    try:
        window_means(decoder, PROMPTS, [2, 3], LABELS)
    finally:
        handle.remove()
    assert passes == [(4, 9), (4, 1), (4, 1), (4, 1)]


def test_hooks_are_removed_after_an_error_and_other_hooks_stay(decoder: Decoder) -> None:
    calls: list[int] = []
    before = [dict(block._forward_hooks) for block in decoder.blocks]
    theirs = decoder.blocks[0].register_forward_hook(lambda *_: calls.append(1))

    def record(block: int, stream: torch.Tensor) -> None:
        raise RuntimeError("planted")

    try:
        with pytest.raises(RuntimeError, match="planted"), recorded_blocks(decoder.blocks, record):
            decoder.model(input_ids=torch.tensor([[2, 5]]))
        assert theirs.id in decoder.blocks[0]._forward_hooks
        assert calls  # their hook still works
    finally:
        theirs.remove()
    assert [dict(block._forward_hooks) for block in decoder.blocks] == before


def test_block_outputs_may_be_tensors_or_tuples() -> None:
    tensor = torch.ones(1, 2, 3)
    assert residual(tensor) is tensor
    assert residual((tensor, "cache")) is tensor
    with pytest.raises(TypeError, match="str"):
        residual("nothing")


@pytest.mark.parametrize("every", [1, 3, 8])
def test_statistics_cover_exactly_the_response_tokens(
    decoder: Decoder, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Row 0 stops after its second token; looked at rarely, it stays in the batch for some more.
    stops = frozenset([greedy(decoder, PROMPTS[:1], 3, stop_ids=frozenset())[0].ids[2]])
    responses = greedy(decoder, PROMPTS, 6, stop_ids=stops)
    assert len(responses[0].ids) <= 2 < max(len(row.ids) for row in responses)
    monkeypatch.setattr(generation, "usual_pace", lambda _device: every)
    statistics = ResponseStatistics(decoder.depth, decoder.width)
    add_responses(decoder, PROMPTS[:3], 6, LABELS, statistics, stops)
    add_responses(decoder, PROMPTS[3:], 6, LABELS[3:], statistics, stops)
    values = np.concatenate(
        [hidden_states_alone(decoder, p, r.ids) for p, r in zip(PROMPTS, responses, strict=True)], axis=1
    )
    arrays = statistics.arrays()
    assert statistics.tokens == sum(len(row.ids) for row in responses)
    np.testing.assert_allclose(arrays["mean"][:-1], values.mean(axis=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(arrays["peak"][:-1], np.abs(values).max(axis=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(arrays["median"][:-1], np.median(np.abs(values), axis=(1, 2)), rtol=1e-3)


@settings(deadline=None, max_examples=50)
@given(
    values=arrays(
        np.float32, st.tuples(st.just(2), st.integers(1, 9), st.just(5)), elements=st.floats(-1e6, 1e6, width=32)
    ),
    cuts=st.lists(st.integers(0, 9), max_size=3),
    without=st.sets(st.integers(0, 4)),
)
def test_token_norms_are_those_of_all_tokens_whatever_the_batches_and_the_dims_left_out(
    values: np.ndarray, cuts: list[int], without: set[int]
) -> None:
    statistics = ResponseStatistics(2, 5)
    for block in (0, 1):
        for part in np.split(values[block], sorted(cuts)):
            statistics.add(block, part)
    outside = values.astype(np.float64) * ~np.isin(np.arange(5), list(without))
    expected = np.sqrt(np.square(outside).sum(axis=2)).mean(axis=1)
    np.testing.assert_allclose(statistics.token_norms(sorted(without)), expected, rtol=1e-12)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_bad_activations_name_the_block_and_the_scenario(decoder: Decoder, poison: float) -> None:
    stop = greedy(decoder, PROMPTS[:1], 1, stop_ids=frozenset())[0].ids[0]  # row 0 has no response, and is dropped

    def break_scenario_two(_module: object, _inputs: object, output: object) -> object:
        stream = residual(output).clone()
        if stream.shape[1] == 1:  # a decoding step
            stream[2 - len(PROMPTS)] = poison
        return in_place_of(output, stream)

    handle = decoder.blocks[1].register_forward_hook(break_scenario_two)
    try:
        with pytest.raises(BadActivations, match=r"block 1: .* first scenario 2"):
            window_means(decoder, PROMPTS, [3], LABELS)
        statistics = ResponseStatistics(decoder.depth, decoder.width)
        with pytest.raises(BadActivations, match=r"block 1: .* in 1 of \d rows, first scenario 2"):
            add_responses(decoder, PROMPTS, 3, LABELS, statistics, frozenset([stop]))
        assert statistics.tokens == 0
    finally:
        handle.remove()


def test_a_batch_that_runs_out_of_memory_halfway_is_taken_in_once(decoder: Decoder) -> None:
    expected, found = (ResponseStatistics(decoder.depth, decoder.width) for _ in range(2))
    add_responses(decoder, PROMPTS, 5, LABELS, expected, frozenset())

    passes: list[int] = []

    def too_large(_module: object, _inputs: object, output: object) -> None:
        passes.append(len(residual(output)))
        if passes.count(4) == 3:  # the second decoding step
            passes.clear()
            raise torch.OutOfMemoryError("planted")

    def run(batch: list[int]) -> None:
        add_responses(decoder, [PROMPTS[row] for row in batch], 5, [LABELS[row] for row in batch], found, frozenset())

    handle = decoder.blocks[2].register_forward_hook(too_large)
    try:
        assert in_batches([len(prompt) for prompt in PROMPTS], 4, run) == 2
    finally:
        handle.remove()
    assert found.tokens == expected.tokens == 5 * len(PROMPTS)
    for name, values in expected.arrays().items():
        np.testing.assert_allclose(found.arrays()[name], values, rtol=1e-3, atol=1e-4)
