"""Quantities name what they need and evaluate to what simple arithmetic on the same answers gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.measurements import (
    Activations,
    Baseline,
    Cleaning,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
)
from harness.quantities import (
    QUESTIONS,
    REFIT_RESAMPLES,
    BestDelta,
    Cell,
    MeanCosine,
    Quantity,
    Recipe,
)
from harness.registry import ModelSpec
from harness.stats import NoValidRun
from harness.store import Answer

SPEC = ModelSpec(
    "severe", Path("b"), Path("i"), "templated", "grammar", {"refusal": (1, 2)}, (1.0, 1.5, 2.0), 16, "a model"
)
CELL = Cell(SPEC, "refusal")
RAW, CLEANED = Recipe("mean_diff"), Recipe("mean_diff").cleaned(Cleaning("consensus"))
PROBE = Recipe("probe")


class Answers:
    """Made-up answers: trait rises with dose, coherence falls; the cleaned direction steers `penalty` less."""

    def __init__(self, penalty: float = 0.0, coherence: tuple[float, ...] = (90.0, 80.0, 40.0)) -> None:
        self.penalty, self.coherence = penalty, coherence
        self.asked: list[Measurement] = []
        self.noise = np.random.default_rng(3).normal(0, 5, QUESTIONS)
        self.vectors = np.random.default_rng(4).normal(size=(1 + REFIT_RESAMPLES, 4, 6))

    def __call__(self, measurement: Measurement) -> Answer:
        self.asked.append(measurement)
        match measurement:
            case Scores(of=Baseline()):
                return Answer({"trait": (10.0 + self.noise)[None].clip(0, 100)})
            case Scores(of=Sweep(direction=direction, scale=scale)):
                lost = self.penalty if direction.cleaning.kind != "none" else 0.0
                runs = 3 if scale == "dose" else 7
                gains = np.array([20.0, 40.0, 80.0, 80.0, 80.0, 80.0, 80.0])[:runs, None]
                trait = (10.0 + self.noise + gains + 5.0 * (direction.block == 2) - lost).clip(0, 100)
                coherence = np.array([*self.coherence, 0.0, 0.0, 0.0, 0.0])[:runs, None]
                return Answer({"trait": trait, "coherence": np.repeat(coherence, QUESTIONS, axis=1)})
            case MassiveActivations():
                mean = np.tile(np.array([100.0, 50.0, 1.0, 1.0, 1.0, 1.0]), (4, 1))
                return Answer({"mean": mean}, {"consensus": [0, 1], "top": [[0, 1]] * 4})
            case Refits(method=method):
                vectors = self.vectors.copy()
                if method == "mean_diff":
                    vectors[..., :2] *= 100.0
                vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
                return Answer({"directions": vectors.astype(np.float32)}, {"pairs": 135})
        raise AssertionError(measurement)


@pytest.mark.parametrize(
    "quantity",
    [
        BestDelta(RAW) - BestDelta(CLEANED),
        BestDelta(PROBE, "around base"),
        MeanCosine(CLEANED, PROBE) - MeanCosine(RAW, PROBE),
        BestDelta(RAW) / BestDelta(CLEANED),
    ],
)
def test_a_quantity_asks_for_exactly_what_it_said_it_needs(quantity: Quantity) -> None:
    answers = Answers()
    quantity.evaluate(CELL, answers)
    assert set(answers.asked) == set(quantity.needs(CELL))


def test_the_best_delta_is_the_largest_at_the_gate_over_blocks_and_doses() -> None:
    estimate = BestDelta(RAW).evaluate(CELL, Answers()).estimate()
    assert estimate.value == pytest.approx(45.0, abs=0.5)  # dose 1.5 in block 2; dose 2 is incoherent
    assert estimate.unit == "trait points"
    assert estimate.n == QUESTIONS


def test_a_difference_is_paired_on_the_same_questions() -> None:
    answers = Answers(penalty=7.0)
    estimate = (BestDelta(RAW) - BestDelta(CLEANED)).evaluate(CELL, answers).estimate()
    assert estimate.value == pytest.approx(7.0, abs=0.3)
    spread = BestDelta(RAW).evaluate(CELL, answers).replicates.std()
    paired = (BestDelta(RAW) - BestDelta(CLEANED)).evaluate(CELL, answers).replicates.std()
    assert paired < spread / 2


def test_no_run_at_the_gate_is_no_delta_at_all() -> None:
    with pytest.raises(NoValidRun):
        BestDelta(RAW).evaluate(CELL, Answers(coherence=(60.0, 50.0, 40.0)))


def test_around_the_base_the_amounts_run_from_half_to_twice_whatever_the_grid_of_doses() -> None:
    (one, _) = RAW.sweeps(CELL, "around base")
    assert isinstance(one.of, Sweep)
    assert one.of.scale == "base"
    assert (one.of.amounts[0], one.of.amounts[3], one.of.amounts[-1]) == (0.5, 1.0, 2.0)


def test_cosines_are_taken_block_by_block_after_cleaning_each_refit() -> None:
    answers = Answers()
    found = MeanCosine(CLEANED, PROBE).evaluate(CELL, answers)
    whole = answers.vectors[0]
    outside = whole.copy()
    outside[:, :2] = 0.0
    expected = np.linalg.norm(outside, axis=1) / np.linalg.norm(whole, axis=1)
    assert found.value == pytest.approx(expected.mean(), rel=1e-5)
    assert found.estimate().sample == "scenario pairs"
    assert MeanCosine(PROBE, PROBE).evaluate(CELL, answers).value == pytest.approx(1.0)


def test_recipes_name_windows_and_sweeps_over_the_models_grid() -> None:
    sweeps = PROBE.over(20).sweeps(CELL, "doses")
    assert [sweep.of.direction.block for sweep in sweeps] == [1, 2]  # type: ignore[union-attr]
    assert {sweep.of.amounts for sweep in sweeps} == {(1.0, 1.5, 2.0)}  # type: ignore[union-attr]
    assert PROBE.over(20).refits(CELL).activations == Activations("severe", "refusal", 20)
