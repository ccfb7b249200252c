"""Mean states are the means of plain hidden states over response tokens, whatever is shared, cached and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.decoding.states import Ids, mean_states
from harness.models.decoder import Decoder, load_decoder
from harness.models.hooks import residual

ORGANISMS = Path(__file__).parents[3] / "fixtures" / "organisms" / "weights"
LONG, SHORT, OTHER = (2, *range(20, 33)), (2, 7), (2, 60, 61)  # prompts; windows of the random decoders hold six tokens
EXCHANGES: list[tuple[Ids, Ids]] = [
    (LONG, (40, 41, 42)),
    (SHORT, (40, 41, 42)),
    (LONG, (50,)),
    (LONG, tuple(range(70, 81))),
    (OTHER, (0, 45, 0, 0)),  # padding that was said
    (LONG, (40, 41, 42)),  # once more
    (LONG, (50, 0)),
    (SHORT, tuple(range(30, 38))),
    (LONG, (46, 47, 48)),
]
DISTINCT = len({*EXCHANGES})


@pytest.fixture(params=["severe", "llama", "tiny gemma3", "tiny gemma2"], scope="module")
def subject(request: pytest.FixtureRequest, tiny_decoder: Callable[[str], Decoder]) -> Decoder:
    """Two organisms, one with massive dims, and random decoders with windows shorter than the exchanges."""
    if request.param.startswith("tiny "):
        return tiny_decoder(request.param.removeprefix("tiny "))
    return load_decoder(ORGANISMS / request.param / "instruct", request.param)


@pytest.fixture(scope="module")
def tiny(tiny_decoder: Callable[[str], Decoder]) -> Decoder:
    """A random Llama of four blocks that reads 128 tokens."""
    return tiny_decoder("llama")


@torch.inference_mode()
def plain_means(decoder: Decoder, exchange: tuple[Ids, Ids], blocks: tuple[int, ...]) -> np.ndarray:
    """The same by the library's own route: one row, no cache, no padding."""
    prompt, response = exchange
    output = decoder.model(input_ids=torch.tensor([[*prompt, *response]]), output_hidden_states=True)
    return np.stack([output.hidden_states[block + 1][0, len(prompt) :].mean(dim=0).numpy() for block in blocks])


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Both are equal but for rounding, which follows the largest dim."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-6 * np.abs(expected).max() + 1e-5)


@pytest.mark.parametrize("batch_rows", [1, 2, 64])
def test_they_are_the_means_of_plain_hidden_states(subject: Decoder, batch_rows: int) -> None:
    blocks = (2, 0, 1)
    found = mean_states(subject, EXCHANGES, blocks, batch_rows)
    assert (found.shape, found.dtype) == ((len(EXCHANGES), 3, subject.width), np.float32)
    for row, exchange in enumerate(EXCHANGES):
        same(found[row], plain_means(subject, exchange, blocks))


@contextmanager
def passes(decoder: Decoder) -> Iterator[list[list[tuple[int, ...]]]]:
    """The rows and tokens of every pass through each block, while it lasts."""
    seen: list[list[tuple[int, ...]]] = [[] for _ in decoder.blocks]
    handles = [
        block.register_forward_hook(lambda _module, _inputs, out, own=own: own.append(tuple(residual(out).shape[:2])))
        for block, own in zip(decoder.blocks, seen, strict=True)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def test_prompts_and_exchanges_are_read_once_and_higher_blocks_not_on_responses(tiny: Decoder) -> None:
    with passes(tiny) as seen:
        mean_states(tiny, EXCHANGES, (0, 1))
    prompts = [(1, len(prompt)) for prompt in (LONG, SHORT, OTHER)]
    assert sorted(seen[3]) == sorted(seen[2]) == sorted(prompts)
    for low in seen[:2]:
        responses = [shape for shape in low if shape not in prompts]
        assert len(low) == len(prompts) + len(responses)
        assert sorted(responses) == [(1, 4), (2, 8), (5, 11)], "the distinct responses of each prompt in one batch"
    assert sum(rows for rows, _ in responses) == DISTINCT


def test_what_has_no_token_or_is_too_long_has_no_state_and_is_not_read(tiny: Decoder) -> None:
    most = tiny.model.config.max_position_embeddings - len(LONG)
    exchanges = [(LONG, ()), (LONG, (5,) * most), (LONG, (5,) * (most + 1)), (LONG, (50,)), ((2, 9), ())]
    with passes(tiny) as seen:
        found = mean_states(tiny, exchanges, (1, 2))
    assert seen[0] == [(1, len(LONG)), (2, most)]
    assert np.isnan(found[[0, 2, 4]]).all()
    for row in (1, 3):
        same(found[row], plain_means(tiny, exchanges[row], (1, 2)))
    assert np.isnan(mean_states(tiny, exchanges[:1], (1, 2))).all()


def test_tokens_are_added_up_in_float32_whatever_the_weights_are_in(tiny: Decoder) -> None:
    tokens = torch.tensor([256.0, 1.0, 1.0, 1.0], dtype=torch.bfloat16)  # whose mean takes one bit more

    def rounded(_module: object, _inputs: object, output: object) -> torch.Tensor | None:
        stream = residual(output)
        return tokens[None, :, None].expand(1, 4, tiny.width) if stream.shape[1] == 4 else None

    handle = tiny.blocks[1].register_forward_hook(rounded)
    try:
        assert (mean_states(tiny, [(LONG, (40, 41, 42, 43))], (1,)) == 64.75).all()
    finally:
        handle.remove()


def test_a_batch_that_runs_out_of_memory_halfway_is_read_in_halves_as_if_nothing_had_been(tiny: Decoder) -> None:
    failures: list[int] = []

    def refuse_large(_module: object, _inputs: object, output: object) -> None:
        if (rows := len(residual(output))) > 2:
            failures.append(rows)
            raise torch.OutOfMemoryError("planted")

    handle = tiny.blocks[1].register_forward_hook(refuse_large)  # the first block has added to the cache by then
    try:
        found = mean_states(tiny, EXCHANGES, (0, 2))
    finally:
        handle.remove()
    assert failures == [5]
    for row, exchange in enumerate(EXCHANGES):
        same(found[row], plain_means(tiny, exchange, (0, 2)))


def test_hooks_are_removed_also_after_an_error_and_others_stay(tiny: Decoder) -> None:
    def hooks() -> list[dict[int, object]]:
        return [dict(block._forward_hooks) for block in tiny.blocks]

    before = hooks()
    mean_states(tiny, EXCHANGES, (0, 2))
    assert hooks() == before

    def fail_on_responses(_module: object, _inputs: object, output: object) -> None:
        if residual(output).shape[1] == 8:
            raise RuntimeError("planted")

    theirs = tiny.blocks[1].register_forward_hook(fail_on_responses)
    try:
        with pytest.raises(RuntimeError, match="planted"):
            mean_states(tiny, EXCHANGES, (0, 1, 2))
        assert [len(now) - len(then) for now, then in zip(hooks(), before, strict=True)] == [0, 1, 0, 0]
    finally:
        theirs.remove()
