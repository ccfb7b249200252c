"""Faults in how measurements are made from models, data and other answers, and how a fused run is folded back."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

MAKING, LAB = "harness/lab/making.py", "harness/lab/lab.py"
FOLDED = "harness/tests/lab/test_lab.py::test_every_response_lands_in_its_own_sweep_amount_and_question"
SCORED = "harness/tests/lab/test_lab.py::test_scores_hold_missing_judgements_as_nan"
DOSES = "harness/tests/lab/test_lab.py::test_doses_become_coefficients_by_the_share_outside_the_massive_dims"
SCALES = "harness/tests/lab/test_lab.py::test_methods_cleanings_and_scales_of_a_sweep_are_what_they_say"
TOKENS = "harness/tests/lab/test_lab.py::test_doses_of_every_window_are_counted_in_the_steered_models_own_tokens"
HERE = "harness/tests/planted/test_caught_here.py"
OF_RUNS = "for run in range(len(measurement.amounts))"
OF_QUESTIONS = "for question, (prompt, turn) in enumerate(zip(prompts, turns, strict=True))"

FAULTS = (
    Fault(
        "fold-wrong-sweep",
        "every sweep of a fused run gets the responses of the first",
        LAB,
        "making.responses(own_keys, made,",
        "making.responses(folds[0][1][: len(own_keys)], made,",
        (FOLDED,),
    ),
    Fault(
        "fold-amounts-and-questions",
        "rows of a sweep are made question by question but folded amount by amount",
        MAKING,
        f"{OF_RUNS}\n        {OF_QUESTIONS}",
        f"{OF_QUESTIONS}\n        {OF_RUNS}",
        (FOLDED,),
    ),
    Fault(
        "classes-swapped",
        "activations of positive scenarios are filed as negative",
        MAKING,
        '{"positive": means[measurement.window][0::2], "negative": means[measurement.window][1::2]}',
        '{"positive": means[measurement.window][1::2], "negative": means[measurement.window][0::2]}',
        (f"{HERE}::test_activations_are_filed_under_their_own_scenario_and_label",),
    ),
    Fault(
        "training-with-validation",
        "directions are fitted on the validation pairs as well",
        MAKING,
        'return answer.arrays["positive"][:pairs, block], answer.arrays["negative"][:pairs, block]',
        'return answer.arrays["positive"][:, block], answer.arrays["negative"][:, block]',
        (SCALES, f"{HERE}::test_a_direction_is_fitted_on_training_pairs"),
    ),
    Fault(
        "direction-of-the-block-before",
        "a direction is fitted at the block before the one it names",
        MAKING,
        "positive, negative = training_rows(read, block)\n    consensus",
        "positive, negative = training_rows(read, block - 1)\n    consensus",
        (SCALES, f"{HERE}::test_a_direction_is_fitted_on_training_pairs"),
    ),
    Fault(
        "cleaned-dims-of-another-block",
        "the top dims that are cleaned are those of the block before",
        MAKING,
        'found, record = measured.arrays["mean"][block], measured.record',
        'found, record = measured.arrays["mean"][block - 1], measured.record',
        (f"{HERE}::test_the_dims_cleaned_are_those_of_the_direction_s_own_block",),
    ),
    Fault(
        "preclean-after-the-fit",
        "cleaning that was asked for before the fit is done after it",
        MAKING,
        "    if not how.before:",
        "    if how is not None:",
        (f"{HERE}::test_cleaning_before_the_fit_fits_on_cleaned_rows",),
    ),
    Fault(
        "extractions-unpaired",
        "an extraction has positive scenarios of its own topics and negative ones of all",
        MAKING,
        "fit(measurement, positive[part], negative[part], dims, given)",
        "fit(measurement, positive[part], negative, dims, given)",
        (
            "harness/tests/lab/test_lab.py"
            "::test_extractions_come_from_topics_that_none_of_them_share_and_questions_take_turns",
        ),
    ),
    Fault(
        "topics-torn-apart",
        "pairs of one topic are resampled as if each were a witness of its own",
        MAKING,
        "return separation.ways_of(topics, questions and questions[:pairs])",
        "return (np.arange(len(topics)),)",
        (f"{HERE}::test_pairs_of_one_topic_are_resampled_together",),
    ),
    Fault(
        "refits-unpaired",
        "refits resample positive scenarios alone, so that pairs are torn apart",
        MAKING,
        "method(positive[chosen], negative[chosen])",
        "method(positive[chosen], negative)",
        (f"{HERE}::test_refits_resample_both_members_of_a_pair_together",),
    ),
    Fault(
        "norm-without-is-whole",
        "the norm without massive dims that base coefficients are counted in includes them",
        MAKING,
        "calibration.activation_norm(rows, consensus)",
        "calibration.activation_norm(rows)",
        (f"{HERE}::test_the_norms_of_a_direction_are_those_of_its_training_rows_with_and_without_massive_dims",),
    ),
    Fault(
        "dose-of-window-means",
        "doses are counted in means of the base model's tokens, not in tokens of the model that is steered",
        MAKING,
        'record["massive_dims"], record["dose_norm"]',
        'record["massive_dims"], record["norm_without"]',
        (DOSES,),
    ),
    Fault(
        "token-norm-of-another-block",
        "doses of every block are counted in the tokens of the first",
        MAKING,
        'measured.arrays["token_norm_without"][block]',
        'measured.arrays["token_norm_without"][0]',
        (TOKENS,),
    ),
    Fault(
        "token-norm-is-whole",
        "the norm of a token that doses are counted in includes massive dims",
        MAKING,
        '"token_norm_without": statistics.token_norms(consensus)',
        '"token_norm_without": statistics.token_norms()',
        (TOKENS,),
    ),
    Fault(
        "missing-is-zero",
        "a response that could not be judged scores 0",
        MAKING,
        "[np.nan if value is None else float(value) for value in values]",
        "[0.0 if value is None else float(value) for value in values]",
        (SCORED,),
    ),
    Fault(
        "judged-with-another-question",
        "every response is judged as an answer to the first question",
        MAKING,
        'Exchange(question.text, response["text"], response["finished"])',
        'Exchange(questions[0].text, response["text"], response["finished"])',
        (f"{HERE}::test_a_response_is_judged_with_its_own_question",),
    ),
)
