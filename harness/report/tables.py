"""Puts the published columns of a source's table beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.ledger.rows import Table, Value
from harness.ledger.verdict import number

NOTHING = "–"

Labelled = dict[tuple[str, int], Sequence[Value]]


def side_by_side(table: Table) -> tuple[list[str], list[list[str]]]:
    """The titles and the cells of a table, as text.

    Rows meet by label, the k-th of a label with the k-th, in the source's order; a row that only this project has
    follows the one that it follows here. A published column stands right after the measured one of its name, or at
    the end. Numbers have four significant digits; what is not there is a dash.
    """
    if table.published is None:
        return list(table.columns), [[cell(value) for value in row] for row in table.rows]
    published: Mapping[str, Any] = table.published
    edition = f"published {published['edition']}" if published.get("edition") else "published"
    theirs: list[str] = list(published["columns"])
    pairs: list[tuple[int | None, int | None]] = []  # column here, column there
    for here, name in enumerate(table.columns[1:], start=1):
        there = theirs.index(name, 1) if name in theirs[1:] else None
        pairs += [(here, None)] if there is None else [(here, None), (None, there)]
    pairs += [(None, there) for there in range(1, len(theirs)) if (None, there) not in pairs]

    measured, known = _labelled(table.rows), _labelled(published["rows"])
    titles = [table.columns[0]] + [
        f"{table.columns[here]}, here" if here is not None else f"{theirs[there or 0]}, {edition}"
        for here, there in pairs
    ]
    rows = []
    for label in _in_source_order(known, measured):
        ours, other = measured.get(label), known.get(label)
        first = cell((ours or other or [label[0]])[0])
        rows.append([first, *(_of(ours, here) if here is not None else _of(other, there) for here, there in pairs)])
    return titles, rows


def _labelled(rows: Sequence[Sequence[Value]]) -> Labelled:
    seen: dict[str, int] = {}
    found: Labelled = {}
    for row in rows:
        label = cell(row[0])
        found[label, seen.setdefault(label, 0)] = row
        seen[label] += 1
    return found


def _in_source_order(known: Labelled, measured: Labelled) -> list[tuple[str, int]]:
    order = list(known)
    place = 0
    for label in measured:
        if label not in known:
            order.insert(place, label)
        place = order.index(label) + 1
    return order


def _of(row: Sequence[Value] | None, column: int | None) -> str:
    return NOTHING if row is None or column is None else cell(row[column])


def cell(value: Value) -> str:
    """A table's value as text."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else number(value)
