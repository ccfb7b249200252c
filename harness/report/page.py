"""The ledger on one page: a line a claim with a mark for every cell, then the counts and what deserves a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.text import Text

from harness.ledger.baseline import place
from harness.ledger.rows import Identity, Ledger, Row, natural
from harness.ledger.verdict import Verdict
from harness.report import reading
from harness.report.closing import NAMED, blind_in_words, counts_in_words, open_in_words
from harness.report.reading import plain
from harness.report.summary import in_lines
from harness.report.terminal import COLOURS, fitting_blocks

SIGNS = {Verdict.SUPPORTED: "+", Verdict.REFUTED: "-", Verdict.INCONCLUSIVE: ".", Verdict.BROKEN: "#"}
SURPRISE = "!"
EXACT = "The judge grammar"  # what scores exactly need not be told on a page
LEGEND = (
    f"one mark a test and trait: + supported, - refuted, . cannot be told, # broken, {SURPRISE} contradicts what was "
    "known; --ledger-detail (here) or --detail (python -m harness.report) prints every word and number"
)
GAP = 2
FEW_MODELS = 2  # of which sentences are told here


def page(ledger: Ledger, holm: Mapping[Identity, bool], width: int = 80) -> RenderableType:
    """One line a claim, models across; then pairs, arithmetic, counts; what is contradicted, broken, red or open."""
    found = reading.sections(ledger.rows)
    parts: list[RenderableType] = []
    by_claim = _by_claim([row for group in found.grid for row in group.rows])
    if by_claim:
        parts += _across(by_claim, reading.models_of(ledger.rows), width)
    for title, groups in ((reading.PAIRS, found.pairs), (reading.ARITHMETIC, found.arithmetic)):
        rows = _by_claim([row for group in groups for row in group.rows])
        if rows:
            parts.append(Text(title, style="bold"))
            marks = max(map(len, rows.values())) + GAP
            parts += [_line(claim, {"": own}, {"": marks}, width) for claim, own in rows.items()]
    models = reading.models_of(ledger.rows)
    in_words = in_lines(ledger) if len(models) <= FEW_MODELS else []  # of more the document tells
    told = [*in_words, *counts_in_words(ledger.rows, holm), *_to_look_at(ledger), *open_in_words(ledger.rows)]
    return Lines(*parts, Text(""), *(Text(one) for one in (*told, LEGEND)))


def _by_claim(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda one: natural(one.claim)):
        found.setdefault(row.claim, []).append(row)
    return found


def _across(by_claim: Mapping[str, list[Row]], models: Sequence[str], width: int) -> list[RenderableType]:
    columns = {}
    for model in models:
        most = max(sum(row.model == model for row in rows) for rows in by_claim.values())
        columns[model] = max(most, len(plain(model))) + GAP
    label = max(len("claim"), *map(len, by_claim)) + GAP
    parts: list[RenderableType] = []
    for block in fitting_blocks(columns, width - label):
        titles = "".join(plain(model).ljust(columns[model]) for model in block)
        parts.append(Text(f"{'claim':{label}}{titles}".rstrip(), style="bold"))
        for claim, rows in by_claim.items():
            own = {model: [row for row in rows if row.model == model] for model in block}
            parts.append(_line(claim, own, {model: columns[model] for model in block}, width, label))
    return parts


def _line(
    claim: str, cells: Mapping[str, Sequence[Row]], columns: Mapping[str, int], width: int, label: int = 7
) -> Text:
    """A claim's id, its marks, and as much of its sentence as there is room for."""
    shown = Text(plain(claim).ljust(label))
    for name, rows in cells.items():
        for row in rows:
            style = "bold red" if row.surprise else COLOURS.get(row.verdict, "")
            shown.append(SURPRISE if row.surprise else SIGNS[Verdict(row.verdict)], style=style)
        shown.append(" " * (columns[name] - len(rows)))
    sentence = next((plain(row.sentence) for rows in cells.values() for row in rows), "")
    shown.append(sentence)
    shown.truncate(width, overflow="ellipsis")
    return shown


def _to_look_at(ledger: Ledger) -> list[str]:
    """Contradicted, broken and unexpectedly refuted cells by name, controls not seen, whether judges may decide."""
    kinds = {
        "contradicted": [row for row in ledger.rows if row.surprise],
        "broken": [row for row in ledger.rows if row.verdict == Verdict.BROKEN],
        "refuted, and nothing was known": [
            row for row in ledger.rows if row.verdict == Verdict.REFUTED and row.expected is None
        ],
    }
    lines = []
    for kind, rows in kinds.items():
        if rows:
            more = f"; and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
            lines.append(plain(f"{kind}: {'; '.join(place(row) for row in rows[:NAMED])}{more}"))
    judges = [line for line in reading.judges(ledger.tables) if not line.startswith(EXACT)]
    return [*lines, *blind_in_words(ledger.rows, NAMED), *judges]
