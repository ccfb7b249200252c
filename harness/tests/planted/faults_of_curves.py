"""Faults in dose-response curves: gains, the gate, what is needed, and a best that is read where it was chosen."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CROSSFIT, CURVES, INTERPOLATION = (f"harness/stats/{name}.py" for name in ("crossfit", "curves", "interpolation"))
STEERING, QUANTITIES = "harness/quantities/steering.py", "harness/tests/quantities/test_quantities.py"
NEED, NEEDED = "harness/stats/need.py", "harness/tests/stats/test_need.py"
CAUGHT = "harness/tests/planted/test_caught_here.py"
HERE = "harness/tests/planted/test_intervals_caught_here.py"
SPLIT = f"{HERE}::test_no_topic_is_on_both_sides_of_a_split_in_any_resample"
CENTRED = f"{HERE}::test_the_replicates_of_a_best_and_of_a_gap_lie_around_their_values"

FAULTS = (
    Fault(
        "folds-of-draws",
        "folds hold draws of a resample, not questions, so that a question drawn twice chooses and is read, too",
        CROSSFIT,
        "        sums, judged = found[..., :knots], found[..., knots:]\n",
        "        folds = hands.shape[1]\n"
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
        "dose-of-its-own",
        "a direction is compared at the dose that it needs, not at that which the other needs",
        NEED,
        "_, blocks, amounts, _ = _needed(others, ",
        "_, blocks, amounts, _ = _needed(curves, ",
        (
            f"{CAUGHT}::test_a_direction_is_read_at_the_dose_that_another_needs",
            f"{NEEDED}::test_another_is_read_at_that_amount_and_pairs_the_questions",
        ),
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
