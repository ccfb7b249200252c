"""Under the overview: what was known and how, which controls were not seen, and what first rules would have said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from harness.ledger.rows import Ledger, Row
from harness.ledger.verdict import at_least, within
from harness.report.closing import CHANGED_RULES, blind_in_words, blind_share, closing, counts_in_words, open_in_words
from harness.report.markdown import markdown
from harness.report.page import page
from harness.report.summary import sentences
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


def test_an_open_cell_has_its_own_reason_and_what_it_has_not_is_never_blamed_on_its_runs() -> None:
    near = "coherence lies so near 70 that 30 of 200 resamples differ; about 30 questions would tell"
    (entry,) = (row := made_up_row("S1", verdict="INCONCLUSIVE", value=None)).estimates
    row = replace(
        row, estimates=[{**entry, "story": f"S1 INCONCLUSIVE\n  gain has no value: {near}\n  again: pytest x"}]
    )
    rows = [row, *(made_up_row(f"S{number}", verdict="INCONCLUSIVE", value=-4.0) for number in range(2, 13))]
    lines = open_in_words(rows)
    assert lines[0] == f"cannot be told: S1 test_it [severe, refusal]: gain has no value: {near}"
    assert lines[1].startswith("cannot be told: S2 test_it [severe, refusal]: gain=-4 [-8, 0] trait points, too wide")
    assert lines[10:] == ["cannot be told: 2 more"]
    assert "12 of 12 cells could not be told, 1 of them without a value" in sentences(ledger(*rows), "severe")[2]
    assert lines[0] in " ".join(shown(page(ledger(*rows), {}, 400), 400))


def test_a_claim_whose_control_was_not_seen_does_not_hold() -> None:
    rows = [
        made_up_row("G6"),
        made_up_row("G7"),
        made_up_row("G7", test="test_effect", verdict="INCONCLUSIVE"),
        blind("G7", test="test_random"),
        made_up_row("G8", verdict="REFUTED"),
        blind("G8", test="test_random"),
        blind("G6", model="mild"),
    ]
    rows = [replace(row, sentence="it is so") for row in rows]
    controls = [replace(row, because="control: built so") if row.test == "test_random" else row for row in rows]
    for known in (rows, controls):
        first, _, _ = sentences(ledger(*known), "severe")
        of_g7 = "1 of 2" if known is controls else "1 of 3"
        assert first == (
            "On severe one claim holds wherever it could be told: G6 (it is so), and no claim does not wherever it "
            "could be told. Counted as neither, since a control was not seen: "
            f"G7 (it is so; {of_g7} cells could be told); G8 "
            + ("(it is so)." if known is controls else "(it is so; 1 of 2 cells could be told).")
        )


def shown(what: RenderableType, width: int) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get().splitlines()


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
