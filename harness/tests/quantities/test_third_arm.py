"""What sets the probe against mean_diff is shown beside an arm that divides by the norm and learns nothing."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.vectors import Vector
from harness.lab.measurements import Cleaning, Measurement, Scores, Sweep
from harness.models.registry import find_model
from harness.quantities import BestDelta, Cell, Cosine, Recipe, Settings, Smallest
from harness.quantities.algebra import OneOfPair
from harness.quantities.cells import NoVector
from harness.quantities.steering import sweeps
from harness.quantities.third_arm import third_arm, vector_arm

PROBE, RAW, UNIT = (Recipe(method) for method in ("probe", "mean_diff", "unit_mean_diff"))
CLEANED = Cleaning("consensus")


def test_the_probe_is_replaced_wherever_it_stands_and_nothing_else_is():
    lead = Smallest((BestDelta(PROBE) - BestDelta(RAW.over(20)), BestDelta(PROBE.cleaned(CLEANED)) - BestDelta(RAW)))
    arm = Smallest((BestDelta(UNIT) - BestDelta(RAW.over(20)), BestDelta(UNIT.cleaned(CLEANED)) - BestDelta(RAW)))
    assert third_arm(lead) == arm
    assert third_arm(OneOfPair("milder", lead)) == OneOfPair("milder", arm)
    assert third_arm(Cosine(RAW, PROBE, "all blocks")) == Cosine(RAW, UNIT, "all blocks")


def test_what_does_not_set_the_two_against_each_other_has_none():
    for quantity in (BestDelta(PROBE), BestDelta(PROBE) - BestDelta(PROBE.cleaned(CLEANED)), Cosine(UNIT, PROBE)):
        assert third_arm(quantity) is None
    assert third_arm(third_arm(BestDelta(PROBE) - BestDelta(RAW))) is None
    assert third_arm(Cosine(UNIT, PROBE) - Cosine(RAW, PROBE)) is None


def test_a_vector_stands_in_for_the_probe_or_for_mean_diff_and_for_nothing_it_cannot_be():
    mine = Recipe.of_vector("mine")
    assert vector_arm(BestDelta(PROBE.cleaned(CLEANED)) - BestDelta(RAW), "mine") == (
        BestDelta(mine.cleaned(CLEANED)) - BestDelta(RAW)
    )
    assert vector_arm(Cosine(RAW, UNIT), "mine") == Cosine(mine, UNIT)
    before = Cleaning("consensus", before=True)
    of_its_making = (PROBE.over(20), RAW.elicited_by("instructions"), PROBE.cleaned(before))
    for quantity in (
        BestDelta(Recipe("random")),
        BestDelta(mine) - BestDelta(RAW),
        Cosine(RAW, PROBE, "all blocks"),
        *(BestDelta(recipe) for recipe in of_its_making),
    ):
        assert vector_arm(quantity, "mine") is None


def test_a_vector_is_steered_at_its_own_block_once_and_one_that_is_not_there_is_named():
    there = replace(find_model("severe"), vectors={"mine": Vector("mine", 4, np.ones(128), "mine.npy")})
    cell = Cell(there, "refusal", Settings(extractions=3))
    made = [one.of.direction for one in sweeps(Recipe.of_vector("mine"), cell, ("doses",)) if _is_swept(one)]
    assert [(one.block, one.count) for one in made] == [(4, 1)]  # there is nothing to extract again
    with pytest.raises(
        NoVector, match=r"severe has no vector other; bring one that fits with --vector other=FILE:BLOCK"
    ):
        sweeps(Recipe.of_vector("other"), cell, ("doses",))


def _is_swept(measurement: Measurement) -> bool:
    return isinstance(measurement, Scores) and isinstance(measurement.of, Sweep)
