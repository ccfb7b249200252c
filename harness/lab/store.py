"""Keeps everything that was measured: rows and answers in one SQLite file, large arrays as safetensors beside it.

What is made row by row is kept row by row: a response under its own content, a judgement under what was judged. An
answer is what a measurement came to; those made of responses keep the keys of their rows, not the rows again. Every row
has its checksum, verified on read, so that a damaged one is missing and never wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from harness.atomic import write_atomically
from harness.hashes import canonical, key_of
from harness.judges.protocol import Exchange, Judgement

Array = np.ndarray[Any, Any]

FILE = "store.sqlite"
INLINE = 65_536  # bytes of arrays up to which they lie in the row itself: a file each would be slower to read
AT_ONCE = 500  # keys in one query; SQLite takes 999 of old
MOST_ROWS = 1 << 32  # of a table that is rebuilt
MOST_FAILED = 2_000  # queries: where nothing at all can be reached, every stretch fails
WAIT = 60_000  # milliseconds for another process that is writing
TABLES: Mapping[str, tuple[str, ...]] = {
    "answers": ("key", "description", "record", "arrays", "checksum"),
    "responses": ("key", "model", "block", "coefficient", "question", "ids", "text", "finished", "checksum"),
    "judgements": (
        "key", "judge", "trait_judged", "question", "response", "finished",
        "trait", "coherence", "relevance", "checksum",
    ),
}  # fmt: skip
CREATE = (
    "CREATE TABLE answers(key TEXT UNIQUE NOT NULL, description TEXT, record TEXT, arrays, checksum TEXT)",
    "CREATE TABLE responses(key TEXT UNIQUE NOT NULL, model TEXT, block INTEGER, coefficient REAL, question TEXT, "
    "ids TEXT, text TEXT, finished INTEGER, checksum TEXT)",
    "CREATE TABLE judgements(key TEXT UNIQUE NOT NULL, judge TEXT, trait_judged TEXT, question TEXT, response TEXT, "
    "finished INTEGER, trait REAL, coherence REAL, relevance REAL, checksum TEXT)",
    "CREATE INDEX judged ON judgements(response, question)",
    # What a steered model said, and what judges said of it.
    "CREATE VIEW exchanges AS SELECT r.model, r.block, r.coefficient, r.question, r.text, r.finished, j.judge, "
    "j.trait_judged, j.trait, j.coherence, j.relevance FROM responses r LEFT JOIN judgements j ON "
    "j.response = r.text AND j.question = r.question AND j.finished = r.finished",
)


class StoreError(ValueError):
    """The folder named is no store of this form; the message says what to do."""


class CorruptEntry(Exception):
    """A stored entry does not match its checksum, or a part of it is gone; it must be measured again."""


class StoreUnwritable(OSError):
    """The store could not be written (full disk, no permission); what was measured is still in memory."""


@dataclass(frozen=True)
class Answer:
    """What a measurement came to: arrays by name, and a record of JSON values."""

    arrays: Mapping[str, Array] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A generated row: token ids without the stop token, whether one ended it, and what a report shows of it."""

    ids: tuple[int, ...]
    finished: bool
    text: str
    question: str = ""
    model: str = ""
    block: int = -1
    coefficient: float = 0.0


