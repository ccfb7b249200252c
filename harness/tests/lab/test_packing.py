"""A packed store shows what the store shows, in one file, and a file that is none is told."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.lab.packing import pack, readable
from harness.lab.store import Answer, Store, StoreError
from harness.report.responses import runs_of
from harness.tests.lab.tiny_lab import Bench, answers


def test_what_a_report_shows_is_in_one_file_and_what_only_a_run_needs_is_not(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    store = bench().lab.store
    answers(bench().lab)
    key, described = next(
        (k, d) for k, d in store.descriptions() if d["measurement"]["kind_of"] == "MassiveActivations"
    )
    large = Answer({"mean": np.arange(40_000, dtype=np.float32)}, {})
    store.put(key, described, large)  # its arrays lie in a file of their own
    pack(store, tmp_path / "packed.xz")
    with readable(tmp_path / "packed.xz") as unpacked:
        assert runs_of(unpacked) == runs_of(store)
        found = unpacked.get(key)
        assert found is not None
        assert np.array_equal(found.arrays["mean"], large.arrays["mean"])
        kinds = {text["measurement"]["kind_of"] for _, text in unpacked.descriptions()}
        assert {"Scores", "Sweep", "Direction"} <= kinds
        assert not kinds & {"Activations", "Refits", "CrossFit"}
        folder = unpacked.root
    assert not folder.exists()


def test_what_is_no_packed_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "cut.xz").write_bytes(lzma.compress(b"x" * 5000)[:-9])
    with pytest.raises(StoreError, match="cannot be unpacked as a store"), readable(tmp_path / "cut.xz"):
        pass
    with pytest.raises(StoreError, match="holds nothing that a report shows"):
        pack(Store(tmp_path / "nowhere"), tmp_path / "out.xz")
    assert not (tmp_path / "out.xz").exists()
