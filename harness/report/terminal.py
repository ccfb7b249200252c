"""The whole ledger on a terminal or in a log: verdict words with claims down and models across, every estimate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.ledger.rows import Identity, Ledger, Row, Table, estimate_of, natural
from harness.ledger.verdict import Rule, Verdict, number, stated, would_decide
from harness.report import reading
from harness.report.claims import published_cells
from harness.report.closing import closing
from harness.report.reading import Group, Sections, plain
from harness.report.tables import side_by_side

COLOURS = {"SUPPORTED": "green", "REFUTED": "red", "INCONCLUSIVE": "yellow", "BROKEN": "bold red"}
WORD = max(map(len, COLOURS)) + 2
GAP = 2
INDENT = 4

Holm = Mapping[Identity, bool]


def in_full(ledger: Ledger, holm: Holm, width: int = 118) -> RenderableType:
    """Everything: the words of every cell, counts by model, every estimate, the sources' tables, what is to be told."""
    rows = ledger.rows
    parts: list[RenderableType] = [overview(rows, holm, width), Text(""), tallies(rows, holm), Text("")]
    parts += [detail(rows, ledger.tables, holm), Text(""), *(Text(line) for line in closing(ledger, holm))]
    return Lines(*parts)


def overview(rows: Sequence[Row], holm: Holm, width: int = 118) -> RenderableType:
    """Claims and traits down, models across, a verdict's word in each cell; then pairs, then arithmetic.

    Traits of a test share a line where all their words are the same. Models that do not fit in `width` characters
    follow below, in a block of their own.
    """
    found = reading.sections(rows)
    parts: list[RenderableType] = []
    models = reading.models_of(rows)
    lines = [(group, merged(group, models, holm)) for group in sorted(found.grid, key=lambda one: natural(one.claim))]
    label = INDENT + GAP + max((len(traits) for _, merged_lines in lines for traits, _ in merged_lines), default=0)
    columns = {model: max(WORD, len(plain(model)) + GAP) for model in models}
    for block in fitting_blocks(columns, width - label):
        titles = [plain(model).ljust(columns[model]) for model in block]
        parts.append(Text(f"{'claim':{label}}{''.join(titles)}".rstrip(), style="bold"))
        chosen = [(models.index(model), columns[model]) for model in block]
        parts += [*_grid(lines, chosen, label), Text("")]
    for title, groups in ((reading.PAIRS, found.pairs), (reading.ARITHMETIC, found.arithmetic)):
        if groups:
            parts += [Text(title, style="bold"), *_single(groups, holm), Text("")]
    return Lines(*parts[:-1])


def fitting_blocks(columns: Mapping[str, int], width: int) -> Iterator[list[str]]:
    """The columns in as few blocks as fit in so many characters, each of at least one."""
    block: list[str] = []
    for model in columns:
        if block and sum(columns[one] for one in (*block, model)) > width:
            yield block
            block = []
        block.append(model)
    if block:
        yield block


def _grid(
    lines: Sequence[tuple[Group, list[tuple[str, list[str]]]]], columns: Sequence[tuple[int, int]], label: int
) -> Iterator[Text]:
    groups = [group for group, _ in lines]
    previous = ""
    for group, merged_lines in lines:
        if group.claim != previous:
            yield heading(group)
            previous = group.claim
        if _several(groups, group):
            yield Text(f"  {reading.words_of_test(group.test)}", style="dim")
        for traits, words in merged_lines:
            shown = Text(f"{'':{INDENT}}{traits}".ljust(label))
            for index, width in columns:
                shown.append(words[index].ljust(width), style=COLOURS.get(words[index].rstrip("*=!?†"), "dim"))
            shown.rstrip()
            yield shown


def merged(group: Group, models: Sequence[str], holm: Holm) -> list[tuple[str, list[str]]]:
    """One line of words for each trait of a test, or one for several traits whose words are all the same.

    A line is the traits' names and, for each model, its word with its marks, "-" where the model has no row.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for trait, cells in group.by_trait().items():
        words = tuple(word(cells[model], holm) if model in cells else "-" for model in models)
        found.setdefault(words, []).append(plain(trait))
    return [(", ".join(traits), list(words)) for words, traits in found.items()]


def word(row: Row, holm: Holm) -> str:
    """A verdict with its marks."""
    return f"{row.verdict}{reading.mark(row, holm)}"


def heading(group: Group) -> Text:
    """A claim's id and sentence."""
    return Text.assemble((f"{plain(group.claim):<{INDENT - 1}} ", "bold"), plain(group.rows[0].sentence))


def _several(groups: Sequence[Group], group: Group) -> bool:
    return sum(one.claim == group.claim for one in groups) > 1


