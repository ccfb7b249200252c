"""The campaign of faults finds a store that loses rows, and finds none in ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.bench import faults
from harness.lab.store import Response, Store

pytestmark = pytest.mark.slow


def test_no_row_is_lost_or_made_twice_and_no_answer_is_wrong() -> None:
    found = faults.measure(kills=5, flips=8, disks=3)
    counted = {
        (fault, what): figure
        for fault, figures in found.items()
        for what, figure in figures.items()
        if any(word in what for word in ("wrong", "lost", "made twice"))
    }
    assert len(counted) > 10
    assert {place: figure for place, figure in counted.items() if figure} == {}


def test_a_store_that_forgets_a_batch_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(
        self: faults.Told, made: Mapping[str, Response], put: Callable[..., None] = Store.put_responses
    ) -> None:
        put(self, dict(list(made.items())[1:]))
        os.write(self.pipe, (json.dumps({"kept": list(made)}) + "\n").encode())

    monkeypatch.setattr(faults.Told, "put_responses", forgetful)
    reference = faults.whole(tmp_path / "reference")
    assert faults.together(tmp_path, reference, 1)["rows lost"] > 0
