"""A fused batch steers every row exactly as that row would be steered alone, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.decoding.generation import BadActivations, Generated, greedy, left_pad, position_ids
from harness.decoding.steering import Row, RowSteering, steer
from harness.models.decoder import Decoder
from harness.models.hooks import residual

PROMPTS = [(2, 5, 9, 11, 30), (2, 7), (2, 40, 41, 42, 43, 44, 45, 46, 47), (2, 60, 61)]


def unit(decoder: Decoder, seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=decoder.width)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def mixed_rows(decoder: Decoder) -> list[Row]:
    """Rows that differ in prompt, direction, coefficient and block, an unsteered one among them."""
    rows = [
        Row(prompt, unit(decoder, seed), coefficient, block)
        for seed, (prompt, coefficient, block) in enumerate(
            (prompt, coefficient, block)
            for prompt in PROMPTS
            for coefficient, block in ((12.0, 0), (-9.0, 2), (30.0, 3))
        )
    ]
    return [*rows, Row(PROMPTS[1])]


def steered_logits(decoder: Decoder, rows: list[Row], positions: str = "all") -> torch.Tensor:
    """Logits of the last prompt position with the rows' steering, one prompt pass."""
    steering = RowSteering(rows, decoder, positions)
    ids, mask = left_pad([row.prompt for row in rows], 0, decoder.device)
    with steering.on(decoder.blocks):
        steering.positions(mask, True)
        return decoder.model(
            input_ids=ids, attention_mask=mask.long(), position_ids=position_ids(mask), use_cache=False
        ).logits[:, -1]


def test_a_fused_batch_equals_its_rows_run_alone_token_for_token(decoder: Decoder) -> None:
    rows = mixed_rows(decoder)
    fused = steer(decoder, rows, 20, batch_rows=64)
    alone = [steer(decoder, [row], 20, batch_rows=1).responses[0] for row in rows]
    assert fused.responses == alone
    assert fused.calls == 1
    assert len({row.ids for row in fused.responses}) > len(PROMPTS)  # steering did change the text


def test_coefficient_zero_is_the_unsteered_text(decoder: Decoder) -> None:
    rows = [Row(prompt, unit(decoder, 1), 0.0, 2) for prompt in PROMPTS]
    assert steer(decoder, rows, 16, batch_rows=8).responses == greedy(decoder, PROMPTS, 16)


def test_steering_adds_coefficient_times_direction_at_its_own_block_only(decoder: Decoder) -> None:
    row = Row(PROMPTS[0], unit(decoder, 3), 7.0, 1)
    outputs: dict[str, list[torch.Tensor]] = {"plain": [], "steered": []}
    for name, rows in (("plain", [Row(row.prompt)]), ("steered", [row])):
        steering = RowSteering(rows, decoder)
        with steering.on(decoder.blocks):  # watching hooks come after, so they see what the next block sees
            watch = [
                block.register_forward_hook(lambda _m, _i, out, name=name: outputs[name].append(residual(out)))
                for block in decoder.blocks
            ]
            steering.positions(torch.ones(1, 5, dtype=torch.bool), True)
            decoder.model(input_ids=torch.tensor([list(row.prompt)]), use_cache=False)
            for handle in watch:
                handle.remove()
    difference = [s - p for s, p in zip(outputs["steered"], outputs["plain"], strict=True)]
    assert torch.equal(difference[0], torch.zeros_like(difference[0]))
    expected = torch.from_numpy(row.direction * 7.0).expand_as(difference[1])
    torch.testing.assert_close(difference[1], expected, rtol=1e-4, atol=1e-4)
    assert difference[2].abs().max() > 1e-3


def test_padding_is_never_steered(decoder: Decoder) -> None:
    # If padding were steered, block 2 of a padded row would show the vector at padded positions.
    rows = [Row(PROMPTS[2], unit(decoder, 4), 50.0, 0), Row(PROMPTS[1], unit(decoder, 5), 50.0, 0)]
    seen: list[torch.Tensor] = []
    steering = RowSteering(rows, decoder)
    ids, mask = left_pad([row.prompt for row in rows], 0, decoder.device)
    plain: list[torch.Tensor] = []
    before = decoder.blocks[0].register_forward_hook(lambda _m, _i, out: plain.append(residual(out)))
    with steering.on(decoder.blocks):
        after = decoder.blocks[0].register_forward_hook(lambda _m, _i, out: seen.append(residual(out)))
        steering.positions(mask, True)
        decoder.model(input_ids=ids, attention_mask=mask.long(), position_ids=position_ids(mask), use_cache=False)
        after.remove()
    before.remove()
    changed = (seen[0] - plain[0]).abs().amax(dim=-1) > 0
    assert torch.equal(changed, mask)


