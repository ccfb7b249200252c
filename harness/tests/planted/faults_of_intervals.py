"""Faults in how replicates, repeats and extremes become intervals and p-values."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

RESAMPLING = "harness/stats/resampling.py"
TAILS, EVIDENCE = "harness/stats/tails.py", "harness/stats/evidence.py"
HERE = "harness/tests/planted/test_intervals_caught_here.py"
CLUSTERS = "harness/tests/stats/test_resampling.py::test_clusters_widen_an_interval_to_students_t_over_leaving_each_out"
EXTREME = f"{HERE}::test_an_extreme_and_a_bracket_are_decided_at_a_level_exactly_if_their_p_value_is_no_larger"

FAULTS = (
    Fault(
        "normal-for-students-t",
        "the spread of five extractions is taken for the true one: a normal quantile stands for Student's t",
        TAILS,
        "half = error * float(stdtrit(degrees, (1 + level) / 2))",
        "half = error * float(stdtrit(1e9, (1 + level) / 2))",
        (CLUSTERS,),
    ),
    Fault(
        "jackknife-unscaled",
        "the values without one extraction each are taken for values of one extraction each",
        RESAMPLING,
        "shared(len(left_out)) * math.sqrt((len(left_out) - 1) * left_out.var())",
        "shared(len(left_out)) * math.sqrt(left_out.var())",
        (CLUSTERS,),
    ),
    Fault(
        "clusters-left-out-of-p-values",
        "p-values forget how far the extractions lie apart, though the interval does not",
        RESAMPLING,
        "level = max(level, tails.level_of_t(",
        "level = min(level, tails.level_of_t(",
        (CLUSTERS,),
    ),
    Fault(
        "clusters-of-one-side-forgotten",
        "a difference from a control forgets that its other side was extracted",
        RESAMPLING,
        "self.clustered or other.clustered",
        "self.clustered and other.clustered",
        (CLUSTERS,),
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
)
