"""Runs the project's own claims in a process of its own, as a user does, with a token that must never be shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.data.datasets import ROOT

TOKEN = "hf_secret"


def run_claims(store: Path, ledger: Path, *arguments: str, hub: Path) -> subprocess.CompletedProcess[str]:
    """`pytest claims/` with its store, its ledger and the cache of the hub in these folders, and nothing fetched."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "HF_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "claims/", "--store", str(store), "--ledger", str(ledger), *arguments],
        cwd=ROOT,
        env=environment | {"HF_HUB_CACHE": str(hub), "HF_TOKEN": TOKEN, "XDG_CACHE_HOME": str(store / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert TOKEN not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout
    return done
