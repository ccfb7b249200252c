"""The ledger is printed, written in a fixed order with its document, the same under xdist, and kept after Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.ledger.rows import read_ledger
from harness.report.markdown import markdown

Project = Callable[..., pytest.Pytester]

CLAIMS = {
    "test_a": """
        Q = MadeUp(3.0)
        pytestmark = claim("T5", "first", "steering", [Q])
        def test_first(expect):
            expect(Q, "gain").at_least(0)
    """,
    "test_b": """
        Q = MadeUp(-4.0)
        pytestmark = claim("H1", "second", "geometry", [Q])
        @predicted("REFUTED", on="severe, clean", because="built so")
        def test_second(expect):
            expect(Q, "loss").at_least(0)
    """,
}


def ledger(pytester: pytest.Pytester, folder: str = "reports/latest") -> list[str]:
    return Path(pytester.path, folder, "ledger.jsonl").read_text().splitlines()


def test_the_terminal_ends_with_one_line_a_claim_and_models_across(project: Project) -> None:
    result = project(**CLAIMS).runpytest()
    result.stdout.fnmatch_lines(
        [
            "*= ledger =*",
            "claim *severe * clean*",
            "H1 * -- * -- * second",
            "T5 * ++ * ++ * first",
            "8 cells: 4 SUPPORTED, 4 REFUTED; 8 of 8 decided survive Holm",
            "4 cells known beforehand: 4 predicted, 0 of them contradicted, 0 blind; 0 seen before (regression), *",
            "written to reports/runs/*/ledger.jsonl (reports/latest points to it) and ledger.md beside it",
            "*4 passed, 4 xfailed*",
        ]
    )


def test_the_detail_shows_every_estimate(project: Project) -> None:
    result = project(**CLAIMS).runpytest("--ledger-detail")
    result.stdout.fnmatch_lines(
        [
            "H1  second",
            "    severe  refusal  REFUTED[*]  known (predicted): REFUTED, because built so*",
            "        loss = -4 [[]-4.*] trait points, n=50 questions; should be at least 0 trait points: REFUTED;*",
        ]
    )


def test_the_document_beside_the_ledger_is_the_one_that_the_ledger_alone_makes(project: Project) -> None:
    run = project(**CLAIMS)
    run.runpytest()
    path = Path(run.path, "reports/latest/ledger.jsonl")
    read = read_ledger(path)
    assert path.with_suffix(".md").read_text() == markdown(read)
    assert {row.file for row in read.rows} == {"test_a.py", "test_b.py"}


def test_the_statement_of_a_claim_is_its_file_s_docstring(project: Project) -> None:
    run = project(test_a=CLAIMS["test_a"])
    claim = Path(run.path, "test_a.py")
    claim.write_text('"""T5. It gains.\n\n    Refuted if it does not.\n"""\n' + claim.read_text())
    run.runpytest("-m", "severe and refusal")
    (row,) = read_ledger(Path(run.path, "reports/latest/ledger.jsonl")).rows
    assert row.statement == "T5. It gains.\n\nRefuted if it does not."


ADDED = """

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config):
    from fixtures.ledger import HEADER_KEY, TABLES_KEY
    from harness.ledger.rows import Table

    def tables():
        BODY

    config.stash[TABLES_KEY] = tables
    config.stash[HEADER_KEY] = {"judged_by": "nobody"}
"""


def add_tables(run: pytest.Pytester, body: str) -> None:
    conftest = Path(run.path, "conftest.py")
    conftest.write_text(conftest.read_text() + ADDED.replace("BODY", body))


def test_the_sources_tables_and_the_settings_are_kept(project: Project) -> None:
    run = project(**CLAIMS)
    add_tables(
        run, 'return [Table("t", "Norms by block", "LOG", "severe", "refusal", ["block", "norm"], [["1", 2.5]])]'
    )
    run.runpytest("--questions", "7")
    path = Path(run.path, "reports/latest/ledger.jsonl")
    head, rows, (table,) = read_ledger(path)
    assert (head["questions"], head["judged_by"]) == (7, "nobody")
    assert (len(rows), table.rows) == (8, [["1", 2.5]])
    assert "### Norms by block (severe, refusal)" in path.with_suffix(".md").read_text()


def test_a_fault_of_a_table_costs_no_verdict(project: Project) -> None:
    run = project(**CLAIMS)
    add_tables(run, "return [][0]")
    result = run.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["warning: the sources' tables could not be made (IndexError: *"])
    assert len(ledger(run)) == 9


BLIND = """
    Q = MadeUp({value})
    pytestmark = claim("{identity}", "it may be too small to see", "steering", [Q])
    @predicted("SUPPORTED", on="severe, clean/refusal", because="built so")
    def test_it(expect):
        expect(Q, "gain").at_least(0)
