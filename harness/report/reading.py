"""What every report reads off the rows: their sections, marks and counts, Holm's step-down, and text made harmless."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.ledger import multiplicity
from harness.ledger.rows import JUDGE_TABLE, PREDICTED, REGRESSION, Identity, Ledger, Row, Table, estimate_of, rule_of
from harness.ledger.verdict import Verdict, number, stated, would_decide
from harness.stats.resampling import Estimate
from harness.streams import controls

# (verdicts, p-values (claims,), NaN where nothing could be told) of one model's ledger -> which decided ones survive.
Surviving = Callable[[Sequence[Verdict], np.ndarray], np.ndarray]

LEGEND = (
    "* as predicted   = as seen before (regression)   ! contradicts what was known   ? known, but not seen (blind)   "
    "† does not survive Holm at family-wise 5 % in its model"
)
SIGNS = {PREDICTED: "*", REGRESSION: "=", "": ""}
NO_VALUE = "no value"  # of a cell without an estimate, whose story says why
ARITHMETIC = "arithmetic of published numbers"
PAIRS = "pairs of models"


@dataclass(frozen=True)
class Group:
    """The rows of one test of a claim in one section; `rows` are in the ledger's order."""

    claim: str
    test: str
    rows: tuple[Row, ...]

    def by_trait(self) -> dict[str, dict[str, Row]]:
        """Rows by trait, then model."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault(row.trait, {})[row.model] = row
        return found


@dataclass(frozen=True)
class Sections:
    """A ledger's rows by what they are about: cells of the grid, pairs of models, published numbers alone."""

    grid: tuple[Group, ...]
    pairs: tuple[Group, ...]
    arithmetic: tuple[Group, ...]


def sections(rows: Sequence[Row]) -> Sections:
    """The three kinds of rows, each grouped by claim and test in the order of first appearance."""
    kinds: tuple[dict[tuple[str, str], list[Row]], ...] = ({}, {}, {})
    for row in rows:
        kind = kinds[2 if row.is_arithmetic else 1 if row.is_pair else 0]
        kind.setdefault((row.claim, row.test), []).append(row)
    grid, pairs, arithmetic = (
        tuple(Group(claim, test, tuple(found)) for (claim, test), found in kind.items()) for kind in kinds
    )
    return Sections(grid, pairs, arithmetic)


def models_of(rows: Iterable[Row]) -> list[str]:
    """The single models, in the order of the claim that has most of them (the registry's); others follow."""
    claims: dict[str, dict[str, None]] = {}
    for row in rows:
        if not (row.is_pair or row.is_arithmetic):
            claims.setdefault(row.claim, {})[row.model] = None
    ordered = sorted(claims.values(), key=len, reverse=True)
    return list(dict.fromkeys(model for models in ordered for model in models))


def holm_marks(
    rows: Sequence[Row], surviving: Surviving = multiplicity.surviving, sizes: Mapping[str, int] | None = None
) -> dict[Identity, bool]:
    """For every decided row with a p-value, whether it survives Holm's step-down within its model's ledger.

    The family is the rows of one model (or pair) that have a p-value, and those without a valid run, which were tried
    all the same. A decided row without p-values, such as arithmetic, is no test of chance and stays out. Where `sizes`
    says that a model's family is larger, what did not run counts as if it could not be told.
    """
    families: dict[str, list[tuple[Row, float]]] = {}
    for row in rows:
        p = p_value(row)
        if row.verdict != Verdict.BROKEN and not (row.decided and math.isnan(p)):
            families.setdefault(row.model, []).append((row, p))
    marks: dict[Identity, bool] = {}
    for model, family in families.items():
        unrun = max((sizes or {}).get(model, 0) - len(family), 0)
        verdicts = [*(Verdict(row.verdict) for row, _ in family), *[Verdict.INCONCLUSIVE] * unrun]
        kept = surviving(verdicts, np.array([*(p for _, p in family), *[np.nan] * unrun], dtype=float))[: len(family)]
        marks.update({row.identity: bool(one) for (row, _), one in zip(family, kept, strict=True) if row.decided})
    return marks


