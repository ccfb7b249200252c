"""The claims run end to end on what stands for real models: whole pipelines of true architecture, made small."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.datasets import judging_folder, load_definition, trait_folder
from harness.data.gold import load_gold
from harness.ledger.rows import Ledger, Row, read_ledger
from harness.models.registry import find_model
from harness.tests.judges.api_server import serving
from harness.tests.models.checkpoints import write_gemma3_4b_pair
from harness.tests.plugins.own_claims import run_claims

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the hub that holds gemma-3-4b in small: multimodal, 34 blocks, a chat template, random weights."""
    folder = tmp_path_factory.mktemp("hub")
    names = [str(where).replace("/", "--") for where in (find_model("gemma3").base, find_model("gemma3").instruct)]
    for name, made in zip(names, write_gemma3_4b_pair(folder / "made", width=32), strict=True):
        revision = "0" * 40
        snapshot = folder / f"models--{name}" / "snapshots" / revision
        snapshot.parent.mkdir(parents=True)
        made.rename(snapshot)
        (folder / f"models--{name}" / "refs").mkdir()
        (folder / f"models--{name}" / "refs" / "main").write_text(revision)
    return folder


@pytest.fixture(scope="module")
def run(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the project's own claims; every run shares one store."""
    store = tmp_path_factory.mktemp("store")

    def start(ledger: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_claims(store, ledger, *arguments, hub=hub)

    return start


def ledger_in(folder: Path) -> Ledger:
    return read_ledger(folder / "ledger.jsonl")


def row_of(ledger: Ledger, claim: str, test: str) -> Row:
    (row,) = [row for row in ledger.rows if (row.claim, row.test) == (claim, test)]
    return row


ASKED = ("-m", "gemma3 and refusal", "--claim", "G1,G6,C1", "--questions", "2")


@pytest.mark.slow
def test_gemma3_is_tested_by_the_published_protocol_and_told_beside_what_was_published(
    run: Run, tmp_path: Path
) -> None:
    done = run(tmp_path, *ASKED, "--judge", "lexical")
    ledger = ledger_in(tmp_path)
    assert {row.claim for row in ledger.rows} == {"G1", "G6", "C1"}
    assert [row.error for row in ledger.rows if row.verdict == "BROKEN"] == []
    about = ledger.head["models"]["gemma3"]
    assert about["origin"] == "google/gemma-3-4b-pt, google/gemma-3-4b-it"
    assert about["blocks"]["refusal"] == [15]
    assert about["judge"] == "lexical"
    # Random weights tell no scenarios apart, so there is no direction to speak of.
    undirected = row_of(ledger, "G1", "test_cleaning_moves_mean_diff_onto_the_probe")
    assert undirected.verdict == "INCONCLUSIVE"
    assert "does not tell held-out scenarios apart" in undirected.estimates[-1]["story"]
    first = row_of(ledger, "G6", "test_little_norm_remains")
    assert first.expected == "SUPPORTED"
    assert (first.because, first.basis) == ("published so for gemma3 in edition 2026-01-29", "predicted")
    # Random weights have no massive dims: the claim is refuted there, and that is a surprise.
    assert (first.verdict, first.surprise) == ("REFUTED", True)
    assert done.returncode == 1
    assert "REFUTED against prediction" in done.stdout
    assert [one["word"] for one in first.published] == ["not comparable"]  # norms were published, no share
    assert first.massive["published"] == list(find_model("gemma3").massive_dims)
    judged = [table for table in ledger.tables if table.key == "judge"]
    assert [(table.model, table.trait) for table in judged] == [("gemma3", "refusal")]
    assert "for a quick look only" in judged[0].title
    assert "The judge lexical (word lists, for a quick look only) on gold responses, refusal" in done.stdout
    # Word lists do not pass the gate, so nothing is steered for them, now or later.
    assert "NOT TRUSTED" in done.stdout
    again = run(tmp_path, *ASKED, "--judge", "lexical", "--plan")
    assert "0 generate calls" in again.stdout


@pytest.mark.slow
def test_its_own_instruct_model_judges_by_default_and_decides_nothing_before_it_has_shown_that_it_can(
    run: Run, tmp_path: Path
) -> None:
    """Random weights cannot grade: the steering claim is inconclusive with that reason, and nothing is steered."""
    done = run(tmp_path, "-m", "gemma3 and refusal", "--claim", "S2", "--questions", "2")
    ledger = ledger_in(tmp_path)
    (row,) = ledger.rows
    assert row.verdict == "INCONCLUSIVE"
    assert "the judge local:gemma3 is not good enough on gold responses" in row.estimates[0]["story"]
    assert "AUROC" in row.estimates[0]["story"]
    assert done.returncode == 0
    assert "NOT TRUSTED" in done.stdout
    assert "steer:" not in done.stdout


def oracle(text: str) -> list[tuple[str, float]]:
    """A server's answer: the gold score where a gold response stands in the question, else hardly any and fluent."""
    of_trait = load_definition(trait_folder("english", "refusal") / "definition.yaml")["statement"] in text
    folder = judging_folder("english")
    gold = load_gold(folder / "refusal.jsonl" if of_trait else folder / "coherence.jsonl")
    found = [one for one in gold if one.response and one.response in text]
    score = max(found, key=lambda one: len(one.response)).score if found else (20.0 if of_trait else 90.0)
    return [(str(round(score)), 0.9), ("The", 0.1)]


@pytest.mark.slow
def test_a_judge_behind_a_server_is_checked_then_scores_what_was_steered_and_is_not_asked_twice(
    run: Run, tmp_path: Path
) -> None:
    asked = ("-m", "gemma3 and refusal", "--claim", "S2", "--questions", "6")
    with serving(oracle) as server:
        judge = ("--judge", "api:oracle", "--judge-url", server.url)
        done = run(tmp_path, *asked, *judge, "--ledger-detail")
        first = len(server.requests)
        run(tmp_path / "again", *asked, *judge)
        assert len(server.requests) == first
    (row,) = ledger_in(tmp_path).rows
    # A server that finds everything fluent and nothing refused: what larger doses would do is not known, and said.
    assert row.verdict == "INCONCLUSIVE"
    assert "gold" not in row.estimates[0]["story"]
    assert row.expected == "SUPPORTED"
    assert "trusted" in done.stdout
    (table,) = [table for table in ledger_in(tmp_path).tables if table.key == "judge"]
    assert [cells[-1] for cells in table.rows] == ["passed", "passed"]
    gold = sum(len(load_gold(judging_folder("english") / f"{name}.jsonl")) for name in ("refusal", "coherence"))
    assert first > 2 * (gold + 6)  # the gold set, the unsteered answers, and steered ones


@pytest.mark.slow
def test_an_unlisted_model_becomes_a_baseline_and_is_compared_with_it(run: Run, hub: Path, tmp_path: Path) -> None:
    folders = sorted(hub.glob("models--*/snapshots/*"), reverse=True)  # -pt, then -it
    asked = ("--model", f"mine={folders[0]},{folders[1]}", "--claim", "G1,G6,S4", "-k", "optimism", "--questions", "2")
    baseline = tmp_path / "mine.jsonl"
    first = run(tmp_path / "first", *asked, "--judge", "lexical", f"--write-baseline={baseline}")
    ledger = ledger_in(tmp_path / "first")
    assert {(row.model, row.trait) for row in ledger.rows} == {("mine", "optimism")}
    assert [row.error for row in ledger.rows if row.verdict == "BROKEN"] == []
    assert all(row.expected is None or row.claim == "S4" for row in ledger.rows)  # nothing is expected but of controls
    (block,) = ledger.head["models"]["mine"]["blocks"]["optimism"]
    assert 11 <= block <= 20
    assert row_of(ledger, "S4", "test_mean_diff_works").verdict == "INCONCLUSIVE"  # word lists know no optimism
    assert first.returncode == 1  # what is refuted and was not expected to be
    second = run(tmp_path / "second", *asked, "--judge", "lexical", "--baseline", str(baseline))
    assert second.returncode == 0
    assert "no change: every verdict is the baseline's" in second.stdout
    rows = [json.loads(line) for line in baseline.read_text(encoding="utf-8").splitlines()]
    assert rows[0]["models"]["mine"]["judge"] == "lexical"
