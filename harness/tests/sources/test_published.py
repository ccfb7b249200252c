"""The table of published values is complete and traceable, and is refused when malformed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from harness.data.datasets import ROOT
from harness.sources.expressions import ids_of
from harness.sources.published import load_published, published_for
from harness.sources.table import PUBLISHED, PublishedError, PublishedTable

SHARED = "{model: m, edition: e, unit: ratio, source: LOG step 1}"
ENTRY = "{id: a, what: w, value: 1.0}"
OWN = ("D", "N")  # claims of this project's own: nothing was published under them


def document(entry: str = ENTRY, claims: str = "", more: str = "") -> str:
    """A table of one group, as YAML."""
    return (
        "editions: {e: one}\nmodels: {m: one}\n"
        f"groups: [{{shared: {SHARED}, entries: [{entry}{more}]}}]\nclaims: {claims or about('value: a')}\n"
    )


def about(value: str, published_as: str = "SUPPORTED", more: str = "") -> str:
    """The claims section with one comparable."""
    return f"{{S5: {{comparables: [{{quantity: q, value: {{{value}}}, published_as: {published_as}}}]{more}}}}}"


def load(tmp_path: Path, text: str) -> PublishedTable:
    path = tmp_path / "published.yaml"
    path.write_text(text)
    return load_published(path)


def test_every_claim_file_of_the_sources_has_its_published_values() -> None:
    files = {re.match(r"test_([a-z]\d+)_", path.name)[1].upper() for path in (ROOT / "claims").glob("test_*.py")}  # type: ignore[index]
    published = {one for one in files if not one.startswith(OWN)}
    assert published
    assert published <= set(load_published().context)


@pytest.mark.parametrize(("letter", "count"), [("G", 7), ("C", 4), ("S", 8), ("M", 4), ("P", 4), ("R", 3), ("E", 2)])
def test_every_claim_of_the_sources_is_comparable(letter: str, count: int) -> None:
    claims = load_published().comparables
    named = [claim for claim, rows in claims.items() if claim[0] == letter and rows]
    assert named == [f"{letter}{one}" for one in range(1, count + 1)]


def numbers_of_the_write_ups() -> list[tuple[str, float]]:
    """Numbers of the two sources, a few of each table, with the part of the source that the table must name."""
    return [
        ("LOG step 2", 53.3), ("LOG step 2", 3.49), ("LOG step 4", 0.251), ("LOG step 4", 0.867), ("LOG step 5", -0.3),
        ("LOG subexperiment calibration", 18189), ("LOG subexperiment calibration", 88.1),
        ("LOG subexperiment 2", 29.1), ("LOG subexperiment 2", 0.887), ("LOG step 7-9", 56.1),
        ("LOG step 10-11", 14.4), ("LOG step 12-13", 21.5), ("LOG step 18", 26.5), ("LOG step 25-26", 12.2),
        ("DOC steering results", 33), ("DOC cleaning ablation", 29), ("DOC trait differences", 10),
    ]  # fmt: skip


@pytest.mark.parametrize(("source", "number"), numbers_of_the_write_ups())
def test_numbers_of_both_write_ups_are_there_with_their_place(source: str, number: float) -> None:
    values = load_published().values.values()
    assert [one.id for one in values if source in one.source and one.value == pytest.approx(number)]


@pytest.mark.parametrize("edition", ["2026-01-30", "2026-01-31", "2026-02-04", "literature"])
def test_later_editions_stand_beside_the_first_one(edition: str) -> None:
    values = load_published().values.values()
    assert len([one for one in values if one.edition == edition]) >= 12
    assert all(edition in one.id for one in values if one.edition == edition and one.id.count("best_delta"))


def test_every_number_is_there_once() -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    entries = [row for group in yaml.safe_load(text)["groups"] for row in group["entries"]]
    assert len(entries) == len(load_published().values) > 250


def test_a_delta_is_its_trait_score_minus_its_baseline_as_far_as_rounding_tells() -> None:
    table, pairs = load_published(), 0
    for name in ("probe", "top1", "mean_diff", "cleaned", "probe_top3", "probe_cleaned"):
        delta, trait = table[f"gemma3.refusal.{name}.best_delta"], table[f"gemma3.refusal.{name}.trait"]
        left_over = trait.rounded - table["gemma3.refusal.baseline"].rounded - delta.rounded
        assert left_over.low <= 0 <= left_over.high, name
        pairs += 1
    assert pairs == 6


def test_a_published_value_is_one_sentence_with_its_source() -> None:
    place = "gemma3, refusal, response[:5], edition 2026-01-29, LOG step 12-13"
    assert published_for("S7")[0] == f"best Delta of the probe = 33.0 trait points ({place})"
    assert any("edition 2026-01-31, ewernn/trait-interp" in sentence for sentence in published_for("S7"))
    assert published_for("C2")[-1].startswith("coefficient of: trait at coefficient 1192")
    assert published_for("S4")[4].startswith("best Delta of mean_diff = ~0 trait points")
    assert published_for("nothing") == []


def test_no_claim_tells_a_value_twice() -> None:
    for claim in load_published().comparables:
        assert len(published_for(claim)) == len(set(published_for(claim))) > 0, claim


def test_rounding_follows_from_the_written_digits() -> None:
    table = load_published()
    for identity, half in [
        ("gemma3.refusal.probe.best_delta", 0.05),  # 33.0
        ("gemma3.norm", 0.5),  # 25984
        ("gemma3.refusal.mean_diff.accuracy", 0.005),  # 1.00
        ("gemma2.useful.high", 5.0),  # 120, to tens
        ("gemma3.refusal.probe.best_delta.coherence", 0.05),  # 73.0
        ("gemma3.refusal.sweep.1192.coefficient", 0.5),
        ("gemma3.refusal.probe.best_delta.n", 0.0),  # counted, not rounded
        ("protocol.gate", 0.0),  # a setting
    ]:
        rounded = table[identity].rounded
        assert (rounded.high - rounded.low) / 2 == pytest.approx(half), identity
        assert rounded.value == pytest.approx((rounded.high + rounded.low) / 2), identity


def test_numbers_of_a_run_are_values_too() -> None:
    table = load_published()
    assert (table["gemma3.refusal.sweep.1192.coherence"].value, table["gemma3.refusal.sweep.1192.n"].value) == (
        70.7,
        10,
    )
    with pytest.raises(PublishedError, match=r"no published value is called 'gemma3\.norm\.coherence'"):
        table["gemma3.norm.coherence"]


def test_a_changed_table_keeps_its_rounding_and_the_original() -> None:
    table = load_published()
    changed = table.changed({"gemma3.refusal.probe.best_delta": 50.0, "gemma3.refusal.probe.best_delta.n": 120})
    assert changed["gemma3.refusal.probe.best_delta"].rounded.low == pytest.approx(49.95)
    assert changed["gemma3.refusal.probe.best_delta.n"].value == 120
    assert table["gemma3.refusal.probe.best_delta"].value == 33.0
    coherence = table.changed({"gemma3.refusal.sweep.1192.coherence": 80.2})["gemma3.refusal.sweep.1192.coherence"]
    assert (coherence.value, coherence.rounded.low) == pytest.approx((80.2, 80.15))
    with pytest.raises(PublishedError, match="no published value is called 'x'"):
        table.changed({"x": 1.0})


def test_a_small_table_is_read(tmp_path: Path) -> None:
    table = load(tmp_path, document())
    assert table["a"].value == 1.0
    assert table["a"].decimals == 1
    assert list(ids_of(table.comparables["S5"][0].value)) == ["a"]
    assert table.comparables["S5"][0].unit == "ratio"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "expected editions, models and claims"),
        ("editions: {e: one, e: two}\n", "line 1: e occurs twice"),
        (document("{id: a, what: w, value: 1.0, colour: red}"), r"group 1, entry 1 \(a\): .* see to colour"),
        (document("{what: w, value: 1.0}"), r"group 1, entry 1 \(no id\): .* see to id"),
        (document("{id: a, what: w}"), r"entry 1 \(a\): .* see to value and values"),
        (document("{id: a, what: w, value: 1.0, values: [1]}"), "see to value and values"),
        (document("{id: a, what: w, value: many}"), "value 'many' is no number"),
        (document("{id: a, what: w, value: yes}"), "value True is no number"),
        (document("{id: a, what: w, value: .nan}"), "value nan is no number"),
        (document("{id: a, what: w, value: 1.0, n: ten}"), "n 'ten' is no number"),
        (document("{id: a, what: w, values: [1, x]}"), r"values\[1\] 'x' is no number"),
        (document("{id: a, what: w, value: 1.0, unit: furlongs}"), "unknown unit 'furlongs'"),
        (document("{id: a, what: w, value: 1.0, edition: later}"), "unknown edition 'later'"),
        (document("{id: a, what: w, value: 1.0, model: n}"), "unknown model 'n'"),
        (document("{id: a, what: w, value: 1.0, baseline: b}"), "a: its baseline 'b' is no published value"),
        (document(more=f", {ENTRY}"), r"group 1, entry 2 \(a\): the id is taken"),
        (document(claims="{X9: {comparables: []}}"), "'X9' is no claim id"),
        (document(claims="{S5: {}}"), "S5: expected the fields comparables or context"),
        (document(claims="{S5: {comparables: [{quantity: q}]}}"), "S5, comparable 1: expected published_as"),
        (document(claims=about("value: a", "true")), "unknown published_as"),
        (document(claims=about("value: a", more=", context: [b]")), "S5, context: .*called 'b'"),
        (document(claims=about("value: b")), "called 'b'"),
        (document(claims=about("sum: [a, a]")), "is no expression"),
        (document(claims=about("ratio: [a]")), "takes 2 to 2"),
        (
            document(
                claims=about("difference: [a, b]"),
                more=", {id: b, what: w, value: 2, unit: share}",
            ),
            "S5, comparable 1: difference of ratio and share means nothing",
        ),
        (
            document(
                claims=about("difference: [a, b]"),
                more=", {id: b, what: w, value: 2, trait: t}",
            ),
            "S5, comparable 1: its values differ in edition or trait",
        ),
        (
            document(claims=about("value: a", more="").replace("quantity: q", "quantity: q, model: n")),
            "S5, comparable 1: its values are those of m; name these models",
        ),
        (
            document("{id: a, what: w, values: [1, 2]}"),
            "S5, comparable 1: 'a' is a list of dims",
        ),
    ],
)  # fmt: skip
def test_a_malformed_table_names_file_and_entry(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PublishedError, match=message) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "published.yaml") in str(caught.value)
