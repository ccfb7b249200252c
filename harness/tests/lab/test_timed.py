"""The minutes that a plan tells for this CPU are what one block takes, for every pass of every batch."""

from __future__ import annotations

from typing import Any

import pytest

from harness.lab import timed
from harness.lab.costs import Work
from harness.models.architecture import SMOLLM2_135M


def test_every_pass_of_every_batch_counts_and_reading_goes_up_to_the_block_that_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int, int]] = []

    def block(_: Any, rows: int, tokens: int, context: int, *, budget: float) -> float:
        assert 0 < budget <= timed.SECONDS
        asked.append((rows, tokens, context))
        return 1e-3 * rows * tokens

    def head(_: Any, rows: int, *, budget: float) -> float:
        assert 0 < budget <= timed.SECONDS
        return 1e-2 * rows

    monkeypatch.setattr(timed, "block_seconds", block)
    monkeypatch.setattr(timed, "head_seconds", head)
    one = timed.seconds_here(SMOLLM2_135M, [Work(100, 50, 32, 25)])
    # 100 rows: 50 tokens of the prompt and 31 fed back go through 30 blocks; the head reads 32.
    assert one == pytest.approx(100 * (30 * 1e-3 * (50 + 31) + 32 * 1e-2))
    assert timed.seconds_here(SMOLLM2_135M, [Work(100, 50, 32, 25, captured=True)]) > one
    assert timed.seconds_here(SMOLLM2_135M, [Work(100, 50, 32, 25)] * 3) == pytest.approx(3 * one)
    read = timed.seconds_here(SMOLLM2_135M, [], 640)
    assert read == pytest.approx(640 * 20 * 1e-3 * timed.READ_TOKENS)
    assert max(rows for rows, _, _ in asked) <= timed.MOST_ROWS


def test_a_block_and_the_head_are_really_run() -> None:
    assert timed.block_seconds(SMOLLM2_135M, 2, 3, 5, budget=0.0) > 0
    assert timed.head_seconds(SMOLLM2_135M, 2, budget=0.0) > 0
