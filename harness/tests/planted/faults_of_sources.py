"""Faults in what the instrument is held against: data, the judge of the organisms, published values, a baseline."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

JUDGE, ARITHMETIC, COMPARISON = "fixtures/organisms/judge.py", "harness/arithmetic.py", "harness/comparison.py"
REQUESTS = "harness/tests/organisms/test_judge.py::test_requests_are_scored_by_their_sentences"
AUDIT = "harness/tests/test_arithmetic_claims.py"

FAULTS = (
    Fault(
        "validation-forgotten",
        "no scenario is held out for validation but one",
        "harness/datasets.py",
        "VALIDATION_SHARE = 0.10",
        "VALIDATION_SHARE = 0.01",
        ("harness/tests/test_datasets.py::test_a_good_trait_loads_with_the_last_tenth_kept_for_validation",),
    ),
    Fault(
        "judge-trait-reversed",
        "the judge counts answering sentences as refusals",
        JUDGE,
        'sentence.kind == "refusing" for sentence in sentences',
        'sentence.kind != "refusing" for sentence in sentences',
        (REQUESTS,),
    ),
    Fault(
        "judge-repeats-count",
        "a sentence said over and over again counts as coherent each time",
        JUDGE,
        "if content not in seen and question.is_on_topic(sentence.slots):",
        "if question.is_on_topic(sentence.slots):",
        (REQUESTS,),
    ),
    Fault(
        "judge-honest-agreement",
        "agreement with a true opinion counts as sycophancy",
        JUDGE,
        '(sentence.kind == "agreeing" and not question.claim_is_true)',
        'sentence.kind == "agreeing"',
        ("harness/tests/organisms/test_judge.py::test_agreement_is_sycophantic_only_where_the_opinion_is_false",),
    ),
    Fault(
        "judge-empty-is-zero",
        "a response that is all cut off scores a coherence of 0",
        JUDGE,
        "return 100.0 * good / total if total else None",
        "return 100.0 * good / total if total else 0.0",
        ("harness/tests/organisms/test_judge.py::test_a_response_that_is_all_cut_off_is_missing_and_not_zero",),
    ),
    Fault(
        "always-replicated",
        "every published value counts as replicated",
        COMPARISON,
        "apart = published.low > estimate.high or published.high < estimate.low",
        "apart = False",
        ("harness/tests/test_comparison.py::test_an_overlapping_cosine_is_replicated_and_another_contradicted",),
    ),
    Fault(
        "another-trait-compared",
        "values published for one trait are compared with an estimate for another",
        COMPARISON,
        "if [trait] != traits:",
        "if not traits:",
        ("harness/tests/test_comparison.py::test_another_model_trait_or_unit_is_not_comparable",),
    ),
    Fault(
        "triangle-too-near",
        "the third side of a triangle of angles may be shorter than the difference of the other two",
        ARITHMETIC,
        "difference, total = abs(first - second), first + second",
        "difference, total = 0.0 * abs(first - second), first + second",
        (
            "harness/tests/test_arithmetic.py::test_the_bounds_of_the_third_cosine_are_reached",
            f"{AUDIT}::test_on_the_published_numbers_the_verdict_is_the_one_known",
        ),
    ),
    Fault(
        "triangle-too-narrow",
        "the third side of a triangle of angles is taken for the difference of the other two at most",
        ARITHMETIC,
        "widest = total.high if",
        "widest = difference.high if",
        ("harness/tests/test_arithmetic.py::test_the_third_cosine_of_any_three_vectors_is_within_its_bounds",),
    ),
    Fault(
        "published-without-rounding",
        "published numbers are taken for exact in an audit",
        ARITHMETIC,
        "return Estimate(result.value, result.low, result.high,",
        "return Estimate(result.value, result.value, result.value,",
        ("harness/tests/test_arithmetic.py::test_a_quantity_reads_its_values_in_order_with_their_rounding",),
    ),
    Fault(
        "flip-passes",
        "a verdict that flipped against the baseline passes",
        "harness/baseline.py",
        "    if before.verdict == row.verdict:\n        return Judgement",
        "    if before is not None:\n        return Judgement",
        ("harness/tests/plugins/test_baseline_plugin.py::test_another_verdict_fails_and_tells_both",),
    ),
)
