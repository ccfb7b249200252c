"""The published numbers of each claim, with their place in the source, validated when they are read."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from harness.datasets import ROOT

PUBLISHED = ROOT / "claims" / "published.yaml"
FIELDS = {"model", "trait", "what", "value", "unit", "edition", "source"}


class PublishedError(ValueError):
    """The table of published values is malformed; the message names the claim and the entry."""


def load_published(path: Path = PUBLISHED) -> dict[str, list[dict[str, Any]]]:
    """Published values by claim id. Raises PublishedError for a missing or unknown field."""
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(table, dict):
        raise PublishedError(f"{path}: expected claim ids with lists of values.")
    for claim, entries in table.items():
        for count, entry in enumerate(entries, start=1):
            if not isinstance(entry, dict) or set(entry) != FIELDS:
                raise PublishedError(f"{path}: {claim}, entry {count}: expected the fields {sorted(FIELDS)}.")
            if not isinstance(entry["value"], int | float):
                raise PublishedError(f"{path}: {claim}, entry {count}: value {entry['value']!r} is no number.")
    return table


@functools.cache
def _published() -> dict[str, list[dict[str, Any]]]:
    return load_published()


def published_for(claim: str) -> list[str]:
    """What was published under a claim's id, one sentence a value."""
    return [
        f"{entry['what']} = {entry['value']} {entry['unit']} "
        f"({entry['model']}, {entry['trait']}, edition {entry['edition']}, {entry['source']})"
        for entry in _published().get(claim, [])
    ]
