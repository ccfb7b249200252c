"""The ledger says of every judge how good it is on gold responses, and a judge that fails the gate decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness import judge_tables
from harness.measurements import JudgeCheck, Measurement, Scores
from harness.quantities import Answers, BestDelta, CoherenceAt, GridBest, Recipe
from harness.quantities.steering import JudgeNotTrusted
from harness.report import reading
from harness.store import Answer
from harness.tests import simulated

GOOD = {"value": 0.97, "low": 0.91, "high": 1.0, "n": 60, "why": ""}
UNTOLD = {"value": None, "low": None, "high": None, "n": 0, "why": "no gold response is a positive"}


def record(auroc: dict[str, Any], why_not: str) -> dict[str, Any]:
    return {**dict.fromkeys(judge_tables.FIGURES, GOOD), "auroc": auroc, "why_not": why_not}


TRUSTED = Answer({}, {"trait": record(GOOD, ""), "coherence": record(GOOD, "")})
REFUSED = Answer({}, {"trait": record(UNTOLD, "its AUROC cannot be told"), "coherence": record(GOOD, "")})


def test_a_judge_that_passed_is_trusted_and_one_that_failed_is_named_with_its_reason() -> None:
    cell = simulated.cell("refusal")
    (table,) = judge_tables.tables([cell], lambda _: TRUSTED)
    assert [row[0] for row in table.rows] == ["trait", "coherence"]
    assert table.rows[0][table.columns.index("AUROC")] == "0.97 [0.91, 1]"
    assert reading.judges([table]) == [
        "The judge none on gold responses, refusal: trait AUROC 0.97 [0.91, 1], coherence AUROC 0.97 [0.91, 1]: trusted"
    ]
    (failed,) = judge_tables.tables([cell], lambda _: REFUSED)
    (told,) = reading.judges([failed])
    assert told.endswith("NOT TRUSTED (trait: its AUROC cannot be told)")
    assert "trait AUROC cannot be told" in told


def test_cells_whose_judge_was_not_checked_have_no_table_and_equal_ones_one_line() -> None:
    cells = [simulated.cell("refusal"), simulated.cell("refusal", "other"), simulated.cell("sycophancy")]
    assert judge_tables.tables(cells, lambda _: None) == []
    tables = judge_tables.tables(cells, lambda _: TRUSTED)
    assert [(table.model, table.trait) for table in tables] == [(cell.name, cell.trait) for cell in cells]
    assert len(reading.judges(tables)) == 2


@pytest.mark.parametrize(
    "quantity", [BestDelta(Recipe("probe")), GridBest(Recipe("probe")), CoherenceAt(Recipe("probe"), "full base", 0.7)]
)
def test_no_steering_quantity_has_a_value_when_its_judge_is_not_trusted(quantity: Any) -> None:
    cell = simulated.cell("refusal")
    world = simulated.answers({"simulated": simulated.World()})

    def lookup(measurement: Measurement) -> Answer:
        return REFUSED if isinstance(measurement, JudgeCheck) else world(measurement)

    assert quantity.evaluate(cell, world).value >= 0.0
    assert any(isinstance(needed, JudgeCheck) for needed in quantity.needs(cell))
    with pytest.raises(JudgeNotTrusted, match="the judge none is not good enough on gold responses"):
        quantity.evaluate(cell, Answers(lookup))


def test_published_coefficients_are_run_beside_the_doses_and_only_where_there_are_any() -> None:
    cell = simulated.cell("refusal")
    with_some = replace(cell, model=replace(cell.model, coefficients={"refusal": (3.0, 7.0)}))
    probe = Recipe("probe")

    def amounts(one: Any) -> list[tuple[str, tuple[float, ...]]]:
        sweeps = [needed.of for needed in BestDelta(probe).needs(one) if isinstance(needed, Scores)]
        return [(sweep.scale, sweep.amounts) for sweep in sweeps if hasattr(sweep, "scale")]

    assert amounts(cell) == [("dose", cell.model.doses)]
    assert amounts(with_some) == [("dose", cell.model.doses), ("coefficient", (3.0, 7.0))]
    assert amounts(replace(with_some, trait="sycophancy")) == [("dose", cell.model.doses)]


def test_the_cap_changes_the_judge_of_the_responses_and_not_the_one_that_is_checked() -> None:
    cell = simulated.cell("refusal")
    assert cell.capped.model.judge == "none+relevance"
    assert cell.capped.capped == cell.capped
    assert cell.capped.judge_check == cell.judge_check
    assert cell.capped.identity != cell.identity