def _single(groups: Sequence[Group], holm: Holm) -> Iterator[Text]:
    """One line a row, with its estimate: these are few, and have no models to stand across."""
    subjects = {row.identity: _subject(groups, group, row) for group in groups for row in group.rows}
    widths = [max(map(len, column)) for column in zip(*subjects.values(), strict=True)]
    previous = ""
    for group in sorted(groups, key=lambda one: natural(one.claim)):
        if group.claim != previous:
            yield heading(group)
            previous = group.claim
        for row in group.rows:
            cells = zip(subjects[row.identity], widths, strict=True)
            shown = Text(" " * INDENT + "".join(text.ljust(width + GAP) for text, width in cells if width))
            shown.append(word(row, holm).ljust(WORD), style=COLOURS.get(row.verdict, ""))
            estimate = reading.last_estimate(row)
            unit = f" {plain(estimate.unit)}" if estimate else ""
            shown.append(f"{reading.estimate_words(row)}{unit}", style="default")
            yield shown


def _subject(groups: Sequence[Group], group: Group, row: Row) -> tuple[str, str, str]:
    test = reading.words_of_test(group.test) if _several(groups, group) else ""
    return ("", "", test) if row.is_arithmetic else (plain(row.model), plain(row.trait), test)


def tallies(rows: Sequence[Row], holm: Holm) -> Grid:
    """How each model fared, in counts."""
    shown = Grid(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    shown.add_column("verdicts of", no_wrap=True)
    for title in ("supported", "refuted", "inconclusive", "broken", "survive Holm", "surprises", "blind"):
        shown.add_column(title, justify="right")
    for name, one in reading.tallies(rows, holm):
        counts = [str(one.verdicts[verdict]) for verdict in COLOURS]
        survive = f"{one.survive} of {one.tested}" if one.tested else "-"
        shown.add_row(plain(name), *counts, survive, f"{one.surprises} of {one.known}", str(one.blind))
    return shown


def detail(rows: Sequence[Row], tables: Sequence[Table], holm: Holm) -> RenderableType:
    """Every estimate with interval, n, unit, rule and detectable effect, and what was published; then the tables."""
    parts: list[RenderableType] = []
    found: Sections = reading.sections(rows)
    for groups in (found.grid, found.pairs, found.arithmetic):
        previous = ""
        for group in groups:
            if group.claim != previous:
                parts.append(heading(group))
                previous = group.claim
            if _several(groups, group):
                parts.append(Text(f"  {reading.words_of_test(group.test)}", style="dim"))
            for row in group.rows:
                parts += _row_in_full(row, holm)
    for table in tables:
        parts += [Text(""), Text(f"{plain(table.title)} ({plain(table.model)}, {plain(table.trait)})", style="bold")]
        parts.append(_source_table(table))
        parts += [Text(plain(note)) for note in (table.note, table.source) if note]
    return Lines(*parts)


def _row_in_full(row: Row, holm: Holm) -> Iterator[RenderableType]:
    known = f"  known ({row.basis}): {row.expected}, because {plain(row.because)}" if row.expected else ""
    shown = Text.assemble(
        "" if row.is_arithmetic else f"{plain(row.model)}  {plain(row.trait)}  ",
        (word(row, holm), COLOURS.get(row.verdict, "")),
        (known, "dim"),
    )
    yield Padding(shown, (0, 0, 0, INDENT))
    lines = [text for entry in row.estimates for text in (entry_words(row, entry), *beside_words(entry))]
    lines += [f"error: {plain(row.error)}"] if row.error else []
    lines += [f"published, {plain(one['word'])}: {_published(one)}" for one in row.published]
    for text in lines:
        yield Padding(Text(text), (0, 0, 0, 2 * INDENT))


def entry_words(row: Row, entry: Mapping[str, Any]) -> str:
    """One of a row's estimates in a sentence: value, interval, unit, n, rule, and the effect it could have seen."""
    estimate = estimate_of(entry)
    rule = f"should be {reading.rule_words(entry, named=False)}: {entry['verdict']}"
    if estimate is None:
        why = entry["story"].splitlines()[1:2]  # the story's second line says why there is none
        return plain(f"{why[0].strip() if why else entry['name'] + ' has no value'}; {rule}")
    seen = f"; smallest effect it would have seen {number(estimate.detectable)} {estimate.unit}"
    n = f"n={estimate.size}"
    if entry["verdict"] == Verdict.INCONCLUSIVE:
        seen += f"; {would_decide(Rule.from_json(entry['rule']), estimate)}"
    seen = "" if row.is_arithmetic else seen
    return plain(f"{entry['name']} = {reading.short(estimate)} {estimate.unit}, {n}; {rule}{seen}")


def beside_words(entry: Mapping[str, Any]) -> list[str]:
    """What was shown beside one of a row's estimates and decided nothing, a line each."""
    found = [(one, estimate_of(one)) for one in entry.get("beside", ())]
    return [
        plain(f"beside: {stated(one['name'], estimate) if estimate else one['name'] + ' has no value: ' + one['why']}")
        for one, estimate in found
    ]


def _published(one: Mapping[str, Any]) -> str:
    edition, what, on, value, published_as, _, why, source = published_cells(one)
    place = ", ".join(part for part in (on, f"edition {edition}" if edition else "", source) if part)
    told = "; ".join(part for part in (what, value, published_as, why) if part)
    return plain(f"{told} ({place})" if place else told)


def _source_table(table: Table) -> Grid:
    columns, rows = side_by_side(table)
    shown = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for count, title in enumerate(columns):
        shown.add_column(Text(plain(title)), justify="right" if count else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(plain(cell)) for cell in row))
    return shown
