"""Faults in how directions are made and cleaned, and doses are counted."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

CLEANING, DIRECTIONS = "harness/cleaning.py", "harness/directions.py"
CALIBRATION = "harness/calibration.py"
CLEANED = (
    "harness/tests/test_cleaning.py::test_a_cleaned_direction_is_zero_on_its_dims_of_unit_norm_and_parallel_elsewhere"
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
)
