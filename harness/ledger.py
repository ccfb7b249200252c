"""The ledger: one row for each claim and cell, kept as JSON lines, from which every report is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from harness.resampling import Estimate
from harness.store import write_atomically
from harness.verdict import Verdict, number

SCHEMA = 1
COLOURS = {"SUPPORTED": "green", "REFUTED": "red", "INCONCLUSIVE": "yellow", "BROKEN": "bold red"}


class LedgerError(ValueError):
    """A ledger file cannot be read; the message names file and line."""


@dataclass(frozen=True)
class Row:
    """What one test of a claim came to on one cell (model x trait).

    `estimates` holds one entry for each `expect` reached: name, estimate (None when there was no valid run),
    rule, verdict, story. `expected` is the verdict known beforehand, None where nothing was known. `massive` has the
    model's severity and massive dims after both definitions, where they were measured.
    """

    claim: str
    sentence: str
    family: str
    test: str
    model: str
    trait: str
    verdict: str
    expected: str | None = None
    because: str = ""
    estimates: list[Mapping[str, Any]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    command: str = ""
    error: str = ""
    massive: Mapping[str, Any] = field(default_factory=dict)

    @property
    def surprise(self) -> bool:
        """Whether a decided verdict contradicts what was known beforehand."""
        decided = self.verdict in (Verdict.SUPPORTED, Verdict.REFUTED)
        return decided and self.expected is not None and self.verdict != self.expected

    def to_json(self) -> dict[str, Any]:
        """Builtin types only."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        """The row that `to_json` wrote; fields that this version does not know are left out."""
        names = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in row.items() if key in names})


def line(value: Mapping[str, Any]) -> str:
    """One line of the ledger file."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def header(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The first line: the schema's version and what surrounded the run."""
    return {"kind": "run", "schema": SCHEMA, **environment}


def write_ledger(path: Path, environment: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write the whole ledger atomically, in a fixed order of rows."""
    lines = [line(header(environment)), *(line({"kind": "row", **row.to_json()}) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines).encode())


def read_ledger(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The header and the rows. Raises LedgerError naming the line that is not a ledger line."""
    head: dict[str, Any] = {}
    rows: list[Row] = []
    for count, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            value = json.loads(text)
            if value["kind"] == "run":
                head = value
            else:
                rows.append(Row.from_json(value))
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"{path}:{count}: not a line of a ledger; it may be cut off.") from error
    if head.get("schema") != SCHEMA:
        raise LedgerError(f"{path}: schema {head.get('schema')!r}; this version reads schema {SCHEMA}.")
    return head, rows


def in_order(rows: Sequence[Row], models: Sequence[str], traits: Sequence[str]) -> list[Row]:
    """Rows by claim, then test, then model and trait in the registry's order; unknown names come last."""

    def rank(names: Sequence[str], name: str) -> int:
        return names.index(name) if name in names else len(names)

    return sorted(
        rows,
        key=lambda row: (
            row.claim,
            row.test,
            rank(models, row.model),
            row.model,
            rank(traits, row.trait),
            row.trait,
        ),
    )


def short(estimate: Estimate) -> str:
    """An estimate in a table's cell: value and interval."""
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"


def table(rows: Sequence[Row]) -> Table:
    """Claims and traits down, models across; each cell has the verdict, the estimate and n.

    The unit stands once under the claim. A star marks a verdict that was known beforehand, an exclamation mark one
    that contradicts what was known.
    """
    models = list(dict.fromkeys(row.model for row in rows))
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("claim", *models):
        shown.add_column(title, overflow="fold")
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row.claim, row.test, row.trait), {})[row.model] = row
    previous = ""
    for (claim, _, trait), cells in groups.items():
        any_row = next(iter(cells.values()))
        if claim != previous:
            shown.add_row(Text(f"{claim}", style="bold"))
            previous = claim
        shown.add_row(_label(trait, any_row), *(_cell(cells.get(model)) for model in models))
    return shown


def _label(trait: str, row: Row) -> Text:
    unit = next((one["estimate"]["unit"] for one in row.estimates if one["estimate"]), "")
    what = row.estimates[-1]["name"] if row.estimates else row.test
    return Text.assemble((trait, ""), "\n", (f"{what}{f' ({unit})' if unit else ''}", "dim"))


def _cell(row: Row | None) -> Text:
    if row is None:
        return Text("-", style="dim")
    mark = "!" if row.surprise else ("*" if row.expected == row.verdict else "")
    words = Text(f"{row.verdict}{mark}", style=COLOURS.get(row.verdict, ""))
    last = row.estimates[-1]["estimate"] if row.estimates else None
    if last is not None:
        estimate = Estimate.from_json(last)
        words.append(f"\n{short(estimate)}\nn={estimate.n} {estimate.sample}", style="default")
    else:
        words.append("\nno valid run" if row.verdict == Verdict.INCONCLUSIVE else "\nno estimate", style="default")
    return words


def massive_dims(rows: Sequence[Row]) -> list[str]:
    """One line a model: severity and massive dims, after the published rule and after Sun et al. (COLM 2024)."""
    measured = {row.model: row.massive for row in rows if row.massive}
    return [
        f"{model}: severity {facts['severity']:,.0f}x; massive dims {_listed(facts['consensus'])} (top five of three "
        f"blocks or more); {_listed(facts['sun'])} after Sun et al."
        for model, facts in measured.items()
    ]


def _listed(dims: Sequence[int]) -> str:
    return " ".join(map(str, dims)) or "none"


def tally(rows: Sequence[Row]) -> str:
    """One line that counts the verdicts and the surprises."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in COLOURS}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    surprises = sum(row.surprise for row in rows)
    known = sum(row.expected is not None for row in rows)
    return f"{len(rows)} cells: {words}; {known} known beforehand, {surprises} of them contradicted"
