"""What a store survives: a real run killed, files damaged, a full disk, many writers, no writing, a clock turned back.

Every run is a child process of its own, so that it can be killed; the parent hears of every row that the child was told
is kept. After each fault the same run goes on to its end, and what it then answers is compared byte for byte.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.hashes import key_of
from harness.judges.lexical import LexicalJudge
from harness.lab.keys import Environment
from harness.lab.lab import Lab
from harness.lab.measurements import (
    Activations,
    Baseline,
    Cleaning,
    Direction,
    MassiveActivations,
    Measurement,
    Scores,
    Sweep,
)
from harness.lab.progress import Silent
from harness.lab.store import FILE, Response, Store
from harness.lab.weights import Weights
from harness.models.registry import find_model

MODEL, TRAIT, BATCH_ROWS, SEED = "clean", "refusal", 4, 20261126
ROWS = ("responses", "judgements")
TABLES = (*ROWS, "answers")


def wanted() -> list[Measurement]:
    """A small real run: two directions at three doses, and the baseline, judged."""
    spec = find_model(MODEL)
    (block,), massive = spec.blocks[TRAIT], MassiveActivations(MODEL, 8)
    directions = [
        Direction(Activations(MODEL, TRAIT, 5), massive, method, block, Cleaning()) for method in ("mean_diff", "probe")
    ]
    sweeps = [Sweep(direction, "dose", (0.5, 1.0, 1.5), 8, 12) for direction in directions]
    steered: list[Sweep | Baseline] = [*sweeps, Baseline(MODEL, TRAIT, 8, 12)]
    return [Scores(one, "lexical") for one in steered]


@dataclass
class Run:
    """What a child process told: keys of rows that were kept, one entry each time; and how it ended."""

    kept: list[str]
    digest: str | None
    warnings: list[str]
    seconds: float


class Told(Store):
    """A store that tells its parent of every batch once it is kept."""

    pipe = -1

    def put_responses(self, made: Mapping[str, Response]) -> None:
        """As in the store."""
        super().put_responses(made)
        os.write(self.pipe, (json.dumps({"kept": list(made)}) + "\n").encode())


def child(store: Path, pipe: int, prepare: Callable[[], None]) -> None:
    """Run to the end in this process, and tell the digest of all answers; never returns."""
    try:
        prepare()
        spec, progress = find_model(MODEL), Silent()
        environment, judge = Environment.here(), LexicalJudge()
        kept = Told(store)
        kept.pipe = pipe
        weights = Weights({MODEL: spec}, environment, progress)
        lab = Lab({MODEL: spec}, kept, weights, lambda *_: judge, environment, batch_rows=BATCH_ROWS, progress=progress)
        measurements = wanted()
        lab.prepare(measurements)
        answers = [lab.answer(one) for one in measurements]
        kept.close()
        digest = key_of([[a.record, {name: one.tobytes().hex() for name, one in a.arrays.items()}] for a in answers])
        os.write(pipe, (json.dumps({"digest": digest, "warnings": progress.warnings}) + "\n").encode())
    except BaseException as error:
        os.write(pipe, (json.dumps({"warnings": [f"{type(error).__name__}: {error}"]}) + "\n").encode())
    finally:
        os._exit(0)


def start(store: Path, prepare: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """A child process, and the pipe on which it tells."""
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        child(store, tells, prepare)
    os.close(tells)
    return pid, told


def finish(pid: int, pipe: int, begun: float) -> Run:
    """Read what a child tells until it has ended."""
    with os.fdopen(pipe) as file:
        text = file.read()
    os.waitpid(pid, 0)
    run = Run([], None, [], time.monotonic() - begun)
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # killed while it spoke
            continue
        run.kept += said.get("kept", [])
        run.digest = said.get("digest", run.digest)
        run.warnings += said.get("warnings", [])
    return run


def whole(store: Path, prepare: Callable[[], None] = lambda: None) -> Run:
    """A run that nothing interrupts."""
    begun = time.monotonic()
    return finish(*start(store, prepare), begun)


def kept_in(store: Path) -> set[str]:
    """Keys of the responses of a store."""
    with closing(sqlite3.connect(store / FILE)) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM responses")}


def killed(folder: Path, reference: Run, times: int, rng: random.Random) -> dict[str, Any]:
    """SIGKILL at random moments; the run goes on in the same store until it is through, then in a fresh one."""
    kills, wrong, lost, twice, number = 0, 0, 0, 0, 0
    while kills < times:
        store, known = folder / f"killed-{number}", set[str]()
        number += 1
        while True:
            begun = time.monotonic()
            pid, pipe = start(store)
            if kills < times and rng.random() < 0.9:
                time.sleep(rng.uniform(0.0, reference.seconds))
                os.kill(pid, signal.SIGKILL)
                kills += 1
            run = finish(pid, pipe, begun)
            twice += len(known.intersection(run.kept)) + len(run.kept) - len(set(run.kept))
            known.update(run.kept)
            if known:
                lost += len(known - kept_in(store))
            if run.digest is not None:
                wrong += run.digest != reference.digest
                break
    return {"kills": kills, "runs to the end": number, "rows lost": lost, "rows made twice": twice, "wrong": wrong}


def flipped(folder: Path, finished: Path, reference: Run, times: int, rng: random.Random) -> dict[str, Any]:
    """One bit of one file changed: twice in the database for each time in an array, though arrays are larger."""
    wrong, told, made_again = 0, 0, []
    for number in range(times):
        store = folder / f"flipped-{number}"
        shutil.copytree(finished, store)
        arrays = sorted(one for one in (store / "arrays").rglob("*") if one.is_file())
        path = store / FILE if number % 3 else rng.choice(arrays)
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
        run = whole(store)
        wrong += run.digest != reference.digest
        told += bool(run.warnings)
        made_again.append(len(run.kept))
        shutil.rmtree(store)
    return {
        "bytes": times,
        "wrong": wrong,
        "times that damage mattered and was told": told,
        "rows made again, in all": sum(made_again),
        "rows made again, at most": max(made_again),
        "rows of the run": len(set(reference.kept)),
    }


def full(folder: Path, finished: Path, reference: Run, times: int, rng: random.Random) -> dict[str, Any]:
    """No file may grow beyond a random size; then the same run with room."""
    largest = max(path.stat().st_size for path in finished.rglob("*") if path.is_file())
    wrong, told, after = 0, 0, 0
    for number in range(times):
        store, room = folder / f"full-{number}", rng.randrange(largest)

        def limit(room: int = room) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        run = whole(store, limit)
        wrong += run.digest != reference.digest
        told += len([one for one in run.warnings if "could not be written" in one])
        after += whole(store).digest != reference.digest
    return {"disks": times, "wrong": wrong, "times told": told, "wrong once there was room": after}


def together(folder: Path, reference: Run, writers: int) -> dict[str, Any]:
    """Several processes on one empty store."""
    store = folder / f"writers-{writers}"
    begun = time.monotonic()
    runs = [finish(*one, begun) for one in [start(store) for _ in range(writers)]]
    made = [key for run in runs for key in run.kept]
    return {
        "writers": writers,
        "wrong": sum(run.digest != reference.digest for run in runs),
        "rows made twice": len(made) - len(set(made)),
        "rows lost": len(set(made) - kept_in(store)),
    }


@contextmanager
def mounted_read_only(store: Path, folder: Path) -> Iterator[Path | None]:
    """The store on a mount that nobody can write; None where this user may not mount."""
    place = folder / "read-only"
    place.mkdir()
    try:
        subprocess.run(["mount", "--bind", store, place], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def read_only(folder: Path, finished: Path, reference: Run) -> dict[str, Any]:
    """A finished store and half of one, each on a mount that cannot be written."""
    found: dict[str, Any] = {}
    half = folder / "half"
    shutil.copytree(finished, half)
    with closing(sqlite3.connect(half / FILE)) as connection, connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE rowid % 2")
    for name, store in (("whole", finished), ("half", half)):
        (folder / f"mount of {name}").mkdir()
        with mounted_read_only(store, folder / f"mount of {name}") as place:
            if place is None:
                return {"not tried": "this user may not mount"}
            run = whole(place)
            found[f"{name}: wrong"] = int(run.digest != reference.digest)
            found[f"{name}: rows made"] = len(run.kept)
            # A report names no folder of the machine that it was made on.
            found[f"{name}: told"] = [one.replace(str(place), "STORE") for one in run.warnings]
    return found


def clock_back(folder: Path, reference: Run, finished: Path) -> dict[str, Any]:
    """The clock stands at 1970 for the second half of a run that was killed, and when a finished one is read."""

    def turn() -> None:
        time.time = lambda: 0.0
        time.time_ns = lambda: 0

    store = folder / "clock"
    pid, pipe = start(store)
    time.sleep(reference.seconds / 2)
    os.kill(pid, signal.SIGKILL)
    first = finish(pid, pipe, 0.0)
    second, third = whole(store, turn), whole(finished, turn)
    return {
        "wrong": sum(run.digest != reference.digest for run in (second, third)),
        "rows made twice": len({*first.kept}.intersection(second.kept)) + len(third.kept),
    }


def measure(
    kills: int = 100, flips: int = 100, disks: int = 20, tell: Callable[[str], None] = lambda _line: None
) -> dict[str, Any]:
    """The whole campaign, in a folder that is deleted afterwards; every figure by its fault."""
    torch.set_num_threads(1)  # children are forked
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        finished = folder / "finished"
        reference = whole(finished)
        if reference.digest is None:
            raise RuntimeError(f"The undisturbed run did not end well: {'; '.join(reference.warnings)}")
        found: dict[str, Any] = {
            "undisturbed": {"seconds": reference.seconds, "responses": len(reference.kept), "model": MODEL}
        }
        steps: Sequence[tuple[str, Callable[[], dict[str, Any]]]] = (
            ("killed", lambda: killed(folder, reference, kills, rng)),
            ("flipped bytes", lambda: flipped(folder, finished, reference, flips, rng)),
            ("full disk", lambda: full(folder, finished, reference, disks, rng)),
            ("two writers", lambda: together(folder, reference, 2)),
            ("four writers", lambda: together(folder, reference, 4)),
            ("read-only mount", lambda: read_only(folder, finished, reference)),
            ("clock going back", lambda: clock_back(folder, reference, finished)),
        )
        for name, step in steps:
            found[name] = step()
            tell(f"{name}: {found[name]}")
    return found
