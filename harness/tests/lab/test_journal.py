"""A journal gives back every whole batch and never a broken one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.decoding.generation import Generated
from harness.lab.journal import Journal

BATCHES = [([3, 1], [Generated((5, 6), True), Generated((), False)]), ([0], [Generated((9,), False)])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "partial" / "rows.jsonl"
    for indices, generated in BATCHES:
        Journal(path).append(indices, generated)
    return path


def test_batches_are_given_back_row_by_row(path: Path) -> None:
    assert Journal(path).read() == {3: Generated((5, 6), True), 1: Generated((), False), 0: Generated((9,), False)}


def test_a_line_that_is_cut_off_or_changed_is_left_out_and_the_next_is_kept(path: Path) -> None:
    path.write_text(path.read_text().replace("[5, 6]", "[5, 7]") + '{"rows": [[7, [1')
    Journal(path).append([8], [Generated((2,), True)])
    assert set(Journal(path).read()) == {0, 8}


def test_no_journal_is_no_rows_and_discarding_is_final(path: Path) -> None:
    Journal(path).discard()
    Journal(path).discard()
    assert Journal(path).read() == {}


def test_a_disk_that_refuses_costs_the_journal_and_not_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    Journal(path).append([8], [Generated((2,), True)])
