"""Published values are complete, belong to a claim that exists, and are refused when malformed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.datasets import ROOT
from harness.published import PublishedError, load_published, published_for

ENTRY = "{model: m, trait: t, what: w, value: 1.0, unit: u, edition: e, source: s}"


def test_every_published_id_has_a_claim_file_and_every_claim_file_its_values() -> None:
    files = {re.match(r"test_([a-z]\d+)_", path.name)[1].upper() for path in (ROOT / "claims").glob("test_*.py")}  # type: ignore[index]
    assert set(load_published()) == files


def test_a_published_value_is_one_sentence_with_its_source() -> None:
    assert published_for("S7")[0] == (
        "best Delta of the probe = 33.0 trait points (gemma3, refusal, edition 2026-01-29, LOG step 12-13)"
    )
    assert published_for("nothing") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected claim ids"),
        (f"S5:\n  - {ENTRY.replace('unit: u, ', '')}\n", "S5, entry 1: expected the fields"),
        (f"S5:\n  - {ENTRY}\n  - {ENTRY.replace('1.0', 'many')}\n", "S5, entry 2: value 'many' is no number"),
    ],
)
def test_a_malformed_table_names_claim_and_entry(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(text)
    with pytest.raises(PublishedError, match=message):
        load_published(path)
