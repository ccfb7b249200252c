"""One claim's section of the Markdown report: statement, rules, estimates, what was published, how to run it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.ledger.rows import Identity, Row, estimate_of
from harness.ledger.verdict import Rule, Verdict, number
from harness.report import reading
from harness.report.escaping import escaped, fenced, prose, table
from harness.report.reading import Group
from harness.report.tables import NOTHING

Holm = Mapping[Identity, bool]
NUMBERS = ("n", "smallest detectable", "n that would tell")  # columns set to the right


def claim_section(groups: Sequence[Group], holm: Holm) -> str:
    """Everything a ledger knows of one claim, without its heading."""
    rows = [row for group in groups for row in group.rows]
    first = rows[0]
    parts = [f"**{escaped(first.sentence)}**"]
    if first.statement.strip():
        parts.append(prose(first.statement))
    for group in groups:
        parts += _group(group, holm, alone=len(groups) == 1)
    parts += _errors(rows)
    parts += _published(rows)
    parts.append(fenced(_command(first)))
    return "\n\n".join(parts)


def _command(row: Row) -> str:
    """The command that runs the whole claim again; one row's own command has its test and cell, too."""
    return f"pytest {row.file}" if row.file else row.command


def _group(group: Group, holm: Holm, *, alone: bool) -> Iterator[str]:
    names = list(dict.fromkeys(entry["name"] for row in group.rows for entry in row.estimates))
    if not alone:
        yield f"**{escaped(reading.words_of_test(group.test))}**"
    for name in names:
        entries = [(row, entry) for row in group.rows for entry in row.estimates if entry["name"] == name]
        measured = [entry for _, entry in entries if entry["estimate"] is not None]
        rules = dict.fromkeys(reading.rule_words(entry) for entry in measured or [entry for _, entry in entries])
        yield f"Rule: {escaped('; '.join(rules))}."
        known = any(row.expected for row, _ in entries)
        interval = "interval of rounding" if group.rows[0].is_arithmetic else "95 % interval"
        titles = ["model", "trait", "verdict", f"estimate [{interval}]", "n", "unit", "Holm", "smallest detectable"]
        lines = [_line(row, entry, holm) for row, entry in entries]
        if any(entry["verdict"] == Verdict.INCONCLUSIVE for entry in measured) and not group.rows[0].is_arithmetic:
            titles.append("n that would tell")
            lines = [[*line, _needed(entry)] for line, (_, entry) in zip(lines, entries, strict=True)]
        if known:
            titles.append("known beforehand")
            lines = [[*line, _known(row)] for line, (row, _) in zip(lines, entries, strict=True)]
        yield table(titles, lines, numbers=tuple(titles.index(one) for one in NUMBERS if one in titles))
        beside = [_line_beside(row, one) for row, entry in entries for one in entry.get("beside", ())]
        if beside:
            yield "Beside it, deciding nothing:"
            yield table(["model", "trait", "quantity", "estimate", "n", "unit"], beside, numbers=(4,))


def _line(row: Row, entry: Mapping[str, Any], holm: Holm) -> list[str]:
    estimate = estimate_of(entry)
    decides = entry is row.estimates[-1]
    sign = reading.mark(row, holm) if decides else ""
    cells = [escaped(row.model), escaped(row.trait), escaped(f"{entry['verdict']}{sign}")]
    if estimate is None:
        return [*cells, reading.NO_VALUE, NOTHING, NOTHING, NOTHING, NOTHING]
    survives = {True: "survives", False: "does not survive", None: NOTHING}[holm.get(row.identity) if decides else None]
    found = [escaped(reading.short(estimate)), escaped(reading.sample_words(entry, estimate)), escaped(estimate.unit)]
    detectable = NOTHING if row.is_arithmetic else escaped(number(estimate.detectable))
    return [*cells, *found, survives, detectable]


def _needed(entry: Mapping[str, Any]) -> str:
    """About how many units would decide what is not decided, in 80 % of samples."""
    estimate = estimate_of(entry)
    if estimate is None or entry["verdict"] != Verdict.INCONCLUSIVE:
        return NOTHING
    needed = Rule.from_json(entry["rule"]).needed(estimate)
    return "none" if needed is None else number(needed)


def _line_beside(row: Row, one: Mapping[str, Any]) -> list[str]:
    estimate = estimate_of(one)
    cells = [escaped(row.model), escaped(row.trait), escaped(one["name"])]
    if estimate is None:
        return [*cells, escaped(f"none: {one['why']}"), NOTHING, NOTHING]
    found = (reading.short(estimate), estimate.size, estimate.unit)
    return [*cells, *map(escaped, found)]


def _known(row: Row) -> str:
    if row.expected is None:
        return NOTHING
    how = ", contradicted" if row.surprise else ", blind" if row.blind else ""
    return escaped(f"{row.expected} ({row.basis}{how}): {row.because}")


def _errors(rows: Sequence[Row]) -> Iterator[str]:
    broken = [row for row in rows if row.verdict == Verdict.BROKEN]
    if broken:
        yield "\n".join(
            f"- BROKEN on {escaped(row.model)}, {escaped(row.trait)}: {escaped(row.error)}" for row in broken
        )


def _published(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each published value and comparison, edition by edition, with the cells that share it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        for one in row.published:
            found.setdefault(published_cells(one), []).append(
                "arithmetic" if row.is_arithmetic else f"{row.model}/{row.trait}"
            )
    if not found:
        return
    places = {f"{row.model}/{row.trait}" for row in rows}
    titles = ["edition", "what was published", "on", "value", "published as", "compared", "with", "why", "source"]
    lines = []
    for cells, with_cells in sorted(found.items(), key=lambda item: (item[0][0], item[0][-1])):
        unique = list(dict.fromkeys(with_cells))
        shared = "every cell" if len(unique) == len(places) > 1 else ", ".join(unique)
        lines.append([*cells[:6], shared, *cells[6:]])
    used = [count for count in range(len(titles)) if any(line[count] for line in lines)]
    yield "Published:"
    yield table(
        [titles[count] for count in used], [[escaped(line[count]) or NOTHING for count in used] for line in lines]
    )


def published_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Edition, what, on what, value, published as, word, why and source of one entry of `Row.published`, as text."""
    value = one.get("value", one.get("published"))
    ends = "" if one.get("low") is None else f" [{_text(one['low'])}, {_text(one['high'])}]"
    number_and_unit = "" if value is None else f"{_text(value)}{ends} {one.get('unit', '')}".strip()
    on = ", ".join(str(one[name]) for name in ("model", "trait") if one.get(name))
    what = one.get("sentence") or one.get("quantity") or ""
    texts = (one.get("edition"), what, on, number_and_unit, one.get("published_as"), one["word"], one.get("why"))
    return tuple(str(text or "") for text in (*texts, one.get("source")))


def _text(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
