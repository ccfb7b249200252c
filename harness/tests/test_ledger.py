"""The ledger file keeps every row exactly, in a fixed order, and refuses a line it cannot trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.ledger import LedgerError, Row, in_order, massive_dims, read_ledger, table, tally, write_ledger
from harness.resampling import Estimate
from harness.verdict import at_least


def row(
    claim: str = "S5",
    model: str = "severe",
    trait: str = "refusal",
    verdict: str = "SUPPORTED",
    expected: str | None = None,
) -> Row:
    rule = at_least(-5.0)
    estimate = Estimate(3.14159, -1.0, 6.5, 120, "trait points")
    decision = {
        "name": "gain", "estimate": estimate.to_json(), "rule": rule.to_json(), "verdict": verdict, "story": "told"
    }  # fmt: skip
    return Row(claim, "a sentence", "steering", "test_it", model, trait, verdict, expected, "built so", [decision])


def printed(rows: list[Row]) -> list[str]:
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(table(rows))
    return [line.rstrip() for line in captured.get().splitlines()]


names = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(text=names, claim=names)
def test_a_row_survives_the_file_whatever_its_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, claim: str
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    rows = [row(claim=claim), Row(claim, text, text, text, text, text, "BROKEN", error=text + "\n\u2028")]
    write_ledger(path, {"dtype": "float32"}, rows)
    head, read = read_ledger(path)
    assert read == rows
    assert head["dtype"] == "float32"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-10], r"ledger\.jsonl:2: not a line of a ledger"),
        (lambda text: text + "{}\n", r"ledger\.jsonl:3: not a line"),
        (lambda text: text.replace('"schema": 1', '"schema": 99'), "schema 99; this version reads schema 1"),
    ],
)
def test_a_damaged_ledger_names_the_line(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ledger.jsonl"
    write_ledger(path, {}, [row()])
    path.write_text(damage(path.read_text()))
    with pytest.raises(LedgerError, match=message):
        read_ledger(path)


def test_the_order_is_that_of_claims_then_registry() -> None:
    rows = [row("S7"), row("G1", "clean"), row("G1", "severe", "sycophancy"), row("G1", "severe"), row("G1", "unknown")]
    ordered = in_order(rows, ["severe", "clean"], ["refusal", "sycophancy"])
    assert [(one.claim, one.model, one.trait) for one in ordered] == [
        ("G1", "severe", "refusal"),
        ("G1", "severe", "sycophancy"),
        ("G1", "clean", "refusal"),
        ("G1", "unknown", "refusal"),
        ("S7", "severe", "refusal"),
    ]


def test_only_a_decided_verdict_can_contradict_what_was_known() -> None:
    assert row(verdict="REFUTED", expected="SUPPORTED").surprise
    assert not row(verdict="SUPPORTED", expected="SUPPORTED").surprise
    assert not row(verdict="INCONCLUSIVE", expected="SUPPORTED").surprise
    assert not row(verdict="BROKEN", expected="SUPPORTED").surprise
    assert not row(verdict="REFUTED").surprise


def test_the_table_shows_word_estimate_and_n_and_marks_surprises() -> None:
    lines = printed(
        [
            row(verdict="SUPPORTED", expected="SUPPORTED"),
            row(model="clean", verdict="REFUTED", expected="SUPPORTED"),
            row(model="mild", verdict="INCONCLUSIVE"),
        ]
    )
    assert lines == [
        "claim                severe           clean            mild",
        "S5",
        "refusal              SUPPORTED*       REFUTED!         INCONCLUSIVE",
        "gain (trait points)  3.142 [-1, 6.5]  3.142 [-1, 6.5]  3.142 [-1, 6.5]",
        "                     n=120 questions  n=120 questions  n=120 questions",
    ]


def test_a_cell_without_an_estimate_never_shows_a_number() -> None:
    decision = {"name": "gain", "estimate": None, "rule": at_least(0).to_json(), "verdict": "", "story": ""}
    none = Row("S5", "s", "f", "t", "severe", "refusal", "INCONCLUSIVE", estimates=[decision])
    broken = Row("S5", "s", "f", "t", "clean", "refusal", "BROKEN", error="OutOfMemoryError: planted")
    shown = "\n".join(printed([none, broken]))
    assert "no valid run" in shown
    assert "no estimate" in shown
    assert not any(character.isdigit() for character in shown.replace("S5", ""))


def test_the_tally_counts_verdicts_and_surprises() -> None:
    rows = [row(expected="SUPPORTED"), row(verdict="REFUTED", expected="SUPPORTED"), row(verdict="INCONCLUSIVE")]
    assert tally(rows) == "3 cells: 1 SUPPORTED, 1 REFUTED, 1 INCONCLUSIVE; 2 known beforehand, 1 of them contradicted"


def test_massive_dims_are_told_once_a_model_after_both_definitions() -> None:
    facts = {"severity": 1302.8, "consensus": [17, 43], "sun": []}
    rows = [replace(row(), massive=facts), replace(row("G1"), massive=facts), row(model="clean")]
    assert massive_dims(rows) == [
        "severe: severity 1,303x; massive dims 17 43 (top five of three blocks or more); none after Sun et al."
    ]
