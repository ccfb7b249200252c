"""Under the overview: what was known and how, which controls were not seen, and what first rules would have said."""

from __future__ import annotations

import pytest

from harness.ledger.rows import Ledger, Row
from harness.ledger.verdict import at_least, within
from harness.report.closing import CHANGED_RULES, blind_in_words, blind_share, closing, counts_in_words
from harness.report.markdown import markdown
from harness.tests.ledger.made_up_ledger import made_up_row


def ledger(*rows: Row) -> Ledger:
    return Ledger({"kind": "run", "schema": 3}, list(rows), [])


def blind(claim: str, **fields: str) -> Row:
    return made_up_row(claim, verdict="INCONCLUSIVE", expected="REFUTED", **fields)  # type: ignore[arg-type]


def test_only_what_was_predicted_is_evidence_about_the_instrument() -> None:
    rows = [
        made_up_row("S1", expected="SUPPORTED"),
        made_up_row("S2", expected="SUPPORTED", first=(at_least(30.0), "REFUTED")),
        made_up_row("S3", expected="REFUTED"),
        blind("S4"),
        made_up_row("S5", expected="SUPPORTED", basis="regression"),
        blind("S6", basis="regression"),
        made_up_row("S7"),
    ]
    assert counts_in_words(rows, {})[1:] == [
        "6 cells known beforehand: 4 predicted, 1 of them contradicted, 1 blind; "
        "2 seen before (regression), 0 of them contradicted, 1 blind",
        "evidence about the instrument: 2 of 4 predictions came out as predicted, 1 of them only by a rule that was "
        "changed after a ledger was seen; a regression that agrees says only that nothing changed",
    ]
    assert len(counts_in_words(rows[-1:], {})) == 1


@pytest.mark.parametrize("count", [10, 11])
def test_ten_blind_controls_are_named_on_the_terminal_and_all_in_the_document(count: int) -> None:
    rows = [blind(f"S{number}") for number in range(1, count + 1)]
    rows += [made_up_row(f"G{number}", expected="SUPPORTED") for number in range(count)]
    rows += [made_up_row("C1"), made_up_row("C2", verdict="INCONCLUSIVE")]  # of which nothing was known
    assert blind_share(rows) == 0.5
    (text,) = [line for line in closing(ledger(*rows), {}) if line.startswith("blind: ")]
    assert text.startswith(f"blind: {count} of {2 * count} known cells (50.0 %) came out INCONCLUSIVE")
    assert text.endswith("S10 test_it [severe, refusal]" + ("; and 1 more" if count == 11 else ""))
    document = markdown(ledger(*rows))
    assert all(f"S{number} test\\_it \\[severe, refusal\\]" in document for number in range(1, count + 1))


def test_where_nothing_was_known_nothing_is_blind() -> None:
    rows = [made_up_row(verdict="INCONCLUSIVE"), made_up_row("S6")]
    assert blind_in_words(rows) == []
    assert blind_share(rows) == 0


def test_rules_that_were_changed_are_told_where_the_verdict_is_another_and_all_in_the_document() -> None:
    rows = [
        made_up_row("S5", first=(at_least(0.0), "INCONCLUSIVE")),
        made_up_row("S5", "mild", first=(at_least(0.0), "INCONCLUSIVE")),
        made_up_row("S6", first=(within(-30.0, 30.0), "SUPPORTED")),
        made_up_row("S7"),
    ]
    lines = closing(ledger(*rows), {})
    start = next(count for count, line in enumerate(lines) if line.startswith(CHANGED_RULES))
    assert lines[start:-1] == [
        f"{CHANGED_RULES}: 1 of 3 verdicts are the same by the first rule, these are not:",
        "  S5 test_it at least -5 trait points: SUPPORTED; first at least 0 trait points: INCONCLUSIVE "
        "on [severe, refusal], [mild, refusal]",
    ]
    document = markdown(ledger(*rows))
    assert "**Rules that were changed after a ledger was seen**" in document
    for cell, first in (
        ("| S5 | it | severe, refusal | gain | at least -5 trait points | SUPPORTED ", "at least 0 trait points"),
        ("| S5 | it | mild, refusal | gain | at least -5 trait points | SUPPORTED ", "at least 0 trait points"),
        (
            "| S6 | it | severe, refusal | gain | at least -5 trait points | SUPPORTED ",
            "between -30 and 30 trait points",
        ),
    ):
        assert f"{cell}| {first} | " in document
    assert not any(line.startswith(CHANGED_RULES) for line in closing(ledger(made_up_row()), {}))
