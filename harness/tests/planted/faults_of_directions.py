"""Faults in how directions are made, cleaned and told from none, and doses are counted."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CLEANING, DIRECTIONS, SEPARATION = (
    "harness/geometry/cleaning.py",
    "harness/geometry/directions.py",
    "harness/geometry/separation.py",
)
CALIBRATION, GEOMETRY = "harness/geometry/calibration.py", "harness/quantities/geometry.py"
SEPARATED, BOTH_WAYS = "harness/tests/geometry/test_separation.py", "harness/tests/quantities/test_claims_both_ways.py"
NO_DIRECTION = f"{BOTH_WAYS}::test_where_no_method_tells_scenarios_apart_a_claim_about_directions_says_nothing"
CLEANED = (
    "harness/tests/geometry/test_cleaning.py"
    "::test_a_cleaned_direction_is_zero_on_its_dims_of_unit_norm_and_parallel_elsewhere"
)

FAULTS = (
    Fault(
        "clean-wrong-dims",
        "cleaning a direction zeroes the dims beside the massive ones",
        CLEANING,
        "    kept[list(dims)] = 0.0",
        "    kept[[(dim + 1) % hidden for dim in dims]] = 0.0",
        (CLEANED,),
    ),
    Fault(
        "mean-diff-swapped",
        "mean_diff points to the negative class",
        DIRECTIONS,
        "difference = mean_positive - mean_negative",
        "difference = mean_negative - mean_positive",
        ("harness/tests/geometry/test_directions.py::test_mean_diff_equals_the_difference_of_exact_means",),
    ),
    Fault(
        "probe-swapped",
        "the probe is fitted with its labels swapped",
        DIRECTIONS,
        "np.repeat([1, 0], [len(positive)",
        "np.repeat([0, 1], [len(positive)",
        ("harness/tests/geometry/test_directions.py::test_the_probe_points_to_the_positive_class",),
    ),
    Fault(
        "probe-unnormalised",
        "the probe is fitted on rows that were not L2-normalised",
        DIRECTIONS,
        'rows = np.concatenate([unit_rows(positive, "positive"), unit_rows(negative, "negative")])',
        'rows = np.concatenate([_rows(positive, "positive"), _rows(negative, "negative")])',
        ("harness/tests/geometry/test_directions.py::test_what_reads_unit_rows_does_not_see_the_length_of_a_row",),
    ),
    Fault(
        "gradient-descends",
        "the gradient method goes down instead of up",
        DIRECTIONS,
        "slope = difference - penalty",
        "slope = -difference - penalty",
        (
            "harness/tests/geometry/test_directions.py::test_one_adam_step_of_the_gradient_method_is_rate_along_each_sign",
        ),
    ),
    Fault(
        "random-is-real",
        "the random control is the real mean_diff",
        DIRECTIONS,
        "    return unit(drawn[0])",
        "    return mean_diff(positive, negative)",
        ("harness/tests/geometry/test_directions.py::test_controls_know_nothing_of_the_labels",),
    ),
    Fault(
        "shuffle-in-order",
        "the shuffled probe deals out its rows in the order they come in",
        DIRECTIONS,
        "dealt = rows[rng.permutation(len(rows))]",
        "dealt = rows",
        (
            "harness/tests/geometry/test_directions.py::"
            "test_a_probe_on_shuffled_labels_loses_what_the_probe_finds_however_far_apart_the_classes_lie",
        ),
    ),
    Fault(
        "threshold-from-validation",
        "the threshold of a direction is read off the rows that were held out",
        SEPARATION,
        "row[~inside] @ direction).mean()",
        "row[inside] @ direction).mean()",
        (f"{SEPARATED}::test_threshold_and_polarity_come_from_the_other_folds",),
    ),
    Fault(
        "dose-ignores-share",
        "a dose counts the whole coefficient, not only its share outside massive dims",
        CALIBRATION,
        "return float(coefficient * _length(outside(direction, dims)))",
        "return float(coefficient * _length(direction))",
        (
            "harness/tests/geometry/test_calibration.py::test_the_effective_coefficient_is_the_share_outside_of_the_length_added",
        ),
    ),
    Fault(
        "accuracy-on-training",
        "accuracy and effect size are read along directions that have seen their scenarios",
        SEPARATION,
        "fit(positive[~inside], negative[~inside], int(fold))",
        "fit(positive, negative, int(fold))",
        (f"{SEPARATED}::test_a_pair_is_read_along_a_direction_that_has_not_seen_its_topic",),
    ),
    Fault(
        "topics-torn",
        "pairs of one topic are dealt into several folds",
        SEPARATION,
        "return np.array([place[topic] for topic in topics])",
        "return np.arange(len(topics)) % len(filled)",
        (f"{SEPARATED}::test_folds_tear_no_topic_apart_and_are_about_equally_large",),
    ),
    Fault(
        "folds-taken-for-independent",
        "the variance between topics is taken as if folds shared no pairs",
        SEPARATION,
        "    return 1 + folds / (folds - 1)",
        "    return 1.0",
        (f"{SEPARATED}::test_accuracy_counts_topics_and_what_folds_share_and_is_never_sure",),
    ),
    Fault(
        "effect-size-reversed",
        "the effect size is negative minus positive",
        SEPARATION,
        "effect = (above - below) / spread",
        "effect = (below - above) / spread",
        (f"{BOTH_WAYS}::test_a_claim_is_supported_where_it_is_true_and_refuted_where_it_is_false[G7 effect_size]",),
    ),
    Fault(
        "recentred-alone",
        "refitted directions' replicates are moved back by their mean whatever moved them",
        "harness/stats/refitted.py",
        "return self.replicates, self.recentred().replicates",
        "return self.recentred().replicates, self.recentred().replicates",
        (
            "harness/tests/stats/test_refitted.py::"
            "test_the_interval_is_the_wider_of_plain_and_recentred_and_its_level_is_found_again",
        ),
    ),
    Fault(
        "cosine-of-no-direction",
        "a cosine is taken of directions that tell nothing apart",
        GEOMETRY,
        "        for recipe in (self.one, self.other):\n            require_direction(recipe, cell, answers)\n",
        "",
        (NO_DIRECTION,),
    ),
    Fault(
        "steering-along-no-direction",
        "steered responses are compared though the direction tells no scenarios apart",
        "harness/quantities/steering.py",
        "    require_direction(recipe, cell, answers)\n",
        "",
        (NO_DIRECTION,),
    ),
    Fault(
        "direction-by-the-estimate",
        "a direction whose accuracy may be that of guessing counts as one",
        GEOMETRY,
        "if found.low <= CHANCE:",
        "if found.value <= CHANCE:",
        (
            "harness/tests/quantities/test_quantities.py::test_there_is_a_direction_only_where_its_accuracy_is_surely_above_chance",
            NO_DIRECTION,
        ),
    ),
)
