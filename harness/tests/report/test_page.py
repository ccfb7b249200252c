"""The page at the end of a run: a line a claim, a mark a cell, and by name what deserves a look."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from harness.data.datasets import ROOT
from harness.ledger.rows import Ledger, read_ledger
from harness.report.page import page

SHIPPED = read_ledger(ROOT / "reports" / "baselines" / "organisms.jsonl")
ROW = next(row for row in SHIPPED.rows if row.verdict == "SUPPORTED" and row.expected is None and not row.is_pair)


def lines(ledger: Ledger, width: int = 118) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(page(ledger, {}, width))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [80, 118])
def test_the_shipped_ledger_is_one_page_with_one_line_a_claim(width: int) -> None:
    shown = lines(SHIPPED, width)
    reasons = next(count for count, line in enumerate(shown) if line.startswith("cannot be told: "))
    assert reasons <= 66
    assert max(map(len, shown)) <= width
    claims = [line.split()[0] for line in shown[: shown.index("")] if line[:1].isupper() and line[1:2].isdigit()]
    assert sorted(claims) == sorted({row.claim for row in SHIPPED.rows})


def test_every_cell_is_one_mark_under_its_model() -> None:
    shown = lines(SHIPPED)
    start = shown[0].index("reader")
    line = next(line for line in shown if line.startswith("S7 "))
    verdicts = [row.verdict for row in SHIPPED.rows if (row.claim, row.model) == ("S7", "reader")]
    assert len(verdicts) > 2
    signs = {"SUPPORTED": "+", "REFUTED": "-", "INCONCLUSIVE": "."}
    assert line[start:].split()[0] == "".join(signs[verdict] for verdict in verdicts)


def test_models_that_do_not_fit_follow_below() -> None:
    rows = [replace(ROW, model=f"a_model_of_long_name_{count}") for count in range(5)]
    shown = lines(Ledger(SHIPPED.head, rows, []), 80)
    assert max(map(len, shown)) <= 80
    assert sum(line.startswith("claim") for line in shown) == 2
    assert sum(line.startswith(f"{ROW.claim} ") for line in shown) == 2


@pytest.mark.parametrize(
    ("changes", "mark", "told"),
    [
        ({"expected": "REFUTED", "basis": "predicted"}, "!", "contradicted: "),
        ({"verdict": "BROKEN"}, "#", "broken: "),
        ({"verdict": "REFUTED"}, "-", "refuted, and nothing was known: "),
        ({"verdict": "INCONCLUSIVE", "expected": "REFUTED", "basis": "predicted"}, ".", "blind: "),
        ({}, "+", ""),
    ],
    ids=["contradicted", "broken", "red", "blind", "quiet"],
)
def test_what_deserves_a_look_is_named(changes: dict[str, str], mark: str, told: str) -> None:
    shown = lines(Ledger(SHIPPED.head, [replace(ROW, **changes)], []))
    assert shown[1].split()[:2] == [ROW.claim, mark]
    named = [line for line in shown if line.partition(": ")[0] + ": " in KINDS]
    assert [line.partition(": ")[0] + ": " for line in named] == ([told] if told else [])
    assert (f"[{ROW.model}, {ROW.trait}]" in " ".join(shown)) == bool(told)


KINDS = {"contradicted: ", "broken: ", "refuted, and nothing was known: ", "blind: "}
