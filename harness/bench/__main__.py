"""`python -m harness.bench [--write] [--only ledger|sweep]` prints speed and memory, and keeps them with --write."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from datetime import date
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.bench import ledger, sweep
from harness.keys import library_versions
from harness.registry import MODELS, ROOT

REPORTS = ROOT / "reports" / "benchmarks"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()}


def main() -> None:
    """Measure, print, and with --write keep the figures in reports/benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m harness.bench", description=__doc__)
    parser.add_argument("--only", choices=("ledger", "sweep"), help="measure only this part")
    parser.add_argument("--model", choices=tuple(MODELS), default="severe", help="model of the sweep")
    parser.add_argument("--write", action="store_true", help="keep the figures in reports/benchmarks")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "libraries": library_versions(), "date": date.today().isoformat()}
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title in ("what", "figure"):
        shown.add_column(title)
    if options.only != "sweep":
        for name, process in ledger.measure().items():
            found[name] = asdict(process)
            shown.add_row(
                name, f"{process.seconds:.1f} s, peak {process.peak_mib:,.0f} MiB, exit status {process.status}"
            )
    if options.only != "ledger":
        comparison = sweep.compare(options.model)
        error = sweep.composition_error(options.model)
        found["sweep"] = {"model": options.model, **asdict(comparison), "composition_error": error}
        shown.add_row("fused sweep", f"{comparison.fused_rows_per_second:.0f} rows/s of {comparison.rows}")
        shown.add_row("one coefficient at a time", f"{comparison.apart_rows_per_second:.0f} rows/s")
        shown.add_row("fused over apart", ", ".join(f"{ratio:.2f}x" for ratio in comparison.ratios))
        shown.add_row("rows that differ between the two", f"{comparison.differing_rows}")
        shown.add_row("largest change of a logit by its batch", f"{error:.1e} of the largest logit")
    Console(width=100).print(shown)
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        path = REPORTS / f"{found['date']}-cpu.json"
        path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
