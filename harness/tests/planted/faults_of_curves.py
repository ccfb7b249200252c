"""Faults in dose-response curves: gains, the gate, and a best that is read where it was chosen."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CROSSFIT, CURVES, INTERPOLATION = (f"harness/{name}.py" for name in ("crossfit", "curves", "interpolation"))
TESTS, GAPS = "harness/tests/test_interpolation.py", "harness/tests/test_curves.py"
CUT = f"{TESTS}::test_a_curve_is_cut_where_a_run_was_not_judged_and_the_gap_is_not_bridged"
PAIRED = f"{TESTS}::test_a_gain_pairs_a_question_only_where_both_answers_are_judged"
EQUAL_RUNS = f"{TESTS}::test_a_best_of_many_equal_runs_is_no_better_than_they_are"
APART = f"{GAPS}::test_curves_8_points_apart_do_not_pass_as_within_5_nor_those_within_5_as_apart"
HERE = "harness/tests/planted/test_intervals_caught_here.py"
SPLIT = f"{HERE}::test_no_question_is_on_both_sides_of_a_split_in_any_resample"
CENTRED = f"{HERE}::test_the_replicates_of_a_best_and_of_a_gap_lie_around_their_values"

FAULTS = (
    Fault(
        "curve-unpaired",
        "the gains of a curve are taken over the mean baseline, not question by question",
        CURVES,
        "paired, kept = trait - baseline_trait,",
        "paired, kept = trait - np.nanmean(baseline_trait),",
        (PAIRED,),
    ),
    Fault(
        "run-hardly-judged",
        "a run of which hardly anything could be judged may be the best",
        CURVES,
        "measured=enough & ",
        "measured=",
        (CUT,),
    ),
    Fault(
        "gap-bridged",
        "an amount is interpolated across a run that was not judged",
        CURVES,
        "return segments, np.where(on_a_knot, 0.0, weights), self.measured[segments] & reaches & (amounts >= 0)",
        "return segments, np.where(on_a_knot, 0.0, weights), (amounts >= 0) & (amounts <= self.amounts[-1])",
        (CUT,),
    ),
    Fault(
        "gate-crossed-in-a-gap",
        "the gate may be crossed on the way to a run that was not judged",
        INTERPOLATION,
        "whole = each.measured[right] | (left == knots_)",
        "whole = left <= knots_",
        (CUT,),
    ),
    Fault(
        "gate-crossed-out-of-a-gap",
        "the gate may be crossed on the way from a run that was not judged",
        INTERPOLATION,
        "reaches = (each.coherence >= gate - ROUNDING) & each.measured",
        "reaches = each.coherence >= gate - ROUNDING",
        (CUT,),
    ),
    Fault(
        "doing-nothing-is-steering",
        "the unsteered point of a curve may be its best",
        INTERPOLATION,
        "steered = (left > 0) | (weight >= FIRST_STRETCH)",
        "steered = left >= 0",
        (f"{TESTS}::test_doing_nothing_is_never_the_best_steering",),
    ),
    Fault(
        "best-flattered",
        "the best of several runs is read on the questions that chose it",
        CROSSFIT,
        "others = (sums.sum(axis=0) - sums) / (judged.sum(axis=0) - judged)",
        "others = np.broadcast_to(whole, sums.shape)",
        (EQUAL_RUNS,),
    ),
    Fault(
        "block-flattered",
        "the best of several blocks is read on the half of the questions that chose it",
        INTERPOLATION,
        "in ((one, other), (other, one)):",
        "in ((one, one), (other, other)):",
        (EQUAL_RUNS, f"{TESTS}::test_a_block_whose_coherence_lasts_longer_by_chance_is_no_better"),
    ),
    Fault(
        "folds-of-draws",
        "folds hold draws of a resample, not questions, so that a question drawn twice chooses and is read, too",
        CROSSFIT,
        "    sums = np.stack([counts[:, fold] @ present[:, fold].T for fold in folds])\n"
        "    judged = np.stack([counts[:, fold] @ known[:, fold].T.astype(np.float64) for fold in folds])\n",
        "    ends = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))\n"
        "    drawn = [np.diff((ends + len(folds) - 1 - fold) // len(folds), axis=1) for fold in range(len(folds))]\n"
        "    sums = np.stack([draws @ present.T for draws in drawn])\n"
        "    judged = np.stack([draws @ known.T.astype(np.float64) for draws in drawn])\n",
        (SPLIT,),
    ),
    Fault(
        "best-chosen-once",
        "the best point of a curve is chosen once instead of in every resample, as if its dose were certain",
        INTERPOLATION,
        "chosen = best_of(np.concatenate(gains, axis=1), allowed)",
        "chosen = np.full(len(allowed), best_of(np.concatenate(gains, axis=1), allowed)[0])",
        (f"{HERE}::test_the_best_point_of_a_curve_is_chosen_again_in_every_resample",),
    ),
    Fault(
        "best-not-recentred",
        "the replicates of a best keep what choosing finds in a resample once more",
        INTERPOLATION,
        "delta=gain_of(_over_blocks(len(curves), plan, halved), plan, n, baseline_trait, score_range).recentred(),",
        "delta=gain_of(_over_blocks(len(curves), plan, halved), plan, n, baseline_trait, score_range),",
        (CENTRED,),
    ),
    Fault(
        "gap-not-recentred",
        "the replicates of a distance between curves keep the noise that a resample adds once more",
        CURVES,
        "(least, width)).recentred()",
        "(least, width))",
        (CENTRED,),
    ),
    Fault(
        "signs-from-the-same-questions",
        "the distance that should not be too large takes its signs from the questions whose differences it adds",
        CURVES,
        "np.sign(means.values[1:])",
        "np.sign(means.values[:1])",
        (APART,),
    ),
    Fault(
        "run-chosen-once",
        "which run is best is asked once, so it is read where it does not reach the gate, too",
        CROSSFIT,
        "chosen = best_of(rating, allowed)[:, None]",
        "chosen = np.full((len(allowed), 1), best_of(rating, allowed)[0])",
        (f"{HERE}::test_a_run_near_the_gate_is_the_best_in_those_resamples_alone_in_which_it_reaches_it",),
    ),
    Fault(
        "trial-flattered",
        "the best trial of the adaptive search is read on the questions that chose it",
        INTERPOLATION,
        "return _highest(each, trials), _read(each, each, trials, trials)",
        "return _highest(each, trials), _highest(each, trials)",
        (f"{HERE}::test_the_best_trial_of_a_search_is_no_better_than_its_equals",),
    ),
    Fault(
        "unmeasured-choice-skipped",
        "questions that choose a dose which was not run are left out, and the others say what is gained there",
        INTERPOLATION,
        "own = np.where(there.allowed, own, np.inf)",
        "own = np.where(there.allowed, own, np.nan)",
        (f"{HERE}::test_a_best_that_some_questions_choose_where_nothing_was_measured_is_not_read_on_the_others",),
    ),
)
