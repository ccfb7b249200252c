"""A copy of the checkout in which one fault at a time is planted, and the tests that must notice it are run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.tests.planted import forked
from harness.tests.planted.fault import Fault, Outcome, Stale

SLOW = (  # third-party modules that tests import, slowly
    "beartype",
    "hypothesis.extra.numpy",
    "jaxtyping",
    "numpy.fft",
    "rich.progress",
    "safetensors.numpy",
    "scipy.special",
    "scipy.stats",
    "sklearn.linear_model",
    "torch",
    "transformers.models.gemma2.modeling_gemma2",
    "transformers.models.gemma3.modeling_gemma3",
    "transformers.models.llama.modeling_llama",
    "xdist.plugin",
)
ARGUMENTS = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:anyio", "--tb=short", "--hypothesis-seed=0")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RED = 1  # pytest's exit code when tests failed


@dataclass(frozen=True)
class Run:
    """What one run of some tests came to: pytest's exit code, the first test that failed and what it said."""

    code: int
    test: str
    said: str
    output: str

    @property
    def complaint(self) -> str:
        """Why the run is not green; empty if it is."""
        return "" if self.code == 0 else f"exit code {self.code}: {self.test} {self.said or _last_line(self.output)}"


class WrongCopy(RuntimeError):
    """The code that would be tested is not the copy's."""


def copy_checkout(root: Path, to: Path) -> None:
    """Copy what git knows of a checkout, and what is new and not ignored, to an empty folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    for name in sorted(set(filter(None, listed.split("\0")))):
        if (root / name).is_file():  # a file that was deleted is still listed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, to / name)


class Workshop:
    """Runs tests of the code in `folder`, and nothing else's; a context that ends the process it starts."""

    def __init__(self, folder: Path, libraries: Sequence[str] = SLOW) -> None:
        self.folder = folder.resolve()
        self._libraries = libraries
        self._unfaulted: dict[tuple[str, ...], str] = {}
        self._planted_so_far = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Workshop:
        self._require_copy()
        command = [sys.executable, forked.__file__, str(self.folder), *self._libraries]
        self._process = subprocess.Popen(
            command, cwd=self.folder, env=self._environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def check_unfaulted(self, faults: Sequence[Fault]) -> None:
        """Run all tests that these faults name once, before anything is planted, which is faster than one by one."""
        selections = {fault.caught_by for fault in faults}
        if not self._run(tuple(sorted({test for selection in selections for test in selection}))).complaint:
            self._unfaulted.update(dict.fromkeys(selections, ""))

    def judge(self, fault: Fault) -> Outcome:
        """Plant a fault, run its tests, take it out again, and say what came of it."""
        started = time.monotonic()
        if complaint := self._complaint_without_fault(fault.caught_by):
            return Outcome(fault, "unclear", said=f"not green without the fault: {complaint}")
        try:
            with self._planted(fault):
                run = self._run(fault.caught_by)
        except Stale as error:
            return Outcome(fault, "stale", said=str(error))
        seconds = time.monotonic() - started
        if run.code == 0:
            return Outcome(fault, "survived", said="all of the named tests pass with it", seconds=seconds)
        if run.code != RED or not run.test:
            return Outcome(fault, "unclear", run.test, run.complaint, seconds)
        return Outcome(fault, "caught", run.test, run.said, seconds)

    @contextlib.contextmanager
    def _planted(self, fault: Fault) -> Iterator[None]:
        path = self.folder / fault.file
        original, written = path.read_bytes(), path.stat().st_mtime
        text = fault.planted(original.decode("utf-8"))
        compile(text, fault.file, "exec")  # a fault is a change of what the code does, never a file that cannot load
        try:
            path.write_text(text, encoding="utf-8")
            # Bytecode is kept by time (in seconds) and size, so every fault gets a time of its own.
            self._planted_so_far += 1
            os.utime(path, (written, written + 1000 + self._planted_so_far))
            yield
        finally:
            path.write_bytes(original)
            os.utime(path, (written, written))

    def _complaint_without_fault(self, tests: tuple[str, ...]) -> str:
        """What fails without any fault, once for each selection of tests; empty if nothing does."""
        if tests not in self._unfaulted:
            self._unfaulted[tests] = self._run(tests).complaint
        return self._unfaulted[tests]

    def _run(self, tests: tuple[str, ...]) -> Run:
        """Run some tests; once more if that took too long, which on a busy machine need not be the fault's doing."""
        run = self._run_once(tests)
        return run if run.code != forked.KILLED else self._run_once(tests)

    def _run_once(self, tests: tuple[str, ...]) -> Run:
        assert self._process is not None, "a workshop is used as a context"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*ARGUMENTS, *tests]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process that runs the tests ended with code {self._process.wait()}.")
        return Run(**json.loads(line))

    def _environment(self) -> dict[str, str]:
        """What makes a process and all of its children import the copy, on one thread: threads outlive no fork."""
        unwanted = ("PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY")
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        return {**kept, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(self.folder)}

    def _require_copy(self) -> None:
        """Raise WrongCopy unless a new process, wherever it stands, imports the code under `folder`."""
        show = "import harness, pathlib; print(pathlib.Path(harness.__file__).resolve())"
        command = [sys.executable, "-c", show]
        done = subprocess.run(
            command, cwd=self.folder.parent, env=self._environment(), check=True, capture_output=True, text=True
        )
        imported = Path(done.stdout.strip())
        if not imported.is_relative_to(self.folder):
            raise WrongCopy(f"{imported} would be tested and not the copy in {self.folder}; faults would go unseen.")


def _last_line(output: str) -> str:
    return next((line for line in reversed(output.splitlines()) if line.strip()), "no output")
