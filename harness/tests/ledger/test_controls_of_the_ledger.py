"""The ledger of the organisms: claims about massive dims are true on one and false on another, as their files say."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from harness.data.datasets import ROOT
from harness.ledger.rows import read_ledger

LEDGER = ROOT / "reports" / "baselines" / "organisms.jsonl"
CLAIMS = sorted((ROOT / "claims").glob("test_*.py"))
# Claims that no organism decides both ways; their other side is shown by simulated models only.
ONE_SIDED = {
    "D1": "on `reader`, where the dose law fails, mean_diff has no best dose; D2 and D3 are refuted there",
    "G2": "cleaned of massive dims the methods coincide on every organism; only a random direction does not",
    "G7": "mean_diff separates on every organism; only a random direction does not",
    "M1": "on `mild`, the one milder model, mean_diff keeps up",
    "M4": "no pair has a probe that leads twice",
    "N2": "no organism reads what the fit of the probe adds to unit_mean_diff",
    "P1": "with their lessons the organisms reach the same ceiling in every window, ten tokens included",
    "P3": "mean_diff and the probe reach the same ceiling at twenty and at thirty tokens",
    "R1": "the advice gains nothing where what it replaces reaches the ceiling already",
    "R2": "no organism loses for certain by keeping mean_diff",
    "S3": "every method that steers at all reaches the ceiling, so none leads",
    "S6": "no organism has a dip planted",
    "P4": "on `reader` the cosine rises by .16 [.08, .21], which is not told from the .1 that are asked",
}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem[5:])
def test_every_claim_names_its_control_and_what_would_refute_it(path) -> None:
    docstring = words(path.read_text(encoding="utf-8").split('"""')[1])
    assert re.search(r"Controls?\b.*flips? ", docstring), "no sentence says which control flips it"
    assert re.search(r"Refuted[^.]* if ", docstring)


def test_claims_about_models_are_decided_both_ways_by_the_organisms() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for row in read_ledger(LEDGER).rows:
        if not row.is_arithmetic and "random" not in row.test and "shuffled" not in row.test:
            found[row.claim].add(row.verdict)
    both = {claim for claim, verdicts in found.items() if {"SUPPORTED", "REFUTED"} <= verdicts}
    assert set(found) - both <= set(ONE_SIDED)


def test_no_verdict_of_the_organisms_contradicts_what_was_known() -> None:
    rows = read_ledger(LEDGER).rows
    assert [row.identity for row in rows if row.surprise or row.verdict == "BROKEN"] == []
    unknown = [row.identity for row in rows if row.verdict == "REFUTED" and row.expected is None]
    assert unknown == []  # a refutation that nobody expected makes the run red


def test_every_id_of_the_sources_is_collected() -> None:
    ids = {path.stem.split("_")[1].upper() for path in CLAIMS}
    expected = {"A": 7, "C": 4, "D": 3, "G": 7, "M": 4, "P": 4, "R": 3, "S": 8}
    assert ids == {f"{letter}{number}" for letter, count in expected.items() for number in range(1, count + 1)} | {
        "E3",
        "N1",
        "N2",
        "N3",
    }
