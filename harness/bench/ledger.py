"""How long the ledger takes from an empty store and from a full one, as whole processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.datasets import ROOT


@dataclass(frozen=True)
class Process:
    """Wall seconds, peak memory in MiB and exit status of one process."""

    seconds: float
    peak_mib: float
    status: int


def run(command: Sequence[str]) -> Process:
    """Run a command in the project's folder, its output thrown away."""
    start = time.monotonic()
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    return Process(time.monotonic() - start, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def measure() -> dict[str, Process]:
    """Imports alone, then the ledger cold and warm, on a store that is thrown away."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        ledger = [python, "-m", "pytest", "claims/", "-q", "--store", str(Path(folder, "store")), "--ledger", folder]
        return {
            "import torch and pytest": run([python, "-c", "import torch, pytest"]),
            "ledger, empty store": run(ledger),
            "ledger, full store": run(ledger),
        }
