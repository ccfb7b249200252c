"""Faults in how replicates, repeats and extremes become intervals and p-values."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

RESAMPLING = "harness/stats/resampling.py"
EVIDENCE, REPEATS = "harness/stats/evidence.py", "harness/stats/repeats.py"
HERE = "harness/tests/planted/test_intervals_caught_here.py"
WIDENED = f"{HERE}::test_repeats_widen_an_interval_by_students_t_times_their_spread"
BOTH_REPEATED = f"{HERE}::test_a_difference_holds_the_noise_of_draws_and_of_extractions_of_either_side"
EXTREME = f"{HERE}::test_an_extreme_and_a_bracket_are_decided_at_a_level_exactly_if_their_p_value_is_no_larger"
GAP = f"{HERE}::test_extractions_widen_a_gap_between_curves_as_they_widen_a_mean"

FAULTS = (
    Fault(
        "normal-for-students-t",
        "the spread of five repeats is taken for the true one: a normal quantile stands for Student's t",
        RESAMPLING,
        "stdtrit(len(known) - 1, ranks)",
        "stdtrit(1e9, ranks)",
        (WIDENED,),
    ),
    Fault(
        "draws-without-the-root",
        "the mean over a control's draws is as uncertain as one draw: the root of their number is forgotten",
        RESAMPLING,
        '(math.sqrt(len(known)) if of == "draws" else 1.0)',
        "1.0",
        (WIDENED,),
    ),
    Fault(
        "extractions-averaged",
        "one extraction is as certain as the mean over all of them, though it is the only one that steers",
        RESAMPLING,
        '(math.sqrt(len(known)) if of == "draws" else 1.0)',
        "math.sqrt(len(known))",
        (WIDENED,),
    ),
    Fault(
        "repeats-left-out-of-p-values",
        "p-values forget how far the repeats lie apart, though the interval does not",
        RESAMPLING,
        "replicates = self._with_repeats()",
        "replicates = self.replicates",
        (WIDENED,),
    ),
    Fault(
        "draws-of-one-side-forgotten",
        "a difference has the repeats of its left side only, so the control subtracted from it is taken for certain",
        RESAMPLING,
        "for of in {**self.repeats, **other.repeats}",
        "for of in self.repeats",
        (BOTH_REPEATED,),
    ),
    Fault(
        "gap-of-one-extraction",
        "the largest gap between curves has the noise of the questions alone, not that of the scenarios",
        REPEATS,
        "members=tuple(repeated(member, of, column) for member, column in members)",
        "members=tuple(member for member, _ in members)",
        (GAP,),
    ),
    Fault(
        "one-member-is-enough",
        "the p-value of all members of an extreme is that of the one that shows most",
        EVIDENCE,
        "return max(levels)",
        "return min(levels)",
        (EXTREME,),
    ),
    Fault(
        "p-value-of-an-extreme-unpaid",
        "the p-value of an extreme is that of one member, as if it had been the only one",
        EVIDENCE,
        "return min(1.0, len(levels) * min(levels))",
        "return min(levels)",
        (EXTREME,),
    ),
    Fault(
        "bracket-reversed",
        "the p-value of a distance is read on the side that errs the other way",
        EVIDENCE,
        'return (self.below if end == "low" else self.above)',
        'return (self.above if end == "low" else self.below)',
        (EXTREME,),
    ),
    Fault(
        "gap-to-the-first-draw",
        "the largest gap between a curve and a control's is that of the first draw",
        REPEATS,
        "members=tuple(mean_of_draws(member) for member in _members(draws, len(first.members)))",
        "members=first.members",
        (f"{HERE}::test_a_gap_to_a_control_is_the_mean_over_its_draws",),
    ),
)
