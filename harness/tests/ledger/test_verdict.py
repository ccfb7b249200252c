"""Verdicts follow from the whole interval, planted wrong answers are refuted, and a failure tells its story."""

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.ledger.verdict import (
    Inconclusive,
    Refuted,
    Rule,
    Verdict,
    at_least,
    at_most,
    less_than,
    more_than,
    number,
    story,
    within,
)
from harness.stats.resampling import Estimate

examples = settings(deadline=None, derandomize=True, max_examples=200)
SUPPORTED, REFUTED, INCONCLUSIVE = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE
RULES = [at_least(-5), at_most(3), more_than(0), less_than(0), within(-2, 2)]


def spanning(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high, 60, "trait points")


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        (at_least(-5), -5, 9, SUPPORTED),
        (at_least(-5), -5.001, 9, INCONCLUSIVE),
        (at_least(-5), -9, -5, INCONCLUSIVE),
        (at_least(-5), -9, -5.001, REFUTED),
        (at_most(3), -9, 3, SUPPORTED),
        (at_most(3), -9, 3.001, INCONCLUSIVE),
        (at_most(3), 3, 9, INCONCLUSIVE),
        (at_most(3), 3.001, 9, REFUTED),
        (more_than(0), 0.001, 9, SUPPORTED),
        (more_than(0), 0, 9, INCONCLUSIVE),
        (more_than(0), -1, 9, INCONCLUSIVE),
        (more_than(0), -9, 0.001, INCONCLUSIVE),
        (more_than(0), -9, 0, REFUTED),
        (more_than(0), 0, 0, REFUTED),
        (less_than(0), -9, -0.001, SUPPORTED),
        (less_than(0), -9, 0, INCONCLUSIVE),
        (less_than(0), 0, 9, REFUTED),
        (within(-2, 2), -2, 2, SUPPORTED),
        (within(-2, 2), -2.001, 2, INCONCLUSIVE),
        (within(-2, 2), -2, 2.001, INCONCLUSIVE),
        (within(-2, 2), -9, 9, INCONCLUSIVE),
        (within(-2, 2), 2, 9, INCONCLUSIVE),
        (within(-2, 2), 2.001, 9, REFUTED),
        (within(-2, 2), -9, -2.001, REFUTED),
    ],
    ids=lambda part: part.sentence() if isinstance(part, Rule) else str(part),
)
def test_a_rule_is_decided_by_the_whole_interval(rule, low, high, verdict):
    assert rule.decide(spanning(low, high)) is verdict


@examples
@given(rule=st.sampled_from(RULES), value=st.floats(-10, 10), below=st.floats(0.1, 20), above=st.floats(0.1, 20))
def test_as_many_units_as_are_needed_decide_in_four_samples_of_five_and_fewer_do_not(rule, value, below, above):
    """In one of five the value is off by .8416 standard errors or more; an end is 1.96 of these away."""
    estimate = Estimate(value, value - below, value + above, 1000, "points")
    needed = rule.needed(estimate)
    assume(rule.decide(estimate) is INCONCLUSIVE)
    if needed is None:
        assert min(abs(value - bound) for bound in rule.bounds) < 20 / math.sqrt(1000)
        return

    def with_units(n: float) -> Verdict:
        narrower = math.sqrt(estimate.n / n) * (1 + 0.8416 / 1.9600)
        return rule.decide(Estimate(value, value - narrower * below, value + narrower * above, 1, "points"))

    assert with_units(needed * 1.01) is not INCONCLUSIVE
    assert needed <= estimate.n + 1 or with_units((needed - 1) * 0.99) is INCONCLUSIVE


@examples
@given(
    rule=st.sampled_from(RULES),
    ends=st.tuples(st.floats(-10, 10), st.floats(-10, 10)).map(sorted),
    wider=st.floats(0, 5),
)
def test_widening_an_interval_never_turns_one_decision_into_the_other(rule, ends, wider):
    narrow = rule.decide(spanning(*ends))
    wide = rule.decide(spanning(ends[0] - wider, ends[1] + wider))
    assert wide in (narrow, INCONCLUSIVE)


