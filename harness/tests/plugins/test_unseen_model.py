"""Every claim runs on a folder that the project has never seen, scored by a local judge, and becomes a baseline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fixtures.organisms.train_grader import FOLDER as GRADER
from harness.data.datasets import LANGUAGES, ROOT
from harness.ledger.baseline import read_baseline
from harness.ledger.rows import Row, read_ledger
from harness.models.registry import EMBEDDED, find_model
from harness.tests.plugins.own_claims import run_claims


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a model and a judge in folders of their own: an organism and the grader, moved there."""
    folder, spec = tmp_path_factory.mktemp("somebody's"), find_model("severe")
    places = [shutil.copytree(where, folder / name) for where, name in ((spec.base, "b"), (spec.instruct, "i"))]
    judge = shutil.copytree(GRADER, folder / "judge")
    for truth in folder.glob("*/ground_truth.json"):
        truth.unlink()
    model = f"mine={','.join(map(str, places))}"
    few = ["--questions", "12", "--extractions", "1"]
    return ["--model", model, "--language", "templated", "--judge", f"local:{judge}", *few]


def measured(row: Row) -> tuple[str, object]:
    return row.verdict, row.estimates


@pytest.mark.slow
def test_every_claim_runs_and_its_ledger_is_a_baseline(asked: list[str], tmp_path: Path) -> None:
    store, hub, baseline = tmp_path / "store", tmp_path / "hub", tmp_path / "mine.jsonl"
    first = run_claims(store, tmp_path / "first", *asked, f"--write-baseline={baseline}", hub=hub)
    ledger = read_ledger(tmp_path / "first" / "ledger.jsonl")
    organisms = read_ledger(ROOT / "reports" / "baselines" / "organisms.jsonl").rows
    about_one_model = {row.claim for row in organisms if row.model in EMBEDDED}
    assert {row.claim for row in ledger.rows} == about_one_model
    assert {(row.model, row.trait) for row in ledger.rows} == {("mine", trait) for trait in LANGUAGES["templated"]}
    assert [row.error for row in ledger.rows if row.verdict == "BROKEN"] == []
    # The judge is trusted, so claims that steer have estimates; twelve questions decide hardly any of them.
    assert "NOT TRUSTED" not in first.stdout
    steering = [row for row in ledger.rows if row.family == "steering"]
    assert {row.claim for row in steering if row.estimates[-1]["estimate"] is not None} >= {"S1", "S5", "S7", "S8"}
    geometry = [row.verdict for row in ledger.rows if row.family == "geometry"]
    assert {"SUPPORTED", "REFUTED"} <= set(geometry)
    # Nobody expects anything of it but of controls: what is refuted is red.
    assert first.returncode == 1
    about = ledger.head["models"]["mine"]
    assert (about["language"], about["judge"]) == ("templated", asked[asked.index("--judge") + 1])
    assert all(len(blocks) == 1 for blocks in about["blocks"].values())

    second = run_claims(store, tmp_path / "second", *asked, "--baseline", str(baseline), hub=hub)
    assert second.returncode == 0
    assert "no change: every verdict is the baseline's" in second.stdout
    again = read_ledger(tmp_path / "second" / "ledger.jsonl").rows
    assert list(map(measured, again)) == list(map(measured, ledger.rows))

    # A baseline is only worth its disagreement: one verdict in it turned around is red, and named.
    lines = baseline.read_text(encoding="utf-8").splitlines()
    place = next(number for number, text in enumerate(lines) if json.loads(text).get("verdict") == "SUPPORTED")
    turned = {**json.loads(lines[place]), "verdict": "REFUTED"}
    baseline.write_text("\n".join([*lines[:place], json.dumps(turned), *lines[place + 1 :]]) + "\n", encoding="utf-8")
    assert len(read_baseline(baseline).rows) == len(ledger.rows)
    third = run_claims(store, tmp_path / "third", *asked, "--baseline", str(baseline), hub=hub)
    assert third.returncode == 1
    assert "verdict flipped (1)" in third.stdout
    assert turned["test"] in third.stdout.partition("verdict flipped (1)")[2]
