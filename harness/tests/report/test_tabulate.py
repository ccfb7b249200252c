"""The sources' tables hold published values that exist, and this project's numbers where they were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.lab.measurements import Measurement, Sweep
from harness.lab.store import Answer
from harness.ledger.rows import Table
from harness.quantities import Cell
from harness.report import tabulate
from harness.report.later_tables import LATER_TABLES
from harness.report.source_tables import TABLES
from harness.sources.published import load_published
from harness.tests.quantities.simulated import World, answers, cell

EVERY = (*TABLES, *LATER_TABLES)


def standing_for(model: str, trait: str) -> Cell:
    simulated = cell(trait)
    return replace(simulated, model=replace(simulated.model, stands_for=model))


def made(model: str, trait: str) -> list[Table]:
    known = answers({"simulated": World(inside={5: 0.9, 10: 0.7, 20: 0.4, 30: 0.3})})
    return tabulate.tables([standing_for(model, trait)], known, load_published())


@pytest.mark.parametrize("source", EVERY, ids=lambda source: f"{source.key} {source.title}")
def test_every_published_value_of_a_table_exists_and_belongs_to_its_model_trait_and_edition(source) -> None:
    published = load_published()
    for line in source.lines:
        for column, identity in line.published.items():
            value = published[identity]
            assert column in source.columns
            assert value.model in ("", source.model), identity
            assert value.trait in ("", source.trait), identity
            assert value.edition == source.edition, identity
        assert set(line.measured) == set(source.columns)


@pytest.mark.parametrize(("published_model", "of", "keys"), [
    ("gemma3", "refusal", [*(f"0{number}" for number in range(1, 10)), "14", "12a", "12b", "12c", "16", "17"]),
    ("gemma3", "sycophancy", ["10"]),
    ("gemma2", "refusal", ["11", "15", "13a", "13b", "13c"]),
    ("", "refusal", []),
])  # fmt: skip
def test_a_model_gets_the_tables_of_the_published_model_that_it_stands_for(published_model, of, keys) -> None:
    found = made(published_model, of)
    assert [table.key for table in found] == keys
    for table in found:
        assert all(value is not None for row in table.rows for value in row), table.key


def test_a_table_has_this_projects_numbers_beside_the_published_ones() -> None:
    tables = {table.key: table for table in made("gemma3", "refusal")}
    ablation = tables["06"]
    rows = {row[0]: dict(zip(ablation.columns, row, strict=True)) for row in ablation.rows}
    assert str(rows["mean_diff"]["best Delta"]).startswith("48.92 [")
    assert str(rows["random direction (control)"]["best Delta"]).startswith("0 [")
    assert ablation.published is not None
    theirs = {row[0]: dict(zip(ablation.published["columns"], row, strict=True)) for row in ablation.published["rows"]}
    assert theirs["mean_diff"] == {
        "": "mean_diff", "best Delta": 27.1, "by the grid rule": None, "coefficient": 2500.0, "dose": None,
        "coherence there": None,
    }  # fmt: skip
    norms = {row[0]: row[1] for row in tables["03"].rows}
    assert str(norms["full activation norm"]).startswith("700")


def test_what_was_not_measured_is_left_out_and_nothing_is_made_for_it() -> None:
    known = answers({"simulated": World()})

    def recall(measurement: Measurement) -> Answer | None:
        of = getattr(measurement, "of", None)
        return None if isinstance(of, Sweep) else known(measurement)

    found = {
        table.key: table for table in tabulate.tables([standing_for("gemma3", "refusal")], recall, load_published())
    }
    assert "06" not in found  # every number of it is steered
    assert all(value is not None for row in found["09"].rows for value in row)
