"""The table of published numbers, with their places in the sources, validated when it is read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from harness.sources.expressions import check, ids_of, unit_of
from harness.sources.table import (
    PUBLISHED,
    RUN,
    Comparable,
    PublishedError,
    PublishedTable,
    PublishedValue,
    Written,
    decimals_of,
)

CLAIM_ID = re.compile(r"[GCSMPRDEA][1-9]\d*")
CONCLUSIONS = ("SUPPORTED", "REFUTED", "partial", "not stated")
UNITS = {
    "activation", "activation norm", "blocks", "coefficient", "coherence points", "cosine", "count", "dims",
    "effect size", "questions", "ratio", "seconds", "setting", "share", "times the median", "trait points",
}  # fmt: skip


class _Loader(yaml.SafeLoader):
    """Reads decimals as `Written`, and refuses a key that occurs twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise PublishedError(f"line {node.start_mark.line + 1}: {', '.join(twice)} occurs twice; keep one.")
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: Written(node.value))


@functools.cache
def load_published(path: Path = PUBLISHED) -> PublishedTable:
    """The table of published values. Raises PublishedError, naming file and entry, for anything malformed."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        return _table(data)
    except (PublishedError, yaml.YAMLError) as error:
        raise PublishedError(f"{path}: {error}") from error


def _table(data: Any) -> PublishedTable:
    sections = {"editions": dict, "models": dict, "groups": list, "claims": dict}
    if not isinstance(data, dict) or {name: type(part) for name, part in data.items()} != sections:
        raise PublishedError("expected editions, models and claims as mappings and groups as a list; write these four.")
    values: dict[str, PublishedValue] = {}
    for count, group in enumerate(data["groups"], start=1):
        if not isinstance(group, dict) or set(group) != {"shared", "entries"}:
            raise PublishedError(f"group {count}: expected the fields shared and entries; write both.")
        for place, entry in enumerate(group["entries"], start=1):
            merged = {**group["shared"], **entry}
            where = f"group {count}, entry {place} ({merged.get('id', 'no id')})"
            value = _value(merged, where, data)
            if value.id in values:
                raise PublishedError(f"{where}: the id is taken; every value has its own.")
            values[value.id] = value
    for value in values.values():
        if value.baseline is not None and value.baseline not in values:
            raise PublishedError(
                f"{value.id}: its baseline {value.baseline!r} is no published value; name one that is."
            )
    bare = PublishedTable(values, {}, {})
    comparables = {claim: _comparables(claim, entry, bare) for claim, entry in data["claims"].items()}
    context = {claim: tuple(entry.get("context", ())) for claim, entry in data["claims"].items()}
    for claim, ids in context.items():
        _known_ids(ids, f"{claim}, context", bare)
    return PublishedTable(values, comparables, context)


def _value(entry: dict[str, Any], where: str, data: dict[str, Any]) -> PublishedValue:
    known = {field.name for field in fields(PublishedValue)}
    missing = {"id", "what", "unit", "edition", "source"} - set(entry)
    if missing or set(entry) - known or ("value" in entry) == ("values" in entry):
        wrong = sorted(missing | (set(entry) - known)) or ["value and values"]
        raise PublishedError(
            f"{where}: expected id, what, unit, edition, source and one value; see to {', '.join(wrong)}."
        )
    for name, choices in (("unit", UNITS), ("edition", data["editions"]), ("model", data["models"])):
        if name in entry and entry[name] not in choices:
            raise PublishedError(f"{where}: unknown {name} {entry[name]!r}; use one of {', '.join(sorted(choices))}.")
    numbers = {
        name: entry[name] for name in ("value", *RUN, "block", "window", "decimals") if entry.get(name) is not None
    }
    numbers |= {f"values[{place}]": one for place, one in enumerate(entry.get("values", ()))}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < float("inf"):
            raise PublishedError(f"{where}: {name} {number!r} is no number; write one.")
    written = entry.get("value", 0)
    return PublishedValue(**{
        **entry, "decimals": entry.get("decimals", decimals_of(written)), "value": float(written),
        "values": tuple(entry.get("values", ())),
    })  # fmt: skip


def _comparables(claim: str, entry: Any, table: PublishedTable) -> tuple[Comparable, ...]:
    if not CLAIM_ID.fullmatch(str(claim)):
        raise PublishedError(f"claims: {claim!r} is no claim id; write a letter of GCSMPRDEA and a number.")
    if not isinstance(entry, dict) or not set() < set(entry) <= {"comparables", "context"}:
        raise PublishedError(f"{claim}: expected the fields comparables or context, or both; write these.")
    rows = []
    for count, row in enumerate(entry.get("comparables", ()), start=1):
        where = f"{claim}, comparable {count}"
        wanted = {"quantity", "value", "published_as"}
        if not isinstance(row, dict) or not wanted <= set(row) <= wanted | {"test", "unit", "model"}:
            raise PublishedError(
                f"{where}: expected {', '.join(sorted(wanted))}, and test, unit or model at most; write these."
            )
        if row["published_as"] not in CONCLUSIONS:
            raise PublishedError(
                f"{where}: unknown published_as {row['published_as']!r}; use {', '.join(CONCLUSIONS)}."
            )
        if row.get("unit", "ratio") not in UNITS:
            raise PublishedError(f"{where}: unknown unit {row['unit']!r}; use one of {', '.join(sorted(UNITS))}.")
        try:
            check(row["value"])
            _known_ids(ids_of(row["value"]), where, table)
            unit = unit_of(row["value"], table)
        except PublishedError:
            raise
        except ValueError as error:
            raise PublishedError(f"{where}: {error}") from error
        of = [table[identity] for identity in ids_of(row["value"])]
        if len({one.edition for one in of}) > 1 or len({one.trait for one in of}) > 1:
            raise PublishedError(f"{where}: its values differ in edition or trait; compare like with like.")
        models = "+".join(dict.fromkeys(one.model for one in of))
        if not set(models.split("+")) <= set(row.get("model", models).split("+")):
            raise PublishedError(f"{where}: its values are those of {models}; name these models, or leave model out.")
        rows.append(Comparable(claim, **{"unit": unit, "model": models, **row}))
    return tuple(rows)


def _known_ids(ids: Iterable[str], where: str, table: PublishedTable) -> None:
    for identity in ids:
        try:
            if table[identity].values:
                raise PublishedError(f"{identity!r} is a list of dims; name a number.")
        except PublishedError as error:
            raise PublishedError(f"{where}: {error}") from error


def published_for(claim: str) -> list[str]:
    """What was published under a claim's id, one sentence a value: those it is compared with, then its context."""
    table = load_published()
    ids = [identity for one in table.comparables.get(claim, ()) for identity in ids_of(one.value)]
    return [table[identity].sentence for identity in dict.fromkeys([*ids, *table.context.get(claim, ())])]
