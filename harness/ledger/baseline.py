"""Compares a ledger with one kept earlier: what flipped, what only lost power, what moved, what came and what went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.ledger.rows import Identity, Ledger, LedgerError, Row, estimate_of, natural, read_ledger, rule_of
from harness.ledger.verdict import Rule, Verdict, number
from harness.stats.resampling import Estimate


class ChangeKind(StrEnum):
    """How a ledger differs from its baseline."""

    ENVIRONMENT = "environment changed"  # told first, as it may be why anything else did
    FLIPPED = "verdict flipped"
    BROKEN = "broken"
    RULE = "rule changed"
    GONE = "claim gone"
    POWER = "power lost"
    MOVED = "interval moved"
    ADDED = "claim added"

    @property
    def fails(self) -> bool:
        """Whether such a change fails a run; the others are only listed."""
        return self in (ChangeKind.FLIPPED, ChangeKind.BROKEN, ChangeKind.RULE, ChangeKind.GONE)


@dataclass(frozen=True)
class Change:
    """One difference; `claim`, `test`, `model` and `trait` are empty where the environment changed."""

    kind: ChangeKind
    claim: str
    test: str
    model: str
    trait: str
    sentence: str


@dataclass(frozen=True)
class Judgement:
    """What a baseline makes of one row: its `word`, whether it `passes` or `fails` (or neither), and the `message`."""

    word: str
    passes: bool
    fails: bool
    message: str = ""


class BaselineRefused(ValueError):
    """A ledger cannot become a baseline; the message says why and what to do."""


def none(_: Row) -> bool:
    """No row."""
    return False


def _every(_: Row) -> bool:
    return True


def read_baseline(path: Path) -> Ledger:
    """The ledger kept as a baseline. Raises LedgerError if it cannot be read or holds a BROKEN row."""
    ledger = read_ledger(path)
    if broken := [row for row in ledger.rows if row.verdict == Verdict.BROKEN]:
        raise LedgerError(
            f"{path}: {place(broken[0])} is BROKEN, so this is no baseline; write one with --write-baseline={path}."
        )
    return ledger


def by_identity(rows: Iterable[Row]) -> dict[Identity, Row]:
    """Rows by what tells them apart."""
    return {row.identity: row for row in rows}


def judge(baseline: Mapping[Identity, Row], row: Row) -> Judgement:
    """Whether a row came to the baseline's verdict by the baseline's rule.

    A row that the baseline does not have never fails; refuted, it does not pass either. An INCONCLUSIVE row neither
    passes nor fails where it was INCONCLUSIVE before. BROKEN fails always.
    """
    if row.verdict == Verdict.BROKEN:
        return Judgement("BROKEN", passes=False, fails=True, message=row.error)
    before = baseline.get(row.identity)
    if before is None:
        return Judgement(f"{row.verdict}, not in the baseline", row.verdict == Verdict.SUPPORTED, fails=False)
    if before.verdict == row.verdict and (changed := rule_changes(before, row)):
        told = f"{row.claim} has another rule on model={row.model} trait={row.trait}: {'; '.join(changed)}"
        word = f"{row.verdict} by another rule than in the baseline"
        return Judgement(word, passes=False, fails=True, message=f"{told}\n  again: {row.command}")
    if before.verdict == row.verdict:
        return Judgement(f"{row.verdict} as in the baseline", row.decided, fails=False)
    if lost_power(before, row):
        return Judgement(f"{row.verdict}, power lost: {before.verdict} in the baseline", passes=False, fails=False)
    word = f"{row.verdict}, {before.verdict} in the baseline"
    return Judgement(word, passes=False, fails=True, message=flip_story(before, row))


def lost_power(before: Row, row: Row) -> bool:
    """Whether a row can no longer be told because its interval is wider, around an estimate that has not moved.

    That is, it was decided, and the interval now holds the old value and is wider than the old one.
    """
    if not before.decided or row.verdict != Verdict.INCONCLUSIVE or rule_changes(before, row):
        return False
    old, new = _entry(before), _entry(row)
    one, other = (estimate_of(entry) if entry else None for entry in (old, new))
    if one is None or other is None or old is None or new is None or old["name"] != new["name"]:
        return False
    return other.high - other.low > one.high - one.low and other.low <= one.value <= other.high


def flip_story(before: Row, row: Row) -> str:
    """What a flipped verdict was and is, by which rule, and the command that runs it again."""
    old, new = (_entry(one) for one in (before, row))
    lines = [
        f"{row.claim} {_how(before, row)} on model={row.model} trait={row.trait}: {row.sentence}",
        f"  baseline: {before.verdict}, {_found(old)}",
        f"  now: {row.verdict}, {_found(new)}",
        f"  rule: {_ruled(new)}" + (f"; in the baseline it was: {_ruled(old)}" if _ruled(old) != _ruled(new) else ""),
        f"  again: {row.command}",
    ]
    return "\n".join(lines)


def _how(before: Row, row: Row) -> str:
    if not row.decided:
        return f"can no longer be told ({before.verdict} -> {row.verdict})"
    if not before.decided:
        return f"can now be told ({before.verdict} -> {row.verdict})"
    return f"flipped ({before.verdict} -> {row.verdict})"


def compare(baseline: Ledger, present: Ledger, expected: Callable[[Row], bool] = _every) -> list[Change]:
    """Every difference between two ledgers, what fails first, each kind in the order of claims.

    Two estimates of one name have moved if their intervals do not overlap and read differently. A row of the baseline
    that is missing is gone if `expected` says that the present run would have had it; all are by default.
    """
    old, new = by_identity(baseline.rows), by_identity(present.rows)
    changes = [Change(ChangeKind.ENVIRONMENT, "", "", "", "", sentence) for sentence in differing(baseline, present)]
    for identity, row in new.items():
        before = old.get(identity)
        if row.verdict == Verdict.BROKEN:
            changes.append(_change(ChangeKind.BROKEN, row, f"no verdict: {row.error}"))
        elif before is None:
            changes.append(_change(ChangeKind.ADDED, row, f"{row.verdict}, {_found(_entry(row))}"))
        else:
            changes += _changes_of_row(before, row)
    changes += [
        _change(ChangeKind.GONE, row, f"{row.verdict} in the baseline, not collected now")
        for identity, row in old.items()
        if identity not in new and expected(row)
    ]
    kinds = list(ChangeKind)
    return sorted(changes, key=lambda one: (kinds.index(one.kind), natural(one.claim)))


def _changes_of_row(before: Row, row: Row) -> Iterator[Change]:
    """What differs between two rows of one cell; a verdict may flip because its rule was changed."""
    for sentence in rule_changes(before, row):
        yield _change(ChangeKind.RULE, row, sentence)
    if before.verdict != row.verdict:
        was, now = _found(_entry(before)), _found(_entry(row))
        sentence = f"{_how(before, row)}: {was}, now {now}; rule: {_ruled(_entry(row))}; again: {row.command}"
        yield _change(ChangeKind.POWER if lost_power(before, row) else ChangeKind.FLIPPED, row, sentence)
    else:
        for sentence in _moves(before, row):
            yield _change(ChangeKind.MOVED, row, sentence)


def rule_changes(before: Row, row: Row) -> list[str]:
    """A sentence for each expectation of a row that names another quantity, unit or rule than in the baseline.

    Only what both rows reached can be compared, and units only where both have an estimate. A supported row reached
    all there is, so there another number of expectations is a change, too.
    """
    if before.verdict == row.verdict == Verdict.SUPPORTED and len(before.estimates) != len(row.estimates):
        return [f"{len(before.estimates)} expectations in the baseline, {len(row.estimates)} now"]
    told = []
    for old, new in zip(before.estimates, row.estimates, strict=False):
        one, other = estimate_of(old), estimate_of(new)
        units = (one.unit, other.unit) if one and other else ("", "")
        if (old["name"], rule_of(old), units[0]) != (new["name"], rule_of(new), units[1]):
            told.append(f"{_ruled(old)} in the baseline, {_ruled(new)} now")
    return told


ASKED = ("questions", "extractions", "refit_resamples")  # of a cell; a header has them by cell if they differ
PROVENANCE = {"version", "commit", "edition"}  # of the project: what a run is of, rather than what surrounds it


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "", without: Set[str] = frozenset()
) -> list[str]:
    """What two headers disagree on, one sentence a setting; schema, kind of line and date are no settings, and the
    family of Holm's correction follows from the claims."""
    told: list[str] = []
    for name in sorted({*before, *now} - {"kind", "schema", "date", "family"} - without):
        one, other = before.get(name), now.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            told += differences(one, other, f"{prefix}{name} ")
        elif one != other:
            told.append(f"{prefix}{name}: {_setting(one)} in the baseline, {_setting(other)} now")
    return told


