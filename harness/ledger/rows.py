"""The ledger: JSON lines that say what a run came to, complete enough that every report is made from them alone.

The first line is the header (`kind` "run"), then come the rows (`kind` "row", see `Row`: one for each test of a claim
and cell), then the sources' tables (`kind` "table", see `Table`). Every line is one JSON object with sorted keys, in
ASCII, without NaN. The header holds `schema` (this version, an integer), `dtype`, `device`, `libraries` (version by
name), `key_version` (of the store's keys), and any settings of the run under names of their own, such as `questions`
or `seed`. The schema's number changes with every change that an older reader would get wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from harness.atomic import write_atomically
from harness.ledger.verdict import Rule, Verdict
from harness.stats.resampling import Estimate

SCHEMA = 3
PUBLISHED_MODEL = "published"  # the "model" of a row that is arithmetic about published numbers

PREDICTED, REGRESSION = "predicted", "regression"  # the bases of a verdict known beforehand

Value = str | float | None


JUDGE_TABLE = "judge"  # key of the tables that say how good a judge is on gold responses


class LedgerError(ValueError):
    """A ledger file cannot be read; the message names file and line."""


class Identity(NamedTuple):
    """What tells a row from every other row of a ledger."""

    claim: str
    test: str
    model: str
    trait: str


@dataclass(frozen=True)
class Row:
    """What one test of a claim came to on one cell (model x trait).

    - `claim` is its id, `sentence` its short statement, `statement` the claim file's docstring, `family` its family;
      `file` is the claim file relative to the root, `test` the test's name, `command` runs this one row again.
    - `model` and `trait` name the cell. A claim that compares two models has a pair, "severe+mild"; arithmetic about
      published numbers has the model "published" and the trait "-".
    - `verdict` is SUPPORTED, REFUTED, INCONCLUSIVE or BROKEN; `error` says what broke. `expected` is the verdict known
      beforehand and `because` its reason; null and empty where nothing was known. `basis` says how it was known:
      "predicted" (from a construction or a publication, written before the run; agreement is evidence about the
      instrument) or "regression" (seen before; agreement says only that nothing changed); empty where nothing was.
    - `estimates`: one entry for each `expect` that was reached, with `name`, `estimate` (value, low, high, n, unit,
      level, sample; null when there is no value), `rule` (kind, bounds), `verdict`, `story`, and, where it was
      computed, `p` ({"support", "refute"}: the smallest alpha at which the interval would satisfy or violate the
      rule). `detectable` is the smallest effect the design could have told from zero, in the unit of the estimate.
      Where the rule was changed after a ledger was seen, `first_rule` is the first one and `first_verdict` what it
      would come to. `scope` says what the verdict is about where that is less than it seems. `beside`, where it is
      there, lists quantities that were shown and decided nothing: `name`, `estimate`, and `why` there is none.
    - `published`: what was published and how this row compares: `word` ("replicated", "contradicted", "not
      comparable", "new") and `why`, and, where there are any, `sentence` (or `quantity`), `value` (or `published`)
      with `low` and `high`, `unit`, `edition`, `published_as`, `model`, `trait`, `source`.
    - `massive`: the model's `severity` (times the median) and its massive dims after both definitions (`consensus`,
      `sun`), where they were measured, and the `published` ones, where there are any.
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
    published: list[Mapping[str, Any]] = field(default_factory=list)
    command: str = ""
    error: str = ""
    massive: Mapping[str, Any] = field(default_factory=dict)
    statement: str = ""
    file: str = ""
    basis: str = ""

    @property
    def identity(self) -> Identity:
        """What tells this row from every other."""
        return Identity(self.claim, self.test, self.model, self.trait)

    @property
    def is_pair(self) -> bool:
        """Whether the row compares two models."""
        return "+" in self.model

    @property
    def is_arithmetic(self) -> bool:
        """Whether the row is about published numbers alone."""
        return self.model == PUBLISHED_MODEL

    @property
    def decided(self) -> bool:
        """Whether the verdict is SUPPORTED or REFUTED."""
        return self.verdict in (Verdict.SUPPORTED, Verdict.REFUTED)

    @property
    def surprise(self) -> bool:
        """Whether a decided verdict contradicts what was known beforehand."""
        return self.decided and self.expected is not None and self.verdict != self.expected

    @property
    def blind(self) -> bool:
        """Whether a verdict was known beforehand and the run could not tell it: a control that was not seen."""
        return self.expected is not None and self.verdict == Verdict.INCONCLUSIVE

    def to_json(self) -> dict[str, Any]:
        """Builtin types only."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        """The row that `to_json` wrote; fields that this version does not know are left out."""
        return cls(**_known(cls, row))


@dataclass(frozen=True)
class Table:
    """A source's own table, with this project's numbers in it.

    `key` sorts the tables and tells them apart, together with `model` and `trait`; `title` is its heading and `source`
    says where it stands. `rows` has one list for each row, as long as `columns`: text, numbers, or null for "not
    measured"; the first column is the row's label. `published` is null or has the `columns` and `rows` of one
    `edition` of the source: reports put a row beside the one with the same label (the k-th beside the k-th, where a
    label comes again) and a column beside the one of the same name. `note` says in words what a reader must know to
    compare them. Raises ValueError for a row that does not fit its columns.
    """

    key: str
    title: str
    source: str
    model: str
    trait: str
    columns: list[str]
    rows: list[list[Value]]
    published: Mapping[str, Any] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        parts = [("measured", self.columns, self.rows)]
        if self.published is not None:
            parts.append(("published", self.published["columns"], self.published["rows"]))
        for name, columns, rows in parts:
            uneven = next((row for row in rows if len(row) != len(columns)), None)
            if not columns or uneven is not None:
                raise ValueError(
                    f"Table {self.key!r}, {name}: row {uneven} does not fit the columns {list(columns)}: "
                    "give one value a column, None where there is none."
                )

    def to_json(self) -> dict[str, Any]:
        """Builtin types only."""
        return asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Table:
        """The table that `to_json` wrote; fields that this version does not know are left out."""
        return cls(**_known(cls, table))


class Ledger(NamedTuple):
    """A ledger that was read: header, rows and tables."""

    head: dict[str, Any]
    rows: list[Row]
    tables: list[Table]


def _known(cls: type[Any], value: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(cls)}
    return {key: item for key, item in value.items() if key in names}


def line(value: Mapping[str, Any]) -> str:
    """One line of the ledger file. Raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def header(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The first line: the schema's version and what surrounded the run."""
    return {**environment, "kind": "run", "schema": SCHEMA}


def estimate_json(estimate: Estimate | None) -> dict[str, Any] | None:
    """An estimate as a row keeps it: its fields, and `detectable`."""
    return None if estimate is None else {**estimate.to_json(), "detectable": estimate.detectable}


def estimate_of(entry: Mapping[str, Any]) -> Estimate | None:
    """The estimate of one entry of `Row.estimates`; None when there is no value."""
    found = entry["estimate"]
    return None if found is None else Estimate.from_json({k: v for k, v in found.items() if k != "detectable"})


def rule_of(entry: Mapping[str, Any]) -> Rule:
    """The rule of one entry of `Row.estimates`."""
    return Rule.from_json(entry["rule"])


def write_ledger(path: Path, environment: Mapping[str, Any], rows: Sequence[Row], tables: Sequence[Table] = ()) -> None:
    """Write the whole ledger atomically: header, rows in the order given, tables by key, model and trait."""
    lines = [
        line(header(environment)),
        *(line({**row.to_json(), "kind": "row"}) for row in rows),
        *(line({**table.to_json(), "kind": "table"}) for table in tables_in_order(tables)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines).encode())


def read_ledger(path: Path) -> Ledger:
    """The header, the rows and the tables.

    Raises LedgerError for a file that cannot be read, for a schema other than this version's, and for a line that is
    no line of a ledger, naming it.
    """
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise LedgerError(f"{path}: cannot be read as a ledger ({reason}); `pytest claims/` writes one.") from error
    ledger = Ledger({}, [], [])
    for count, text in enumerate(texts, start=1):
        try:
            value = json.loads(text)
            _take_in(ledger, path, value, first=count == 1)
        except LedgerError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"{path}:{count}: not a line of a ledger; it may be cut off.") from error
    if not ledger.head:
        raise LedgerError(f"{path}: empty, so not a ledger; `pytest claims/` writes one.")
    return ledger


