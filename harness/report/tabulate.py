"""Fills the sources' tables with this project's numbers, from answers that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.lab.measurements import Measurement
from harness.lab.store import Answer
from harness.ledger.rows import Table, Value
from harness.quantities import Answers, Cell, Quantity
from harness.report.later_tables import LATER_TABLES
from harness.report.reading import short
from harness.report.source_tables import TABLES, Line, SourceTable
from harness.sources.table import PublishedTable
from harness.stats.averages import NoValidRun
from harness.stats.resampling import CannotTell

Recall = Callable[[Measurement], Answer | None]


class NotMeasured(Exception):
    """A table asks for something that this run did not measure."""


FROM_THE_RUN = {"coefficient": "coefficient", "coherence": "coherence", "coherence there": "coherence"}


def tables(cells: Iterable[Cell], recall: Recall, published: PublishedTable) -> list[Table]:
    """Every source table for every cell whose model stands for the published one; nothing is measured for them."""

    def lookup(measurement: Measurement) -> Answer:
        answer = recall(measurement)
        if answer is None:
            raise NotMeasured
        return answer

    answers, found = Answers(lookup), []
    for cell in cells:
        for source in (*TABLES, *LATER_TABLES):
            if (cell.model.stands_for, cell.trait) == (source.model, source.trait):
                filled = fill(source, cell, answers, published)
                if any(value is not None for row in filled.rows for value in row[1:]):
                    found.append(filled)
    return found


def fill(source: SourceTable, cell: Cell, answers: Answers, published: PublishedTable) -> Table:
    """One source table on one cell; a value whose measurements are not there is None."""
    columns = ["", *source.columns]
    measured: list[list[Value]] = []
    theirs: list[list[Value]] = []
    for line in source.lines:
        measured.append([line.label, *(_value(line.measured.get(column), cell, answers) for column in source.columns)])
        theirs.append([line.label, *(_published(line, column, published) for column in source.columns)])
    return Table(
        key=source.key,
        title=source.title,
        source=source.source,
        model=cell.name,
        trait=cell.trait,
        columns=columns,
        rows=measured,
        published={"columns": columns, "rows": theirs, "edition": source.edition},
        note=f"{source.note} PublishedTable for {source.model}; {cell.name} stands for it here.".strip(),
    )


def _value(quantity: Quantity | None, cell: Cell, answers: Answers) -> str | None:
    if quantity is None:
        return None
    try:
        estimate = quantity.evaluate(cell, answers).estimate()
        return short(estimate)
    except NoValidRun:
        return "no valid run"
    except CannotTell:
        return "cannot be told"
    except NotMeasured:
        return None


def _published(line: Line, column: str, published: PublishedTable) -> float | None:
    if column in line.published:
        return float(published[line.published[column]].value)
    attribute = FROM_THE_RUN.get(column)
    values = [published[identity] for identity in line.published.values()]
    found = [getattr(value, attribute) for value in values if attribute and getattr(value, attribute) is not None]
    return float(found[0]) if found else None
