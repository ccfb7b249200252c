"""The judges of a run as tables of its ledger: how good each is on responses whose scores are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness.judges.gate import GATES, quality_in, why_not
from harness.judges.protocol import RELEVANCE_CAP
from harness.judges.quality import Figure
from harness.lab.measurements import JudgeCheck
from harness.lab.store import Answer
from harness.ledger.rows import JUDGE_TABLE, Table, Value
from harness.quantities import Cell

FIGURES = {
    "auroc": "AUROC",
    "rank_correlation": "rank correlation",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "missing": "missing",
    "agreement": "agreement",
    "slope": "slope",
    "offset": "offset",
}
COLUMNS = ["judged", "gold responses", "questions", *FIGURES.values(), "gate"]
NOTE = (
    "Intervals take the questions for units. Agreement: responses put on the right side of 70 (coherence) or held at "
    "the right cap (relevance). Slope: points of score a point of gold. Offset: the line of score on gold at 70, minus "
    "70; of a trait it is not asked for, as it cancels from a Delta. A judge that does not pass decides nothing: its "
    "steering claims are INCONCLUSIVE."
)


def tables(cells: Iterable[Cell], recall: Callable[[JudgeCheck], Answer | None]) -> list[Table]:
    """One table for each cell whose judge was checked, and one more where it was checked with a relevance cap."""
    checks = ((cell, check) for cell in cells for check in dict.fromkeys((cell.judge_check, cell.capped.judge_check)))
    return [
        Table(
            key=JUDGE_TABLE,
            title=title_of(check.judge, is_subject(check.judge, cell)),
            source="datasets, judging",
            model=cell.name,
            trait=cell.trait,
            columns=COLUMNS,
            rows=[_row(what, answer.record) for what in GATES if what in answer.record],
            note=NOTE,
        )
        for cell, check in checks
        if (answer := recall(check)) is not None
    ]


def title_of(judge: str, is_subject: bool = False) -> str:
    """What a judge's table is headed by; of one that reads no meaning, or is the model it judges, it says so."""
    quick = " (word lists, for a quick look only)" if judge == "lexical" else ""
    itself = " (the model that it judges)" if is_subject else ""
    return f"The judge {judge}{quick}{itself} on gold responses"


def is_subject(judge: str, cell: Cell) -> bool:
    """Whether a judge is the steered model itself, asked or read."""
    kind, _, rest = judge.removesuffix(RELEVANCE_CAP).partition(":")
    own = (cell.name, str(cell.model.instruct), *cell.model.origin.replace(" ", "").split(","))
    return kind in ("local", "reader") and rest in own


def _row(what: str, record: Mapping[str, Any]) -> list[Value]:
    found, gold = quality_in(record, what), record[what]
    counts = str(len(gold["gold"])), str(len({*gold["questions"]}))
    figures: list[Figure] = [getattr(found, name) for name in FIGURES]
    shown = [None if figure.value is None else str(figure) for figure in figures]  # None: the gold set cannot give it
    return [what, *counts, *shown, why_not(found, what) or "passed"]
