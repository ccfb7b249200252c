"""The ledger says of every judge how good it is on gold responses, and a judge that fails the gate decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.judges.gate import why_not_trusted
from harness.judges.protocol import RELEVANCE_CAP
from harness.lab.measurements import JudgeCheck, Measurement, Scores
from harness.lab.store import Answer
from harness.quantities import Answers, BestDelta, CoherenceAt, GridBest, Recipe
from harness.quantities.algebra import UnderRelevanceCap
from harness.quantities.steering import JudgeNotTrusted
from harness.report import judge_tables, reading
from harness.tests.quantities import simulated

EXACT = simulated.EXACT
CONSTANT = {**EXACT, "scores": [70.0] * 40}
TRUSTED = Answer({}, {"trait": EXACT, "coherence": EXACT})
REFUSED = Answer({}, {"trait": CONSTANT, "coherence": EXACT})
CAPPED = Answer({}, {**TRUSTED.record, "relevance": {**EXACT, "scores": [100.0] * 40}})


def of_uncapped(answer: Answer) -> Callable[[JudgeCheck], Answer | None]:
    """What a run has that asked no judge about relevance."""
    return lambda check: None if check.judge.endswith(RELEVANCE_CAP) else answer


def test_a_judge_that_passed_is_trusted_and_one_that_failed_is_named_with_its_reason() -> None:
    cell = simulated.cell("refusal")
    (table,) = judge_tables.tables([cell], of_uncapped(TRUSTED))
    assert [row[:3] for row in table.rows] == [["trait", "40", "40"], ["coherence", "40", "40"]]
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[0][table.columns.index("slope")] == "1.00 [0.90, 1.10]"
    assert table.rows[1][table.columns.index("offset")] == "0.00 [-3.54, 3.54]"
    assert reading.judges([table]) == [
        "The judge none on gold responses, refusal: trait AUROC 1.00 [0.90, 1.00], "
        "trait slope 1.00 [0.90, 1.10], coherence AUROC 1.00 [0.90, 1.00], coherence slope 1.00 [0.90, 1.10]: trusted"
    ]
    (failed,) = judge_tables.tables([cell], of_uncapped(REFUSED))
    (told,) = reading.judges([failed])
    assert "NOT TRUSTED (trait: its AUROC of 0.50" in told
    assert "(an effect of 10 points is read as 0.0)" in told


def test_a_judge_that_is_the_model_itself_is_said_so_and_what_it_says_instead_of_scores() -> None:
    cell = simulated.cell("refusal")
    own = replace(cell, model=replace(cell.model, judge=f"reader:{cell.name}"))
    silent = Answer({}, {**REFUSED.record, "first_tokens": {"The": 14, " I": 3}})
    (table,) = judge_tables.tables([own], of_uncapped(silent))
    assert table.title == f"The judge reader:{cell.name} (the model that it judges) on gold responses"
    assert why_not_trusted(silent.record).endswith("; without a score it says 'The' 14 times and ' I' 3 times")


def test_relevance_is_told_beside_the_judge_that_caps_nothing_and_fails_alone() -> None:
    cell = simulated.cell("refusal")
    capped = cell.capped.judge_check
    uncapped, other = judge_tables.tables([cell], lambda check: CAPPED if check == capped else TRUSTED)
    assert [row[0] for row in other.rows] == ["trait", "coherence", "relevance"]
    lines = reading.judges([uncapped, other])
    assert lines[0].endswith(": trusted")
    assert "relevance agreement 0.50 [" in lines[1]
    assert "NOT TRUSTED (relevance: its share held at the right cap of 0.50" in lines[1]


def test_cells_whose_judge_was_not_checked_have_no_table_and_equal_ones_one_line() -> None:
    cells = [simulated.cell("refusal"), simulated.cell("refusal", "other"), simulated.cell("sycophancy")]
    assert judge_tables.tables(cells, lambda _: None) == []
    tables = judge_tables.tables(cells, of_uncapped(TRUSTED))
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


def test_a_judge_of_relevance_that_failed_leaves_undecided_what_the_cap_decides_and_nothing_else() -> None:
    cell, best = simulated.cell("refusal"), BestDelta(Recipe("probe"))
    world = simulated.answers({"simulated": simulated.World()})

    def lookup(measurement: Measurement) -> Answer:
        return CAPPED if measurement == cell.capped.judge_check else world(measurement)

    assert cell.capped.judge_check in UnderRelevanceCap(best).needs(cell)
    assert best.evaluate(cell, Answers(lookup)).value >= 0.0
    with pytest.raises(JudgeNotTrusted, match=r"none.relevance is not good enough .* held at the right cap of 0.50"):
        UnderRelevanceCap(best).evaluate(cell, Answers(lookup))


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


def test_the_cap_changes_the_judge_of_the_responses_and_the_one_that_is_checked() -> None:
    cell = simulated.cell("refusal")
    assert cell.capped.model.judge == "none+relevance"
    assert cell.capped.capped == cell.capped
    assert cell.capped.judge_check == replace(cell.judge_check, judge="none+relevance")
    assert cell.capped.identity != cell.identity
