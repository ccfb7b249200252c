"""The gate opens for what was shown alone: order, calibration, the right side of 70, and the right cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.datasets import judging_folder, known_traits
from harness.data.gold import GoldExchange, load_gold, too_few_gold
from harness.judges.gate import AUROC, MISSING, SIDES, quality_in, why_not_trusted
from harness.judges.protocol import Judgement
from harness.lab.making import gold_exchange, judge_check
from harness.montecarlo import judges as montecarlo_judges

SETS = [
    (language, name)
    for language in ("english", "templated")
    for name in (*known_traits(language), "coherence", "relevance")
]
MISCALIBRATED = {
    "70 + .3 gold": lambda gold: 70 + 0.3 * gold,
    ".6 gold": lambda gold: 0.6 * gold,
    "45 + .1 gold": lambda gold: 45 + 0.1 * gold,
}


def what_of(name: str) -> str:
    return name if name in ("coherence", "relevance") else "trait"


def checked(language: str, name: str, score: Callable[[float], float | None]) -> dict[str, Any]:
    """The record of a judge that sees the gold score, and the number of its response, and says `score` of it."""
    gold = load_gold(judging_folder(language) / f"{name}.jsonl")
    judged = {gold_exchange(one): Judgement(*[score(one.score)] * 3) for one in gold}
    return dict(judge_check(judged, {what_of(name): gold}).record)


@pytest.mark.parametrize(("language", "name"), SETS)
def test_the_exact_judge_passes_on_every_gold_set_that_is_shipped(language: str, name: str) -> None:
    assert not why_not_trusted(checked(language, name, lambda gold: gold))


@pytest.mark.parametrize("judge", MISCALIBRATED)
@pytest.mark.parametrize(("language", "name"), [one for one in SETS if one[1] != "relevance"])
def test_a_judge_that_orders_rightly_and_is_off_scale_fails_and_is_told_why(
    language: str, name: str, judge: str
) -> None:
    record = checked(language, name, MISCALIBRATED[judge])
    found, reason = quality_in(record, what_of(name)), why_not_trusted(record)
    assert AUROC.admits(found.auroc), "the order of its scores is right, so only calibration can tell"
    read_as = 10 * (found.slope.value or 0)
    assert f"is not shown to lie within 0.67 to 1.50 (an effect of 10 points is read as {read_as:.1f})" in reason
    assert ("share on the right side of 70" in reason) == (name == "coherence")
    assert ("offset at 70" in reason) == (name == "coherence")


def test_a_constant_offset_fails_coherence_and_passes_a_trait() -> None:
    def shifted(gold: float) -> float:
        return 15 + 0.85 * gold  # 4.5 too high at 70, more below

    def moved(gold: float) -> float:
        return 0.85 * gold  # 10.5 too low at 70

    assert not why_not_trusted(checked("english", "refusal", moved))
    assert "its offset at 70 of -10.50" in why_not_trusted(checked("english", "coherence", moved))
    assert not why_not_trusted(checked("english", "refusal", shifted))


def test_relevance_is_gated_by_its_caps_alone() -> None:
    # On the right side of 25 and of 75, and of no slope to speak of.
    blunt = checked("english", "relevance", lambda gold: 20.0 if gold < 25 else 40.0 if gold < 75 else 75.0)
    assert not why_not_trusted(blunt)
    lenient = checked("english", "relevance", lambda gold: 100.0 if gold >= 25 else gold)
    assert why_not_trusted(lenient).startswith("relevance: its share held at the right cap of 0.6")
    silent = checked("english", "relevance", lambda gold: None if gold >= 75 else gold)
    assert "share held at the right cap" in why_not_trusted(silent)


@pytest.mark.parametrize(("every", "passing"), [(16, True), (6, False)])
def test_a_judge_that_is_often_silent_does_not_pass(every: int, passing: bool) -> None:
    record = checked("english", "refusal", lambda gold: gold)
    scores = record["trait"]["scores"]
    scores[::every] = [None] * len(scores[::every])
    assert bool(why_not_trusted(record)) != passing
    assert MISSING.admits(quality_in(record, "trait").missing) == passing


def test_the_gate_asks_for_the_end_of_an_interval_and_not_for_the_value() -> None:
    record = checked("english", "coherence", lambda gold: gold)
    scores = record["coherence"]["scores"]
    wrong = np.random.default_rng(0).permutation(len(scores))[: round(0.16 * len(scores))]
    for place in wrong:
        scores[place] = 69.0 if scores[place] >= 70 else 71.0
    figure = quality_in(record, "coherence").agreement
    assert 0.7 < (figure.low or 0) < 0.8 < (figure.value or 0), (
        "this is the case that tells the lower end from the value"
    )
    assert not SIDES.admits(figure)
    assert f"its share on the right side of 70 of {figure.value:.2f}" in why_not_trusted(record)


def test_a_judge_that_says_nothing_does_not_pass() -> None:
    reason = why_not_trusted(checked("english", "refusal", lambda _gold: None))
    assert "its AUROC cannot be told" in reason
    assert "its slope on gold cannot be told" in reason
    assert "its share of missing scores of 1.00" in reason


def test_the_gold_of_a_check_names_the_question_of_each_response() -> None:
    gold = load_gold(judging_folder("english") / "coherence.jsonl")
    record = checked("english", "coherence", lambda score: score)["coherence"]

    def same(one: GoldExchange, other: GoldExchange) -> bool:
        return one.question == other.question

    pairs = [(a, b) for a in range(len(gold)) for b in range(a)]
    assert all(same(gold[a], gold[b]) == (record["questions"][a] == record["questions"][b]) for a, b in pairs)


def test_simulated_judges_on_a_bound_are_seldom_passed_and_good_ones_mostly() -> None:
    chosen = [one for one in montecarlo_judges.worlds() if "much noise" in one.truth or "wholly" in one.truth]
    chosen += [one for one in montecarlo_judges.lines() if "reversed, little noise" in one.truth]
    rng = np.random.default_rng(1)
    for world in chosen:
        for size in ((98, 27), (30, 8)):
            passed = sum(world.bound.admits(world.draw(rng, *size)) for _ in range(150))
            assert passed <= 16, f"{world.truth}, {size}: {passed} of 150; 5 % are 7.5, above 16 comes 1 in 500 times"
        assert sum(world.bound.admits(world.good.draw(rng, 98, 27)) for _ in range(20)) >= 15, world.truth
    told = montecarlo_judges.rows(1)
    columns = {"procedure", "n", "questions", "truth", "repeats", "passed_though_false", "passed_when_good"}
    assert all(set(row) == columns for row in told)
    assert {row["truth"] for row in told} == {world.truth for world in montecarlo_judges.worlds()}


def gold_of(positive: int, negative: int, *, shared: int = 0) -> list[GoldExchange]:
    """A response to a question of its own for each positive and negative; `shared` questions have one of either."""
    asked = [*range(positive), *range(positive - shared, positive + negative - shared)]
    scores = [100.0] * positive + [0.0] * negative
    return [
        GoldExchange(f"question {number}", f"response {score:g}", score, "clear")
        for number, score in zip(asked, scores, strict=True)
    ]


def exact_judge_fails(gold: list[GoldExchange], what: str) -> str:
    judged = {gold_exchange(one): Judgement(one.score, one.score, one.score) for one in gold}
    return why_not_trusted(judge_check(judged, {what: gold}).record)


@pytest.mark.parametrize(
    ("fewest", "one_fewer"),
    [
        (gold_of(11, 11), gold_of(11, 10)),
        (gold_of(11, 20), gold_of(10, 20)),
        (gold_of(21, 21, shared=21), gold_of(20, 20, shared=20)),
        (gold_of(16, 16, shared=11), gold_of(16, 16, shared=12)),
        (gold_of(10, 52), gold_of(10, 51)),
        (gold_of(10, 90), gold_of(9, 91)),
    ],
)
@pytest.mark.parametrize("what", ["trait", "coherence"])
def test_the_fewest_gold_responses_that_an_exact_judge_passes_on_are_those_that_are_told(
    fewest: list[GoldExchange], one_fewer: list[GoldExchange], what: str
) -> None:
    assert not exact_judge_fails(fewest, what)
    assert not too_few_gold(fewest)
    assert "AUROC of 1.00" in exact_judge_fails(one_fewer, what)
    assert "write more" in too_few_gold(one_fewer)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 30), st.integers(1, 70), st.integers(0, 30), st.integers(0, 10))
def test_where_too_few_are_told_the_exact_judge_fails_and_otherwise_passes(
    positive: int, negative: int, shared: int, between: int
) -> None:
    gold = gold_of(positive, negative, shared=min(positive, negative, shared))
    gold += [GoldExchange(f"in between {number}", "half", 50.0, "partial") for number in range(between)]
    assert bool(too_few_gold(gold)) == bool(exact_judge_fails(gold, "trait"))


@pytest.mark.parametrize(("language", "name"), [one for one in SETS if what_of(one[1]) == "trait"])
def test_no_gold_set_that_is_shipped_is_too_small(language: str, name: str) -> None:
    assert not too_few_gold(load_gold(judging_folder(language) / f"{name}.jsonl"))
