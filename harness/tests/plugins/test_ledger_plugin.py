"""The ledger is printed, written in a fixed order, the same under xdist, and kept after Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Project = Callable[..., pytest.Pytester]

CLAIMS = {
    "test_a": """
        Q = MadeUp(3.0)
        pytestmark = claim("S5", "first", "steering", [Q])
        def test_first(expect):
            expect(Q, "gain").at_least(0)
    """,
    "test_b": """
        Q = MadeUp(-4.0)
        pytestmark = claim("G1", "second", "geometry", [Q])
        @known("REFUTED", on="severe, clean", because="built so")
        def test_second(expect):
            expect(Q, "loss").at_least(0)
    """,
}


def ledger(pytester: pytest.Pytester, folder: str = "reports/latest") -> list[str]:
    return Path(pytester.path, folder, "ledger.jsonl").read_text().splitlines()


def test_the_terminal_ends_with_claims_down_and_models_across(project: Project) -> None:
    result = project(**CLAIMS).runpytest()
    result.stdout.fnmatch_lines(
        [
            "*= ledger =*",
            "claim * severe * clean*",
            "G1*",
            "refusal * REFUTED[*] * REFUTED[*]*",
            "loss (trait points) * -4 [[]-4.*] * -4 [[]-4.*]*",
            "* n=50 questions * n=50 questions*",
            "S5*",
            "8 cells: 4 SUPPORTED, 4 REFUTED; 4 known beforehand, 0 of them contradicted",
            "written to reports/latest/ledger.jsonl",
            "*4 passed, 4 xfailed*",
        ]
    )


def test_rows_are_written_by_claim_then_model_then_trait(project: Project) -> None:
    run = project(**CLAIMS)
    run.runpytest()
    lines = [json.loads(line) for line in ledger(run)]
    assert lines[0]["kind"] == "run"
    assert lines[0]["schema"] == 1
    assert [(row["claim"], row["model"], row["trait"]) for row in lines[1:]] == [
        (claim, model, trait)
        for claim in ("G1", "S5")
        for model in ("severe", "clean")
        for trait in ("refusal", "sycophancy")
    ]


def test_the_ledger_is_the_same_under_xdist(project: Project) -> None:
    run = project(**CLAIMS)
    run.runpytest_subprocess("--ledger", "serial")
    run.runpytest_subprocess("-n", "2", "--dist", "loadgroup", "--ledger", "parallel")
    assert ledger(run, "serial") == ledger(run, "parallel")
    assert len(ledger(run, "serial")) == 9


def test_after_ctrl_c_the_rows_decided_are_there_and_the_exit_code_is_2(project: Project) -> None:
    run = project(
        test_a=CLAIMS["test_a"],
        test_b="""
        Q = MadeUp(3.0)
        pytestmark = claim("S7", "interrupted", "steering", [Q])
        def test_stop(expect, model):
            if model.name == "clean":
                raise KeyboardInterrupt
            expect(Q, "gain").at_least(0)
        """,
    )
    result = run.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [json.loads(line)["claim"] for line in ledger(run)[1:]] == ["S5", "S5", "S5", "S7", "S7"]
    result.stdout.fnmatch_lines(["*= ledger =*", "5 cells: 5 SUPPORTED*"])


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


def test_a_ledger_that_cannot_be_written_is_still_printed(project: Project) -> None:
    run = project(**CLAIMS)
    run.path.joinpath("blocked").write_text("a file where the folder should be")
    result = run.runpytest("--ledger", "blocked")
    result.stdout.fnmatch_lines(["8 cells: *", "*could not be written*; the ledger below is all there is."])
    assert result.ret == 0


def test_a_run_without_claims_writes_no_ledger(project: Project) -> None:
    run = project(test_plain="def test_plain():\n    assert known\n")
    assert run.runpytest().ret == 0
    assert not Path(run.path, "reports").exists()
