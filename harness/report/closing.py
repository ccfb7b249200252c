"""What stands under the overview: the counts in words, controls that were not seen, and rules that were changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.ledger.baseline import place
from harness.ledger.rows import PREDICTED, REGRESSION, Identity, Ledger, Row, estimate_of
from harness.ledger.verdict import Rule, Verdict
from harness.report import reading

CHANGED_RULES = "rules that were changed after a ledger was seen"
NAMED = 10  # cells that the terminal names at most

Holm = Mapping[Identity, bool]


def closing(ledger: Ledger, holm: Holm) -> list[str]:
    """The lines under a terminal's overview: massive dims, judges, counts, changed rules, legend."""
    return [
        *_found_on_load(ledger.head),
        *reading.massive_dims(ledger.rows),
        *reading.judges(ledger.tables),
        *counts_in_words(ledger.rows, holm),
        *blind_in_words(ledger.rows, NAMED),
        *_changed_rules(ledger.rows),
        reading.LEGEND,
    ]


def _found_on_load(head: Mapping[str, Any]) -> list[str]:
    return [reading.plain(f"{model}: {text}") for model, found in head.get("load", {}).items() for text in found]


def counts_in_words(rows: Sequence[Row], holm: Holm) -> list[str]:
    """How many cells came to what, how many were known beforehand on what basis, and what that is evidence of."""
    known = [row for row in rows if row.expected is not None]
    lines = [reading.tally_sentence(rows, holm)]
    if not known:
        return lines
    predicted, seen = (_fared([row for row in known if row.basis == basis]) for basis in (PREDICTED, REGRESSION))
    lines.append(
        f"{len(known)} cells known beforehand: {predicted[0]} predicted, {predicted[1]}; "
        f"{seen[0]} seen before (regression), {seen[1]}"
    )
    agree = [row for row in known if row.basis == PREDICTED and row.verdict == row.expected]
    changed = sum(any(one.get("first_verdict", row.verdict) != row.verdict for one in row.estimates) for row in agree)
    only = f", {changed} of them only by a rule that was changed after a ledger was seen" if changed else ""
    lines.append(
        f"evidence about the instrument: {len(agree)} of {predicted[0]} predictions came out as predicted{only}; "
        "a regression that agrees says only that nothing changed"
    )
    return lines


def _fared(rows: Sequence[Row]) -> tuple[int, str]:
    contradicted, blind = sum(row.surprise for row in rows), sum(row.blind for row in rows)
    return len(rows), f"{contradicted} of them contradicted, {blind} blind"


def blind_share(rows: Sequence[Row]) -> float:
    """The share of the cells known beforehand that could not be told, 0 where nothing was known."""
    known = sum(row.expected is not None for row in rows)
    return sum(row.blind for row in rows) / known if known else 0.0


def blind_in_words(rows: Sequence[Row], named: int | None = None) -> list[str]:
    """One sentence on the known cells that could not be told, with their share and the names of the first `named`."""
    blind = [place(row) for row in rows if row.blind]
    if not blind:
        return []
    known = sum(row.expected is not None for row in rows)
    shown, more = blind[:named], len(blind[named:]) if named is not None else 0
    names = "; ".join(shown) + (f"; and {more} more" if more else "")
    return [
        f"blind: {len(blind)} of {known} known cells ({100 * blind_share(rows):.1f} %) came out INCONCLUSIVE, so these "
        f"controls were not seen: {reading.plain(names)}"
    ]


def open_in_words(rows: Sequence[Row]) -> list[str]:
    """Why cells came out INCONCLUSIVE: a line each for the first ones, then how many more there are."""
    open_ = [row for row in rows if row.verdict == Verdict.INCONCLUSIVE]
    lines = [reading.plain(f"cannot be told: {place(row)}: {reading.why_open(row)}") for row in open_[:NAMED]]
    return lines + [f"cannot be told: {len(open_) - NAMED} more"] * (len(open_) > NAMED)


def changed_rules(rows: Sequence[Row]) -> list[tuple[Row, Mapping[str, Any]]]:
    """Every estimate whose rule was changed after a ledger was seen, with its row."""
    return [(row, entry) for row in rows for entry in row.estimates if entry.get("first_rule")]


def first_rule_words(entry: Mapping[str, Any]) -> str:
    """The first rule of an estimate in words: "at least -5 trait points"."""
    estimate = estimate_of(entry)
    return Rule.from_json(entry["first_rule"]).sentence(estimate.unit if estimate else "")


def _changed_rules(rows: Sequence[Row]) -> list[str]:
    """A line for the title, then one a test and pair of verdicts that differ, with the cells that have them."""
    found = changed_rules(rows)
    cells: dict[str, list[str]] = {}
    for row, entry in found:
        if entry["first_verdict"] != entry["verdict"]:
            now, first = reading.rule_words(entry, named=False), first_rule_words(entry)
            verdicts = f"{now}: {entry['verdict']}; first {first}: {entry['first_verdict']}"
            cells.setdefault(f"{row.claim} {row.test} {verdicts}", []).append(f"[{row.model}, {row.trait}]")
    if not found:
        return []
    same = len(found) - sum(map(len, cells.values()))
    lines = [f"  {words} on {', '.join(places)}" for words, places in cells.items()]
    title = f"{CHANGED_RULES}: {same} of {len(found)} verdicts are the same by the first rule"
    return [title + (", these are not:" if lines else ""), *map(reading.plain_indented, lines)]