def asked_of(head: Mapping[str, Any], rows: Iterable[Row], name: str) -> dict[str, Any]:
    """What a header says that was asked of every cell of some rows; nothing of a cell that it does not know."""
    cells = {f"{model}, {row.trait}" for row in rows if not row.is_arithmetic for model in row.model.split("+")}
    value = head.get(name)
    by_cell = value if isinstance(value, Mapping) else dict.fromkeys(cells, value)
    return {cell: by_cell[cell] for cell in sorted(cells) if by_cell.get(cell) is not None}


def in_short(by_cell: Mapping[str, Any]) -> Any:
    """The one value that all cells share, else all of them by cell."""
    values = set(by_cell.values())
    return values.pop() if len(values) == 1 else dict(by_cell)


def differing(before: Ledger, now: Ledger, without: Set[str] = frozenset()) -> list[str]:
    """What the headers of two ledgers disagree on; of what is asked of a cell, on the cells that both have."""
    both = (before, now)
    no_cells = any(all(row.is_arithmetic for row in ledger.rows) for ledger in both)
    by_cell = {name for name in ASKED if no_cells or any(isinstance(one.head.get(name), Mapping) for one in both)}
    told = differences(before.head, now.head, without=without | by_cell)
    for name in sorted(by_cell):
        one, other = (asked_of(ledger.head, ledger.rows, name) for ledger in both)
        changed = {(one[cell], other[cell]) for cell in one.keys() & other.keys() if one[cell] != other[cell]}
        told += [f"{name}: {old} in the baseline, {new} now" for old, new in sorted(changed)]
    return told


