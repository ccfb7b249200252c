"""The judges of a run as tables of its ledger: how good each is on responses whose scores are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.judging import WHAT
from harness.ledger import JUDGE_TABLE, Table, Value
from harness.measurements import JudgeCheck
from harness.quantities import Cell
from harness.store import Answer
from harness.verdict import number

FIGURES = ("auroc", "rank_correlation", "sensitivity", "specificity", "missing")
COLUMNS = ["judged", "gold responses", "AUROC", "rank correlation", "sensitivity", "specificity", "missing", "gate"]


def tables(cells: Iterable[Cell], recall: Callable[[JudgeCheck], Answer | None]) -> list[Table]:
    """One table for each cell whose judge was checked."""
    found = []
    for cell in cells:
        answer = recall(cell.judge_check)
        if answer is not None:
            rows = [_row(what, answer.record[what]) for what in WHAT]
            found.append(
                Table(
                    key=JUDGE_TABLE,
                    title=title_of(cell.judge_check.judge),
                    source="datasets, judging",
                    model=cell.name,
                    trait=cell.trait,
                    columns=COLUMNS,
                    rows=rows,
                    note="A judge that does not pass decides nothing: its steering claims are INCONCLUSIVE.",
                )
            )
    return found


def title_of(judge: str) -> str:
    """What a judge's table is headed by; of one that reads no meaning it says so."""
    quick = " (word lists, for a quick look only)" if judge == "lexical" else ""
    return f"The judge {judge}{quick} on gold responses"


def _row(what: str, record: Mapping[str, Any]) -> list[Value]:
    figures: list[Value] = [_shown(record[name]) for name in FIGURES]
    return [what, str(record["auroc"]["n"]), *figures, record["why_not"] or "passed"]


def _shown(figure: Mapping[str, Any]) -> str | None:
    """ "0.98 [0.95, 1.00]"; None for a figure that the gold set cannot give."""
    if figure["value"] is None:
        return None
    return f"{number(figure['value'])} [{number(figure['low'])}, {number(figure['high'])}]"