@examples
@given(
    rule=st.sampled_from(RULES),
    ends=st.tuples(st.floats(-10, 10), st.floats(-10, 10)).map(sorted),
    where=st.floats(0, 1),
)
def test_a_decision_holds_at_every_point_of_the_interval(rule, ends, where):
    decision = rule.decide(spanning(*ends))
    point = min(max(ends[0] + where * (ends[1] - ends[0]), ends[0]), ends[1])
    if decision is not INCONCLUSIVE:
        assert rule.decide(spanning(point, point)) is decision


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (at_least(-5), "at least -5 trait points"),
        (at_most(1.5), "at most 1.5 trait points"),
        (more_than(0), "more than 0 trait points"),
        (less_than(-0.0), "less than 0 trait points"),
        (within(1000, 2000), "between 1,000 and 2,000 trait points"),
    ],
)
def test_a_rule_reads_as_words(rule, sentence):
    assert rule.sentence("trait points") == sentence
    assert rule.sentence() == sentence.removesuffix(" trait points")


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_survives_json(rule):
    assert Rule.from_json(json.loads(json.dumps(rule.to_json()))) == rule


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [("at_least", ()), ("at_least", (1, 2)), ("within", (1,)), ("within", (2, 1)), ("at_most", (math.nan,))],
)
def test_a_rule_with_impossible_bounds_is_refused(kind, bounds):
    with pytest.raises(ValueError, match="cannot have bounds"):
        Rule(kind, bounds)
    with pytest.raises(ValueError, match="cannot have bounds"):
        at_least(math.inf)
    with pytest.raises(ValueError, match="cannot have bounds"):
        at_least(-math.inf)


def test_an_unknown_rule_is_refused_and_the_known_ones_named():
    with pytest.raises(ValueError, match="no rule 'about': choose one of at_least, at_most"):
        Rule("about", (1,))


def test_verdicts_print_as_their_word_and_only_a_refutation_is_an_assertion():
    assert [str(verdict) for verdict in Verdict] == ["SUPPORTED", "REFUTED", "INCONCLUSIVE", "BROKEN"]
    assert issubclass(Refuted, AssertionError)
    assert not issubclass(Inconclusive, AssertionError)


@pytest.mark.parametrize(
    ("value", "printed"),
    [(0.0, "0"), (-0.0, "0"), (28.8, "28.8"), (-0.3, "-0.3"), (0.99647, "0.9965"), (18189.4, "18,189"), (100.0, "100")],
)
def test_numbers_print_short_and_without_exponents(value, printed):
    assert number(value) == printed


CELL = {
    "claim": "S5",
    "sentence": "top-1 cleaning steers as well as full cleaning",
    "model": "severe",
    "trait": "refusal",
    "quantity": "top-1 minus all",
    "rule": at_least(-5),
    "command": "pytest claims/ -k S5 -m 'severe and refusal'",
    "published": "+28.8 against +24.8 on gemma3 (2026-01-29, ablation table)",
}


def test_the_story_of_a_refutation():
    estimate = Estimate(-12.4, -18.13, -6.9, 60, "trait points")
    assert story(estimate=estimate, **CELL) == (
        "S5 REFUTED on model=severe trait=refusal: top-1 cleaning steers as well as full cleaning\n"
        "  top-1 minus all=-12.4 [-18.13, -6.9] trait points, but should be at least -5 trait points "
        "[n=60 questions, 95% interval]\n"
        "  published: +28.8 against +24.8 on gemma3 (2026-01-29, ablation table)\n"
        "  again: pytest claims/ -k S5 -m 'severe and refusal'"
    )


def test_the_story_of_an_inconclusive_cell_says_what_could_have_been_seen():
    estimate = Estimate(-2.0, -7.5, 3.5, 60, "trait points")
    assert story(estimate=estimate, **CELL) == (
        "S5 INCONCLUSIVE on model=severe trait=refusal: top-1 cleaning steers as well as full cleaning\n"
        "  top-1 minus all=-2 [-7.5, 3.5] trait points, too wide to tell whether it is at least -5 trait points "
        "[n=60 questions, 95% interval; the smallest effect it would have seen is 7.862 trait points; "
        "about 413 questions would tell in 80 % of samples, were this the truth]\n"
        "  published: +28.8 against +24.8 on gemma3 (2026-01-29, ablation table)\n"
        "  again: pytest claims/ -k S5 -m 'severe and refusal'"
    )


def test_the_story_of_a_supported_cell_without_published_values():
    estimate = Estimate(1.0, -1.0, 3.0, 40, "trait points", sample="scenarios")
    assert story(estimate=estimate, **{**CELL, "published": ""}).splitlines()[1:3] == [
        "  top-1 minus all=1 [-1, 3] trait points, as it should be: at least -5 trait points "
        "[n=40 scenarios, 95% interval]",
        "  published: nothing on this cell",
    ]
