"""How long the two commands take, as whole processes: the ledger cold and warm, and the project's tests."""

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

# The library's own generation with a decoder of an organism's size, on one thread. A loop of products alone is no
# measure: its ratio to the ledger differed fourfold between two machines.
REFERENCE = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM
torch.set_num_threads(1)
torch.manual_seed(0)
size = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=6, num_attention_heads=4)
model = LlamaForCausalLM(LlamaConfig(vocab_size=300, **size)).eval()
prompts = torch.randint(3, 300, (256, 16))
for _ in range(10):
    model.generate(prompts, max_new_tokens=24, min_new_tokens=24, do_sample=False, pad_token_id=0)
"""


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


def reference() -> float:
    """Wall seconds of a fixed loop that runs on every core at once: machines differ, ratios to it hardly do."""
    start = time.monotonic()
    children = [subprocess.Popen([sys.executable, "-c", REFERENCE]) for _ in range(os.cpu_count() or 1)]
    if any(child.wait() for child in children):
        raise RuntimeError("the reference loop did not run to its end")
    return time.monotonic() - start


def measure() -> dict[str, Process]:
    """The reference loop, the ledger cold and warm on a store that is thrown away, and the tests."""
    python = sys.executable
    before = reference()
    with tempfile.TemporaryDirectory() as folder:
        ledger = [python, "-m", "pytest", "claims/", "-q", "--store", str(Path(folder, "store")), "--ledger", folder]
        found = {
            "ledger, empty store": run(ledger),
            "ledger, full store": run(ledger),
            "tests without the slow ones": run([python, "-m", "pytest", "harness/", "-q"]),
        }
    return {"reference loop": Process((before + reference()) / 2, 0.0, 0), **found}
