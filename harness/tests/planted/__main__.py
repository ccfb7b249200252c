"""`python -m harness.tests.planted`: plants every fault in a copy of this checkout and tells which tests noticed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from harness.data.datasets import ROOT
from harness.tests.planted.fault import Fault, Outcome
from harness.tests.planted.faults import FAULTS
from harness.tests.planted.mutants import mutants
from harness.tests.planted.table import INTRODUCTION, RANDOM, markdown, rows
from harness.tests.planted.workshop import Workshop, copy_checkout

REPORTS = ROOT / "reports"


def chosen(only: str) -> tuple[Fault, ...]:
    """The faults named, or all of them. Raises SystemExit for a name that is none."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = sorted(set(wanted) - {fault.id for fault in FAULTS})
    if unknown:
        raise SystemExit(f"There is no fault {', '.join(unknown)}; known: {', '.join(fault.id for fault in FAULTS)}.")
    return tuple(fault for fault in FAULTS if not wanted or fault.id in wanted)


def plant(faults: tuple[Fault, ...], root: Path) -> list[Outcome]:
    """What came of each fault, planted in one copy of the checkout, told as it goes."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder) / "copy"
        copy.mkdir()
        copy_checkout(root, copy)
        with Workshop(copy) as workshop:
            workshop.check_unfaulted(faults)
            for fault in faults:
                found = workshop.judge(fault)
                outcomes.append(found)
                print(f"{found.word:9} {found.seconds:5.1f} s  {fault.id}: {found.test} {found.said[:160]}", flush=True)
    return outcomes


def main(arguments: list[str]) -> int:
    """The exit code is 1 if a fault that somebody thought of survives or cannot be planted."""
    parser = argparse.ArgumentParser(prog="python -m harness.tests.planted", description=__doc__)
    parser.add_argument("--only", default="", metavar="ID,ID", help="plant only these faults")
    parser.add_argument("--write", action="store_true", help="write reports/planted_bugs.md and .json")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="plant N random faults instead")
    parser.add_argument("--seed", type=int, default=1, help="of the random faults")
    options = parser.parse_args(arguments)
    if options.only and options.write:
        parser.error("--write replaces the whole table, so it does not go with --only")
    started = time.monotonic()
    outcomes = plant(mutants(ROOT, options.random, options.seed) if options.random else chosen(options.only), ROOT)
    missed = [one.fault.id for one in outcomes if one.word != "caught"]
    if options.write:
        name = "random_bugs" if options.random else "planted_bugs"
        opening = RANDOM if options.random else INTRODUCTION
        (REPORTS / f"{name}.md").write_text(markdown(outcomes, ROOT, opening), encoding="utf-8")
        (REPORTS / f"{name}.json").write_text(rows(outcomes, ROOT), encoding="utf-8")
    busy = os.times().children_user + os.times().children_system
    print(
        f"{len(outcomes)} faults, {len(outcomes) - len(missed)} caught, "
        f"in {time.monotonic() - started:.0f} s ({busy:.0f} s of one core)"
    )
    if missed:
        print(f"not caught: {', '.join(missed)}")
    return 1 if missed and not options.random else 0  # some random faults change nothing that can be seen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
