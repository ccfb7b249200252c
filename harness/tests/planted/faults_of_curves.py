"""Faults in dose-response curves: gains, the gate, what is needed, and a best that is read where it was chosen."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CROSSFIT, CURVES, GATE, INTERPOLATION, NEED = (
    f"harness/stats/{name}.py" for name in ("crossfit", "curves", "gate", "interpolation", "need")
)
STEERING, QUANTITIES = "harness/quantities/steering.py", "harness/tests/quantities/test_quantities.py"
TESTS, GAPS, NEEDED = (f"harness/tests/stats/test_{name}.py" for name in ("interpolation", "curves", "need"))
CUT = f"{TESTS}::test_a_curve_is_cut_where_a_run_was_not_judged_and_the_gap_is_not_bridged"
PAIRED = f"{TESTS}::test_a_gain_pairs_a_question_only_where_both_answers_are_judged"
EQUAL_RUNS = f"{TESTS}::test_a_best_of_many_equal_runs_is_no_better_than_they_are"
APART = f"{GAPS}::test_curves_8_points_apart_do_not_pass_as_within_5_nor_those_within_5_as_apart"
CAUGHT = "harness/tests/planted/test_caught_here.py"
HERE = "harness/tests/planted/test_intervals_caught_here.py"
SPLIT = f"{HERE}::test_no_question_is_on_both_sides_of_a_split_in_any_resample"
CENTRED = f"{HERE}::test_the_replicates_of_a_best_and_of_a_gap_lie_around_their_values"
LOCATED = "harness/tests/stats/test_gate.py::test_where_the_gate_leaves_the_best_to_chance_nothing_is_read_off_it[{}]"
MISSING = "harness/tests/stats/test_gate.py::test_coherence_that_is_missing_where_answers_are_steered_lets_no_run_pass"

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
        GATE,
        "whole = each.measured[right] | (left == knots_)",
        "whole = left <= knots_",
        (CUT,),
    ),
    Fault(
        "gate-crossed-out-of-a-gap",
        "the gate may be crossed on the way from a run that was not judged",
        GATE,
        "reaches = (each.least_coherence >= GATE - ROUNDING) & each.measured",
        "reaches = each.least_coherence >= GATE - ROUNDING",
        (CUT,),
    ),
    Fault(
        "doing-nothing-is-steering",
        "the unsteered point of a curve may be its best",
        GATE,
        "steered = (left > 0) | (weight >= FIRST_STRETCH)",
        "steered = left >= 0",
        (f"{TESTS}::test_doing_nothing_is_never_the_best_steering",),
    ),
    Fault(
        "best-flattered",
        "the best of several runs is read on the questions that chose it",
        CROSSFIT,
        "Folds(others[..., :knots] / others[..., knots:], ",
        "Folds(np.broadcast_to(self.whole, sums.shape), ",
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
        "        sums, judged = found[..., :knots], found[..., knots:]\n",
        "        ends = np.pad(np.cumsum(self.counts, axis=1), ((0, 0), (1, 0)))\n"
        "        drawn = np.stack([np.diff((ends + folds - 1 - one) // folds, axis=1) for one in range(folds)])\n"
        "        sums, judged = drawn @ weighed[:knots].T, drawn @ weighed[knots:].T\n",
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
        "delta=gain.recentred(),",
        "delta=gain,",
        (CENTRED,),
    ),
    Fault(
        "gap-not-recentred",
        "the replicates of a distance between curves keep the noise that a resample adds once more",
        CURVES,
        "(least, GAINS[1])).recentred()",
        "(least, GAINS[1]))",
        (CENTRED,),
    ),
    Fault(
        "signs-from-the-same-questions",
        "the distance that should not be too large takes its signs from the questions whose differences it adds",
        CURVES,
        "np.sign(folds.others)",
        "np.sign(means.whole)",
        (APART,),
    ),
    Fault(
        "run-chosen-once",
        "which run is best is asked once, so it is read where it does not reach the gate, too",
        INTERPOLATION,
        "chosen = places.at(best_of(places.along(each.gain.folds.others), allowed))",
        "rated = best_of(places.along(each.gain.folds.others), allowed)\n"
        "    chosen = places.at(np.broadcast_to(rated[:, :1], rated.shape))",
        (f"{HERE}::test_a_run_near_the_gate_is_the_best_in_those_resamples_alone_in_which_it_reaches_it",),
    ),
    Fault(
        "trial-flattered",
        "the best trial of the adaptive search is read on the questions that chose it",
        INTERPOLATION,
        "return highest(each, trials), _read(each, trials)",
        "return highest(each, trials), highest(each, trials)",
        (f"{HERE}::test_the_best_trial_of_a_search_is_no_better_than_its_equals",),
    ),
    Fault(
        "folds-weigh-alike",
        "a fold of which little was judged weighs as much as any other",
        CROSSFIT,
        "weight = np.where(known, judged, 0.0)\n        total = np.where(known, judged * values, 0.0)",
        "weight = np.where(known, 1.0, 0.0)\n        total = np.where(known, values, 0.0)",
        (PAIRED,),
    ),
    Fault(
        "signs-weigh-alike",
        "in the distance between curves a fold of which little was judged weighs as much as any other",
        CURVES,
        "shares = folds.judged / folds.judged.sum(axis=0)",
        "shares = np.full(folds.judged.shape, 1 / len(folds.judged))",
        (f"{GAPS}::test_a_gap_compares_only_what_both_measured_and_pairs_the_questions",),
    ),
    Fault(
        "best-not-located",
        "a best whose place the gate leaves to chance is told all the same",
        INTERPOLATION,
        "    require_located(whole, places, resampling)\n    gains",
        "    gains",
        (LOCATED.format("best"),),
    ),
    Fault(
        "search-not-located",
        "what the search finds where the gate leaves the best to chance is told all the same",
        INTERPOLATION,
        "    require_located(whole, [places_of(each) for each in whole], resampling)\n",
        "",
        (LOCATED.format("search"),),
    ),
    Fault(
        "need-not-located",
        "the amount needed for half of a best is told though the gate leaves the best to chance",
        NEED,
        "    require_located(whole, places, resampling)\n",
        "",
        (LOCATED.format("need"),),
    ),
    Fault(
        "gibberish-unjudged",
        "a run passes the gate because nobody judged what is incoherent in it",
        GATE,
        "if most > least + UNJUDGED:",
        "if most > least + 1e9:",
        (f"{MISSING}[where steered]",),
    ),
    Fault(
        "unjudged-as-others",
        "coherence reaches the gate by the judged alone",
        GATE,
        "reaches = (each.least_coherence",
        "reaches = (each.coherence",
        (
            "harness/tests/stats/test_gate.py::test_a_place_lies_where_coherence_is_reached_with_what_is_missing_counted_as_incoherent",
        ),
    ),
    Fault(
        "missing-by-chance",
        "judgements that are missing of unsteered answers as often count as gibberish",
        CURVES,
        "share / np.maximum(share, share[0])",
        "share",
        (f"{MISSING}[everywhere]",),
    ),
    Fault(
        "located-by-any-run",
        "a best that moves between runs that are equally good counts as not known",
        GATE,
        "JUMP = 10.0 ",
        "JUMP = 0.0 ",
        ("harness/tests/stats/test_gate.py::test_it_stays_known_where_the_runs_past_which_it_moves_are_as_good",),
    ),
    Fault(
        "located-onward-alone",
        "a best may fall back past another run",
        GATE,
        "moved |= (left[:, place] < data[place] - 1) & (gain_there[:, place] <= best - JUMP)",
        "pass",
        ("harness/tests/stats/test_gate.py::test_it_is_not_known_whichever_way_resamples_move_it[back]",),
    ),
    Fault(
        "located-back-alone",
        "a best may move on past another run to a better one",
        GATE,
        "moved |= further.any(axis=1)",
        "pass",
        ("harness/tests/stats/test_gate.py::test_it_is_not_known_whichever_way_resamples_move_it[on]",),
    ),
    Fault(
        "dose-of-its-own",
        "a direction is compared at the dose that it needs, not at that which the other needs",
        NEED,
        "_, blocks, amounts = _needed(others, ",
        "_, blocks, amounts = _needed(curves, ",
        (
            f"{CAUGHT}::test_a_direction_is_read_at_the_dose_that_another_needs",
            f"{NEEDED}::test_another_is_read_at_that_amount_and_pairs_the_questions",
        ),
    ),
    Fault(
        "need-before-the-first-run",
        "the needed amount is read on the line from the unsteered point to the first run",
        NEED,
        "reaches.any(axis=1) & (left > 0) & ",
        "reaches.any(axis=1) & ",
        (f"{NEEDED}::test_a_half_that_is_reached_before_the_first_run_is_not_known",),
    ),
    Fault(
        "need-in-a-gap",
        "the needed amount is interpolated from a run that was not judged",
        NEED,
        "(left > 0) & each.measured[left] & ",
        "(left > 0) & ",
        (f"{NEEDED}::test_a_half_that_is_reached_before_the_first_run_is_not_known",),
    ),
    Fault(
        "need-of-the-whole-best",
        "the needed amount is that at the best itself, which chance decides on a flat top",
        NEED,
        "best[block] / 2",
        "best[block]",
        (f"{NEEDED}::test_it_is_where_half_of_the_best_is_reached_on_the_line_between_runs",),
    ),
    Fault(
        "need-of-what-hardly-steers",
        "a direction that may have no effect needs a dose all the same",
        STEERING,
        "if censored or point.delta.estimate().low < EFFECT:",
        "if censored or point.delta.value < 0:",
        (f"{QUANTITIES}::test_a_direction_that_does_not_steer_has_no_best_dose",),
    ),
    Fault(
        "need-beyond-what-was-run",
        "a direction is read at a dose that was not run for it as if it stayed what it was at the last one",
        NEED,
        "np.where(place.allowed[0, :, 0] & np.isfinite(amounts), gain, np.nan)",
        "np.where(np.isfinite(amounts), gain, np.nan)",
        (f"{NEEDED}::test_another_is_read_at_that_amount_and_pairs_the_questions",),
    ),
    Fault(
        "need-of-what-may-steer-more",
        "a direction whose best may lie beyond the last run needs half of what was seen",
        STEERING,
        "if censored or point.delta",
        "if point.delta",
        (f"{QUANTITIES}::test_a_best_that_may_lie_beyond_the_last_dose_is_not_known",),
    ),
    Fault(
        "needed-whatever-it-steers",
        "the amount needed is told of a direction that is not told to steer",
        STEERING,
        "        require_steering(self.recipe, cell, self.grids, answers)\n        given",
        "        given",
        (f"{QUANTITIES}::test_a_direction_that_does_not_steer_has_no_best_dose",),
    ),
    Fault(
        "compared-where-nothing-is-needed",
        "directions are compared at half of the best of one that is not told to steer",
        STEERING,
        "        require_steering(self.other, cell, self.grids, answers)\n",
        "",
        (f"{QUANTITIES}::test_a_direction_that_does_not_steer_has_no_best_dose",),
    ),
)
