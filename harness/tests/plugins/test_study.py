"""A study outside the checkout runs by one command, leaves the checkout clean, and does again what it did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.data.datasets import ROOT
from harness.ledger.rows import read_ledger

pytestmark = pytest.mark.slow  # steers two organisms


def bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run as a user does, who has the project installed and stands in a folder of their own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


def status_of_checkout() -> str:
    return bash("git status --porcelain", ROOT).stdout


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's study after its first run, which also wrote a baseline."""
    folder = tmp_path_factory.mktemp("elsewhere") / "study"
    before = status_of_checkout()
    made = bash(f"python -m fixtures.starter {folder}", folder.parent)
    assert made.stdout == f"bash {folder}/check.sh\n", made.stderr
    first = bash(f"bash {folder}/check.sh --write-baseline=baseline.jsonl", folder.parent)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "my vector steers as well as mean_diff" in first.stdout
    assert status_of_checkout() == before
    return folder


def test_trait_vector_claim_and_expectations_meet_in_one_ledger(study: Path) -> None:
    ledger = read_ledger(study / "reports" / "latest" / "ledger.jsonl")
    found = {(row.test, row.model): (row.verdict, row.expected, row.basis) for row in ledger.rows}
    better, no_worse = "test_it_is_no_random_direction", "test_it_is_no_worse"
    assert found == {
        (better, "severe"): ("SUPPORTED", "SUPPORTED", "predicted"),
        (no_worse, "severe"): ("SUPPORTED", "SUPPORTED", "regression"),
        (better, "other"): ("SUPPORTED", "SUPPORTED", "regression"),
        (no_worse, "other"): ("REFUTED", "REFUTED", "regression"),
    }
    assert {row.trait for row in ledger.rows} == {"declining"}
    assert {"version", "commit", "edition", "family"} <= set(ledger.head)
    assert (study / "page.html").stat().st_size > 100_000
    assert {path.name for path in study.iterdir()} - {path.name for path in (study / ".store").parent.glob(".*")} == {
        "README.md", "baseline.jsonl", "check.sh", "expect.yaml", "my_claims", "page.html", "reports", "traits",
        "vectors",
    }  # fmt: skip


def test_the_scheduled_job_is_that_command_and_passes_against_its_baseline(study: Path) -> None:
    steps = yaml.safe_load((study / ".github" / "workflows" / "claims.yml").read_text())["jobs"]["claims"]["steps"]
    (command,) = [step["run"] for step in steps if step.get("name") == "test"]
    done = bash(command, study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUPPORTED as in the baseline" in bash(f"{command} -v", study).stdout
    assert (study / "claims.xml").is_file()
    runs = [path for path in (study / "reports" / "runs").iterdir() if (path / "ledger.jsonl").is_file()]
    assert len(runs) == 3  # nothing of an earlier run was overwritten
    assert (study / "reports" / "latest").resolve() == max(runs).resolve()


def test_the_command_of_a_failure_gives_it_again_from_any_directory(study: Path) -> None:
    (study / "wrong.yaml").write_text((study / "expect.yaml").read_text().replace("REFUTED", "SUPPORTED"))
    unexpected = (study / "check.sh").read_text().replace("--expect expect.yaml", "--expect wrong.yaml --questions 50")
    (study / "unexpected.sh").write_text(unexpected)
    done = bash(f"bash {study}/unexpected.sh", Path("/"))
    assert done.returncode == 1, done.stdout + done.stderr
    (again,) = set(re.findall(r"again: (.*)", done.stdout))
    (estimate,) = set(re.findall(r"  (lead of my vector over mean_diff=.*?), but", done.stdout))
    assert "--questions=50 --expect=wrong.yaml" in again
    assert "n=50 questions" in done.stdout
    repeated = bash(again, Path("/"))
    assert repeated.returncode == 1, repeated.stdout + repeated.stderr
    assert estimate in repeated.stdout


def test_the_readme_shows_this_study(study: Path) -> None:
    shown = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    (command,) = re.findall(r"^pytest my_claims/.*?\"\$@\"", (study / "check.sh").read_text(), re.DOTALL | re.MULTILINE)
    told = " ".join(command.replace("\\\n", " ").split()).removesuffix(' "$@"')
    told = re.sub(r'other="\$\{OTHER:-.*?\}"', "other=BASE,INSTRUCT", told)
    assert told in shown.replace("\\ ", "")
    assert "python -m fixtures.starter" in shown


def test_a_trait_without_gold_or_questions_keeps_its_geometry_and_is_told_what_it_lacks(study: Path) -> None:
    bare = shutil.copytree(study / "traits" / "declining", study / "bare", dirs_exist_ok=True)
    (bare / "gold.jsonl").unlink()
    (bare / "questions.jsonl").unlink()
    plan = bash(f"pytest {ROOT}/claims --trait bare=bare -m severe --claim G4,S3 --plan --store .store", study)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "severe, bare: S3 not tested, as " in plan.stdout
    assert "bare has no questions.jsonl" in plan.stdout.replace("\n", " ")
    assert "severe   read bare scenarios" in plan.stdout
