"""What the page says of each claim and cell: mark, interval on a scale, why it came out so, what would flip it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.ledger.rows import Identity, Ledger, Row, estimate_of, rule_of
from harness.ledger.verdict import Rule, Verdict, number, would_decide
from harness.report import reading
from harness.report.claims import published_cells
from harness.report.closing import first_rule_words
from harness.report.markdown import claims as claims_of
from harness.report.reading import Group, plain
from harness.stats.resampling import Estimate

SIGNS = {Verdict.SUPPORTED: "+", Verdict.REFUTED: "−", Verdict.INCONCLUSIVE: "·", Verdict.BROKEN: "#"}
PUBLISHED_COLUMNS = ("edition", "what was published", "on", "value", "published as", "compared", "why", "source")
WIDTH = 240  # of an interval's drawing, in units of its own
MARGIN = 6  # on both its sides


@dataclass(frozen=True)
class Scale:
    """Where values lie on the drawings of one test, from 0 to WIDTH; `ticks` are its least and largest value."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """The place of a value, cut off at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)


@dataclass(frozen=True)
class Drawing:
    """An interval on the scale of its test, with its rule's bounds and published values of the same quantity."""

    low: float
    high: float
    value: float
    bounds: tuple[float, ...]
    published: tuple[tuple[float, str], ...]
    words: str


@dataclass(frozen=True)
class Cell:
    """One estimate of one row, or the row itself where it has none."""

    anchor: str
    row: Row
    verdict: str
    mark: str
    estimate: str
    n: str
    why: str
    flip: str
    drawing: Drawing | None
    change: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Test:
    """One quantity of one test over its cells, on one scale."""

    title: str
    rule: str
    history: str
    scale: Scale | None
    unit: str
    cells: tuple[Cell, ...]

    @property
    def ticks(self) -> tuple[str, str]:
        """The ends of the scale in words."""
        return (f"{self.scale.low:.3g}", f"{self.scale.high:.3g}") if self.scale else ("", "")


@dataclass(frozen=True)
class Claim:
    """One claim: its statement, its tests, and what was published."""

    name: str
    sentence: str
    family: str
    statement: tuple[str, ...]
    command: str
    tests: tuple[Test, ...]
    published: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...] = field(repr=False)

    @property
    def is_new(self) -> bool:
        """Whether nobody published what it says."""
        return all(one.get("word") == "new" for row in self.rows for one in row.published)

    @property
    def outcome(self) -> str:
        """What its cells come to together, controls aside: holds, does not hold, both, cannot be told."""
        verdicts = {row.verdict for row in self.rows if not reading.is_control(row)}
        decided = verdicts & {Verdict.SUPPORTED, Verdict.REFUTED}
        if len(decided) == 2:
            return "both"
        if not decided:
            return "cannot be told"
        return "holds" if Verdict.SUPPORTED in decided else "does not hold"


def anchor_of(row: Row) -> str:
    """The id of a row on the page."""
    words = "-".join((row.claim, row.test.removeprefix("test_"), row.model, row.trait))
    return re.sub(r"[^A-Za-z0-9_-]", "_", words)


def claims(ledger: Ledger, changes: Mapping[Identity, str]) -> list[Claim]:
    """Every claim of a ledger in its order; `changes` says in words what differs from another ledger."""
    holm = reading.marks_of(ledger)
    return [_claim(name, groups, holm, changes) for name, groups in claims_of(ledger)]


def _claim(name: str, groups: Sequence[Group], holm: Mapping[Identity, bool], changes: Mapping[Identity, str]) -> Claim:
    rows = tuple(row for group in groups for row in group.rows)
    first = rows[0]
    published = dict.fromkeys(published_cells(one) for row in rows for one in row.published)
    return Claim(
        name=plain(name),
        sentence=plain(first.sentence),
        family=plain(first.family),
        statement=_paragraphs(first.statement),
        command=plain(f"pytest {first.file}" if first.file else first.command),
        tests=tuple(test for group in groups for test in _tests(group, holm, changes)),
        published=tuple(sorted(tuple(map(plain, cells)) for cells in published)),
        rows=rows,
    )


def _paragraphs(text: str) -> tuple[str, ...]:
    """A docstring's paragraphs; a line that ends a sentence ends a paragraph, as claim files are written."""
    return tuple(plain(part) for part in re.split(r"\n\s*\n|(?<=[.?!:])\n", text) if part.strip())


def _tests(group: Group, holm: Mapping[Identity, bool], changes: Mapping[Identity, str]) -> Iterator[Test]:
    names = list(dict.fromkeys(entry["name"] for row in group.rows for entry in row.estimates))
    for name in names or [""]:
        entries = [(row, entry) for row in group.rows for entry in row.estimates if entry["name"] == name]
        unreached = [row for row in group.rows if not row.estimates] if name in ("", *names[:1]) else []
        measured = [entry for _, entry in entries if entry["estimate"] is not None]
        scale = _scale(entries)
        rules = dict.fromkeys(reading.rule_words(entry, named=False) for entry in measured)
        changed = dict.fromkeys(first_rule_words(entry) for entry in measured if entry.get("first_rule"))
        yield Test(
            title=plain(f"{reading.words_of_test(group.test)}: {name}" if name else reading.words_of_test(group.test)),
            rule=plain("; ".join(rules)),
            history=plain("; ".join(changed)),
            scale=scale,
            unit=plain(next((entry["estimate"]["unit"] for entry in measured), "")),
            cells=(
                *(_cell(row, entry, scale, holm, changes) for row, entry in entries),
                *(_without_estimate(row, changes) for row in unreached),
            ),
        )


