"""Measurements are values: hashable, equal by content, the same after JSON, closed under what they require."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lab.measurements import (
    Activations,
    Baseline,
    BlockChoice,
    Cleaning,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
    closure,
    from_json,
    model_of,
    requires,
    to_json,
    trait_of,
)

names = st.sampled_from(["severe", "mild", "clean"])
traits = st.sampled_from(["refusal", "sycophancy"])
small = st.integers(1, 30)
whole = st.sampled_from([Cleaning(), Cleaning("consensus"), Cleaning("per_block")])
cleanings = st.one_of(whole, st.builds(Cleaning, st.just("top"), small))
activations = st.builds(Activations, names, traits, small)
massive = st.builds(MassiveActivations, names, small)
directions = st.builds(Direction, activations, massive, st.sampled_from(["mean_diff", "probe"]), small, cleanings)
sweeps = st.builds(
    Sweep,
    directions,
    st.sampled_from(["dose", "coefficient"]),
    st.lists(st.floats(0.1, 1e4), min_size=1, max_size=3).map(tuple),
    small,
    small,
    st.sampled_from(["all", "response"]),
)
baselines = st.builds(Baseline, names, traits, small, small)
measurements: st.SearchStrategy[Measurement] = st.one_of(
    activations,
    massive,
    directions,
    st.builds(Refits, activations, st.sampled_from(["mean_diff", "probe"]), small, small),
    baselines,
    sweeps,
    st.builds(Scores, st.one_of(sweeps, baselines), st.just("grammar")),
    st.builds(BlockChoice, activations, massive, st.lists(small, min_size=1, max_size=3).map(tuple)),
    st.builds(JudgeCheck, names, traits, st.sampled_from(["grammar", "grammar+relevance"])),
)


@settings(deadline=None)
@given(measurement=measurements)
def test_a_measurement_survives_json(measurement: Measurement) -> None:
    again = from_json(json.loads(json.dumps(to_json(measurement))))
    assert again == measurement
    assert hash(again) == hash(measurement)


@settings(deadline=None)
@given(wanted=st.lists(measurements, max_size=5).map(tuple))
def test_a_closure_holds_each_once_and_requirements_first(wanted: tuple[Measurement, ...]) -> None:
    ordered = closure(wanted)
    assert len(set(ordered)) == len(ordered)
    assert set(wanted) <= set(ordered)
    for index, measurement in enumerate(ordered):
        assert set(requires(measurement)) <= set(ordered[:index])


@settings(deadline=None)
@given(sweep=sweeps)
def test_model_and_trait_are_those_of_what_it_is_made_from(sweep: Sweep) -> None:
    scores = Scores(sweep, "grammar")
    assert model_of(scores) == sweep.direction.activations.model
    assert trait_of(scores) == sweep.direction.activations.trait


def test_massive_activations_have_no_trait() -> None:
    assert trait_of(MassiveActivations("severe", 8)) is None


@pytest.mark.parametrize(("kind", "k"), [("top", 0), ("none", 3), ("consensus", 1)])
def test_a_cleaning_that_makes_no_sense_is_refused(kind: Any, k: int) -> None:
    with pytest.raises(ValueError, match="k >= 1 goes with 'top'"):
        Cleaning(kind, k)


def test_json_of_no_measurement_is_refused() -> None:
    with pytest.raises(ValueError, match="'Wish' is no kind of measurement; known: Activations"):
        from_json({"kind_of": "Wish"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "none", "how": "winsorise"}, "nothing is cleaned"),
        ({"kind": "none", "before": True}, "nothing is cleaned"),
        ({"kind": "consensus", "how": "mean"}, "goes with before=True"),
    ],
)
def test_a_treatment_that_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cleaning(**settings)