def is_control(row: Row) -> bool:
    """Whether a row is there to see that the instrument says no where it must."""
    return re.search(r"(^|; )control\b", row.because) is not None


def marks_of(ledger: Ledger, surviving: Surviving = multiplicity.surviving) -> dict[Identity, bool]:
    """`holm_marks` of a ledger, whose header has the size of every model's family (`family`)."""
    return holm_marks(ledger.rows, surviving, ledger.head.get("family"))


def p_value(row: Row) -> float:
    """The smallest alpha at which the row would be decided as it is, NaN where it has no p-value.

    A supported row needs every one of its expectations, so the largest counts; otherwise the last one decided.
    """
    found = [_p_values(entry) for entry in row.estimates]
    if not found:
        return math.nan
    if row.verdict == Verdict.SUPPORTED:
        return max((support for support, _ in found), key=lambda p: math.inf if math.isnan(p) else p)
    return found[-1][1] if row.verdict == Verdict.REFUTED else min(found[-1])


def _p_values(entry: Mapping[str, Any]) -> tuple[float, float]:
    p = entry.get("p") or {}
    support, refute = (math.nan if p.get(way) is None else float(p[way]) for way in ("support", "refute"))
    return support, refute


def mark(row: Row, holm: Mapping[Identity, bool]) -> str:
    """The signs behind a verdict's word; see `LEGEND`."""
    known = "!" if row.surprise else "?" if row.blind else SIGNS[row.basis] if row.expected == row.verdict else ""
    return known + ("†" if row.decided and not holm.get(row.identity, True) else "")


@dataclass(frozen=True)
class Tally:
    """How often each verdict was reached; `tested` counts decided rows with a p-value, `survive` those after Holm."""

    cells: int
    verdicts: Mapping[str, int]
    known: int
    surprises: int
    blind: int
    tested: int
    survive: int


def tally(rows: Sequence[Row], holm: Mapping[Identity, bool]) -> Tally:
    """The counts of these rows."""
    marks = [holm[row.identity] for row in rows if row.identity in holm]
    return Tally(
        len(rows),
        {verdict.value: sum(row.verdict == verdict for row in rows) for verdict in Verdict},
        sum(row.expected is not None for row in rows),
        sum(row.surprise for row in rows),
        sum(row.blind for row in rows),
        len(marks),
        sum(marks),
    )


def tally_sentence(rows: Sequence[Row], holm: Mapping[Identity, bool]) -> str:
    """The counts in one line."""
    counted = tally(rows, holm)
    words = ", ".join(f"{count} {verdict}" for verdict, count in counted.verdicts.items() if count)
    text = f"{counted.cells} cells: {words}"
    return text + (f"; {counted.survive} of {counted.tested} decided survive Holm" if counted.tested else "")


def tallies(rows: Sequence[Row], holm: Mapping[Identity, bool]) -> list[tuple[str, Tally]]:
    """One tally a model, then pairs and arithmetic where there are any."""
    single = [row for row in rows if not (row.is_pair or row.is_arithmetic)]
    parts = [(model, [row for row in single if row.model == model]) for model in models_of(rows)]
    parts.append((PAIRS, [row for row in rows if row.is_pair]))
    parts.append((ARITHMETIC, [row for row in rows if row.is_arithmetic]))
    return [(name, tally(found, holm)) for name, found in parts if found]


def last_estimate(row: Row) -> Estimate | None:
    """The estimate that decided the row, None when there is none."""
    return estimate_of(row.estimates[-1]) if row.estimates else None


def sample_words(entry: Mapping[str, Any], estimate: Estimate) -> str:
    """How many of what an estimate is from: "60 questions, one direction" where it was extracted once."""
    return f"{estimate.size}{', one direction' if entry.get('scope') else ''}"


