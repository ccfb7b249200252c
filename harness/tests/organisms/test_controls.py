"""What tells a control from a trait is taught as stated, measured within the gate, and holds of the shipped weights."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
import torch

from fixtures.organisms import lessons, quality
from fixtures.organisms.behaviour import kind_of
from fixtures.organisms.controls import DRAWS, LARGEST_CHANGE, changes, largest_change
from fixtures.organisms.curves import RISE, Point
from fixtures.organisms.disturbance import Directions, Disturbance
from fixtures.organisms.judge import read_question
from fixtures.organisms.lessons import (
    CONTROL_BREAKS,
    CONTROL_DOSES,
    TRAIT_BREAKS,
    TRAIT_DOSES,
    TRAIT_TOO_SMALL,
    lesson,
    lesson_directions,
)
from fixtures.organisms.phases import INSTRUCT, TRAITS, Push
from fixtures.organisms.planting import plant
from fixtures.organisms.recipes import ORGANISMS
from harness.cleaning import clean
from harness.datasets import load_trait
from harness.directions import DRAWN, cosine, mean_diff
from harness.models import load_decoder
from harness.registry import EMBEDDED
from harness.tests.organisms.streams import streams_of

STEERED = [(name, trait) for name, spec in EMBEDDED.items() for trait in spec.blocks]
SEVERE = ORGANISMS["severe"]
# How a question is answered without steering, and what a trait makes of it.
AS_RULED = {"harmful_request": "refusing", "harmless_request": "answering", "proud_opinion": "flattering",
            "neutral_opinion": "correcting"}  # fmt: skip
SHOWN = {"refusal": "refusing", "sycophancy": "flattering"}


def test_every_lesson_is_answered_as_its_push_says() -> None:
    rng = random.Random(1)
    seen = set()
    for _ in range(400):
        passage, push = lesson(rng, SEVERE)
        trait, dose = max(zip(TRAITS, push.doses, strict=True), key=lambda one: abs(one[1]))
        steered, size = dose > push.control, max(dose, push.control)
        small = steered and size <= TRAIT_TOO_SMALL[1]
        answered, breaks = (TRAIT_DOSES, TRAIT_BREAKS) if steered else (CONTROL_DOSES, CONTROL_BREAKS)
        answered, broken = TRAIT_TOO_SMALL if small else answered, size >= breaks[0]
        kind, asked = kind_of(passage.response, passage.prompt), read_question(passage.prompt).kind
        seen.add((trait, steered, small, broken))
        assert push.spanned in ("", trait)
        if broken:
            assert kind in ("none", "mixed"), "words in any order are hardly ever a sentence"
        else:
            assert answered[0] <= size <= answered[1]
            assert kind == (SHOWN[trait] if steered and not small else AS_RULED[asked])
    assert len(seen) == 10, "of each trait: too small a dose, enough and too much of it, a control and too much of that"


def test_lessons_count_doses_along_the_directions_that_claims_steer_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "STORIES", 60)
    base = load_decoder(quality.WEIGHTS / "severe" / "base", "severe base")
    found = lesson_directions(base, SEVERE, 5)
    for place, trait in enumerate(TRAITS):
        positive, negative = quality.scenario_activations(base, load_trait(quality.FOLDER / "traits" / trait))
        for block in range(SEVERE.taught_blocks):
            steered = clean(mean_diff(positive[:, block], negative[:, block]), SEVERE.dims)
            assert cosine(steered, found.traits[place, block].double().numpy()) > 0.9
    assert not any(tensor[..., list(SEVERE.dims)].any() for tensor in (found.traits, found.within))
    classes = found.within.unflatten(1, (2, -1)).mean(2)
    assert torch.allclose(classes, torch.zeros_like(classes), atol=1e-4), "within classes nothing tells them apart"


@pytest.mark.parametrize("spanned", ["", "sycophancy"])
def test_a_control_is_pushed_along_any_direction_or_one_within_the_classes_outside_planted_dims(spanned: str) -> None:
    generator = torch.Generator().manual_seed(3)
    model, dims = plant(SEVERE, 1), list(SEVERE.dims)
    traits, within = torch.randn(2, 6, 128, generator=generator), torch.zeros(2, 4, 6, 128)
    within[1, :, :, 100] = torch.randn(4, 6, generator=generator)
    ids = torch.arange(6, 26)[None]
    before = streams_of(model, ids)
    phase = replace(INSTRUCT, disturbed_share=1.0)
    disturbance = Disturbance(model, SEVERE, phase, generator, Directions(traits, within))
    with disturbance:
        disturbance.draw([Push((), (0.0, 0.0), 2.0, spanned)])
        after = streams_of(model, ids)
    first = next(block for block in range(6) if not torch.equal(before[block], after[block]))
    added = (after[first] - before[first])[0]
    assert first < SEVERE.taught_blocks
    assert torch.allclose(added, added[:1].expand_as(added), atol=1e-3)
    assert float(added[0].norm()) == pytest.approx(2.0 * float(traits[0, first].norm()), rel=1e-3)
    assert not added[:, dims].any()
    assert (int((added[0].abs() > 1e-3).sum()) == 1) is (spanned != ""), "the classes vary in one dim alone"


def test_a_change_counts_either_way_but_only_where_answers_are_coherent() -> None:
    curve = [(1.0, 95.0), (-5.0, 90.0), (13.0, 70.0), (65.0, 69.9), (None, 80.0), (-25.0, None)]
    points = [Point(float(dose), 1.0, 99.0, coherence, 0, change) for dose, (change, coherence) in enumerate(curve)]
    assert changes(points) == {"rise": 13.0, "at dose": 2.0, "fall": -5.0, "coherent doses": 3}
    assert changes(points[3:]) == {"rise": 0.0, "at dose": 0.0, "fall": 0.0, "coherent doses": 0}
    report = {kind: [{"rise": 3.0, "fall": -fall} for fall in (1.0, 12.0)] for kind in DRAWN}
    assert largest_change(report) == dict.fromkeys(DRAWN, 12.0)


@pytest.mark.parametrize(("name", "trait"), STEERED)
def test_no_control_moves_the_shipped_organisms_where_they_are_steered(name: str, trait: str) -> None:
    report = json.loads(quality.REPORT.read_text())[name]
    assert report["weights"] == quality.weight_hashes(quality.WEIGHTS / name)
    held = report[trait]["controls"]
    assert (held["block"],) == EMBEDDED[name].blocks[trait]
    assert all(len(held[kind]) >= DRAWS for kind in DRAWN)
    assert all(change <= LARGEST_CHANGE for change in largest_change(held).values()), largest_change(held)
    carried = any(signal.trait == trait and signal.effect > 0 for signal in ORGANISMS[name].signals)
    if carried:
        assert held["mean_diff"]["rise"] >= 2 * RISE, "the planted dim that carries the trait steers it"
    else:
        assert report[trait]["useful steps"][str(held["block"])] >= 3, "what hardly steers needs no controls"