class Store:
    """`store.sqlite` in a folder, `arrays/` beside it; nothing is created before something is put.

    `warn` is told, in a sentence, when a damaged file had to be rebuilt; arrays of up to `inline` bytes lie in it. Any
    number of processes may read and write; each commits a batch whole or not at all. Raises StoreError for a folder of
    another form, StoreUnwritable where the disk refuses.
    """

    def __init__(self, root: Path, warn: Callable[[str], None] = lambda _sentence: None, inline: int = INLINE) -> None:
        self.root = root
        self.path = root / FILE
        self.warn = warn
        self._inline = inline
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] = (0, 0)  # device and inode of the file that is open
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root} is a file; name a folder with --store DIR.")
        if not self.path.exists() and next(root.glob("??/*.json"), None) is not None:
            raise StoreError(
                f"{root} is a store of an older form, a file an answer, which cannot be used; name another folder with "
                "--store DIR, or delete it."
            )

    def __contains__(self, key: str) -> bool:
        return bool(self._read("SELECT 1 FROM answers WHERE key = ?", (key,)))

    def get(self, key: str) -> Answer | None:
        """The answer of `key`, or None when there is none. Raises CorruptEntry when it cannot be trusted."""
        found = self._read("SELECT * FROM answers WHERE key = ?", (key,))
        if not found:
            return None
        (row,) = found
        if not _is_whole(row):
            raise CorruptEntry(f"answer {key[:12]} of {self.path} does not match its checksum")
        _, _, text, stored, _ = row
        arrays = self._arrays(stored) if stored is not None else {}
        record: dict[str, Any] = json.loads(text)
        if "response_keys" in record:
            wanted = [key for run in record["response_keys"] for key in run]
            there = self.responses(wanted)
            if gone := [key for key in wanted if key not in there]:
                raise CorruptEntry(f"{len(gone)} responses of answer {key[:12]} of {self.path} are gone or damaged")
            record["responses"] = [[told(there[key]) for key in run] for run in record["response_keys"]]
        return Answer(arrays, record)

    def put(self, key: str, description: Any, answer: Answer) -> None:
        """Keep an answer; its `responses` are left out where `response_keys` names them."""
        record = dict(answer.record)
        if "response_keys" in record:
            record.pop("responses", None)
        stored: bytes | str | None = None
        with self._writing():
            if answer.arrays:
                raw = save_arrays({name: np.ascontiguousarray(array) for name, array in answer.arrays.items()})
                stored = raw if len(raw) <= self._inline else self._write_arrays(raw)
            self._write("answers", [(key, canonical(description), canonical(record), stored)])

    def responses(self, keys: Iterable[str]) -> dict[str, Response]:
        """The responses that are there, whole, of these keys."""
        return {
            row[0]: Response(tuple(json.loads(row[5])), bool(row[7]), row[6], row[4], row[1], row[2], row[3])
            for row in self._rows("responses", keys)
        }

    def put_responses(self, made: Mapping[str, Response]) -> None:
        """Keep a batch of responses, all of them or none."""
        self._put(
            "responses",
            [
                (
                    key, one.model, one.block, one.coefficient, one.question, canonical(list(one.ids)),
                    one.text, int(one.finished),
                )
                for key, one in made.items()
            ],
        )  # fmt: skip

    def judgements(self, keys: Iterable[str]) -> dict[str, Judgement]:
        """The judgements that are there, whole, of these keys."""
        return {row[0]: Judgement(row[6], row[7], row[8]) for row in self._rows("judgements", keys)}

    def put_judgements(self, made: Mapping[str, tuple[str, str, Exchange, Judgement]]) -> None:
        """Keep a batch of judgements by their keys: judge, trait, what was judged, and the scores."""
        self._put(
            "judgements",
            [
                (
                    key, judge, trait, exchange.question, exchange.response, int(exchange.finished),
                    *(None if one is None else float(one) for one in (said.trait, said.coherence, said.relevance)),
                )
                for key, (judge, trait, exchange, said) in made.items()
            ],
        )  # fmt: skip

    def keys(self) -> Iterator[str]:
        """Keys of the answers."""
        for (key,) in self._read("SELECT key FROM answers ORDER BY key"):
            yield key

    def descriptions(self) -> Iterator[tuple[str, Any]]:
        """Keys of the answers that are whole, each with what it is the answer to (see `harness.lab.keys`)."""
        for row in filter(_is_whole, self._read("SELECT * FROM answers ORDER BY key")):
            yield row[0], json.loads(row[1])

    def counts(self) -> dict[str, int]:
        """How many responses and judgements there are, and how many tokens the responses have, an empty one as one."""
        responses = self._read("SELECT LENGTH(ids) - LENGTH(REPLACE(ids, ',', '')) + 1 FROM responses")
        judged = self._read("SELECT COUNT(*) FROM judgements")
        return {
            "responses": len(responses),
            "tokens": sum(tokens for (tokens,) in responses),
            "judgements": judged[0][0] if judged else 0,
        }

    @contextlib.contextmanager
    def making(self, what: str) -> Iterator[None]:
        """Hold the store's lock on `what` (a model), so that two processes never measure the same thing twice.

        A process that dies lets go of it. A store that cannot be written has no lock, and needs none.
        """
        lock = self._lock(hashlib.sha256(what.encode()).hexdigest()[:16])
        try:
            if lock is not None:
                lock.acquire()
            yield
        finally:
            if lock is not None:
                lock.release()

    def close(self) -> None:
        """Let go of the file; it is opened again on need."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _lock(self, name: str) -> FileLock | None:
        try:
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / "locks" / f"{name}.lock")
            with lock:
                pass
        except OSError:
            return None
        return lock

    def _rows(self, table: str, keys: Iterable[str]) -> Iterator[Sequence[Any]]:
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            yield from filter(_is_whole, self._read(f"SELECT * FROM {table} WHERE key IN ({marks})", some))

    def _put(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._writing():
            self._write(table, rows)

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Sequence[Any]]:
        """What a query finds; nothing where the file can be neither read nor rebuilt: then it is measured again."""
        for attempt in (1, 2):
            try:
                connection = self._open(for_writing=False)
                return [] if connection is None else list(connection.execute(query, values))
            except sqlite3.DatabaseError as error:
                if _is_refusal(error) or attempt == 2:
                    break
                with contextlib.suppress(OSError, sqlite3.Error):
                    self._rebuild()
        return []

    def _write(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        columns = TABLES[table]
        query = f"INSERT OR REPLACE INTO {table}({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"
        whole = [(*row, _checksum(row)) for row in rows]
        for attempt in (1, 2):
            try:
                connection = self._open(for_writing=True)
                assert connection is not None
                with connection:
                    connection.executemany(query, whole)
                return
            except sqlite3.DatabaseError as error:
                if attempt == 2 or _is_refusal(error):
                    raise
                self._rebuild()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            said = (error.strerror if isinstance(error, OSError) else None) or str(error)
            full = "full" in said or "No space" in said
            raise StoreUnwritable(
                getattr(error, "errno", None) or 0,
                f"{self.root} could not be written: {'the disk is full' if full else said}; free space or pass "
                "--store DIR.",
            ) from error

    def _open(self, for_writing: bool) -> sqlite3.Connection | None:
        """The connection; None where there is nothing to read. Another process may have rebuilt the file meanwhile."""
        with contextlib.suppress(FileNotFoundError):
            status = self.path.stat()
            if self._connection is not None and (status.st_dev, status.st_ino) == self._opened:
                return self._connection
        self.close()
        if not self.path.exists() and not for_writing:
            return None
        if for_writing:
            self.root.mkdir(parents=True, exist_ok=True)
        # A mount that cannot be written has no room for the files that SQLite keeps beside a file it shares.
        writable = os.access(self.root, os.W_OK) and (not self.path.exists() or os.access(self.path, os.W_OK))
        name = f"{self.path.resolve().as_uri()}?{'mode=rwc' if writable else 'immutable=1'}"
        connection = sqlite3.connect(name, uri=True, timeout=WAIT / 1000, isolation_level="IMMEDIATE")
        connection.text_factory = _text
        try:
            if writable:
                self._prepare(connection)
        except UnicodeDecodeError as error:  # sqlite3 quotes a damaged schema in its message, and fails on that
            connection.close()
            raise sqlite3.DatabaseError(f"{self.path} has a damaged schema") from error
        except BaseException:
            connection.close()
            raise
        status = self.path.stat()
        self._connection, self._opened = connection, (status.st_dev, status.st_ino)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        # What waits in the log beside the file is lost from the first damaged byte on: let little wait there.
        connection.execute("PRAGMA wal_autocheckpoint = 100")
        if not _tables(connection):
            with self._lock("create") or contextlib.nullcontext():
                connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    if not _tables(connection):  # nobody else was faster
                        for statement in CREATE:
                            connection.execute(statement)
        if _tables(connection) != set(TABLES):
            raise StoreError(f"{self.path} is of another version; name another folder with --store DIR, or delete it.")

    def _rebuild(self) -> None:
        """Put a new file in the place of a damaged one, with every row of it that can still be read and is whole."""
        self.close()
        lock = self._lock("rebuild")
        with lock or contextlib.nullcontext():
            if not _is_damaged(self.path):
                return  # another process was faster
            aside = self.path.with_suffix(".damaged")
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
            saved = 0
            for table in TABLES:
                rows = [row[:-1] for row in _salvaged(aside, table) if _is_whole(row)]
                self._write(table, rows)
                saved += len(rows)
        self.warn(
            f"{self.path} was damaged and has been rebuilt; {saved} rows were saved, the others are measured again "
            f"({aside.name} is what it was)."
        )

    def _write_arrays(self, raw: bytes) -> str:
        name = hashlib.sha256(raw).hexdigest()
        path = self._place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, raw)
        return name

    def _arrays(self, stored: bytes | str) -> dict[str, Array]:
        raw = stored
        if isinstance(raw, str):
            path = self._place(raw)
            try:
                content = path.read_bytes()
            except FileNotFoundError as error:
                raise CorruptEntry(f"{path} is gone though its answer is there") from error
            if hashlib.sha256(content).hexdigest() != raw:
                raise CorruptEntry(f"{path} does not match its checksum")
            raw = content
        try:
            return load_arrays(raw)
        except SafetensorError as error:  # the checksum matched, so it was written broken
            raise CorruptEntry(f"arrays of {self.path} are no safetensors") from error

    def _place(self, name: str) -> Path:
        return self.root / "arrays" / name[:2] / f"{name}.safetensors"


def told(response: Response) -> dict[str, Any]:
    """A response as answers record it: text, ids, finished."""
    return {"text": response.text, "ids": list(response.ids), "finished": response.finished}


def _checksum(row: Sequence[Any]) -> str:
    return key_of([one.hex() if isinstance(one, bytes) else one for one in row])


def _is_whole(row: Sequence[Any]) -> bool:
    try:
        return bool(_checksum(row[:-1]) == row[-1])
    except (TypeError, ValueError):  # a flipped byte may make it text or a number that JSON does not know
        return False


def _is_refusal(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite says that it may not, and not that the file is damaged."""
    return any(word in str(error) for word in ("readonly", "full", "locked", "unable to open", "disk I/O"))


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _text(raw: bytes) -> str:
    """A damaged text must come to its checksum, and not to an error of decoding."""
    return raw.decode("utf-8", "replace")


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(path, timeout=WAIT / 1000)) as connection:
        try:
            whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            return not whole or _tables(connection) != set(TABLES)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return True


def _salvaged(path: Path, table: str) -> Iterator[Sequence[Any]]:
    """Every row of a damaged file that can be reached by its number, halving the stretch where one cannot."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = _text
        query = f"SELECT rowid, * FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ?"
        stretches, failed = [(1, MOST_ROWS)], 0
        while stretches and failed < MOST_FAILED:
            first, last = stretches.pop()
            try:
                found = connection.execute(query, (first, last)).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                failed += 1
                if first < last:
                    middle = (first + last) // 2
                    stretches += [(middle + 1, last), (first, middle)]
                continue
            yield from (row[1:] for row in found)
