"""An entry of the store is whole and right, or it does not exist."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.atomic import write_atomically
from harness.hashes import canonical, key_of
from harness.lab import store as store_module
from harness.lab.store import Answer, CorruptEntry, Store, StoreUnwritable

ANSWER = Answer({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([np.nan])}, {"n": 3, "t": ["x"]})
KEY = key_of("an entry")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    filled = Store(tmp_path)
    filled.put(KEY, {"what": "a test"}, ANSWER)
    return filled


def test_what_is_put_is_got_back(store: Store) -> None:
    found = store.get(KEY)
    assert found is not None
    assert found.record == ANSWER.record
    assert set(found.arrays) == {"a", "b"}
    for name, array in ANSWER.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert KEY in store
    assert list(store.keys()) == [KEY]


def test_others_may_read_what_is_written(store: Store) -> None:
    assert [path.stat().st_mode & 0o777 for path in store.paths(KEY)] == [0o644, 0o644]


def test_an_unknown_key_has_no_answer(store: Store) -> None:
    assert store.get(key_of("another")) is None
    assert key_of("another") not in store


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 1), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(tmp_path: Path, which: int, place: float, bit: int) -> None:
    store = Store(tmp_path)
    store.put(KEY, {"what": "a test"}, ANSWER)
    path = store.paths(KEY)[which]
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptEntry):
        store.get(KEY)


def test_an_entry_under_another_key_is_found_out(store: Store) -> None:
    other = key_of("another")
    for source, target in zip(store.paths(KEY), store.paths(other), strict=True):
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    with pytest.raises(CorruptEntry, match="checksum"):
        store.get(other)


def test_half_an_entry_is_missing_or_corrupt_but_never_an_answer(store: Store) -> None:
    record, arrays = store.paths(KEY)
    arrays.unlink()
    with pytest.raises(CorruptEntry, match="is gone"):
        store.get(KEY)
    store.put(KEY, {}, ANSWER)
    record.unlink()
    assert store.get(KEY) is None


@pytest.mark.parametrize("fail_at", ["write", "rename"])
def test_a_full_disk_leaves_no_partial_file_and_says_what_to_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, fail_at: str
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync" if fail_at == "write" else "replace", refuse)
    with pytest.raises(StoreUnwritable, match=r"the disk is full; free space or pass --store DIR"):
        store.put(key_of("another"), {}, ANSWER)
    assert not list(store.root.rglob("*.partial"))
    monkeypatch.undo()
    assert store.get(KEY) is not None


def test_the_record_is_written_after_the_arrays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def note(path: Path, data: bytes) -> None:
        written.append(path.suffix)
        write_atomically(path, data)

    monkeypatch.setattr(store_module, "write_atomically", note)
    store.put(key_of("another"), {}, ANSWER)
    assert written == [".safetensors", ".json"]


numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(value=st.dictionaries(st.text(), json_values, max_size=4))
def test_the_order_of_fields_never_changes_a_key(value: dict[str, object]) -> None:
    assert key_of(value) == key_of(dict(reversed(value.items())))


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical({"x": float("nan")})


HOLD = """
import sys, time
from pathlib import Path
from harness.lab.store import Store
with Store(Path(sys.argv[1])).making("severe"):
    print("held", flush=True)
    sys.stdin.readline()
print("let go", flush=True)
"""


def test_a_second_process_waits_until_the_first_has_made_its_answers(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "held\n"
    from filelock import FileLock, Timeout

    (lock,) = (tmp_path / "locks").glob("*.lock")
    with pytest.raises(Timeout), FileLock(lock, timeout=0.2):
        raise AssertionError("the lock was free")
    with Store(tmp_path).making("mild"):  # another model is another lock
        holder.stdin.write("\n")
        holder.stdin.flush()
    assert holder.stdout.readline() == "let go\n"
    holder.wait()
    with Store(tmp_path).making("severe"):
        pass


def test_a_process_that_dies_lets_go_of_its_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    with Store(tmp_path).making("severe"):
        pass


def test_a_store_that_cannot_be_written_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with Store(tmp_path / "file").making("severe"):
        pass
