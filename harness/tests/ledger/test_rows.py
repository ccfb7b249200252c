"""The ledger file keeps every row and table exactly, in a fixed order, and refuses a line it cannot trust."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger.rows import LedgerError, Row, Table, estimate_json, estimate_of, in_order, read_ledger, write_ledger
from harness.report.__main__ import schema
from harness.stats.resampling import Estimate
from harness.tests.ledger.made_up_ledger import MODELS, TRAITS, made_up_ledger, made_up_row

names = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(text=names, claim=names)
def test_a_row_and_a_table_survive_the_file_whatever_their_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, claim: str
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    published = [{"word": "new", "why": text, "value": None}]
    rows = [
        made_up_row(claim),
        Row(
            claim, text, text, text, text, text, "BROKEN", error=text + "\n\u2028", published=published, statement=text
        ),
    ]
    known = {"columns": [text, "a"], "rows": [[text, 1.5]], "edition": text}
    tables = [Table(claim, text, text, text, text, [text, "a"], [[text, None], ["b", 0.1]], known, text)]
    write_ledger(path, {"dtype": "float32", text + "_": 3}, rows, tables)
    head, read, read_tables = read_ledger(path)
    assert read == rows
    assert read_tables == tables
    assert (head["dtype"], head[text + "_"]) == ("float32", 3)


def test_a_setting_cannot_pass_for_the_schema_or_the_kind_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write_ledger(path, {"schema": 1, "kind": "row"}, [made_up_row()])
    assert len(read_ledger(path).rows) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-10], r"ledger\.jsonl:2: not a line of a ledger"),
        (lambda text: text + "{}\n", r"ledger\.jsonl:3: not a line"),
        (lambda text: text + '{"kind": "rwo"}\n', r"ledger\.jsonl:3: not a line"),
        (lambda text: text + '{"kind": "table", "key": "a"}\n', r"ledger\.jsonl:3: not a line"),
        (lambda text: text + text.splitlines()[0], r"ledger\.jsonl:3: not a line"),
        (lambda text: text.split("\n", 1)[1], r"ledger\.jsonl:1: not a line"),
        (lambda text: text.replace('"schema": 3', '"schema": 1'), "schema 1; this version reads schema 3: run `pytest"),
        (lambda text: text.replace('"schema": 3', '"schema": 99'), "schema 99; this version reads schema 3"),
        (lambda text: text[:0], "empty, so not a ledger"),
    ],
)
def test_a_damaged_ledger_names_the_line(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ledger.jsonl"
    write_ledger(path, {}, [made_up_row()])
    path.write_text(damage(path.read_text()))
    with pytest.raises(LedgerError, match=message):
        read_ledger(path)


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"absent\.jsonl: cannot be read as a ledger \(No such file or directory\)"):
        read_ledger(tmp_path / "absent.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError, match="it is no UTF-8 text"):
        read_ledger(tmp_path / "bytes.jsonl")


def test_the_order_is_that_of_claims_by_number_then_registry_then_pairs() -> None:
    cells = [
        ("S10", "severe", "refusal"), ("S7", "severe", "refusal"), ("G1", "severe+mild", "refusal"),
        ("G1", "clean", "refusal"), ("G1", "severe", "sycophancy"), ("G1", "severe", "refusal"),
        ("G1", "unknown", "refusal"),
    ]  # fmt: skip
    ordered = in_order([made_up_row(*cell) for cell in cells], ["severe", "clean"], ["refusal", "sycophancy"])
    assert [(one.claim, one.model, one.trait) for one in ordered] == [
        ("G1", "severe", "refusal"),
        ("G1", "severe", "sycophancy"),
        ("G1", "clean", "refusal"),
        ("G1", "unknown", "refusal"),
        ("G1", "severe+mild", "refusal"),
        ("S7", "severe", "refusal"),
        ("S10", "severe", "refusal"),
    ]


def test_the_order_holds_for_any_order_of_arrival(tmp_path: Path) -> None:
    ledger = made_up_ledger(claims=5)
    ordered = in_order(ledger.rows, MODELS, TRAITS)
    assert in_order(ledger.rows[::-1], MODELS, TRAITS) == ordered
    for name, tables in (("a", ledger.tables), ("b", ledger.tables[::-1])):
        write_ledger(tmp_path / name, ledger.head, ordered, tables)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_only_a_decided_verdict_can_contradict_what_was_known() -> None:
    assert made_up_row(verdict="REFUTED", expected="SUPPORTED").surprise
    assert not made_up_row(verdict="SUPPORTED", expected="SUPPORTED").surprise
    assert not made_up_row(verdict="INCONCLUSIVE", expected="SUPPORTED").surprise
    assert not made_up_row(verdict="BROKEN", expected="SUPPORTED").surprise
    assert not made_up_row(verdict="REFUTED").surprise


def test_blind_is_a_known_verdict_that_the_run_could_not_tell() -> None:
    assert made_up_row(verdict="INCONCLUSIVE", expected="REFUTED").blind
    assert not made_up_row(verdict="INCONCLUSIVE").blind
    assert not made_up_row(verdict="REFUTED", expected="REFUTED").blind
    assert not made_up_row(verdict="BROKEN", expected="REFUTED").blind


def test_an_estimate_keeps_what_it_could_have_seen() -> None:
    estimate = Estimate(3.0, 1.0, 5.0, 120, "trait points")
    kept = estimate_json(estimate)
    assert kept is not None
    assert kept["detectable"] == estimate.detectable
    assert estimate_of({"estimate": kept}) == estimate
    assert estimate_of({"estimate": None}) is None


def test_a_number_that_is_none_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_ledger(tmp_path / "ledger.jsonl", {"seed": float("nan")}, [])
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("rows", "published", "message"),
    [
        ([["a", 1.0], ["b"]], None, r"Table 't', measured: row \['b'\] does not fit the columns \['block', 'Delta'\]"),
        (
            [],
            {"columns": ["block"], "rows": [["a", 2.0]], "edition": "1"},
            r"published: row \['a', 2\.0\] does not fit",
        ),
    ],
)
def test_a_table_whose_rows_do_not_fit_is_refused(rows, published, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        Table("t", "title", "source", "m", "t", ["block", "Delta"], rows, published)


def test_what_a_later_version_adds_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write_ledger(path, {}, [made_up_row()])
    path.write_text(path.read_text().replace('"kind": "row"', '"kind": "row", "colour": "blue"'))
    assert read_ledger(path).rows == [made_up_row()]


def test_the_printed_schema_names_every_field_of_a_row_and_a_table() -> None:
    text = schema()
    for cls in (Row, Table):
        for one in fields(cls):
            assert f"`{one.name}`" in text, one.name
    assert "schema 3" in text


def test_pairs_and_arithmetic_are_told_from_cells() -> None:
    cell = made_up_row()
    pair, sums = replace(cell, model="severe+mild"), replace(cell, model="published", trait="-")
    assert [(one.is_pair, one.is_arithmetic) for one in (cell, pair, sums)] == [
        (False, False), (True, False), (False, True)
    ]  # fmt: skip
