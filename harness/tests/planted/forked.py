"""Runs pytest again and again, each time in a fork of one process that has imported the slow libraries already.

Started as a script with the folder whose code is to be tested and the libraries to import. Every line of the standard
input is a JSON list of pytest's arguments; every line of the answer is {"code": exit code, "test": the first test that
failed, "said": what it said, "output": all that was printed}.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from typing import IO, Any

LIMIT = 150.0  # seconds that one run may take
KILLED = -1  # the exit code of a run that took longer


def serve(folder: str, libraries: list[str]) -> None:
    """Answer every line of the standard input until it ends."""
    sys.path[0] = folder  # not the folder of this script
    os.chdir(folder)
    import _pytest.config

    for name in (*(f"_pytest.{plugin}" for plugin in _pytest.config.default_plugins), *libraries):
        importlib.import_module(name)
    loaded = [name for name in sys.modules if name.split(".")[0] in ("harness", "fixtures")]
    assert not loaded, f"the code under test is loaded before a fault is planted: {loaded}"
    gc.collect()
    gc.freeze()  # what is loaded now stays; no fork needs to look through it for garbage
    for line in sys.stdin:
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
            tempfile.TemporaryFile("w+", encoding="utf-8") as failure,
        ):
            code = in_a_fork(json.loads(line), output, failure)
            told = read_whole(failure) or json.dumps({"test": "", "said": ""})
            print(json.dumps({"code": code, **json.loads(told), "output": read_whole(output)}), flush=True)


def read_whole(file: IO[str]) -> str:
    """All that was written to a file by whoever shares it."""
    file.seek(0)
    return file.read()


def in_a_fork(arguments: list[str], output: IO[str], failure: IO[str]) -> int:
    """Run pytest in a child of this process and return its exit code; the child is killed when it takes too long.

    What it prints goes to `output`, the first failure of a test as JSON to `failure`.
    """
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        os._exit(run(arguments, failure))
    ends = time.monotonic() + LIMIT
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return KILLED


class FirstFailure:
    """A pytest plugin that writes down the first test that fails, and the first words of what it said."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._told = file, False

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for every phase of every test."""
        if report.failed and not self._told:
            self._told = True
            crash = getattr(report.longrepr, "reprcrash", None)
            said = words(crash.message if crash is not None else str(report.longrepr))
            self._file.write(json.dumps({"test": report.nodeid, "said": said}))
            self._file.flush()


def words(message: str) -> str:
    """The first two lines of a message as one, without what an assertion's values were made of."""
    lines = [" ".join(line.split()) for line in message.removeprefix("AssertionError:").splitlines() if line.strip()]
    first, second = [*lines, "", ""][:2]
    explains = second.startswith("+") and len(first) > len("assert False")
    told = first if explains or second.startswith("comparison failed") else f"{first} {second}".strip()
    return re.sub(r" at 0x[0-9a-f]+", "", told.removeprefix("AssertionError:").strip())[:300]


def run(arguments: list[str], failure: IO[str]) -> int:
    """Run pytest here; a failing example of hypothesis is not made smaller, which would take long."""
    import hypothesis
    import pytest

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("planted", phases=phases, database=None)
    hypothesis.settings.load_profile("planted")
    try:
        return int(pytest.main(arguments, plugins=[FirstFailure(failure)]))
    except BaseException as error:
        print(f"pytest itself failed: {error!r}")
        return int(pytest.ExitCode.INTERNAL_ERROR)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
