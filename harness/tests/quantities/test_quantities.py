"""Quantities ask for exactly what they say they need, and come to what a simulated model was built with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.lab.measurements import Activations, Cleaning, Direction, Measurement, Sweep
from harness.lab.store import Answer
from harness.quantities import (
    Accuracy,
    Answers,
    AroundBase,
    BestAmount,
    BestDelta,
    CoherenceAt,
    Cosine,
    CurveGap,
    EffectSize,
    GainWhereNeeded,
    GridBest,
    Largest,
    NeededAmount,
    NormOutside,
    Quantity,
    Recipe,
    RightOrder,
    SearchDelta,
    ShareInside,
    Smallest,
)
from harness.quantities.algebra import OneOfPair
from harness.quantities.cells import amounts_of
from harness.quantities.geometry import NoDirection, require_direction
from harness.quantities.tabulated import CoherenceAtBest, CurveAt, NormOf
from harness.stats.averages import NoValidRun
from harness.stats.resampling import CannotTell
from harness.tests.quantities.simulated import MASSIVE, SETTINGS, World, answers, cell, pair

RAW, PROBE = Recipe("mean_diff"), Recipe("probe")
CLEANED, TOP1 = RAW.cleaned(Cleaning("consensus")), RAW.cleaned(Cleaning("top", 1))
INSIDE = World(inside={5: 0.95})  # so that .312 of mean_diff's norm lies outside
EVERY: list[Quantity] = [
    BestDelta(RAW) - BestDelta(CLEANED),
    BestAmount(RAW, "coefficient") / BestAmount(CLEANED, "coefficient"),
    GridBest(RAW),
    AroundBase(PROBE),
    SearchDelta(PROBE),
    CoherenceAt(PROBE, "full base", 0.7),
    GainWhereNeeded(RAW, CLEANED),
    NeededAmount(RAW),
    CurveGap(RAW, TOP1, "coherence"),
    Cosine(CLEANED, PROBE, "all blocks"),
    ShareInside(RAW, "top five"),
    NormOutside(5),
    Accuracy(RAW),
    EffectSize(RAW),
    CurveAt(PROBE, 1.0, "trait"),
    CoherenceAtBest(RAW),
    NormOf("inside"),
    Smallest((BestDelta(RAW), BestDelta(PROBE))),
]


def watched(world: World) -> tuple[Answers, list[Measurement]]:
    """Answers of a world, and everything that is asked of them."""
    asked: list[Measurement] = []
    known = answers({"simulated": world})

    def look(measurement: Measurement) -> Any:
        asked.append(measurement)
        return known(measurement)

    return Answers(look), asked


@pytest.mark.parametrize("quantity", EVERY, ids=lambda quantity: type(quantity).__name__)
@pytest.mark.parametrize("extractions", [1, 5])
def test_a_quantity_asks_for_nothing_but_what_it_said_it_needs(quantity: Quantity, extractions: int) -> None:
    subject = replace(cell("refusal"), settings=replace(SETTINGS, extractions=extractions))
    known, asked = watched(World())
    quantity.evaluate(subject, known)
    assert set(asked) <= set(quantity.needs(subject))


def evaluate(quantity: Quantity, world: World) -> Any:
    return quantity.evaluate(cell("refusal"), answers({"simulated": world}))


def test_the_best_lies_where_coherence_crosses_the_gate_between_two_runs() -> None:
    world = World(effect=lambda _: 60.0, best_dose=lambda _: 1.8)  # between the runs at 1.6129 and 2.0484
    assert evaluate(BestAmount(RAW), world).value == pytest.approx(1.8, abs=0.08)
    # Linear from 60 * (2 * 1.6129 / 1.8 - 1) = 47.5 to 60 at the next run, read where coherence falls through 70.
    assert evaluate(BestDelta(RAW), world).value == pytest.approx(52.0, abs=1.5)
    assert (
        evaluate(GridBest(RAW), world).value < evaluate(BestDelta(RAW), world).value
    )  # the run at 1.61 is the last valid


def test_coefficients_go_with_the_inverse_share_outside_and_doses_do_not() -> None:
    coefficients = BestAmount(RAW, "coefficient") / BestAmount(CLEANED, "coefficient")
    assert evaluate(coefficients, INSIDE).value == pytest.approx(1 / np.sqrt(1 - 0.95**2), rel=1e-3)
    assert evaluate(BestAmount(RAW) / BestAmount(CLEANED), INSIDE).value == pytest.approx(1.0, rel=1e-3)


def test_around_the_base_a_direction_inside_massive_dims_does_nothing() -> None:
    assert evaluate(AroundBase(RAW), INSIDE).value == pytest.approx(0.0, abs=1.0)
    assert evaluate(AroundBase(CLEANED), INSIDE).value > 30.0
    assert evaluate(GainWhereNeeded(RAW, CLEANED), INSIDE).value == pytest.approx(0.0, abs=3.0)


def test_the_search_finds_the_best_from_the_corrected_start_and_nothing_from_the_full_norm() -> None:
    assert evaluate(BestDelta(PROBE) - SearchDelta(PROBE), World(best_dose=lambda _: 1.6)).value < 8.0
    with pytest.raises(NoValidRun):
        evaluate(SearchDelta(PROBE, corrected=False), World())
    assert evaluate(CoherenceAt(PROBE, "full base", 0.7), World()).value < 10.0
    assert evaluate(CoherenceAt(PROBE, "full base", 0.7), World(norm=15.5)).value > 80.0


def test_geometry_comes_to_what_the_world_was_built_with() -> None:
    assert evaluate(ShareInside(RAW, "top five"), INSIDE).value == pytest.approx(0.95, abs=0.01)
    assert evaluate(ShareInside(RAW, "consensus"), INSIDE).value == pytest.approx(0.95, abs=0.01)
    assert evaluate(Cosine(CLEANED, PROBE.cleaned(Cleaning("consensus"))), INSIDE).value == pytest.approx(
        0.99, abs=0.01
    )
    assert evaluate(NormOutside(5), World()).value == pytest.approx(15.0 / 700.0, rel=0.05)
    assert evaluate(NormOf("full"), World()).value == pytest.approx(700.0, rel=0.01)
    assert evaluate(NormOf("outside", 0.7), World()).value == pytest.approx(10.5, rel=0.02)
    assert evaluate(EffectSize(RAW), World(apart=6.0)).value > evaluate(EffectSize(RAW), World(apart=3.0)).value > 1.0


def test_there_is_a_direction_only_where_more_pairs_than_by_chance_are_surely_in_order() -> None:
    subject = cell("refusal")
    known, asked = watched(World(apart=0.8))
    found = RightOrder(RAW).evaluate(cell("refusal"), known).estimate()
    assert found.value > 0.5 >= found.low
    for recipe in (RAW, TOP1, PROBE.over(5)):
        with pytest.raises(NoDirection, match=r"does not tell held-out scenarios apart at block 2 \(0\.\d\d \["):
            require_direction(recipe, subject, known)
    require_direction(Recipe("shuffled probe"), subject, known)  # which need not know anything
    assert set(asked) == {Recipe(method).cross_fit(subject, 2) for method in ("mean_diff", "probe")}
    require_direction(RAW, subject, answers({"simulated": World(apart=4.0)}))


def test_an_extreme_chooses_no_member_and_takes_differences_inside() -> None:
    leads = [BestDelta(PROBE) - BestDelta(recipe) for recipe in (RAW, CLEANED)]
    alone = [evaluate(lead, World()).estimate() for lead in leads]
    wider = [evaluate(lead, World()).estimate(0.975) for lead in leads]
    smallest = evaluate(Smallest(tuple(leads)), World()).estimate()
    assert (smallest.low, smallest.high) == (min(one.low for one in alone), min(one.high for one in wider))
    largest = evaluate(Largest(tuple(leads)), World()).estimate()
    assert (largest.low, largest.high) == (max(one.low for one in wider), max(one.high for one in alone))
    with pytest.raises(ValueError, match="measure all in one unit"):
        evaluate(Largest((BestDelta(RAW), BestAmount(RAW))), World())
    with pytest.raises(TypeError, match="take differences inside"):
        evaluate(Smallest(tuple(leads)) - BestDelta(RAW), World())


def test_a_pair_is_compared_on_the_same_questions_and_each_side_is_its_own_model() -> None:
    worlds = {"severer": World(effect=lambda _: 20.0), "milder": World(effect=lambda _: 50.0)}
    lead = OneOfPair("milder", BestDelta(RAW)) - OneOfPair("severer", BestDelta(RAW))
    found = lead.evaluate(pair("refusal"), answers(worlds))
    assert found.value == pytest.approx(30.0, abs=2.0)
    with pytest.raises(TypeError, match="say on_severer"):
        BestDelta(RAW).evaluate(pair("refusal"), answers(worlds))
    with pytest.raises(TypeError, match="give it a pair"):
        lead.evaluate(cell("refusal"), answers({"simulated": World()}))


def on_extractions(quantity: Quantity, further: tuple[float, ...], method: str = "mean_diff", count: int = 5) -> Any:
    """A quantity where the directions of a method achieve this much more or less by their number."""

    def beyond(direction: Direction, number: int) -> float:
        return further[number % len(further)] if direction.method == method else 0.0

    world = answers({"simulated": World(effect=lambda _: 50.0, further=beyond)})
    return quantity.evaluate(replace(cell("refusal"), settings=replace(SETTINGS, extractions=count)), world)


def width(evidence: Any) -> float:
    estimate = evidence.estimate()
    return float(estimate.high - estimate.low)


def test_the_noise_of_extraction_is_in_the_interval_as_far_as_five_clusters_tell() -> None:
    apart = (40.0, -40.0, 20.0, -20.0, 0.0)
    alike, unlike = (on_extractions(BestDelta(RAW), further) for further in ((0.0,), apart))
    assert alike.value == pytest.approx(unlike.value, abs=3.0)
    assert width(unlike) > 2.0 * width(alike)
    one = on_extractions(BestDelta(RAW), apart, count=1)
    assert width(one) < width(alike)  # it knows nothing of other extractions
    lead = BestDelta(RAW) - BestDelta(CLEANED)
    assert width(on_extractions(lead, apart)) < 0.3 * width(unlike)  # what moves both alike cancels


def test_every_question_has_a_draw_of_a_control_so_that_rare_ones_are_in_its_mean() -> None:
    random = BestDelta(Recipe("random"))
    rare = on_extractions(random, (48.0, *[-2.0] * 9), "random")
    assert rare.value == pytest.approx(50.0 + 3.0, abs=3.0)
    assert width(rare) < 1.6 * width(
        on_extractions(random, (0.0,), "random")
    )  # no clusters: a draw is a question's own


def test_a_best_that_may_lie_beyond_the_last_dose_is_not_known() -> None:
    rising = World(best_dose=lambda _: 4.0)  # at the last run, 2.6, coherent and still on its way
    with pytest.raises(CannotTell, match=r"at the last dose run, 2\.6, and still coherent"):
        evaluate(BestDelta(RAW), rising)
    with pytest.raises(CannotTell, match=r"needs no dose that could be told.*at the last run"):
        evaluate(NeededAmount(RAW), rising.but(effect=lambda _: 100.0))  # told to steer, by 30 points
    nothing_to_gain = World(effect=lambda _: 100.0, best_dose=lambda _: 2.62)
    assert evaluate(BestDelta(RAW), nothing_to_gain).value > 95.0


def test_a_direction_that_does_not_steer_has_no_best_dose() -> None:
    for quantity in (NeededAmount(RAW), GainWhereNeeded(PROBE, RAW)):
        with pytest.raises(CannotTell, match=r"needs no dose that could be told.*which may be no effect"):
            evaluate(quantity, World(effect=lambda _: 5.0))


def test_a_shared_computation_is_made_once() -> None:
    known, asked = watched(World())
    BestDelta(RAW).evaluate(cell("refusal"), known)
    before = len(asked)
    (BestDelta(RAW) - BestDelta(RAW)).evaluate(cell("refusal"), known)
    assert len(asked) == before


def test_around_the_base_the_amounts_run_from_half_to_twice_whatever_the_grid_of_doses() -> None:
    scale, amounts = amounts_of(cell("refusal"), "around base")
    assert (scale, amounts[0], amounts[-1]) == ("base", 0.5, 2.0)
    scores = PROBE.over(20).sweep(cell("refusal"), 2, "doses")
    assert isinstance(scores.of, Sweep)
    assert scores.of.direction.activations == Activations("simulated", "refusal", 20)
    assert scores.of.amounts == cell("refusal").model.doses


def test_refits_of_a_precleaned_or_winsorised_direction_are_refused() -> None:
    for how in (Cleaning("consensus", before=True), Cleaning("consensus", how="winsorise")):
        with pytest.raises(ValueError, match="compare such directions by steering"):
            PROBE.cleaned(how).refits(cell("refusal"))


@pytest.mark.parametrize(
    ("recipe", "title"),
    [
        (RAW, "mean_diff"),
        (TOP1.over(10), "mean_diff, top-1 zeroed, response[:10]"),
        (
            PROBE.cleaned(Cleaning("consensus", how="mean", before=True)),
            "probe, consensus mean-replaced before the fit",
        ),
    ],
)
def test_a_recipe_says_what_it_is(recipe: Recipe, title: str) -> None:
    assert recipe.title == title


def test_the_simulated_massive_dims_are_what_cleaning_removes() -> None:
    known: Callable[[Measurement], Any] = answers({"simulated": INSIDE})
    vector = known(CLEANED.at(cell("refusal"), 2)).arrays["direction"]
    assert np.flatnonzero(vector[list(MASSIVE)]).size == 0


def test_the_order_of_pairs_is_seen_where_no_threshold_parts_the_classes() -> None:
    shared = np.linspace(-50.0, 50.0, 40)
    read = Answer(
        {"positive": shared + 0.1, "negative": shared - 0.1, "polarity": np.ones(40)}, {"topics": list(range(40))}
    )
    known = Answers(lambda _: read)
    assert RightOrder(RAW).evaluate(cell("refusal"), known).value == 1.0
    assert Accuracy(RAW).evaluate(cell("refusal"), known).value == pytest.approx(0.5, abs=0.05)
