"""Capture reads the right tokens at the right blocks, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.decoding import capture
from harness.decoding.capture import BadActivations, ResponseStatistics, add_responses, window_means
from harness.decoding.generation import greedy
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks, residual

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


def test_means_are_accumulated_in_more_than_the_models_precision(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2,048 + 1 in bfloat16 rounds to 2,048, so a bfloat16 sum would lose every small token.
    stream = torch.tensor([2048.0, 1.0, 1.0, 2.0]).bfloat16()[None, :, None].expand(4, 4, decoder.width)
    assert stream.mean(dim=1)[0, 0].item() != 513.0

    def show(_decoder: Decoder, _prompts: object, _responses: object, visit: Callable[..., None]) -> None:
        for block in range(decoder.depth):
            visit(block, stream, torch.ones(4, 4, dtype=torch.bool))

    monkeypatch.setattr(capture, "response_activations", show)
    means, _ = window_means(decoder, PROMPTS, [4], LABELS)
    assert (means[4] == 513.0).all()


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


def test_statistics_cover_exactly_the_response_tokens(decoder: Decoder) -> None:
    statistics = ResponseStatistics(decoder.depth, decoder.width)
    add_responses(decoder, PROMPTS[:3], 6, LABELS, statistics)
    add_responses(decoder, PROMPTS[3:], 6, LABELS[3:], statistics)
    responses = greedy(decoder, PROMPTS, 6)
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
    def break_row_two(_module: object, _inputs: object, output: object) -> object:
        stream = residual(output).clone()
        if stream.shape[1] > 1:  # the reading pass, not the decoding steps
            stream[2, -1] = poison
        return (stream, *output[1:]) if isinstance(output, tuple) else stream

    handle = decoder.blocks[1].register_forward_hook(break_row_two)
    try:
        with pytest.raises(BadActivations, match=r"block 1: .* first scenario 2"):
            window_means(decoder, PROMPTS, [3], LABELS)
    finally:
        handle.remove()