def _take_in(ledger: Ledger, path: Path, value: dict[str, Any], *, first: bool) -> None:
    kind = value["kind"]
    if (kind == "run") is not first:
        raise ValueError("the header is the first line and no other")
    if kind == "run":
        if value["schema"] != SCHEMA:
            raise LedgerError(
                f"{path}: schema {value['schema']!r}; this version reads schema {SCHEMA}: "
                "run `pytest claims/` again to write the ledger anew."
            )
        ledger.head.update(value)
    elif kind == "row":
        ledger.rows.append(Row.from_json(value))
    elif kind == "table":
        ledger.tables.append(Table.from_json(value))
    else:
        raise ValueError(f"unknown kind {kind!r}")


def in_order(rows: Sequence[Row], models: Sequence[str], traits: Sequence[str]) -> list[Row]:
    """Rows by claim (S5 before S10), test, then model and trait in the registry's order; pairs and published last."""

    def rank(names: Sequence[str], name: str) -> int:
        return names.index(name) if name in names else len(names)

    def place(row: Row) -> tuple[Any, ...]:
        kind = (row.is_arithmetic, row.is_pair)
        cell = (rank(models, row.model), row.model, rank(traits, row.trait), row.trait)
        return (*natural(row.claim), row.test, *kind, *cell)

    return sorted(rows, key=place)


def natural(name: str) -> tuple[str, int, str]:
    """A key that sorts ids by letters, then by number: S5 before S10."""
    letters, digits, rest = re.fullmatch(r"(\D*)(\d{0,9})(.*)", name, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    return letters, int(digits or -1), rest


def tables_in_order(tables: Sequence[Table]) -> list[Table]:
    """Tables by their key (9 before 10), then model and trait: the order in the file and in every report."""
    return sorted(tables, key=_place)


def _place(table: Table) -> tuple[Any, ...]:
    return (*natural(table.key), table.model, table.trait)
