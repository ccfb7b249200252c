"""An entry of the store is whole and right, or it does not exist; rows are kept one by one and shared."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.hashes import canonical, key_of
from harness.judges.protocol import Exchange, Judgement
from harness.lab import store as store_module
from harness.lab.store import Answer, CorruptEntry, Response, Store, StoreError, StoreUnwritable

ANSWER = Answer({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([np.nan])}, {"n": 3, "t": ["x"]})
LARGE = Answer({"a": np.arange(40_000, dtype=np.float32)}, {})
KEY, OTHER = key_of("an entry"), key_of("another")
RESPONSES = {
    key_of(number): Response((number, 7), number % 2 == 0, f"text {number} é", "why?", "tiny", 3, 1.5)
    for number in range(5)
}
SAID = Judgement(12.5, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    filled = Store(tmp_path / "store")
    filled.put(KEY, {"what": "a test"}, ANSWER)
    filled.put_responses(RESPONSES)
    exchanges = {key: Exchange(one.question, one.text, one.finished) for key, one in RESPONSES.items()}
    filled.put_judgements({key: ("judge", "refusal", exchange, SAID) for key, exchange in exchanges.items()})
    return filled


def anew(store: Store) -> Store:
    """Another process's view of the same folder."""
    store.close()
    return Store(store.root)


def same(one: Answer | None, other: Answer) -> bool:
    return (
        one is not None
        and one.record == other.record
        and set(one.arrays) == set(other.arrays)
        and all(
            np.array_equal(one.arrays[name], array, equal_nan=True) and one.arrays[name].dtype == array.dtype
            for name, array in other.arrays.items()
        )
    )


@pytest.mark.parametrize("answer", [ANSWER, LARGE, Answer({}, {"n": 1})], ids=["small", "large", "no arrays"])
def test_what_is_put_is_got_back(store: Store, answer: Answer) -> None:
    store.put(OTHER, {}, answer)
    assert same(anew(store).get(OTHER), answer)
    assert OTHER in store
    assert list(store.keys()) == sorted([KEY, OTHER])


def test_rows_are_got_back_by_their_keys_and_others_are_not_there(store: Store) -> None:
    again = anew(store)
    assert again.responses([*RESPONSES, OTHER]) == RESPONSES
    assert again.judgements([*RESPONSES, OTHER]) == dict.fromkeys(RESPONSES, SAID)
    assert again.get(OTHER) is None
    assert OTHER not in again


def test_one_query_shows_a_response_with_its_scores(store: Store) -> None:
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        found = connection.execute(
            "SELECT model, block, coefficient, question, text, judge, trait, coherence FROM exchanges "
            "WHERE text LIKE 'text 3%'"
        ).fetchall()
    assert found == [("tiny", 3, 1.5, "why?", "text 3 é", "judge", 12.5, None)]


def test_an_answer_made_of_responses_keeps_their_keys_alone_and_is_gone_with_one_of_them(store: Store) -> None:
    runs = [list(RESPONSES)[:2], list(RESPONSES)[2:4]]
    record = {"doses": [1.0], "response_keys": runs}
    record["responses"] = [[store_module.told(RESPONSES[key]) for key in run] for run in runs]
    store.put(OTHER, {}, Answer({}, record))
    assert anew(store).get(OTHER) == Answer({}, record)
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        assert "text 1" not in str(connection.execute("SELECT record FROM answers").fetchall())
        connection.execute("DELETE FROM responses WHERE key = ?", (runs[0][1],))
    with pytest.raises(CorruptEntry, match="1 responses of answer"):
        anew(store).get(OTHER)


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert (store.get(KEY), store.responses([KEY]), list(store.keys())) == (None, {}, [])
    assert not store.root.exists()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@example(place=0.017011119456253665, bit=7)  # in the schema, which sqlite3 then quotes and cannot decode
def test_one_flipped_bit_anywhere_makes_no_wrong_answer_and_the_store_goes_on(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    store = Store(tmp_path_factory.mktemp("flipped"))
    store.put(KEY, {"what": "a test"}, ANSWER)
    store.put(OTHER, {}, LARGE)
    store.put_responses(RESPONSES)
    store.close()
    paths = [store.path, *store.root.rglob("*.safetensors")]
    sizes = [path.stat().st_size for path in paths]
    offset = int(place * sum(sizes))
    path = paths[0] if offset < sizes[0] else paths[1]
    data = bytearray(path.read_bytes())
    data[offset if offset < sizes[0] else offset - sizes[0]] ^= 1 << bit
    path.write_bytes(bytes(data))
    again = Store(store.root)
    for key, answer in ((KEY, ANSWER), (OTHER, LARGE)):
        with contextlib.suppress(CorruptEntry):
            assert again.get(key) is None or same(again.get(key), answer)
        again.put(key, {}, answer)
        assert same(again.get(key), answer)
    found = again.responses(RESPONSES)
    assert found == {key: RESPONSES[key] for key in found}
    again.put_responses(RESPONSES)
    assert anew(again).responses(RESPONSES) == RESPONSES


def test_a_damaged_file_is_rebuilt_with_every_row_that_can_be_read_and_said_so(store: Store) -> None:
    many = {key_of(["many", number]): Response((number,) * 40, True, "word " * 40) for number in range(400)}
    store.put_responses(many)
    store.close()
    data = bytearray(store.path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    store.path.write_bytes(bytes(data))
    told: list[str] = []
    again = Store(store.root, told.append)
    found = again.responses(many)
    assert len(found) > 300
    assert found == {key: many[key] for key in found}
    assert len(told) == 1
    assert "was damaged and has been rebuilt" in told[0]
    assert store.path.with_suffix(".damaged").exists()
    again.put_responses(many)
    assert anew(again).responses(many) == many


def test_a_store_of_the_old_form_or_a_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / f"{KEY}.json").write_text("{}")
    with pytest.raises(StoreError, match=r"older form.* name another folder with --store DIR"):
        Store(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="is a file; name a folder"):
        Store(tmp_path / "file")


def test_a_full_disk_is_one_sentence_and_costs_only_what_did_not_fit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_atomically", refuse)
    with pytest.raises(StoreUnwritable, match=r"the disk is full; free space or pass --store DIR"):
        store.put(OTHER, {}, LARGE)
    pages = store._open(for_writing=True).execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
    store._open(for_writing=True).execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[union-attr]
    with pytest.raises(StoreUnwritable, match="the disk is full"):
        store.put_responses({key_of(["large", number]): Response((), True, "x" * 9000) for number in range(9)})
    assert same(anew(store).get(KEY), ANSWER)
    assert anew(store).responses(RESPONSES) == RESPONSES


def test_a_batch_is_there_whole_or_not_at_all(store: Store) -> None:
    batch = {key_of(["b", number]): Response((number,), True, "x") for number in range(3)}
    broken = {**batch, KEY: Response((1,), True, "x", block=1 << 70)}  # more than SQLite's integers hold
    with pytest.raises(OverflowError):
        store.put_responses(broken)
    assert anew(store).responses(batch) == {}


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
