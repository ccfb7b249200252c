"""A p-value says at which level a claim is decided, and Holm's step-down keeps the whole ledger honest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ledger.multiplicity import SMALLEST, holm, p_decided, p_refute, p_support, surviving
from harness.ledger.verdict import Rule, Verdict, at_least, at_most, less_than, more_than, within
from harness.stats.averages import mean_of
from harness.stats.resampling import CannotTell, Replicated, Resampling
from harness.stats.tails import expanded_tail, tail_from_quantile

examples = settings(deadline=None, derandomize=True, max_examples=150)
PERCENT = (0.0, 100.0)
RULES = [at_least(40), more_than(40), at_most(55), less_than(55), within(35, 60), at_least(0), more_than(0)]
p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def normal_quantity(value: float, error: float = 1.0, n: int = 1000, resamples: int = 2000) -> Replicated:
    """A quantity whose replicates are the normal quantiles around its value, in no bounds."""
    from scipy.special import ndtri

    shares = (np.arange(resamples) + 0.5) / resamples
    return Replicated(value, value + error * ndtri(shares), Resampling(n, resamples=resamples), "points", n)


@examples
@given(
    seed=st.integers(0, 9999),
    n=st.integers(5, 150),
    kind=st.sampled_from(["all or nothing", "graded", "constant"]),
    bounds=st.sampled_from([None, PERCENT]),
    rule=st.sampled_from(RULES),
    alpha=st.floats(0.02, 0.5),
)
def test_a_claim_is_decided_at_a_level_exactly_if_its_p_value_is_no_larger(seed, n, kind, bounds, rule, alpha):
    rng = np.random.default_rng(seed)
    scores = {
        "all or nothing": 100.0 * (rng.random(n) < rng.random()),
        "graded": rng.uniform(0, 100, n),
        "constant": np.full(n, float(rng.choice([0, 40, 55, 100]))),
    }[kind]
    quantity = mean_of(scores, Resampling(n, resamples=300), bounds=bounds)
    for verdict, p_value in (
        (Verdict.SUPPORTED, p_support(quantity, rule)),
        (Verdict.REFUTED, p_refute(quantity, rule)),
    ):
        assert 0 < p_value <= 1
        if expanded_tail(alpha / 2, n) <= 1 / 299 or abs(alpha - p_value) < 1e-6:
            continue
        assert (rule.decide(quantity.estimate(1 - alpha)) is verdict) == (p_value <= alpha)


def test_the_p_value_of_a_normal_quantity_is_the_two_sided_normal_one_also_far_out():
    from scipy.stats import norm

    for distance in (0.5, 1.5, 2.5, 3.0, 4.0, 6.0):
        expected = 2 * norm.sf(distance)
        for quantity, rule, side in (
            (normal_quantity(distance), more_than(0), p_support),
            (normal_quantity(distance), at_most(0), p_refute),
            (normal_quantity(-distance), less_than(0), p_support),
            (normal_quantity(-distance), at_least(0), p_refute),
        ):
            assert math.log(side(quantity, rule)) == pytest.approx(math.log(expected), rel=0.05, abs=0.02)
            assert p_decided(quantity, rule) == side(quantity, rule)


def test_p_values_fall_continuously_through_the_edge_of_the_replicates_and_never_reach_0():
    values = np.linspace(0, 60, 4001)
    found = [p_support(normal_quantity(value, n=100), more_than(0)) for value in values]
    assert np.all(np.diff(found) <= 0)
    assert np.abs(np.diff(np.log(found))).max() < 0.4
    assert 0 < found[-1] < 1e-20
    constant = mean_of(np.full(50, 30.0), Resampling(50))
    assert p_support(constant, more_than(0)) == SMALLEST


def test_bounded_scores_that_are_all_alike_have_the_exact_binomial_p_value():
    for n in (10, 60):
        sure = mean_of(np.full(n, 100.0), Resampling(n), bounds=PERCENT)
        assert p_support(sure, at_least(80)) == pytest.approx(2 * 0.8**n)
        none = mean_of(np.zeros(n), Resampling(n), bounds=PERCENT)
        assert p_support(none, at_most(5)) == pytest.approx(min(1, 2 * 0.95**n))
    assert p_support(sure, at_least(0)) == SMALLEST  # nothing else is possible
    assert p_support(sure, more_than(0)) < 1e-15


def test_the_value_on_the_wrong_side_has_a_p_value_of_1_and_within_asks_for_both_ends():
    quantity = normal_quantity(3.0)
    assert p_support(quantity, at_most(2)) == 1
    assert p_refute(quantity, at_least(3)) == 1
    assert p_support(quantity, more_than(3)) == 1
    both = p_support(quantity, within(0, 5))
    assert both == max(p_support(quantity, at_least(0)), p_support(quantity, at_most(5)))
    assert p_refute(quantity, within(-2, 0)) == p_refute(quantity, at_most(0))
    assert p_refute(quantity, within(5, 9)) == p_refute(quantity, at_least(5))
    assert p_refute(quantity, within(2, 4)) == 1


def test_what_cannot_be_told_has_no_p_value():
    replicates = np.where(np.arange(100) < 20, np.nan, 1.0)
    with pytest.raises(CannotTell, match="20 of 100 resamples"):
        p_support(Replicated(1.0, replicates, Resampling(30, resamples=100), "points", 30), at_least(0))


@pytest.mark.parametrize("n", [5, 20, 120])
@pytest.mark.parametrize("tail", [1e-4, 0.025, 0.2])
def test_the_expansion_of_tails_is_inverted(n, tail):
    from scipy.special import ndtri

    assert tail_from_quantile(float(ndtri(expanded_tail(tail, n))), n) == pytest.approx(tail)


def test_holm_by_hand():
    """Sorted .005, .01, .03, .04 of four: times 4, 3, 2, 1 = .02, .03, .06, .04 -> .06."""
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found.adjusted, [0.03, 0.06, 0.06, 0.02])
    assert found.rejected.tolist() == [True, False, False, True]
    assert holm(np.array([0.01, 0.04, 0.03, 0.005]), level=0.06).rejected.all()
    assert holm(np.array([0.03, 0.6])).rejected.tolist() == [False, False]
    assert holm(np.array([0.05])).rejected.tolist() == [True]
    assert holm(np.array([])).rejected.tolist() == []


@examples
@given(p_values=p_lists, level=st.floats(0.01, 0.2), seed=st.integers(0, 999))
def test_holm_steps_down_by_its_definition_in_any_order(p_values, level, seed):
    given_p = np.array(p_values)
    found = holm(given_p, level)
    order = sorted(range(len(p_values)), key=lambda claim: p_values[claim])
    rejected = set()
    for step, claim in enumerate(order):
        if p_values[claim] * (len(p_values) - step) > level:
            break
        rejected.add(claim)
    assert set(np.flatnonzero(found.rejected)) == rejected
    assert (found.adjusted >= given_p).all()
    assert (found.rejected >= (given_p * len(given_p) <= level)).all()  # never weaker than Bonferroni
    shuffle = np.random.default_rng(seed).permutation(len(p_values))
    np.testing.assert_allclose(holm(given_p[shuffle], level).adjusted, found.adjusted[shuffle])


def test_holm_keeps_the_family_wise_rate_when_everything_is_on_the_bound():
    rng = np.random.default_rng(0)
    draws = rng.random((4000, 60))
    assert np.mean([holm(row).rejected.any() for row in draws]) == pytest.approx(0.05, abs=0.012)


def test_impossible_p_values_and_levels_are_refused():
    for p_values, level in (([0.1, 1.2], 0.05), ([-0.1], 0.05), ([math.nan], 0.05), ([0.1], 0.0), ([0.1], 1.0)):
        with pytest.raises(ValueError, match="cannot be taken"):
            holm(np.array(p_values), level)


def test_a_decided_verdict_survives_only_with_the_whole_ledger():
    supported, refuted, open_, broken = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.BROKEN
    verdicts = [supported, refuted, open_, broken]
    p_values = np.array([0.016, 0.024, math.nan, math.nan])
    assert surviving(verdicts, p_values).tolist() == [True, True, False, False]
    more_open = [*verdicts, open_]  # what was tried in vain counts: 4 x .016 > .05
    assert surviving(more_open, np.append(p_values, 0.3)).tolist() == [False] * 5
    assert surviving([*verdicts, broken], np.append(p_values, 0.0)).tolist() == [True, True, False, False, False]
    assert surviving([open_], np.array([0.001])).tolist() == [False]
    with pytest.raises(ValueError, match="do not fit"):
        surviving(verdicts, p_values[1:])


def test_every_rule_has_p_values():
    from harness.ledger.verdict import _KINDS

    assert set(_KINDS) == {rule.kind for rule in RULES}
    for rule in RULES:
        assert isinstance(rule, Rule)
        assert p_decided(normal_quantity(50.0), rule) < 0.001


def test_a_bound_that_replicates_or_the_value_lie_on_counts_for_rules_that_include_it_alone():
    resampling = Resampling(100, resamples=1000)
    on_it = Replicated(1.0, np.where(np.arange(1000) < 300, 0.0, 1.0), resampling, "points", 100)
    assert p_support(on_it, at_least(0)) < 0.003  # beyond what 1000 replicates can tell
    assert p_support(on_it, more_than(0)) == pytest.approx(0.6, abs=0.02)
    beside = Replicated(
        3.0, np.full(1000, 5.0), resampling, "points", 100
    )  # the interval holds its value, whatever else
    assert p_support(beside, more_than(3)) == 1
    assert p_support(beside, at_least(3)) == SMALLEST


def test_a_rule_that_nothing_possible_breaks_is_satisfied_at_every_level():
    scores = np.random.default_rng(0).uniform(0, 100, 60)
    quantity = mean_of(scores, Resampling(60), bounds=PERCENT)
    assert p_support(quantity, at_least(0)) == p_support(quantity, within(0, 100)) == SMALLEST
    assert p_support(quantity, more_than(0)) > SMALLEST
    assert p_support(quantity, at_least(0.1)) > SMALLEST
