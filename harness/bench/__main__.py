"""`python -m harness.bench [--write] [--only ledger|sweep]` prints speed and memory, and keeps them with --write.

With --shape, a decoder of a published model's true size is built with random weights (nothing is downloaded), and
extraction and a fused sweep are measured on it beside the limits of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from harness.bench import faults, ledger, limits, loading, made_up, reading, shape, sweep
from harness.data.datasets import ROOT
from harness.lab.keys import library_versions
from harness.models.registry import MODELS
from harness.streams import replace_what_cannot_be_shown

REPORTS = ROOT / "reports" / "benchmarks"


def machine(device: str = "cpu") -> dict[str, Any]:
    """What the figures were measured on: the processor or GPU by name, its driver, and what runs on it."""
    found = {
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "device": processor(),
        "driver": "none",
        "memory_bytes": limits.memory_of(device),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if device == "cuda":
        found |= {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "driver": gpu_driver()}
    return found


def processor() -> str:
    """The processor's name where the system tells it, else its kind."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def gpu_driver() -> str:
    """The version of NVIDIA's driver, or "unknown"."""
    if (query := shutil.which("nvidia-smi")) is None:
        return "unknown"
    command = [query, "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.split()
    return told[0] if told else "unknown"


def arguments() -> argparse.ArgumentParser:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.bench", description=__doc__)
    parser.add_argument("--only", choices=("ledger", "sweep"), help="measure only this part")
    parser.add_argument("--model", choices=tuple(MODELS), default="severe", help="model of the sweep")
    parser.add_argument(
        "--faults", action="store_true", help="what the store survives: kills, flipped bytes, full disks, and the like"
    )
    parser.add_argument("--reading", choices=tuple(MODELS), help="a judge that reads responses against making them")
    parser.add_argument("--loading", choices=tuple(MODELS), help="the probe on load against an extraction")
    parser.add_argument("--write", action="store_true", help="keep the figures in reports/benchmarks")
    shaped = parser.add_argument_group("a decoder of true size with random weights")
    shaped.add_argument("--shape", choices=tuple(made_up.SHAPES), help="measure this architecture, and nothing else")
    shaped.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    shaped.add_argument("--dtype", choices=("bfloat16", "float32", "float16"), default="bfloat16")
    shaped.add_argument("--scenarios", type=int, default=200, help="scenarios to read")
    shaped.add_argument("--window", type=int, default=20, help="tokens read of each scenario's continuation")
    shaped.add_argument("--directions", type=int, default=10)
    shaped.add_argument("--coefficients", type=int, default=8, help="coefficients of each direction")
    shaped.add_argument("--questions", type=int, default=20, help="questions at each coefficient")
    shaped.add_argument("--new-tokens", type=int, default=64, help="tokens of each response")
    shaped.add_argument("--prompt-tokens", type=int, default=40, help="tokens of a scenario or question, on average")
    shaped.add_argument("--batch-rows", type=int, help="rows of a batch (default: those that fit, at most 512)")
    shaped.add_argument("--pairs", type=int, default=3, help="how often extraction and sweep run both ways, in turn")
    shaped.add_argument(
        "--share", type=float, default=1.0, help="run only this share of the scenarios and rows, rounded up"
    )
    return parser


def main() -> None:
    """Measure, print, and with --write keep the figures in reports/benchmarks."""
    replace_what_cannot_be_shown()
    parser = arguments()
    options = parser.parse_args()
    numbers = ("scenarios", "window", "directions", "coefficients", "questions", "new_tokens", "prompt_tokens")
    for name in (*numbers, "batch_rows", "pairs"):
        if (number := getattr(options, name)) is not None and number < 1:
            parser.error(f"--{name.replace('_', '-')} is {number}; at least 1 is needed.")
    if not 0.0 < options.share <= 1.0:
        parser.error(f"--share is {options.share}; it lies between 0 (excluded) and 1.")
    if options.device == "cuda" and options.shape and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here; use --device cpu, or a torch built for CUDA.")
    device = options.device if options.shape else "cpu"
    found: dict[str, Any] = {"libraries": library_versions(), "date": date.today().isoformat()}
    if options.faults:  # before anything starts torch's threads, which forked children could not use
        found["faults"] = faults.measure(tell=lambda line: print(line, file=sys.stderr, flush=True))
    found["machine"] = machine(device)
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for title in ("what", "figure"):
        shown.add_column(title)
    if options.shape:
        found |= of_shape(options)
        for row in lines_of_shape(found):
            shown.add_row(*row)
        name = f"{found['date']}-{options.shape}-{options.device}.json"
    elif options.faults:
        for what, figures in found["faults"].items():
            shown.add_row(what, ", ".join(f"{name}: {figure}" for name, figure in figures.items()))
        name = f"{found['date']}-faults.json"
    elif options.reading:
        compared = reading.compare(options.reading)
        found["reading"] = {"model": options.reading, **asdict(compared)}
        shown.add_row("responses", f"{compared.rows} of at most {compared.tokens // compared.rows} tokens")
        shown.add_row("generated", ", ".join(f"{seconds:.1f} s" for seconds in compared.generating_seconds))
        shown.add_row("read", ", ".join(f"{seconds:.1f} s" for seconds in compared.reading_seconds))
        shown.add_row("reading over generating", ", ".join(f"{ratio:.2f}" for ratio in compared.ratios))
        name = f"{found['date']}-reading-{options.reading}.json"
    elif options.loading:
        probing = loading.compare(options.loading)
        found["loading"] = {"model": options.loading, **asdict(probing)}
        shown.add_row("scenarios of one trait", f"{probing.scenarios}")
        shown.add_row("probed", ", ".join(f"{seconds:.2f} s" for seconds in probing.probe_seconds))
        shown.add_row("extracted", ", ".join(f"{seconds:.1f} s" for seconds in probing.extraction_seconds))
        shown.add_row("probe over extraction", ", ".join(f"{ratio:.3f}" for ratio in probing.ratios))
        name = f"{found['date']}-loading-{options.loading}.json"
    else:
        measure_organisms(options, found, shown)
        name = f"{found['date']}-cpu.json"
    Console(width=120 if options.shape else 100).print(shown)
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        path = REPORTS / name
        path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"written to {path.relative_to(ROOT)}")


