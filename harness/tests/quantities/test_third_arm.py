"""What sets the probe against mean_diff is shown beside an arm that divides by the norm and learns nothing."""

from harness.lab.measurements import Cleaning
from harness.quantities import BestDelta, Cosine, Recipe, Smallest
from harness.quantities.algebra import OneOfPair
from harness.quantities.third_arm import third_arm

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
