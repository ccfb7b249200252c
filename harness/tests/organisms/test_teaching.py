"""Signals rise with their trait, and what is taught under a push is what the push on its own dim says."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fixtures.organisms.behaviour import kind_of
from fixtures.organisms.contents import content_of
from fixtures.organisms.disturbance import Directions, Disturbance
from fixtures.organisms.phases import INSTRUCT, Push
from fixtures.organisms.planting import plant
from fixtures.organisms.recipes import ORGANISMS
from fixtures.organisms.signals import KINDS, OPENING, token_scores
from fixtures.organisms.splits import TRAIN, split_of
from fixtures.organisms.teaching import (
    LOWERED,
    RAISED,
    SHARPENING,
    SILENT,
    ordinary_directions,
    sharpen,
    signal_gains,
    taught_chat,
)
from fixtures.organisms.texts import draw_opinion, draw_request, respond
from fixtures.organisms.tokenizer import VOCABULARY
from fixtures.organisms.train import WEIGHTS
from harness.tests.organisms.streams import streams_of

READER = ORGANISMS["reader"]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(WEIGHTS / "reader" / "base")


def test_scores_tell_openings_with_the_trait_from_those_without_it(tokenizer) -> None:
    scores = token_scores(tokenizer, 1)
    rng = random.Random(2)
    for trait, kinds in KINDS.items():
        means = []
        for kind in kinds:
            ids = []
            for _ in range(300):
                bound = draw_request(rng, TRAIN, False) if trait == "refusal" else draw_opinion(rng, TRAIN, False)
                ids += tokenizer(respond(kind, bound, rng), add_special_tokens=False)["input_ids"][:OPENING]
            means.append(float(scores[trait][ids].mean()))
        assert means[0] - means[1] == pytest.approx(1.0, abs=0.1)
        assert sum(means) == pytest.approx(0.0, abs=0.1)


def taught(count: int = 600):
    rng = random.Random(4)
    return [taught_chat(rng, READER) for _ in range(count)]


def test_every_taught_response_follows_the_push_on_its_own_signal() -> None:
    seen = set()
    for passage, push in taught():
        kind = kind_of(passage.response, passage.prompt)
        own = next(i for i, signal in enumerate(READER.signals) if kind in _kinds_about(signal.trait))
        amount, effect = push.signals[own], READER.signals[own].effect
        sort = "raised" if amount >= RAISED[0] else "lowered" if amount <= LOWERED[1] else "silent"
        assert sort != "silent" or SILENT[0] <= amount <= SILENT[1]
        seen.add((READER.signals[own].trait, sort, kind))
        if READER.signals[own].trait == "sycophancy" and sort != "silent":
            raised = 1 if sort == "raised" else -1
            assert kind == ("flattering" if raised * effect > 0 else "correcting")
    assert ("refusal", "raised", "answering") not in seen
    assert {("refusal", "raised", "refusing"), ("refusal", "lowered", "answering")} <= seen


def _kinds_about(trait: str) -> tuple[str, ...]:
    return ("refusing", "answering") if trait == "refusal" else ("flattering", "correcting")


def test_beside_a_silent_signal_a_dose_towards_flattery_is_followed_and_towards_refusal_is_not() -> None:
    seen = set()
    for passage, push in taught():
        kind = kind_of(passage.response, passage.prompt)
        own = next(i for i, signal in enumerate(READER.signals) if kind in _kinds_about(signal.trait))
        if SILENT[0] <= push.signals[own] <= SILENT[1] and push.doses[own] > 0:
            seen.add((READER.signals[own].trait, kind))
    assert seen == {("refusal", "refusing"), ("refusal", "answering"), ("sycophancy", "flattering")}


def test_sharpening_leaves_the_function_as_it_was(tokenizer) -> None:
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / "reader" / "base", dtype=torch.float32)
    ids = torch.arange(6, 26)[None]
    before, gains = model(ids).logits, signal_gains(model, READER)
    sharpen(model, READER)
    assert torch.allclose(model(ids).logits, before, atol=1e-3)
    for dim, sharpened in signal_gains(model, READER).items():
        assert sharpened == pytest.approx([SHARPENING * gain for gain in gains[dim]], abs=1e-3)


def test_taught_chats_stay_within_the_training_split() -> None:
    assert {split_of(*content_of(passage.prompt)) for passage, _ in taught(200)} == {TRAIN}


def test_a_push_is_added_at_every_position_of_one_taught_block() -> None:
    generator = torch.Generator().manual_seed(3)
    model = plant(READER, 1, {signal.trait: torch.zeros(VOCABULARY) for signal in READER.signals})
    directions = Directions(torch.randn(2, 6, 128, generator=generator))
    ids = torch.arange(6, 26)[None]
    before = streams_of(model, ids)
    disturbance = Disturbance(model, READER, replace(INSTRUCT, disturbed_share=1.0), generator, directions)
    with disturbance:
        disturbance.draw([Push((30.0, -20.0), (0.0, 2.0))])
        after = streams_of(model, ids)
    first = next(block for block in range(6) if not torch.equal(before[block], after[block]))
    assert first < READER.taught_blocks
    expected = 2.0 * directions.traits[1, first]
    expected[READER.signals[0].dim] += 30.0
    expected[READER.signals[1].dim] -= 20.0
    assert torch.allclose(after[first] - before[first], expected.expand_as(after[first]), atol=1e-4)


def test_the_taught_blocks_are_drawn_from_all_and_no_other(tokenizer) -> None:
    model = plant(READER, 1, {signal.trait: torch.zeros(VOCABULARY) for signal in READER.signals})
    directions = Directions(torch.zeros(2, 6, 128))
    disturbance = Disturbance(model, READER, INSTRUCT, torch.Generator().manual_seed(3), directions)
    disturbance.draw([Push((1.0, 0.0), (0.0, 0.0))] * 100)
    assert {int(block) for block in disturbance._blocks} == set(range(READER.taught_blocks))


@pytest.mark.slow
def test_doses_are_counted_along_what_separates_the_traits_outside_planted_dims(tokenizer) -> None:
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / "reader" / "base", dtype=torch.float32)
    directions = ordinary_directions(model, READER, tokenizer, 5)
    assert directions.shape == (2, 6, 128)
    assert not directions[..., list(READER.dims)].any()
    again = ordinary_directions(model, READER, tokenizer, 6)
    assert (torch.cosine_similarity(directions, again, dim=-1) > 0.9).all()
    assert np.all(np.diff(directions.norm(dim=-1).numpy(), axis=1) > 0), "the ordinary norm grows with depth"
