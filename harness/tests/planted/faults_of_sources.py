"""Faults in what the instrument is held against: data, the judge of the organisms, published values, a baseline."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

JUDGE, ARITHMETIC = "fixtures/organisms/judge.py", "harness/arithmetic.py"
REQUESTS = "harness/tests/organisms/test_judge.py::test_requests_are_scored_by_their_sentences"
AUDIT = "harness/tests/test_arithmetic_claims.py"

FAULTS = (
    Fault(
        "judge-repeats-count",
        "a sentence said over and over again counts as coherent each time",
        JUDGE,
        "if content not in seen and question.is_on_topic(sentence.slots):",
        "if question.is_on_topic(sentence.slots):",
        (REQUESTS,),
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
)
