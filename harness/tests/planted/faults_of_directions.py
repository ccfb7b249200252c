"""Faults in how massive dims are found, directions are made and cleaned, and coefficients are counted."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CLEANING, DIRECTIONS = "harness/cleaning.py", "harness/directions.py"
MASSIVE, CALIBRATION = "harness/massive.py", "harness/calibration.py"
CLEANED = (
    "harness/tests/test_cleaning.py::test_a_cleaned_direction_is_zero_on_its_dims_of_unit_norm_and_parallel_elsewhere"
)
ALL_AT_ONCE = "harness/tests/test_cleaning.py::test_cleaning_all_at_once_is_cleaning_one_by_one"

FAULTS = (
    Fault(
        "clean-nothing",
        "cleaning a direction does nothing",
        CLEANING,
        "    kept[list(dims)] = 0.0\n    return kept",
        "    return kept",
        (CLEANED,),
    ),
    Fault(
        "clean-wrong-dims",
        "cleaning a direction zeroes the dims beside the massive ones",
        CLEANING,
        "    kept[list(dims)] = 0.0",
        "    kept[[(dim + 1) % hidden for dim in dims]] = 0.0",
        (CLEANED,),
    ),
    Fault(
        "clean-not-renormalised",
        "a cleaned direction is not brought back to unit norm",
        CLEANING,
        "return unit(outside(direction, dims))",
        "return outside(direction, dims)",
        (CLEANED,),
    ),
    Fault(
        "clean-all-nothing",
        "cleaning refitted directions does nothing",
        CLEANING,
        "    kept[:, list(dims)] = 0.0\n    left",
        "    left",
        (ALL_AT_ONCE,),
    ),
    Fault(
        "clean-all-not-renormalised",
        "refitted directions are not brought back to unit norm after cleaning",
        CLEANING,
        "return kept / left[:, None]",
        "return kept",
        (ALL_AT_ONCE,),
    ),
    Fault(
        "winsorise-to-the-massive",
        "winsorising clips to the largest entry of the row, massive dims included, so nothing is clipped",
        CLEANING,
        "limit = np.abs(np.delete(kept, chosen, axis=1)).max(axis=1, keepdims=True)",
        "limit = np.abs(kept).max(axis=1, keepdims=True)",
        ("harness/tests/test_cleaning.py::test_winsorising_clips_to_the_largest_entry_outside_and_keeps_the_sign",),
    ),
    Fault(
        "mean-of-the-row",
        "replacing by the mean takes the mean over a row's dims, not over the rows",
        CLEANING,
        "kept[:, chosen].mean(axis=0)",
        "kept[:, chosen].mean(axis=1, keepdims=True)",
        (
            "harness/tests/test_cleaning.py::test_treating_rows_changes_nothing_outside_the_dims_and_disarms_what_is_inside",
        ),
    ),
    Fault(
        "top-k-signed",
        "the top dims are the largest by signed mean, so negative massive dims are missed",
        MASSIVE,
        "np.argsort(-np.abs(mean_activation_of_block.astype(np.float64)), kind=",
        "np.argsort(-mean_activation_of_block.astype(np.float64), kind=",
        ("harness/tests/test_massive.py::test_top_dims_are_the_largest_by_absolute_mean_largest_first",),
    ),
    Fault(
        "consensus-of-one",
        "a dim that is massive at a single block counts as consensus",
        MASSIVE,
        "at_least: int = 3",
        "at_least: int = 1",
        ("harness/tests/test_massive.py::test_the_published_rule_takes_five_dims_of_each_block_and_three_blocks",),
    ),
    Fault(
        "consensus-counts-twice",
        "a block that lists a dim twice counts as two blocks",
        MASSIVE,
        "for dim in set(dims))",
        "for dim in dims)",
        ("harness/tests/test_massive.py::test_a_block_that_names_a_dim_twice_counts_once",),
    ),
    Fault(
        "severity-over-mean",
        "severity is the dominant dim over the mean dim, which the dominant one inflates itself",
        MASSIVE,
        "median = np.median(size, axis=1)",
        "median = np.mean(size, axis=1)",
        ("harness/tests/test_massive.py::test_severity_is_the_dominant_dim_over_the_median_dim",),
    ),
    Fault(
        "mean-diff-swapped",
        "mean_diff points to the negative class",
        DIRECTIONS,
        "difference = mean_positive - mean_negative",
        "difference = mean_negative - mean_positive",
        ("harness/tests/test_directions.py::test_mean_diff_equals_the_difference_of_exact_means",),
    ),
    Fault(
        "probe-swapped",
        "the probe is fitted with its labels swapped",
        DIRECTIONS,
        "np.repeat([1, 0], [len(positive)",
        "np.repeat([0, 1], [len(positive)",
        ("harness/tests/test_directions.py::test_the_probe_points_to_the_positive_class",),
    ),
    Fault(
        "probe-unnormalised",
        "the probe is fitted on rows that were not L2-normalised",
        DIRECTIONS,
        'rows = np.concatenate([_unit_rows(positive, "positive"), _unit_rows(negative, "negative")])',
        'rows = np.concatenate([_rows(positive, "positive"), _rows(negative, "negative")])',
        ("harness/tests/test_directions.py::test_the_probe_does_not_see_the_length_of_a_row",),
    ),
    Fault(
        "gradient-descends",
        "the gradient method goes down instead of up",
        DIRECTIONS,
        "slope = difference - penalty",
        "slope = -difference - penalty",
        ("harness/tests/test_directions.py::test_one_adam_step_of_the_gradient_method_is_rate_along_each_sign",),
    ),
    Fault(
        "random-is-real",
        "the random control is the real mean_diff",
        DIRECTIONS,
        "    return unit(drawn[0])",
        "    return mean_diff(positive, negative)",
        ("harness/tests/test_directions.py::test_controls_know_nothing_of_the_labels",),
    ),
    Fault(
        "shuffle-in-order",
        "the shuffled probe deals out its rows in the order they come in",
        DIRECTIONS,
        "dealt = rows[rng.permutation(len(rows))]",
        "dealt = rows",
        (
            "harness/tests/test_directions.py::"
            "test_a_probe_on_shuffled_labels_loses_what_the_probe_finds_however_far_apart_the_classes_lie",
        ),
    ),
    Fault(
        "threshold-from-validation",
        "the threshold of a direction is read off the validation rows",
        DIRECTIONS,
        '_unit_rows(train_positive, "training positive")',
        '_unit_rows(validation_positive, "training positive")',
        ("harness/tests/test_directions.py::test_the_threshold_comes_from_the_training_rows_alone",),
    ),
    Fault(
        "dose-ignores-share",
        "a dose counts the whole coefficient, not only its share outside massive dims",
        CALIBRATION,
        "return float(coefficient * _length(outside(direction, dims)))",
        "return float(coefficient * _length(direction))",
        ("harness/tests/test_calibration.py::test_the_effective_coefficient_is_the_share_outside_of_the_length_added",),
    ),
    Fault(
        "coefficient-ignores-share",
        "the coefficient for a dose is that of a direction without massive dims",
        CALIBRATION,
        "return float(dose * norm_without / _length(outside(direction, dims)))",
        "return float(dose * norm_without / _length(direction))",
        ("harness/tests/test_calibration.py::test_coefficient_for_dose_inverts_dose",),
    ),
    Fault(
        "corrected-norm-whole",
        "the norm without massive dims includes them",
        CALIBRATION,
        "rows = np.delete(activations.astype(np.float64), list(without), axis=1)",
        "rows = activations.astype(np.float64)",
        ("harness/tests/test_calibration.py::test_the_activation_norm_is_the_mean_of_row_norms_with_and_without_dims",),
    ),
    Fault(
        "search-gate-reversed",
        "the published search grows its coefficient while text is incoherent",
        CALIBRATION,
        "valid = bool(scored.coherence >= gate)",
        "valid = bool(scored.coherence <= gate)",
        ("harness/tests/test_calibration.py::test_without_momentum_the_search_goes_up_by_30_and_down_by_15_percent",),
    ),
    Fault(
        "search-takes-the-last",
        "the published search reports its last valid trial, not its best one",
        CALIBRATION,
        "best = max((trial for trial in trials if trial.valid), key=lambda trial: trial.trait, default=None)",
        "best = next((trial for trial in reversed(trials) if trial.valid), None)",
        (
            "harness/tests/test_calibration.py"
            "::test_the_best_trial_is_the_valid_one_of_largest_trait_not_the_last_or_the_largest",
        ),
    ),
)