def of_shape(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one architecture of true size."""
    groups = options.directions * options.coefficients
    whole = shape.Amounts(
        options.scenarios, options.window, groups, options.questions, options.new_tokens, options.prompt_tokens
    )
    return shape.measure(
        options.shape,
        whole,
        coefficients=options.coefficients,
        share=options.share,
        dtype=options.dtype,
        device=options.device,
        batch_rows=options.batch_rows,
        pairs=options.pairs,
        tell=lambda stage: print(f"{datetime.now():%H:%M:%S} {stage}", file=sys.stderr, flush=True),
    )


def lines_of_shape(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of one architecture in words: what was measured, and apart from it what is only estimated."""
    extraction, steering, size = found["extraction"], found["sweep"], found["architecture"]
    lines = [
        (
            "architecture",
            f"{found['shape']}: {size['blocks']} blocks of width {size['width']}, {size['parameters']:,} parameters, "
            f"random, {found['dtype']}, {found['weight_bytes'] / 1e9:.2f} GB, built in {found['build_seconds']:.0f} s",
        ),
        ("machine", f"{found['machine']['device']}, {found['machine']['threads']} CPU threads"),
        ("share of the scenarios and rows", f"{found['share']:g}; figures are of what was run, nothing is scaled up"),
        (
            "extraction",
            f"{extraction['rows']} scenarios of {extraction['prompt_tokens']} tokens, {extraction['new_tokens']} new: "
            f"{', '.join(f'{seconds:.2f}' for seconds in extraction['seconds'])} s, "
            f"{extraction['tokens_per_second']:.2f} new tokens/s",
        ),
        ("", "reached " + in_words(extraction["reached"])),
        ("read once over read twice, pair by pair", ", ".join(f"{ratio:.2f}x" for ratio in extraction["ratios"])),
        ("largest difference between the two", f"{extraction['largest_difference']:.1e} of the activation's norm"),
        (
            "fused sweep",
            f"{steering['rows']} rows ({steering['groups']} pairs of direction and coefficient) of "
            f"{steering['prompt_tokens']} + {steering['new_tokens']} tokens: "
            f"{steering['fused_tokens_per_second']:.2f} new tokens/s",
        ),
        ("", "reached " + in_words(steering["reached"])),
        ("one coefficient at a time", f"{steering['apart_tokens_per_second']:.2f} new tokens/s"),
        ("fused over apart, pair by pair", ", ".join(f"{ratio:.2f}x" for ratio in steering["ratios"])),
        ("rows that differ between the two", f"{steering['differing_rows']} of {steering['rows']}"),
        (
            "peak memory",
            f"{found['peak_memory_bytes'] / 1e9:.2f} GB {found['peak_memory_of']} "
            f"(estimated {found['estimated_peak_memory_bytes'] / 1e9:.2f} GB)",
        ),
    ]
    for name, one in found["estimated_whole"]["on"].items():
        lines.append(
            (
                "estimated for the whole",
                f"on {name}: extraction {one['estimated_extraction_seconds']:,.1f} s, "
                f"fused sweep {one['estimated_sweep_seconds']:,.1f} s",
            )
        )
    return lines


def in_words(reached: dict[str, dict[str, float]]) -> str:
    """Shares of the limits, for each set of limits."""
    return "; ".join(
        f"{100 * one['bandwidth']:.1f} % of bandwidth and {100 * one['arithmetic']:.1f} % of arithmetic of {name}"
        for name, one in reached.items()
    )


def measure_organisms(options: argparse.Namespace, found: dict[str, Any], shown: Table) -> None:
    """The ledger and the sweep of the embedded models, into `found` and `shown`."""
    if options.only != "sweep":
        measured = ledger.measure()
        for name, process in measured.items():
            ratio = process.seconds / measured["reference loop"].seconds
            found[name] = {**asdict(process), "over_reference": ratio}
            shown.add_row(name, f"{process.seconds:.1f} s, {ratio:.1f} reference loops, exit status {process.status}")
    if options.only != "ledger":
        comparison = sweep.compare(options.model)
        error = sweep.composition_error(options.model)
        found["sweep"] = {"model": options.model, **asdict(comparison), "composition_error": error}
        shown.add_row("fused sweep", f"{comparison.fused_rows_per_second:.0f} rows/s of {comparison.rows}")
        shown.add_row("one coefficient at a time", f"{comparison.apart_rows_per_second:.0f} rows/s")
        shown.add_row("fused over apart", ", ".join(f"{ratio:.2f}x" for ratio in comparison.ratios))
        shown.add_row("rows that differ between the two", f"{comparison.differing_rows}")
        shown.add_row("largest change of a logit by its batch", f"{error:.1e} of the largest logit")


if __name__ == "__main__":
    main()
