"""The ledger as a Markdown document for GitHub: overview, a section for each claim, the sources' tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.ledger import multiplicity
from harness.ledger.rows import Identity, Ledger, Row, Table, natural
from harness.report import reading
from harness.report.claims import claim_section
from harness.report.closing import CHANGED_RULES, blind_in_words, changed_rules, counts_in_words, first_rule_words
from harness.report.escaping import Anchors, escaped, table
from harness.report.reading import Group, Surviving
from harness.report.summary import GLOSSARY, in_lines
from harness.report.tables import NOTHING, side_by_side
from harness.report.terminal import merged

TITLE, OVERVIEW, CLAIMS, WORDS = "Ledger", "Overview", "Claims", "Words"
ARITHMETIC, TABLES = "Arithmetic of published numbers", "The sources' tables"

Holm = Mapping[Identity, bool]


@dataclass(frozen=True)
class Part:
    """A piece of the document that can be left out: what it is, and its text."""

    what: str
    text: str


def markdown(ledger: Ledger, surviving: Surviving = multiplicity.surviving, limit: int | None = None) -> str:
    """The document. With `limit` (bytes of UTF-8), sections are left out from its end until it fits; a note says so.

    The sources' tables go first, then claims, the last one first; the head and the overview always stay, unless they
    alone are too long: then the note is all.
    """
    holm = reading.marks_of(ledger, surviving)
    groups = claims(ledger)
    anchors, links = Anchors(), {}
    for title in (TITLE, OVERVIEW, CLAIMS):
        anchors.of(title)
    for count, (name, _) in enumerate(groups):
        if _opens_arithmetic(groups, count):
            anchors.of(ARITHMETIC)
        links[name] = anchors.of(name)
    head = "\n\n".join([f"# {TITLE}", *_head(ledger, holm), f"## {OVERVIEW}", *_overview(ledger, groups, links, holm)])
    parts = []
    for count, (name, found) in enumerate(groups):
        chapter = ARITHMETIC if _opens_arithmetic(groups, count) else CLAIMS if count == 0 else ""
        opening = f"## {chapter}\n\n" if chapter else ""
        parts.append(Part(f"claim {name}", f"{opening}### {escaped(name)}\n\n{claim_section(found, holm)}"))
    words = table(["word", "means"], [[escaped(word), escaped(meaning)] for word, meaning in GLOSSARY.items()])
    return _fitted(head, [*parts, *_tables(ledger.tables), Part("the words", f"## {WORDS}\n\n{words}")], limit)


def _opens_arithmetic(groups: Sequence[tuple[str, list[Group]]], count: int) -> bool:
    """Whether the chapter of claims that are arithmetic alone begins with this claim."""
    return _only_arithmetic(groups[count][1]) and (count == 0 or not _only_arithmetic(groups[count - 1][1]))


def claims(ledger: Ledger) -> list[tuple[str, list[Group]]]:
    """Each claim with its groups of rows; the claims that are arithmetic alone come last."""
    found = reading.sections(ledger.rows)
    by_claim: dict[str, list[Group]] = {}
    for group in (*found.grid, *found.pairs, *found.arithmetic):
        by_claim.setdefault(group.claim, []).append(group)
    return sorted(by_claim.items(), key=lambda item: (_only_arithmetic(item[1]), natural(item[0])))


def _only_arithmetic(groups: Sequence[Group]) -> bool:
    return all(group.rows[0].is_arithmetic for group in groups)


def _fitted(head: str, parts: Sequence[Part], limit: int | None) -> str:
    for kept in range(len(parts), -1, -1):
        left_out = [part.what for part in parts[kept:]]
        note = f"*Left out, to stay within {limit:,} bytes: {escaped(', '.join(left_out))}.*" if left_out else ""
        text = "\n\n".join([head, *(part.text for part in parts[:kept]), *([note] if note else [])]) + "\n"
        if limit is None or len(text.encode()) <= limit:
            return text
    return f"*The ledger does not fit into {limit:,} bytes; see ledger.md.*\n"


def _head(ledger: Ledger, holm: Holm) -> Iterator[str]:
    for text in (*counts_in_words(ledger.rows, holm), *blind_in_words(ledger.rows)):
        yield escaped(text) + "."
    yield table(
        ["verdicts of", "supported", "refuted", "inconclusive", "broken", "survive Holm", "surprises", "blind"],
        [
            [
                escaped(name),
                *(str(count) for count in one.verdicts.values()),
                f"{one.survive} of {one.tested}" if one.tested else NOTHING,
                f"{one.surprises} of {one.known}",
                str(one.blind),
            ]
            for name, one in reading.tallies(ledger.rows, holm)
        ],
        numbers=range(1, 8),
    )
    yield "\n".join(f"- {escaped(text)}" for text in in_lines(ledger)) or escaped("No model has cells of its own.")
    massive = [f"- {escaped(text)}" for text in (*reading.massive_dims(ledger.rows), *reading.judges(ledger.tables))]
    if massive:
        yield "\n".join(massive)
    settings = {name: value for name, value in ledger.head.items() if name != "kind"}
    yield (
        "Settings: " + "; ".join(f"{escaped(name)} {_setting(value)}" for name, value in sorted(settings.items())) + "."
    )


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{escaped(name)} {escaped(one)}" for name, one in sorted(value.items()))
    return escaped(value)


def _overview(
    ledger: Ledger, groups: Sequence[tuple[str, list[Group]]], links: Mapping[str, str], holm: Holm
) -> Iterator[str]:
    models = reading.models_of(ledger.rows)
    rows = []
    for name, found in groups:
        grid = [group for group in found if not (group.rows[0].is_pair or group.rows[0].is_arithmetic)]
        previous = ""
        for group in grid:
            test = f"{escaped(reading.words_of_test(group.test))}: " if len(grid) > 1 else ""
            for traits, words in merged(group, models, holm):
                title = (
                    "" if previous == name else f"[{escaped(name)}](#{links[name]}) {escaped(group.rows[0].sentence)}"
                )
                cells = [NOTHING if one == "-" else f"[{escaped(one)}](#{links[name]})" for one in words]
                rows.append([title, f"{test}{escaped(traits)}", *cells])
                previous = name
    if rows:
        yield table(["claim", "trait", *map(escaped, models)], rows)
    for title, kind in ((reading.PAIRS, "is_pair"), (reading.ARITHMETIC, "is_arithmetic")):
        chosen = [(name, row) for name, found in groups for group in found for row in group.rows if getattr(row, kind)]
        lines, previous = [], ""
        for name, row in chosen:
            lines.append(_single_line(row, links[name], holm, first=name != previous))
            previous = name
        if lines:
            yield f"**{title[0].upper()}{title[1:]}**"
            yield table(["claim", "test" if kind == "is_arithmetic" else "models, trait", "verdict", "estimate"], lines)
    yield escaped(reading.LEGEND)
    yield from _changed_rules(ledger.rows)


def _changed_rules(rows: Sequence[Row]) -> Iterator[str]:
    found = changed_rules(rows)
    if found:
        yield f"**{CHANGED_RULES[0].upper()}{CHANGED_RULES[1:]}**"
        yield table(
            ["claim", "test", "cell", "quantity", "rule", "verdict", "first rule", "its verdict"],
            [
                [
                    *map(escaped, (row.claim, reading.words_of_test(row.test), f"{row.model}, {row.trait}")),
                    *map(escaped, (entry["name"], reading.rule_words(entry, named=False), entry["verdict"])),
                    *map(escaped, (first_rule_words(entry), entry["first_verdict"])),
                ]
                for row, entry in found
            ],
        )


def _single_line(row: Row, anchor: str, holm: Holm, *, first: bool) -> list[str]:
    """A pair's or an arithmetic row's line of the overview; a claim's `first` line has its id and sentence."""
    subject = reading.words_of_test(row.test) if row.is_arithmetic else f"{row.model}, {row.trait}"
    estimate = reading.last_estimate(row)
    unit = f" {estimate.unit}" if estimate else ""
    return [
        f"[{escaped(row.claim)}](#{anchor}) {escaped(row.sentence)}" if first else "",
        escaped(subject),
        f"[{escaped(row.verdict + reading.mark(row, holm))}](#{anchor})",
        escaped(reading.estimate_words(row) + unit),
    ]


def _tables(tables: Sequence[Table]) -> Iterator[Part]:
    for count, one in enumerate(tables):
        titles, rows = side_by_side(one)
        heading = f"### {escaped(one.title)} ({escaped(one.model)}, {escaped(one.trait)})"
        shown = table(list(map(escaped, titles)), [list(map(escaped, row)) for row in rows], range(1, len(titles)))
        notes = [escaped(text) for text in (one.note, f"Source: {one.source}" if one.source else "") if text]
        first = [f"## {TABLES}"] if count == 0 else []
        yield Part(f"table {one.key} of {one.model}, {one.trait}", "\n\n".join([*first, heading, shown, *notes]))
