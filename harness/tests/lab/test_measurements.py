"""Measurements are values: hashable, equal by content, the same after JSON, closed under what they require."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.datasets import ELICITATIONS
from harness.lab.measurements import (
    Activations,
    Baseline,
    BlockChoice,
    Cleaning,
    CrossFit,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
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
activations = st.builds(Activations, names, traits, small, st.sampled_from(ELICITATIONS))
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
    st.builds(CrossFit, activations, st.just("probe"), small, cleanings, st.none() | massive),
    baselines,
    sweeps,
    st.builds(Scores, st.one_of(sweeps, baselines), st.just("grammar")),
    st.builds(BlockChoice, activations, massive, st.lists(small, min_size=1, max_size=3).map(tuple)),
    st.builds(JudgeCheck, names, traits, st.sampled_from(["grammar", "grammar+relevance"])),
)


BY_NAME: dict[str, type] = {kind.__name__: kind for kind in (*get_args(Measurement), Cleaning)}


def read(value: Any) -> Any:
    """What `to_json` wrote, so that two measurements never are the same JSON."""
    if isinstance(value, dict):
        return BY_NAME[value["kind_of"]](**{name: read(item) for name, item in value.items() if name != "kind_of"})
    return tuple(map(read, value)) if isinstance(value, list) else value


def closure(wanted: tuple[Measurement, ...]) -> set[Measurement]:
    """All of these and all that they are made from."""
    return {one for measurement in wanted for one in (measurement, *closure(requires(measurement)))}


@settings(deadline=None)
@given(measurement=measurements)
def test_a_measurement_survives_json(measurement: Measurement) -> None:
    again = read(json.loads(json.dumps(to_json(measurement))))
    assert again == measurement
    assert hash(again) == hash(measurement)


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