def short(estimate: Estimate) -> str:
    """Value and interval."""
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def estimate_words(row: Row) -> str:
    """The deciding estimate in short, or why there is none."""
    estimate = last_estimate(row)
    if estimate is not None:
        return short(estimate)
    return NO_VALUE if row.verdict == Verdict.INCONCLUSIVE else "no estimate"


def why_open(row: Row) -> str:
    """Why an INCONCLUSIVE row could not be decided: a value that has too wide an interval, or why there is none."""
    if not row.estimates:
        return NO_VALUE
    entry = row.estimates[-1]
    if (estimate := estimate_of(entry)) is not None:
        words, more = stated(entry["name"], estimate), would_decide(rule_of(entry), estimate)
        return f"{words}, too wide to tell whether it is {rule_words(entry, named=False)}; {more}"
    story = entry["story"].splitlines()
    return story[1].strip() if len(story) > 1 else NO_VALUE


def rule_words(entry: Mapping[str, Any], *, named: bool = True) -> str:
    """What one entry of `Row.estimates` had to satisfy: "gain at least -5 trait points"."""
    estimate = estimate_of(entry)
    words = rule_of(entry).sentence(estimate.unit if estimate else "")
    return f"{entry['name']} {words}" if named else words


def massive_dims(rows: Sequence[Row]) -> list[str]:
    """One line a model: severity and massive dims, after the published rule and after Sun et al. (COLM 2024)."""
    measured = {row.model: row.massive for row in rows if row.massive}
    return [
        f"{plain(model)}: severity {facts['severity']:,.0f}x; massive dims {_listed(facts['consensus'])} (top five of "
        f"three blocks or more); {_listed(facts['sun'])} after Sun et al.{_found_again(facts)}"
        for model, facts in measured.items()
    ]


def _found_again(facts: Mapping[str, Any]) -> str:
    """How many of the dims that were published for a model are among the measured ones; nothing where none were."""
    published = facts.get("published", ())
    found = [dim for dim in published if dim in facts["consensus"]]
    return f"; {len(found)} of the {len(published)} published" if published else ""


def judges(tables: Sequence[Table]) -> list[str]:
    """One line for each judge and trait: how good it is on gold responses, and whether it may decide."""
    told = []
    for table in tables:
        if table.key == JUDGE_TABLE:
            place = {column: index for index, column in enumerate(table.columns)}
            figures = [
                f"{row[0]} {name} {row[place[name]] or 'cannot be told'}"
                for row in table.rows
                for name in (("agreement",) if row[0] == "relevance" else ("AUROC", "slope"))
            ]
            failing = [f"{row[0]}: {row[place['gate']]}" for row in table.rows if row[place["gate"]] != "passed"]
            gate = f"NOT TRUSTED ({'; '.join(failing)})" if failing else "trusted"
            told.append(plain(f"{table.title}, {table.trait}: {', '.join(figures)}: {gate}"))
    return list(dict.fromkeys(told))


def _listed(dims: Sequence[int]) -> str:
    return " ".join(map(str, dims)) or "none"


def words_of_test(test: str) -> str:
    """A test's name as words: "test_mean_diff" as "mean diff"."""
    return plain(test.removeprefix("test_").replace("_", " "))


def plain(text: object) -> str:
    """Text on one line without control characters, so that no data can move a cursor or turn text around."""
    shown = "".join(" " if one.isspace() else "\ufffd" if controls(one) else one for one in str(text))
    return " ".join(shown.split())


def plain_lines(text: str) -> list[str]:
    """Text as lines, each made `plain`, without blank ones at the ends."""
    return [plain(one) for one in text.strip().splitlines()]


def plain_indented(text: str) -> str:
    """`plain`, with the spaces that a line opens with."""
    return " " * (len(text) - len(text.lstrip(" "))) + plain(text)