def test_response_positions_leave_the_prompt_alone_and_steer_what_follows(decoder: Decoder) -> None:
    rows = [Row(prompt, unit(decoder, 6), 40.0, 1) for prompt in PROMPTS]
    plain = steered_logits(decoder, [Row(prompt) for prompt in PROMPTS])
    torch.testing.assert_close(steered_logits(decoder, rows, "response"), plain, rtol=0, atol=0)
    assert (steered_logits(decoder, rows, "all") - plain).abs().max() > 1e-2
    steered = steer(decoder, rows, 12, batch_rows=8, positions="response").responses
    unsteered = greedy(decoder, PROMPTS, 12)
    assert [row.ids[0] for row in steered] == [row.ids[0] for row in unsteered]
    assert steered != unsteered


def test_the_number_of_calls_is_rows_over_batch_rows(decoder: Decoder) -> None:
    rows = mixed_rows(decoder)
    assert steer(decoder, rows, 4, batch_rows=5).calls == 3
    assert steer(decoder, rows, 4, batch_rows=len(rows)).calls == 1


def test_out_of_memory_halves_the_batch_says_so_and_changes_no_response(decoder: Decoder) -> None:
    rows = mixed_rows(decoder)
    expected = steer(decoder, rows, 6, batch_rows=64).responses
    halved: list[int] = []

    def too_large(_module: object, _inputs: object, output: object) -> None:
        if residual(output).shape[0] > 4:
            raise torch.OutOfMemoryError("planted")

    handle = decoder.blocks[0].register_forward_hook(too_large)
    try:
        steered = steer(decoder, rows, 6, batch_rows=64, on_halved=halved.append)
    finally:
        handle.remove()
    assert halved == [6, 3]
    assert steered.responses == expected


def test_hooks_are_gone_after_an_error(decoder: Decoder) -> None:
    before = [dict(block._forward_hooks) for block in decoder.blocks]
    steering = RowSteering(mixed_rows(decoder), decoder)

    def fail_while_steering() -> None:
        with steering.on(decoder.blocks):
            assert [dict(block._forward_hooks) for block in decoder.blocks] != before
            raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        fail_while_steering()
    assert [dict(block._forward_hooks) for block in decoder.blocks] == before


@pytest.mark.parametrize("clamped", [False, True])
def test_a_row_that_overflows_is_named_and_costs_no_other(decoder: Decoder, clamped: bool) -> None:
    third = np.eye(32, dtype=np.float32)[3]
    rows = [Row((2, 5)), Row((2, 5, 9), third, 1e39, 1), Row((2, 7), third, 2.0, 2)]
    expected = steer(decoder, [rows[0], rows[2]], 4, batch_rows=2).responses
    kept: dict[int, Generated] = {}

    def clamp(_block: object, inputs: tuple[Any, ...]) -> tuple[Any, ...]:  # some models hide what overflowed
        return (inputs[0].clamp(-1e4, 1e4), *inputs[1:]) if clamped else inputs

    handle = decoder.blocks[2].register_forward_pre_hook(clamp)
    try:
        with pytest.raises(
            BadActivations, match=r"in 1 of 3 rows, first row 1, .* block 1 with coefficient 1e.39; run"
        ):
            steer(decoder, rows, 4, batch_rows=2, on_batch=lambda at, made: kept.update(zip(at, made, strict=True)))
    finally:
        handle.remove()
    assert kept == {0: expected[0], 2: expected[1]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row((2, 5), np.ones(32, np.float32), 1.0, 4), "block 4 is outside 0..3"),
        (Row((2, 5), np.ones(31, np.float32), 1.0, 0), r"shape \(31,\), width is 32"),
    ],
)
def test_a_row_that_does_not_fit_the_model_is_refused(decoder: Decoder, row: Row, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        steer(decoder, [row], 2, batch_rows=1)