def _scale(entries: Sequence[tuple[Row, Mapping[str, Any]]]) -> Scale | None:
    """From the least to the largest interval end, bound and published value."""
    values = []
    for row, entry in entries:
        estimate = estimate_of(entry)
        if estimate is not None:
            values += [estimate.low, estimate.high, *rule_of(entry).bounds]
            values += [value for value, _ in _published_values(row, estimate.unit)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    room = (high - low or abs(high) or 1.0) * 0.04
    return Scale(low - room, high + room)


def _published_values(row: Row, unit: str) -> list[tuple[float, str]]:
    """Published numbers in the unit of an estimate, each with its edition and what it is of."""
    found = []
    for one in row.published:
        value = one.get("value", one.get("published"))
        if one.get("unit") == unit and isinstance(value, int | float):
            what = one.get("sentence") or one.get("quantity") or ""
            found.append((float(value), plain(f"published, {one.get('edition', '')}: {what} = {number(value)} {unit}")))
    return found


def _cell(
    row: Row,
    entry: Mapping[str, Any],
    scale: Scale | None,
    holm: Mapping[Identity, bool],
    changes: Mapping[Identity, str],
) -> Cell:
    estimate = estimate_of(entry)
    last = entry is row.estimates[-1]
    drawing = None
    if estimate is not None and scale is not None:
        published = _published_values(row, estimate.unit)
        drawing = Drawing(
            low=scale.at(estimate.low),
            high=scale.at(estimate.high),
            value=scale.at(estimate.value),
            bounds=tuple(scale.at(bound) for bound in rule_of(entry).bounds),
            published=tuple((scale.at(value), words) for value, words in published),
            words=plain(f"{reading.short(estimate)} {estimate.unit}"),
        )
    return Cell(
        anchor=anchor_of(row) if last else "",
        row=row,
        verdict=entry["verdict"],
        mark=reading.mark(row, holm) if last else "",
        estimate=plain(reading.short(estimate)) if estimate else reading.NO_VALUE,
        n=plain(reading.sample_words(entry, estimate)) if estimate else "",
        why=why(entry, estimate),
        flip=flip(entry, estimate),
        drawing=drawing,
        change=plain(changes.get(row.identity, "")) if last else "",
        beside=tuple(_beside(one) for one in entry.get("beside", ())),
    )


def _without_estimate(row: Row, changes: Mapping[Identity, str]) -> Cell:
    why_none = plain(row.error) or "Nothing was estimated."
    change = plain(changes.get(row.identity, ""))
    return Cell(anchor_of(row), row, row.verdict, "", "no estimate", "", why_none, "", None, change)


def _beside(one: Mapping[str, Any]) -> str:
    estimate = estimate_of(one)
    shown = f"{reading.short(estimate)} {estimate.unit}" if estimate else f"none: {one['why']}"
    return plain(f"{one['name']} = {shown}")


def why(entry: Mapping[str, Any], estimate: Estimate | None) -> str:
    """Why one estimate came out as it did, in a sentence."""
    if estimate is None:
        found = re.search(r"has no value: (.*?)(?:\n|$)", entry["story"], re.DOTALL)
        return plain(found[1]) if found else "There is no value."
    words = rule_of(entry).sentence(estimate.unit)
    if entry["verdict"] == Verdict.SUPPORTED:
        return plain(f"Even the worst end of the interval is {words}.")
    if entry["verdict"] == Verdict.REFUTED:
        return plain(f"Even the best end of the interval is not {words}.")
    return plain(f"One end of the interval is {words} and the other is not.")


def flip(entry: Mapping[str, Any], estimate: Estimate | None) -> str:
    """What would change a verdict: how far an end of the interval is from a bound, or how many units would tell."""
    if estimate is None:
        return ""
    rule = rule_of(entry)
    if entry["verdict"] == Verdict.INCONCLUSIVE:
        words = would_decide(rule, estimate)
        return plain(f"{words[0].upper()}{words[1:]}.")
    end, bound = _nearest(rule, estimate)
    return plain(
        f"It could no longer be told if the interval reached {number(abs(end - bound))} {estimate.unit} further, "
        f"to {number(bound)}."
    )


def _nearest(rule: Rule, estimate: Estimate) -> tuple[float, float]:
    """The end of the interval and the bound that lie closest to each other."""
    pairs = [(end, bound) for end in (estimate.low, estimate.high) for bound in rule.bounds]
    return min(pairs, key=lambda pair: abs(pair[0] - pair[1]))