def accepted(
    present: Ledger, baseline: Ledger | None = None, kept: Callable[[Row], bool] = none
) -> tuple[dict[str, Any], list[Row], list[Any]]:
    """The ledger as a baseline: the present one, and those rows of an earlier one that are to be `kept`.

    Raises BaselineRefused if a row is BROKEN, if there is none, or if rows of another environment would be kept.
    """
    if not present.rows:
        raise BaselineRefused("no baseline was written: no claim was tested.")
    if broken := [row for row in present.rows if row.verdict == Verdict.BROKEN]:
        raise BaselineRefused(
            f"no baseline was written: {len(broken)} of {len(present.rows)} rows are BROKEN "
            f"(the first is {place(broken[0])}: {broken[0].command}); mend them first."
        )
    new = by_identity(present.rows)
    old_rows = [row for row in (baseline.rows if baseline else []) if row.identity not in new and kept(row)]
    if not baseline or not old_rows:
        return present.head, present.rows, present.tables
    if told := differing(baseline, present, without=PROVENANCE):
        raise BaselineRefused(
            f"no baseline was written: {len(old_rows)} rows that did not run would be kept from another environment "
            f"({'; '.join(told)}); run all claims, or write to a file of its own."
        )
    tables = {(one.key, one.model, one.trait): one for one in (*baseline.tables, *present.tables)}
    both = {
        name: {**asked_of(baseline.head, old_rows, name), **asked_of(present.head, present.rows, name)}
        for name in ASKED
    }
    head = {**present.head, **{name: in_short(by_cell) for name, by_cell in both.items() if by_cell}}
    return head, [*present.rows, *old_rows], list(tables.values())


def described(changes: Sequence[Change]) -> list[str]:
    """The changes as lines of text: a line with the count of each kind, then one indented line a change."""
    if not changes:
        return ["no change: every verdict is the baseline's"]
    lines = []
    for kind in ChangeKind:
        found = [one for one in changes if one.kind is kind]
        if found:
            lines.append(f"{kind.value} ({len(found)})")
            lines += [f"  {where(one)}{one.sentence}" for one in found]
    return lines


def where(change: Change) -> str:
    """The place of a change, ready to stand before its sentence."""
    return f"{change.claim} {change.test} [{change.model}, {change.trait}]: " if change.claim else ""


def place(row: Row) -> str:
    """A row's place in words."""
    return f"{row.claim} {row.test} [{row.model}, {row.trait}]"


def _change(kind: ChangeKind, row: Row, sentence: str) -> Change:
    return Change(kind, *row.identity, sentence)


def _moves(before: Row, row: Row) -> list[str]:
    old = {entry["name"]: estimate_of(entry) for entry in before.estimates}
    told = []
    for entry in row.estimates:
        one, other = old.get(entry["name"]), estimate_of(entry)
        if one is None or other is None or one.unit != other.unit:
            continue
        apart = one.high < other.low or other.high < one.low
        if apart and _words(one) != _words(other):  # floating-point order moves an interval of no width
            told.append(f"{entry['name']}: {_words(one)} in the baseline, {_words(other)} now; still {row.verdict}")
    return told


def _entry(row: Row) -> Mapping[str, Any] | None:
    return row.estimates[-1] if row.estimates else None


def _found(entry: Mapping[str, Any] | None) -> str:
    estimate = estimate_of(entry) if entry else None
    if entry is None or estimate is None:
        return "no value"
    return f"{entry['name']}={_words(estimate)}, n={estimate.size}"


def _words(estimate: Estimate) -> str:
    return f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}] {estimate.unit}"


def _ruled(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "none was reached"
    rule: Rule = rule_of(entry)
    estimate = estimate_of(entry)
    return f"{entry['name']} {rule.sentence(estimate.unit if estimate else '')}"


def _setting(value: object) -> str:
    return "nothing" if value is None else str(value)
