"""However few pairs or topics a trait has, a quantity of directions has an interval or says that it cannot be told."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from harness.data.datasets import Scenario, training_pairs
from harness.geometry.directions import METHODS
from harness.lab import making
from harness.lab.measurements import Activations, BlockChoice, CrossFit, MassiveActivations, Measurement, Refits
from harness.lab.store import Answer
from harness.quantities import Accuracy, Answers, Cosine, EffectSize, NormOutside, Recipe, RightOrder, ShareInside
from harness.quantities.geometry import NoDirection, require_direction
from harness.stats.resampling import CannotTell
from harness.stats.tails import FEWEST
from harness.tests.quantities import simulated

HIDDEN, BLOCKS, WINDOW = 16, 4, 5
CELL = replace(simulated.cell("refusal"), settings=replace(simulated.SETTINGS, refit_resamples=20))
PROBE = Recipe("probe")


def answers(topics: list[int]) -> Answers:
    """Those of a model on as many pairs of well-separated scenarios as there are topics, made as the lab makes them."""
    random = np.random.default_rng(len(topics))
    one = Scenario("", "positive", 0, "")
    rows = {
        label: random.normal(side, 0.5, (len(topics), BLOCKS, HIDDEN)).astype(np.float32)
        for label, side in (("positive", 1.0), ("negative", -1.0))
    }
    read = Answer(rows, {"training_pairs": training_pairs(((one, one),) * len(topics)), "topics": topics})
    dims = {"consensus": [1, 2], "top": [[1, 2, 3, 4, 5]] * BLOCKS}
    measured = Answer({"mean": np.ones((BLOCKS, HIDDEN), np.float32)}, dims)

    def answer(measurement: Measurement) -> Answer:
        match measurement:
            case Activations():
                return read
            case MassiveActivations():
                return measured
            case CrossFit():
                return making.cross_fit(measurement, read, measured)
            case Refits():
                return making.refits(measurement, read, lambda _: None)
            case BlockChoice():
                return making.block_choice(measurement, read, measured)
        raise AssertionError(measurement)

    return Answers(answer)


def of(method: str) -> list[Accuracy | RightOrder | EffectSize | Cosine | ShareInside | NormOutside]:
    """Every quantity of directions and activations, of one method."""
    recipe = Recipe(method)
    read = [Accuracy(recipe), RightOrder(recipe), EffectSize(recipe), NormOutside(WINDOW)]
    return [*read, Cosine(recipe, PROBE), ShareInside(recipe, "top five")]


TOPICS = {
    f"{pairs} pairs, {what}": topics
    for pairs in (1, 2, 3, 4, 12)
    for what, topics in (
        ("one topic", [0] * pairs),
        ("two topics", [0] * (pairs - 1) + [1]),
        ("each its own", list(range(pairs))),
    )
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("topics", TOPICS.values(), ids=TOPICS)
def test_nothing_but_an_interval_or_that_it_cannot_be_told(topics: list[int], method: str) -> None:
    told = answers(topics)
    for quantity in of(method):
        estimate = None
        with contextlib.suppress(CannotTell):
            estimate = quantity.evaluate(CELL, told).estimate()
        if len(topics) == 12 and isinstance(quantity, Accuracy | RightOrder) and method != "shuffled probe":
            assert (estimate is None) == (len({*topics}) == 1)


@pytest.mark.parametrize("quantity", [Accuracy(PROBE), RightOrder(PROBE), EffectSize(PROBE), Cosine(PROBE, PROBE)])
def test_one_topic_tells_nothing_of_how_well_a_direction_separates_others(quantity: Accuracy) -> None:
    with pytest.raises(CannotTell, match="12 pairs of scenarios have 1 topic, so none can be held out"):
        quantity.evaluate(CELL, answers([0] * 12))


@pytest.mark.parametrize(("topics", "told"), [(2, False), (3, False), (4, True)])
def test_two_or_three_topics_give_no_interval_of_an_effect_size(topics: int, told: bool) -> None:
    """Two topics of twelve pairs once gave the interval of many: most resamples drew one of them alone."""
    found = EffectSize(PROBE).evaluate(CELL, answers([pair % topics for pair in range(12)]))
    if told:
        assert found.estimate().n == topics
    else:
        with pytest.raises(CannotTell, match="resamples give no value"):
            found.estimate()


def test_a_block_cannot_be_chosen_from_a_single_pair_to_fit_on() -> None:
    choice = BlockChoice(CELL.activations(WINDOW), CELL.massive, (0, 1))
    with pytest.raises(CannotTell, match="1 pair to fit on cannot be halved to choose a block"):
        answers([0, 1])(choice)
    assert answers([0, 1, 2])(choice).record["block"] in (0, 1)


def test_a_perfect_direction_is_told_from_guessing_on_the_fewest_topics_that_check_asks_for() -> None:
    require_direction(PROBE, CELL, answers(list(range(FEWEST))))
    with pytest.raises(NoDirection, match=r"\(1\.00 \["):
        require_direction(PROBE, CELL, answers(list(range(FEWEST - 1))))
