"""The Markdown document shows all that the ledger knows, foreign text as text, with links that GitHub follows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from harness.ledger.rows import Ledger, Table, in_order
from harness.report import terminal
from harness.report.escaping import Anchors, escaped, fenced, prose, table
from harness.report.files import SUMMARY_BYTES, add_step_summary
from harness.report.markdown import markdown
from harness.report.reading import plain
from harness.report.tables import side_by_side
from harness.tests.ledger.made_up_ledger import MODELS, TRAITS, made_up_ledger, made_up_row

HEAD = {"kind": "run", "schema": 3, "dtype": "float32", "libraries": {"torch": "2.13.0"}, "questions": 120}


@pytest.fixture(scope="module")
def whole() -> Ledger:
    ledger = made_up_ledger()
    return Ledger(ledger.head, in_order(ledger.rows, MODELS, TRAITS), ledger.tables)


def cells(line: str) -> int:
    """How many cells GitHub sees in a line of a table."""
    return len(re.split(r"(?<!\\)\|", line)) - 2


def blocks_of_tables(text: str) -> list[list[str]]:
    return [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]


def test_the_document_has_every_claim_linked_from_the_overview(whole: Ledger) -> None:
    text = markdown(whole)
    anchors = Anchors()
    headings = [anchors.of(line.lstrip("# ")) for line in text.splitlines() if re.match(r"#+ ", line)]
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert set(links) <= set(headings)
    assert {row.claim.lower() for row in whole.rows} == set(links)
    for block in blocks_of_tables(text):
        assert len({cells(line) for line in block}) == 1, block
    order = [text.index(f"## {title}\n") for title in ("Overview", "Claims", "Arithmetic of published numbers")]
    assert order == sorted(order)
    assert text.index("### S8\n") < text.index("## Arithmetic of published numbers\n") < text.index("### A1\n")


def test_a_claim_s_section_says_all_that_the_ledger_knows() -> None:
    comparison = {
        "word": "replicated", "why": "the intervals overlap", "quantity": "best Delta", "edition": "2026-01-29",
        "published_as": "supported", "published": 28.8, "low": 28.75, "high": 28.85, "unit": "trait points",
    }  # fmt: skip
    rows = [
        made_up_row(expected="REFUTED", p=1e-9, published=[comparison]),
        made_up_row(trait="sycophancy", verdict="INCONCLUSIVE", value=None, published=[comparison]),
    ]
    text = markdown(Ledger(HEAD, rows, []))
    for wanted in (
        "### S5\n\n**top-1 cleaning steers as well as full cleaning**\n\nS0. Zeroing only",
        "Rule: gain at least -5 trait points.",
        "| severe | refusal | SUPPORTED\\! | 3.142 \\[-0.8584, 7.142\\] | 120 questions | trait points | survives "
        "| 5.718 | REFUTED (predicted, contradicted): built so |",
        "| severe | sycophancy | INCONCLUSIVE | no value | – | – | – | – | – |",
        "| 2026-01-29 | best Delta | 28.8 \\[28.75, 28.85\\] trait points | supported | replicated | every cell "
        "| the intervals overlap |",
        "```\npytest claims/test_s5_it.py\n```",
        "Settings: dtype float32; libraries torch 2.13.0; questions 120; schema 3.",
    ):
        assert wanted in text, wanted


def test_arithmetic_says_that_its_intervals_are_of_rounding_and_could_see_no_effect(whole: Ledger) -> None:
    text = markdown(whole)
    assert "95 % interval" not in text[text.index("### A1\n") : text.index("## The sources")]
    section = text[text.index("### A4\n") :].split("Published:")[0]
    assert (
        "| model | trait | verdict | estimate [interval of rounding] | n | unit | Holm | smallest detectable |"
        in section
    )
    assert "| 120 questions | trait points | – | – |" in section
    assert "| [A1](#a1) top-1 cleaning steers as well as full cleaning | sum 0 | [SUPPORTED](#a1) | 6.498 " in text
    assert "|  | sum 1 | [SUPPORTED](#a1) | 7.598 \\[3.598, 11.6\\] trait points |" in text


NASTY = (
    "a|b `c` <script>alert(1)</script> &amp; [x](javascript:1) *b* _i_ #1\n# heading\n| a | b |\n```\n\x1b[31m\u202e"
)


def test_foreign_text_is_shown_as_text_everywhere() -> None:
    row = made_up_row("S|`5`", f"m{NASTY}", NASTY, expected="SUPPORTED", sentence=NASTY)
    row = replace(row, because=NASTY, statement=NASTY, file=NASTY, error=NASTY)
    row = replace(row, published=[{"word": NASTY, "why": NASTY, "sentence": NASTY, "value": None, "edition": NASTY}])
    entry = {**row.estimates[0], "name": NASTY}
    broken = replace(row, model="x", verdict="BROKEN")
    nasty = Table(NASTY, NASTY, NASTY, NASTY, NASTY, [NASTY, "b"], [[NASTY, NASTY]], None, NASTY)
    text = markdown(Ledger({**HEAD, NASTY: NASTY}, [replace(row, estimates=[entry]), broken], [nasty]))
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"<(?!br>)", outside)
    assert not re.search(r"(?<!\\)\]\(javascript", outside)
    assert not re.search(r"(?<!\\)`", outside)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    titles = ["Ledger", "Overview", "Claims", "S", "The sources", "a", "Words"]
    found = [line.lstrip("# ") for line in outside.splitlines() if re.match(r"#+ ", line)]
    assert len(found) == len(titles)
    assert all(line.startswith(title) for line, title in zip(found, titles, strict=True))
    for block in blocks_of_tables(outside):
        assert len({cells(line) for line in block}) == 1, block
    console = Console(width=118, no_color=True)
    with console.capture() as captured:
        console.print(terminal.overview([row, broken], {}), terminal.detail([row, broken], [nasty], {}))
    screen = captured.get()
    assert "\x1b" not in screen
    assert "\u202e" not in screen


def texts_of(source: str) -> list[str]:
    """What a parser of Markdown with tables shows as plain text, one string for each cell or paragraph."""
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    assert not [token.type for token in tokens if token.type in ("heading_open", "fence", "html_block", "hr")]
    inline = [token.children or [] for token in tokens if token.type == "inline"]
    assert {child.type for children in inline for child in children} <= {"text", "text_special"}
    return ["".join(child.content for child in children) for children in inline]


@settings(deadline=None)
@given(
    st.text(), st.sampled_from(["", "a|b", "<br>", "**b**", "[x](y)", "`c`", "~~s~~", "&lt;", "\\", "http://a_b/c_d"])
)
def test_a_parser_of_markdown_shows_escaped_text_as_it_is(text: str, more: str) -> None:
    text = f"{more}{text}{more}"
    assert texts_of(table(["a", "b"], [[escaped(text), "last"]])) == ["a", "b", plain(text), "last"]
    assert texts_of(f"x {escaped(text)}") == [f"x {plain(text)}".strip()]


@pytest.mark.parametrize(
    "text",
    [
        "- a",
        "+ a",
        "* a",
        "1. a",
        "12) a",
        "# a",
        "> a",
        "a\n===",
        "a\n---",
        "```\na",
        "~~~",
        "|a|\n|-|",
        "    a",
        ": a",
    ],
)
def test_no_line_of_a_statement_opens_a_block(text: str) -> None:
    (paragraph,) = MarkdownIt("commonmark").enable("table").parse(prose(text))[1:-1]
    assert " ".join(child.content for child in paragraph.children or [] if child.content) == plain(text)


@settings(deadline=None)
@given(st.text())
def test_escaped_text_opens_nothing(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert not re.search(r"[<>|]", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]$~]", shown)
    assert prose(text).count("\n#") == 0
    assert fenced(text).splitlines()[0] not in fenced(text).splitlines()[1:-1]


def test_the_lines_of_a_statement_end_where_its_sentences_end() -> None:
    assert prose("S5. One\ntwo.\nRefuted if\nthree.\n\n- not a list\n1. nor this\n=== x") == (
        "S5. One\ntwo.  \nRefuted if\nthree.\n\n\\- not a list\n1\\. nor this\n\\=== x"
    )


def test_anchors_are_those_of_github() -> None:
    anchors = Anchors()
    titles = ["The sources' tables", "S5 · a_b, (c)!", "S5 · a_b, (c)!", "Ü `x`"]
    assert [anchors.of(title) for title in titles] == ["the-sources-tables", "s5--a_b-c", "s5--a_b-c-1", "ü-x"]


def test_a_claim_named_like_a_chapter_has_an_anchor_of_its_own() -> None:
    text = markdown(Ledger(HEAD, [made_up_row("Overview")], []))
    assert "](#overview-1)" in text
    assert "](#overview)" not in text


def test_the_sources_rows_stand_beside_ours_in_the_source_s_order() -> None:
    published = {
        "columns": ["block", "Delta", "judge"], "edition": "2026-01-29",
        "rows": [["1", 28.8, "gpt"], ["9", 3.5, "gpt"], ["9", 3.6, None]],
    }  # fmt: skip
    rows = [["9", 1.0, 90.0], ["9", 2.0, 91.0], ["10", 12345.6, None]]
    titles, shown = side_by_side(Table("t", "t", "s", "m", "r", ["block", "Delta", "norm"], rows, published))
    assert titles == [
        "block", "Delta, here", "Delta, published 2026-01-29", "norm, here", "judge, published 2026-01-29"
    ]  # fmt: skip
    assert shown == [
        ["1", "–", "28.8", "–", "gpt"],
        ["9", "1", "3.5", "90", "gpt"],
        ["9", "2", "3.6", "91", "–"],
        ["10", "12,346", "–", "–", "–"],
    ]
    assert side_by_side(Table("t", "t", "s", "m", "r", ["a"], [[None]])) == (["a"], [["–"]])


def test_a_limit_leaves_sections_out_from_the_end_and_says_which(whole: Ledger) -> None:
    text = markdown(whole)
    assert markdown(whole, limit=len(text.encode())) == text
    shorter = markdown(whole, limit=60_000)
    assert len(shorter.encode()) <= 60_000
    assert shorter.startswith(text[: text.index("## Claims")])
    assert "### C1\n" in shorter
    assert "### A4\n" not in shorter
    note = shorter.rstrip().splitlines()[-1]
    assert note.startswith("*Left out, to stay within 60,000 bytes: claim ")
    assert "table steps-10-11 of severe, refusal" in note
    assert markdown(whole, limit=50) == "*The ledger does not fit into 50 bytes; see ledger.md.*\n"


def test_the_step_summary_stays_below_what_github_takes(whole: Ledger, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    add_step_summary(summary, whole)
    assert summary.read_text() == markdown(whole)
    summary.write_text("x" * (SUMMARY_BYTES - 100_000))
    add_step_summary(summary, whole)
    assert summary.stat().st_size <= SUMMARY_BYTES
    assert "Left out, to stay within" in summary.read_text()
