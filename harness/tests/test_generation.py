"""Greedy decoding agrees with the library's own, whatever the padding and whenever rows finish."""

from __future__ import annotations

import pytest
import torch

from harness.generation import greedy, in_batches, left_pad, position_ids
from harness.models import Decoder

PROMPTS = [[2, 5, 9, 11, 30], [2, 7], [2, 40, 41, 42, 43, 44, 45, 46, 47], [2, 60, 61], [2, 88]]


def reference(decoder: Decoder, prompt: list[int], limit: int) -> list[int]:
    """transformers' generate on one unpadded row."""
    ids = decoder.model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=limit, do_sample=False, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    return [token for token in ids[0, len(prompt) :].tolist() if token != 1]


def test_a_batch_gives_each_row_what_the_library_gives_it_alone(decoder: Decoder) -> None:
    batch = greedy(decoder, PROMPTS, 24)
    assert [list(row.ids) for row in batch] == [reference(decoder, prompt, 24) for prompt in PROMPTS]


def test_rows_that_stop_leave_the_others_unchanged(decoder: Decoder) -> None:
    free = greedy(decoder, PROMPTS, 16, stop_ids=frozenset())
    stop = free[0].ids[4]  # a token that row 0 surely meets
    stopped = greedy(decoder, PROMPTS, 16, stop_ids=frozenset([stop]))
    for row, (whole, cut) in enumerate(zip(free, stopped, strict=True)):
        expected = whole.ids[: whole.ids.index(stop)] if stop in whole.ids else whole.ids
        assert cut.ids == expected, f"row {row}"
        assert cut.finished == (stop in whole.ids)
    assert stopped[0].finished


def test_an_empty_stop_set_generates_exactly_the_limit(decoder: Decoder) -> None:
    assert {len(row.ids) for row in greedy(decoder, PROMPTS, 9, stop_ids=frozenset())} == {9}


def test_positions_count_from_the_first_real_token() -> None:
    ids, mask = left_pad([[5, 6, 7], [8]], 0, torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert position_ids(mask).tolist() == [[0, 1, 2], [0, 0, 0]]


def test_batches_run_longest_first_and_halve_when_memory_runs_out() -> None:
    seen: list[list[int]] = []
    halved: list[int] = []

    def run(batch: list[int]) -> None:
        if len(batch) > 2:
            raise torch.OutOfMemoryError("planted")
        seen.append(batch)

    calls = in_batches([3, 9, 5, 7, 1], 4, run, halved.append)
    assert seen == [[1, 3], [2, 0], [4]]
    assert calls == 3
    assert halved == [2]


def test_what_torch_raises_on_a_cpu_without_memory_halves_the_batch_too() -> None:
    def run(batch: list[int]) -> None:
        if len(batch) > 1:
            torch.empty(10**15, device="cpu")

    assert in_batches([1, 2], 2, run) == 2


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    def run(batch: list[int]) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        in_batches([1, 2], 2, run)


def test_one_row_that_does_not_fit_is_an_error() -> None:
    def run(batch: list[int]) -> None:
        raise torch.OutOfMemoryError("planted")

    with pytest.raises(torch.OutOfMemoryError):
        in_batches([3, 9, 5], 4, run)
