"""A grader's probabilities become an expected score, or none: never a 0 in place of a missing one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judges.scoring import (
    COHERENCE_MASS,
    TRAIT_MASS,
    capped,
    expected_digit,
    expected_integer,
    integers,
    plain_integer,
)

weights = st.lists(st.floats(0.001, 1), min_size=1, max_size=20)
scores = st.none() | st.floats(0, 100)


def shares(raw: list[float], of: float = 1.0) -> list[float]:
    """Probabilities in these proportions that hold `of` together."""
    return [of * one / math.fsum(raw) for one in raw]


def test_an_expected_integer_weighs_integers_by_their_probability_and_leaves_other_tokens_out() -> None:
    table = [("80", 0.4), (" 20", 0.1), ("The", 0.3), ("85.5", 0.1)]
    assert expected_integer(table, TRAIT_MASS) == pytest.approx((80 * 0.4 + 20 * 0.1) / 0.5)


@pytest.mark.parametrize("token", ["", "101", "1000", "-1", "007", "00", "²", "５", "5.", "five", "1e1", "+5", "1 0"])
def test_what_is_no_integer_from_0_to_100_does_not_count(token: str) -> None:
    assert integers([(token, 0.9)]) == []
    assert expected_integer([(token, 0.9)], TRAIT_MASS) is None


PLAIN = (" 85", "85\n", "85%", "85 %", "85/100", "85 / 100", "85 out of 100", "85.", "85\n\nThe response is fluent")
OTHER = (
    *("8/10", "10/10", "0.85", "1.0", "100.0", "85.5", "85,5", "0.85%", "85-90", "85–90", "-5", "+5", "1e2", "8½"),
    *("９０", "²", "ninety", "101", "007", "1,000", "85/1000", "85/1", "8 out of 10", "8 of 10", "8\n\nout of 10"),
    *("8\n/10", "8\n10", "1 0", "Score: 7 out of 10", "<think>85", ""),
)


@pytest.mark.parametrize(("answer", "score"), [*((one, 85) for one in PLAIN), *((one, None) for one in OTHER)])
def test_only_an_integer_that_stands_alone_is_a_score(answer: str, score: int | None) -> None:
    assert plain_integer(answer) == score


@settings(deadline=None)
@given(raw=weights, of=st.floats(0, 1), values=st.data())
def test_an_expected_integer_lies_among_the_integers_or_is_missing(
    raw: list[float], of: float, values: st.DataObject
) -> None:
    drawn = values.draw(st.lists(st.integers(0, 100), min_size=len(raw), max_size=len(raw)))
    table = [(f" {value}\n", share) for value, share in zip(drawn, shares(raw, of), strict=True)]
    found = expected_integer(table, TRAIT_MASS)
    if of > TRAIT_MASS + 1e-9:
        assert found is not None
        assert min(drawn) <= found <= max(drawn)
    if of < TRAIT_MASS - 1e-9:
        assert found is None


@settings(deadline=None)
@given(value=st.integers(0, 100), share=st.floats(0.25, 1))
def test_a_certain_integer_is_the_score(value: int, share: float) -> None:
    assert expected_integer([(str(value), share)], TRAIT_MASS) == value


@settings(deadline=None)
@given(raw=st.lists(st.floats(0.001, 1), min_size=10, max_size=10), of=st.floats(0, 1))
def test_an_expected_digit_is_the_mean_digit_on_a_scale_to_100(raw: list[float], of: float) -> None:
    found = expected_digit(shares(raw, of), COHERENCE_MASS)
    if of > COHERENCE_MASS + 1e-9:
        mean = sum(digit * one for digit, one in enumerate(raw)) / sum(raw)
        assert found == pytest.approx(mean * 100 / 9)
        assert 0 <= found <= 100
    if of < COHERENCE_MASS - 1e-9:
        assert found is None


@pytest.mark.parametrize("digit", range(10))
def test_a_certain_digit_is_a_ninth_of_the_scale_each(digit: int) -> None:
    sure = [float(one == digit) for one in range(10)]
    assert expected_digit(sure, TRAIT_MASS) == pytest.approx(digit * 100 / 9)


def test_the_bar_for_coherence_is_lower_than_for_traits() -> None:
    assert expected_integer([("50", 0.2)], TRAIT_MASS) is None
    assert expected_integer([("50", 0.2)], COHERENCE_MASS) == 50


def test_no_probability_at_all_is_no_score_even_without_a_bar() -> None:
    assert expected_integer([("50", 0.0)], 0.0) is None
    assert expected_integer([], 0.0) is None


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf])
def test_numbers_that_are_no_probabilities_are_an_error(wrong: float) -> None:
    with pytest.raises(ValueError, match="of the probability"):
        expected_integer([("50", wrong)], TRAIT_MASS)


@settings(deadline=None)
@given(coherence=scores, relevance=scores)
def test_a_cap_never_raises_coherence_and_missing_stays_missing(
    coherence: float | None, relevance: float | None
) -> None:
    found = capped(coherence, relevance)
    assert (found is None) == (coherence is None or relevance is None)
    if found is not None and coherence is not None:
        assert found <= coherence


@pytest.mark.parametrize(("relevance", "expected"), [(0, 30), (24.9, 30), (25, 50), (74.9, 50), (75, 93), (100, 93)])
def test_coherence_is_capped_at_30_where_the_question_is_ignored_and_at_50_where_it_is_answered_partly(
    relevance: float, expected: float
) -> None:
    assert capped(93.0, relevance) == expected
    assert capped(20.0, relevance) == 20
