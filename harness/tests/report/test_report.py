"""Reports come from the file alone: words, marks and counts on the terminal, and the command that makes them all."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from harness.ledger.rows import Ledger, Row, in_order, read_ledger, write_ledger
from harness.ledger.verdict import Verdict, at_most
from harness.report import reading, terminal
from harness.report.__main__ import main
from harness.report.markdown import markdown
from harness.report.summary import part
from harness.tests.ledger.made_up_ledger import MODELS, TRAITS, made_up_ledger, made_up_row

HEAD = {"kind": "run", "schema": 3, "dtype": "float32", "libraries": {"torch": "2.13.0"}, "questions": 120}


def printed(what: RenderableType, width: int = 118) -> list[str]:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(what)
    return [line.rstrip() for line in captured.get().splitlines()]


def overview(rows: list[Row], width: int = 118) -> list[str]:
    return printed(terminal.overview(rows, reading.holm_marks(rows), width), width)


@pytest.fixture(scope="module")
def whole() -> Ledger:
    ledger = made_up_ledger()
    return Ledger(ledger.head, in_order(ledger.rows, MODELS, TRAITS), ledger.tables)


def test_the_table_has_claims_and_traits_down_and_models_across_with_their_marks() -> None:
    rows = [
        made_up_row(verdict="SUPPORTED", expected="SUPPORTED"),
        made_up_row(model="clean", verdict="REFUTED", expected="SUPPORTED"),
        made_up_row(model="mild", verdict="INCONCLUSIVE"),
        made_up_row(trait="sycophancy"),
        made_up_row(model="clean", trait="sycophancy", expected="SUPPORTED", basis="regression"),
        made_up_row(model="mild", trait="sycophancy", verdict="INCONCLUSIVE", expected="REFUTED", basis="regression"),
    ]
    assert overview(rows) == [
        "claim           severe        clean         mild",
        "S5  top-1 cleaning steers as well as full cleaning",
        "    refusal     SUPPORTED*    REFUTED!      INCONCLUSIVE",
        "    sycophancy  SUPPORTED     SUPPORTED=    INCONCLUSIVE?",
    ]


def test_traits_with_the_same_words_share_a_line_and_several_tests_have_their_names() -> None:
    rows = [
        made_up_row(trait=trait, test=test, verdict=verdict)
        for test, verdict in (("test_mean_diff", "SUPPORTED"), ("test_probe", "REFUTED"))
        for trait in TRAITS
    ]
    assert overview(rows)[1:] == [
        "S5  top-1 cleaning steers as well as full cleaning",
        "  mean diff",
        "    refusal, sycophancy  SUPPORTED",
        "  probe",
        "    refusal, sycophancy  REFUTED",
    ]


def test_a_large_ledger_fits_a_log_and_a_narrow_terminal(whole: Ledger) -> None:
    for width in (118, 80, 60):
        assert max(map(len, overview(whole.rows, width))) <= width
    assert sum(line.startswith("claim ") for line in overview(whole.rows, 118)) == 1
    assert sum(line.startswith("claim ") for line in overview(whole.rows, 80)) == 2


def test_pairs_and_arithmetic_have_sections_of_their_own(whole: Ledger) -> None:
    lines = overview(whole.rows)
    assert lines.index("pairs of models") < lines.index("arithmetic of published numbers")
    grid, rest = lines[: lines.index("pairs of models")], lines[lines.index("pairs of models") :]
    assert not any("+" in line or "published" in line for line in grid)
    assert "    severe+mild   refusal         SUPPORTED     7.051 [3.051, 11.05] trait points" in rest
    assert "    late+clean    refusal  dose   REFUTED       -15.14 [-19.14, -11.14] trait points" in rest
    assert sum("SUPPORTED" in line for line in rest[rest.index("arithmetic of published numbers") :]) == 7


def test_a_cell_without_an_estimate_never_shows_a_number() -> None:
    none = made_up_row("L1", "a+b", verdict="INCONCLUSIVE", value=None)
    broken = replace(made_up_row("L1", "a+c", verdict="BROKEN"), estimates=[], error="OutOfMemoryError: planted")
    lines = [*overview([none, broken]), *printed(terminal.detail([none, broken], [], {}))]
    shown = "\n".join(lines).replace("L1", "").replace("top-1", "").replace("at least -5", "")
    assert "no value" in shown
    assert "no estimate" in shown
    assert "error: OutOfMemoryError: planted" in shown
    assert not any(character.isdigit() for character in shown)


def test_the_detail_has_every_number_and_what_was_published(whole: Ledger) -> None:
    lines = printed(terminal.detail(whole.rows, whole.tables, reading.holm_marks(whole.rows)), 400)
    row = whole.rows[0]
    estimate = reading.last_estimate(row)
    assert estimate is not None
    wanted = (
        f"        gain = {reading.short(estimate)} trait points, n=120 questions; should be at least -5 trait points: "
        f"{row.verdict}; smallest effect it would have seen 5.718 trait points"
    )
    assert wanted in lines
    assert any(
        line.startswith("        published, not comparable: best Delta of mean_diff top-1; 28.8") for line in lines
    )
    assert sum(line.startswith("Best Delta by block") for line in lines) == 4
    assert sum(line.split() == ["block", "9", "–", "3.5", "–", "–"] for line in lines) == 4


def test_holm_counts_within_a_model_and_only_what_was_tested() -> None:
    rows = [made_up_row(f"S{count}", p=0.02) for count in range(3)]
    rows += [made_up_row("S1", "clean", p=0.02), made_up_row("S2", "clean", p=None), made_up_row("A1", "published")]
    marks = reading.holm_marks(rows)
    assert [marks.get(row.identity) for row in rows] == [False, False, False, True, None, None]
    with_one_untold = [*rows, made_up_row("S3", "clean", verdict="INCONCLUSIVE", value=None)]
    assert reading.holm_marks(with_one_untold)[rows[3].identity]  # 2 x 0.02 is still below 0.05
    two_untold = [*with_one_untold, made_up_row("S4", "clean", verdict="INCONCLUSIVE", p=0.3)]
    assert not reading.holm_marks(two_untold)[rows[3].identity]
    assert [reading.mark(row, marks) for row in rows] == ["†", "†", "†", "", "", ""]
    # What a run left out counts as untold, and a report of a part leaves the family whole.
    assert reading.holm_marks(rows, sizes={"clean": 2})[rows[3].identity]
    assert not reading.holm_marks(rows, sizes={"clean": 3})[rows[3].identity]
    of_part = part(Ledger({}, rows, []), ["S0"], "severe")
    assert reading.marks_of(of_part) == {rows[0].identity: False}


def test_holm_is_the_function_that_is_given() -> None:
    rows = [made_up_row(p=1e-9), made_up_row("S6", verdict="BROKEN", value=None)]
    seen = []

    def nothing_survives(verdicts, p_values):  # type: ignore[no-untyped-def]
        seen.append((list(verdicts), list(p_values)))
        return np.zeros(len(verdicts), dtype=bool)

    assert reading.holm_marks(rows, nothing_survives) == {rows[0].identity: False}
    assert seen == [([Verdict.SUPPORTED], [1e-9])]


def test_a_row_of_several_expectations_is_as_sure_as_its_weakest() -> None:
    row = made_up_row(p=1e-9)
    both = replace(row, estimates=[{**row.estimates[0], "p": {"support": 0.04, "refute": 1.0}}, *row.estimates])
    assert reading.p_value(both) == 0.04
    assert np.isnan(reading.p_value(replace(row, estimates=[*row.estimates, made_up_row().estimates[0]])))
    assert reading.p_value(made_up_row(verdict="REFUTED", p=1e-3)) == 1e-3


def test_the_tally_counts_verdicts_surprises_and_what_survives() -> None:
    rows = [
        made_up_row(expected="SUPPORTED", p=1e-9),
        made_up_row("S6", verdict="REFUTED", expected="SUPPORTED", p=0.04),
        made_up_row("S7", verdict="INCONCLUSIVE", expected="REFUTED", p=0.5),
        made_up_row("S7", "a+b"),
    ]
    marks = reading.holm_marks(rows)
    assert reading.tally_sentence(rows, marks) == (
        "4 cells: 2 SUPPORTED, 1 REFUTED, 1 INCONCLUSIVE; 1 of 2 decided survive Holm"
    )
    assert [line.split() for line in printed(terminal.tallies(rows, marks))[-2:]] == [
        ["severe", "1", "1", "1", "0", "1", "of", "2", "1", "of", "3", "1"],
        ["pairs", "of", "models", "1", "0", "0", "0", "-", "0", "of", "0", "0"],
    ]


def test_massive_dims_are_told_once_a_model_after_both_definitions() -> None:
    facts = {"severity": 1302.8, "consensus": [17, 43], "sun": []}
    rows = [replace(made_up_row(), massive=facts), replace(made_up_row("G1"), massive=facts), made_up_row(model="mild")]
    assert reading.massive_dims(rows) == [
        "severe: severity 1,303x; massive dims 17 43 (top five of three blocks or more); none after Sun et al."
    ]


def test_reports_need_neither_torch_nor_pytest() -> None:
    heavy = ("torch", "transformers", "pytest")
    code = f"import sys, harness.report.__main__; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_command_prints_the_table_and_writes_the_document(
    whole: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, document = tmp_path / "ledger.jsonl", tmp_path / "ledger.md"
    write_ledger(path, whole.head, whole.rows, whole.tables)
    assert main([str(path), "--markdown", str(document)]) == 0
    assert document.read_text() == markdown(read_ledger(path))
    shown = capsys.readouterr().out
    assert sum(line.startswith("S5 ") for line in shown.splitlines()) == 1
    assert reading.tally_sentence(whole.rows, reading.holm_marks(whole.rows)) in shown
    assert main([str(path), "--detail"]) == 0
    shown = capsys.readouterr().out
    for line in overview(whole.rows):
        assert line in shown
    assert "\nverdicts of " in shown
    assert "smallest effect it would have seen" in shown


def test_the_command_holds_a_ledger_against_a_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, now = tmp_path / "before.jsonl", tmp_path / "now.jsonl"
    write_ledger(before, HEAD, [made_up_row()])
    write_ledger(now, HEAD, [made_up_row(verdict="REFUTED", value=-20.0)])
    assert main([str(now), "--baseline", str(before)]) == 1
    assert "S5 test_it [severe, refusal]: flipped (SUPPORTED -> REFUTED)" in capsys.readouterr().out
    assert main([str(now), "--baseline", str(now)]) == 0
    assert "no change: every verdict is the baseline's" in capsys.readouterr().out


def test_the_command_says_in_one_sentence_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "absent.jsonl")]) == 2
    assert re.fullmatch(r"ERROR: .*absent\.jsonl: cannot be read as a ledger .*\n", capsys.readouterr().err)
    write_ledger(tmp_path / "ledger.jsonl", HEAD, [made_up_row(rule=at_most(9.0))])
    assert main([str(tmp_path / "ledger.jsonl"), "--markdown", str(tmp_path / "no" / "ledger.md")]) == 2
    assert "ledger.md could not be written (No such file or directory)." in capsys.readouterr().err