"""


def test_more_blind_controls_than_allowed_fail_the_run_and_are_named(project: Project) -> None:
    blind, seen = (BLIND.format(value=value, identity=identity) for value, identity in (("0.05", "T5"), ("3.0", "T6")))
    run = project(test_a=blind, test_b=seen)
    assert run.runpytest("--write-baseline=base.jsonl", "--blind-at-most", "50%").ret == 0
    cells = "T5 test_it [[]severe, refusal[]]; T5 test_it [[]severe, sycophancy[]]; T5 test_it [[]clean, refusal[]]"
    for result in (
        run.runpytest("--blind-at-most", "0.499"),
        run.runpytest("--baseline", "base.jsonl", "--blind-at-most", "49.9%"),
        run.runpytest_subprocess("-n", "1", "--blind-at-most", "49.9%"),
    ):
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=4, skipped=4)
        result.stdout.fnmatch_lines(
            [f"FAILED, since --blind-at-most allows 49.9 %: blind: 3 of 6 known cells*: {cells}"]
        )
    assert run.runpytest("--blind-at-most", "0", "--claim", "T6").ret == 0


@pytest.mark.parametrize("share", ["2", "-1%", "101%", "few", "nan", "%"])
def test_a_share_that_is_none_is_refused_in_one_sentence(project: Project, share: str) -> None:
    result = project(**CLAIMS).runpytest(f"--blind-at-most={share}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--blind-at-most: '{share}' is no share from 0 to 1; write 0.02 or 2%."])


def test_on_github_the_document_is_the_step_s_summary(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = project(**CLAIMS)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    run.runpytest()
    assert Path(run.path, "summary.md").read_text() == Path(run.path, "reports/latest/ledger.md").read_text()


def test_the_page_is_written_and_named_where_ci_looks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = project(**CLAIMS)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    result = run.runpytest("--html", "pages/page.html", "--junitxml", "junit.xml")
    result.stdout.fnmatch_lines(["the page to read is pages/page.html"])
    page = Path(run.path, "pages/page.html").read_text()
    rows = [json.loads(line) for line in ledger(run)][1:]
    assert page.count('class="cell"') >= len(rows) > 0
    assert Path(run.path, "summary.md").read_text().startswith("The page with every response: pages/page.html\n")
    assert '<property name="report" value="pages/page.html"' in Path(run.path, "junit.xml").read_text()
    refused = run.runpytest("--html", "summary.md/page.html")
    assert refused.ret == 0
    refused.stdout.fnmatch_lines(["warning: summary.md/page.html could not be written (*"])


def test_a_summary_that_cannot_be_written_is_a_warning(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run = project(**CLAIMS)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "no/summary.md")
    result = run.runpytest()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["warning: the step summary no/summary.md could not be written (*"])
    assert Path(run.path, "reports/latest/ledger.md").exists()


def test_rows_are_written_by_claim_then_model_then_trait(project: Project) -> None:
    run = project(**CLAIMS)
    run.runpytest()
    lines = [json.loads(line) for line in ledger(run)]
    assert lines[0]["kind"] == "run"
    assert lines[0]["schema"] == 3
    assert lines[0]["questions"] == 120  # of these models, and not what is usual
    assert [(row["claim"], row["model"], row["trait"]) for row in lines[1:]] == [
        (claim, model, trait)
        for claim in ("H1", "T5")
        for model in ("severe", "clean")
        for trait in ("refusal", "sycophancy")
    ]


def test_the_ledger_is_the_same_under_xdist(project: Project) -> None:
    run = project(**CLAIMS)
    run.runpytest("--ledger", "serial")
    run.runpytest_subprocess("-n", "2", "--dist", "loadgroup", "--ledger", "parallel")
    assert ledger(run, "serial") == ledger(run, "parallel")
    assert len(ledger(run, "serial")) == 9


def test_after_ctrl_c_the_rows_decided_are_there_and_the_exit_code_is_2(project: Project) -> None:
    run = project(
        test_a=CLAIMS["test_a"],
        test_b="""
        Q = MadeUp(3.0)
        pytestmark = claim("T7", "interrupted", "steering", [Q])
        def test_stop(expect, model):
            if model == "clean":
                raise KeyboardInterrupt
            expect(Q, "gain").at_least(0)
        """,
    )
    result = run.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [json.loads(line)["claim"] for line in ledger(run)[1:]] == ["T5", "T5", "T5", "T7", "T7"]
    result.stdout.fnmatch_lines(["*= ledger =*", "5 cells: 5 SUPPORTED*"])
    assert "5 cells: 5 SUPPORTED" in Path(run.path, "reports/latest/ledger.md").read_text()


def test_interrupted_before_the_first_verdict_the_last_ledger_is_gone(project: Project) -> None:
    run = project(test_a=CLAIMS["test_a"])
    run.runpytest()
    assert len(ledger(run)) == 5
    conftest = run.path / "conftest.py"
    conftest.write_text(
        conftest.read_text().replace('self.events.append(f"prepare', 'raise KeyboardInterrupt(f"prepare')
    )
    assert run.runpytest_subprocess().ret == pytest.ExitCode.INTERRUPTED
    assert len(ledger(run)) == 1
    assert not Path(run.path, "reports/latest/ledger.md").exists()


def test_a_ledger_that_cannot_be_written_is_still_printed(project: Project) -> None:
    run = project(**CLAIMS)
    run.path.joinpath("blocked").write_text("a file where the folder should be")
    result = run.runpytest("--ledger", "blocked")
    result.stdout.fnmatch_lines(["8 cells: *", "*could not be written*; the ledger above is all there is."])
    assert result.ret == 0


def test_a_run_without_claims_writes_no_ledger(project: Project) -> None:
    run = project(test_plain="def test_plain():\n    assert predicted\n")
    assert run.runpytest().ret == 0
    assert not Path(run.path, "reports").exists()
