"""Greedy decoding agrees with the library's own, whatever the padding and whenever rows finish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.decoding.generation import BadActivations, Generated, greedy, left_pad, position_ids, usual_pace
from harness.decoding.steering import Row, RowSteering
from harness.models.decoder import Decoder
from harness.models.loadable import ModelError
from harness.models.memory import in_batches

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


class Rows:
    """A watcher that notes how many rows each pass has, and how many are kept when some are dropped."""

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.kept: list[int] = []

    def positions(self, active: torch.Tensor, prompt: bool) -> None:  # noqa: ARG002 (the protocol's)
        self.passes.append(len(active))

    def keep(self, rows: torch.Tensor) -> None:
        self.kept.append(len(rows))


def cut(row: Generated, stops: frozenset[int], limit: int) -> Generated:
    """A free row as it should be with these stop tokens and this limit."""
    ids = row.ids[:limit]
    end = next((place for place, token in enumerate(ids) if token in stops), None)
    return Generated(ids if end is None else ids[:end], end is not None)


@given(
    st.sampled_from(["gemma3", "gemma2", "llama"]),
    st.integers(0, 20),
    st.integers(1, 25),
    st.sets(st.tuples(st.integers(0, len(PROMPTS) - 1), st.integers(0, 15)), max_size=4),
    st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_rarely_finished_rows_are_looked_for_never_changes_a_result(
    tiny_decoder: Callable[[str], Decoder],
    architecture: str,
    limit: int,
    every: int,
    places: set[tuple[int, int]],
    steered: bool,
) -> None:
    decoder = tiny_decoder(architecture)

    def run(limit: int, stops: frozenset[int], every: int | None) -> list[Generated]:
        if not steered:
            return greedy(decoder, PROMPTS, limit, stop_ids=stops, check_every=every)
        vectors = np.random.default_rng(0).normal(size=(len(PROMPTS), decoder.width)).astype(np.float32)
        rows = [Row(tuple(prompt), vectors[n], 2.0 + n, n % 4) for n, prompt in enumerate(PROMPTS)]
        steering = RowSteering(rows, decoder)
        with steering.on(decoder.blocks):
            return greedy(decoder, PROMPTS, limit, stop_ids=stops, watcher=steering, check_every=every)

    free = run(20, frozenset(), 1)
    stops = frozenset(free[row].ids[place] for row, place in places)
    expected = [cut(row, stops, limit) for row in free]
    assert run(limit, stops, every) == expected
    assert run(limit, stops, 1) == expected


def test_rows_are_dropped_at_the_looks_and_only_there(decoder: Decoder) -> None:
    free = greedy(decoder, PROMPTS, 16, stop_ids=frozenset())
    stops = frozenset([free[0].ids[4]])
    ends = [row.ids.index(min(stops)) + 1 if min(stops) in row.ids else 17 for row in free]  # tokens until it stops
    for every in (1, 3, 8):
        rows = Rows()
        greedy(decoder, PROMPTS, 16, stop_ids=stops, watcher=rows, check_every=every)
        looks = [sum(end > (step // every) * every for end in ends) for step in range(16)]  # rows of the pass of a step
        assert rows.passes == [alive for alive in looks if alive]
        assert rows.kept == sorted({alive for alive in looks if 0 < alive < len(PROMPTS)}, reverse=True)


@pytest.mark.parametrize("every", [1, 3])
def test_a_watcher_can_see_the_last_token_and_is_told_which_rows_have_stopped(decoder: Decoder, every: int) -> None:
    free = greedy(decoder, PROMPTS, 7, stop_ids=frozenset())
    stops = frozenset([free[0].ids[4]])
    seen: list[int] = []

    class Active(Rows):
        def positions(self, active: torch.Tensor, prompt: bool) -> None:
            seen.append(-1 if prompt else int(active.sum()))

    rows = greedy(decoder, PROMPTS, 7, stop_ids=stops, watcher=Active(), check_every=every, feed_last=True)
    assert rows == [cut(row, stops, 7) for row in free]
    assert seen[0] == -1
    assert seen[1:] == [sum(len(row.ids) > token for row in rows) for token in range(7)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_choose_no_token_end_their_row_and_no_other(decoder: Decoder, bad: float) -> None:
    broken: list[int] = []

    def change(_model: object, _inputs: object, output: Any) -> None:
        output.logits[..., 7:9] = -float("inf")  # masked: no fault
        for row in broken if len(output.logits) == len(PROMPTS) else ():
            output.logits[row, -1, slice(None) if bad < 0 else 5] = bad

    handle = decoder.model.register_forward_hook(change)
    try:
        stops = frozenset([greedy(decoder, PROMPTS, 3, stop_ids=frozenset())[3].ids[2]])
        expected = greedy(decoder, PROMPTS, 8, stop_ids=stops)
        broken.append(1)
        with pytest.raises(BadActivations, match=r"NaN or infinite logits in 1 of 5 rows, first row 1; run") as error:
            greedy(decoder, PROMPTS, 8, stop_ids=stops)
    finally:
        handle.remove()
    assert error.value.rows == (1,)
    assert error.value.responses == {row: one for row, one in enumerate(expected) if row != 1}


def test_without_stop_tokens_nothing_is_looked_for(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    for name in ("nonzero", "tolist"):
        original = getattr(torch.Tensor, name)

        def watched(self: torch.Tensor, *, name: str = name, original: Callable[..., object] = original) -> object:
            looked.append(name)
            return original(self)

        monkeypatch.setattr(torch.Tensor, name, watched)
    seen: list[int] = []
    monkeypatch.setattr(Rows, "positions", lambda _self, _active, _prompt: seen.append(looked.count("nonzero")))
    greedy(decoder, PROMPTS, 6, stop_ids=frozenset(), watcher=Rows(), check_every=1)
    assert seen == [0] * 6
    assert looked.count("tolist") == 2  # the rows and their tokens, once at the end


def test_every_step_is_looked_at_on_a_cpu_and_every_eighth_elsewhere(decoder: Decoder) -> None:
    first = greedy(decoder, PROMPTS[:1], 1, stop_ids=frozenset())[0].ids[0]
    rows = Rows()
    assert greedy(decoder, PROMPTS[:1], 20, stop_ids=frozenset([first]), watcher=rows) == [Generated((), True)]
    assert rows.passes == [1]
    assert [usual_pace(torch.device(name)) for name in ("cpu", "cuda", "cuda:1")] == [1, 8, 8]


def test_looking_less_often_than_never_is_refused(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="check_every is 0"):
        greedy(decoder, PROMPTS, 4, check_every=0)


def test_no_tokens_asked_for_are_none_given(decoder: Decoder) -> None:
    assert greedy(decoder, PROMPTS, 0) == [Generated((), False)] * len(PROMPTS)


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


def test_a_single_row_that_does_not_fit_is_one_sentence_that_keeps_nothing_in_memory() -> None:
    def run(_batch: list[int]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand a page more")

    with pytest.raises(
        ModelError, match="memory ran out with a single row of 9 prompt tokens; take bfloat16"
    ) as raised:
        in_batches([3, 9], 2, run)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None  # whose frames would hold the batch


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    def run(batch: list[int]) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        in_batches([1, 2], 2, run)
