"""A ledger is held against an earlier one: flips and gaps fail, moves, additions and other surroundings are listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.ledger.baseline import (
    BaselineRefused,
    Change,
    ChangeKind,
    accepted,
    by_identity,
    compare,
    described,
    differing,
    judge,
    read_baseline,
)
from harness.ledger.rows import Ledger, LedgerError, Row, write_ledger
from harness.ledger.verdict import at_least, at_most
from harness.tests.ledger.made_up_ledger import made_up_ledger, made_up_row

HEAD = {"kind": "run", "schema": 3, "dtype": "float32", "libraries": {"torch": "2.13.0"}, "seed": 0}


def ledger(*rows: Row, **settings: object) -> Ledger:
    return Ledger({**HEAD, **settings}, list(rows), [])


def every(_: Row) -> bool:
    return True


def changes(before: Ledger, now: Ledger) -> list[Change]:
    return compare(before, now)


def refuted(**fields: object) -> Row:
    return made_up_row(verdict="REFUTED", value=-20.0, **fields)  # type: ignore[arg-type]


def unclear(**fields: object) -> Row:
    return made_up_row(verdict="INCONCLUSIVE", value=-5.0, **fields)  # type: ignore[arg-type]


def test_a_ledger_does_not_differ_from_itself() -> None:
    whole = made_up_ledger(claims=6)
    whole = Ledger(whole.head, [row for row in whole.rows if row.verdict != "BROKEN"], whole.tables)
    assert compare(whole, whole) == []
    assert described([]) == ["no change: every verdict is the baseline's"]


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (made_up_row(), refuted(), "flipped (SUPPORTED -> REFUTED)"),
        (refuted(), made_up_row(), "flipped (REFUTED -> SUPPORTED)"),
        (made_up_row(), unclear(), "can no longer be told (SUPPORTED -> INCONCLUSIVE)"),
        (unclear(), refuted(), "can now be told (INCONCLUSIVE -> REFUTED)"),
    ],
)
def test_another_verdict_is_a_flip_and_tells_both_sides(before: Row, now: Row, words: str) -> None:
    (change,) = changes(ledger(before), ledger(now))
    assert change.kind is ChangeKind.FLIPPED
    assert change.kind.fails
    assert (change.claim, change.test, change.model, change.trait) == ("S5", "test_it", "severe", "refusal")
    assert change.sentence.startswith(words)
    judged = judge(by_identity([before]), now)
    assert (judged.fails, judged.passes) == (True, False)
    story = judged.message.splitlines()
    assert words in story[0]
    assert story[1].startswith(f"  baseline: {before.verdict}, gain=")
    assert story[2].startswith(f"  now: {now.verdict}, gain=")
    assert story[3] == "  rule: gain at least -5 trait points"
    assert story[4] == f"  again: {now.command}"


def test_a_flip_by_another_rule_tells_both_rules() -> None:
    story = judge(by_identity([made_up_row()]), refuted(rule=at_least(10.0))).message
    assert "rule: gain at least 10 trait points; in the baseline it was: gain at least -5 trait points" in story


@pytest.mark.parametrize(
    ("changed", "now"),
    [
        ({"rule": at_least(-90.0).to_json()}, "gain at least -90 trait points now"),
        ({"rule": at_most(90.0).to_json()}, "gain at most 90 trait points now"),
        ({"name": "gain of another"}, "gain of another at least -5 trait points now"),
        ({"unit": "ratio"}, "gain at least -5 ratio now"),
    ],
)
def test_the_same_verdict_by_another_rule_quantity_or_unit_fails(changed: dict[str, object], now: str) -> None:
    before = made_up_row()
    (entry,) = before.estimates
    changed = {"estimate": {**entry["estimate"], **changed}} if "unit" in changed else changed
    row = replace(before, estimates=[{**entry, **changed}])
    (change,) = compare(ledger(before), ledger(row))
    assert (change.kind, change.kind.fails) == (ChangeKind.RULE, True)
    assert change.sentence == f"gain at least -5 trait points in the baseline, {now}"
    judged = judge(by_identity([before]), row)
    assert (judged.passes, judged.fails) == (False, True)
    assert now in judged.message
    _, rows, _ = accepted(ledger(row), ledger(before))
    assert compare(Ledger(HEAD, rows, []), ledger(row)) == []


def test_an_expectation_more_is_another_rule_and_a_flip_by_another_rule_is_both() -> None:
    one = made_up_row()
    two = replace(one, estimates=[*one.estimates, *one.estimates])
    assert [change.kind for change in compare(ledger(one), ledger(two))] == [ChangeKind.RULE]
    flipped = refuted(rule=at_least(-9.0))
    assert [change.kind for change in compare(ledger(one), ledger(flipped))] == [ChangeKind.FLIPPED, ChangeKind.RULE]
    stopped_at_the_second = replace(refuted(), estimates=[*one.estimates, *refuted().estimates])
    assert compare(ledger(refuted()), ledger(replace(refuted(), estimates=stopped_at_the_second.estimates[1:]))) == []


def test_the_same_verdict_with_an_interval_elsewhere_has_moved_and_passes() -> None:
    (change,) = changes(ledger(made_up_row(value=3.0)), ledger(made_up_row(value=30.0)))
    assert (change.kind, change.kind.fails) == (ChangeKind.MOVED, False)
    assert change.sentence == (
        "gain: 3 [-1, 7] trait points in the baseline, 30 [26, 34] trait points now; still SUPPORTED"
    )
    assert changes(ledger(made_up_row(value=3.0)), ledger(made_up_row(value=10.9))) == []
    assert changes(ledger(made_up_row(value=30.0)), ledger(made_up_row(value=3.0)))[0].kind is ChangeKind.MOVED
    narrow = [made_up_row(value=value, half=0.0) for value in (1.5, 1.5 + 1e-9)]
    assert changes(*map(ledger, narrow)) == []


def test_what_is_new_or_gone_is_told_and_only_what_is_gone_fails() -> None:
    found = changes(ledger(made_up_row("S5")), ledger(made_up_row("S6")))
    assert [(one.kind, one.claim) for one in found] == [(ChangeKind.GONE, "S5"), (ChangeKind.ADDED, "S6")]
    assert [one.kind.fails for one in found] == [True, False]
    assert compare(ledger(made_up_row("S5")), ledger(), lambda row: row.claim != "S5") == []


def test_what_is_asked_of_a_cell_differs_where_both_have_it_and_is_kept_for_every_cell() -> None:
    severe, clean, mild = (made_up_row(model=model) for model in ("severe", "clean", "mild"))
    before = ledger(severe, clean, questions={"severe, refusal": 60, "clean, refusal": 120})
    assert differing(before, ledger(severe, mild, questions={"severe, refusal": 60, "mild, refusal": 24})) == []
    assert differing(before, ledger(severe, questions=60)) == []
    assert differing(ledger(severe, questions=60), ledger(made_up_row("A1", "published", "-"))) == []
    assert differing(before, ledger(severe, questions=50)) == ["questions: 60 in the baseline, 50 now"]
    head, _, _ = accepted(ledger(mild, questions=24), before, lambda row: row.model == "clean")
    assert head["questions"] == {"clean, refusal": 120, "mild, refusal": 24}
    head, _, _ = accepted(ledger(mild, questions=120), before, lambda row: row.model == "clean")
    assert head["questions"] == 120


def test_every_other_setting_is_told_libraries_one_by_one() -> None:
    now = ledger(made_up_row(), libraries={"torch": "2.14.0", "numpy": "2.4"}, seed=1, questions=120)
    assert [one.sentence for one in changes(ledger(made_up_row()), now)] == [
        "libraries numpy: nothing in the baseline, 2.4 now",
        "libraries torch: 2.13.0 in the baseline, 2.14.0 now",
        "questions: nothing in the baseline, 120 now",
        "seed: 0 in the baseline, 1 now",
    ]


def test_broken_is_an_error_whatever_the_baseline_says() -> None:
    broken = made_up_row(verdict="BROKEN", value=None)
    assert judge(by_identity([made_up_row()]), broken).fails
    assert judge({}, broken).fails
    assert [one.kind for one in changes(ledger(made_up_row()), ledger(broken))] == [ChangeKind.BROKEN]


@pytest.mark.parametrize(
    ("before", "now", "word", "passes"),
    [
        (refuted(), refuted(), "REFUTED as in the baseline", True),
        (made_up_row(), made_up_row(), "SUPPORTED as in the baseline", True),
        (unclear(), unclear(), "INCONCLUSIVE as in the baseline", False),
        (None, refuted(), "REFUTED, not in the baseline", False),
        (None, made_up_row(), "SUPPORTED, not in the baseline", True),
        (None, unclear(), "INCONCLUSIVE, not in the baseline", False),
    ],
)
def test_the_same_verdict_passes_and_a_new_row_never_fails(
    before: Row | None, now: Row, word: str, passes: bool
) -> None:
    judged = judge(by_identity([before] if before else []), now)
    assert (judged.word, judged.passes, judged.fails) == (word, passes, False)


@pytest.mark.parametrize(
    ("value", "half", "kind"),
    [
        (3.0, 20.0, ChangeKind.POWER),  # wider, around the same
        (3.0, 2.0, None),
        (-5.0, 4.0, ChangeKind.FLIPPED),  # no wider, elsewhere
        (-20.0, 18.0, ChangeKind.FLIPPED),  # wider, and the old value is no longer in it
    ],
)
def test_power_that_was_lost_is_no_flip_and_fails_nothing(value: float, half: float, kind: ChangeKind | None) -> None:
    before = made_up_row(value=3.14, half=4.0)
    row = made_up_row(verdict="SUPPORTED" if kind is None else "INCONCLUSIVE", value=value, half=half)
    found = [change.kind for change in compare(ledger(before), ledger(row))]
    assert found == ([] if kind is None else [kind])
    assert judge(by_identity([before]), row).fails == (kind is ChangeKind.FLIPPED)
    wide = made_up_row(value=3.14, half=4.0)
    wide.estimates[0]["estimate"]["high"] = 60.0  # narrower now than that, so what was lost is not power
    assert judge(by_identity([wide]), made_up_row(verdict="INCONCLUSIVE", value=-1.0, half=6.0)).fails


def test_changes_are_counted_by_kind_the_environment_first_then_those_that_fail() -> None:
    before = ledger(made_up_row("S5"), made_up_row("S10"), made_up_row("S9"))
    now = ledger(refuted(claim="S10"), refuted(claim="S9"), made_up_row("S5", value=40.0), seed=1)
    assert [change.kind for change in compare(before, now)] == [
        ChangeKind.ENVIRONMENT, ChangeKind.FLIPPED, ChangeKind.FLIPPED, ChangeKind.MOVED
    ]  # fmt: skip
    assert [text.split(":")[0] for text in described(compare(before, now))] == [
        "environment changed (1)",
        "  seed",
        "verdict flipped (2)",
        "  S9 test_it [severe, refusal]",
        "  S10 test_it [severe, refusal]",
        "interval moved (1)",
        "  S5 test_it [severe, refusal]",
    ]


def test_a_broken_row_makes_no_baseline(tmp_path: Path) -> None:
    broken = replace(made_up_row(verdict="BROKEN", value=None), error="planted")
    with pytest.raises(
        BaselineRefused, match=r"no baseline was written: 1 of 2 rows are BROKEN \(the first is S5 test_it"
    ):
        accepted(ledger(made_up_row("G1"), broken))
    path = tmp_path / "baseline.jsonl"
    write_ledger(path, HEAD, [broken])
    with pytest.raises(LedgerError, match=r"S5 test_it \[severe, refusal\] is BROKEN, so this is no baseline"):
        read_baseline(path)


def test_an_empty_run_makes_no_baseline() -> None:
    with pytest.raises(BaselineRefused, match="no claim was tested"):
        accepted(ledger(), ledger(made_up_row()))


def test_rows_that_did_not_run_are_kept_only_from_the_same_environment() -> None:
    before = ledger(made_up_row("G1"), made_up_row("S5"))
    head, rows, _ = accepted(ledger(refuted()), before, every)
    assert head == before.head
    assert {row.claim: row.verdict for row in rows} == {"G1": "SUPPORTED", "S5": "REFUTED"}
    _, rows, _ = accepted(ledger(refuted()), before)
    assert {row.claim: row.verdict for row in rows} == {"S5": "REFUTED"}
    with pytest.raises(BaselineRefused, match=r"1 rows .* from another environment \(seed: 0 in the baseline, 1 now\)"):
        accepted(ledger(refuted(), seed=1), before, every)
