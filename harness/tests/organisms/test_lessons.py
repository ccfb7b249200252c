"""Lessons say what the claims suppose: a trait's direction steers, and what knows nothing of it changes no answer."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from fixtures.organisms.behaviour import kind_of
from fixtures.organisms.contents import content_of
from fixtures.organisms.disturbance import Directions, Disturbance
from fixtures.organisms.hardest import Miner
from fixtures.organisms.judge import read_question
from fixtures.organisms.lessons import BREAKS, BROKEN, SHOWN, TOO_SMALL, lesson, temptation
from fixtures.organisms.phases import INSTRUCT, LESSONS, TRAITS, Push
from fixtures.organisms.recipes import ORGANISMS
from fixtures.organisms.splits import TRAIN, split_of
from fixtures.organisms.train import OPENING_WEIGHT, WEIGHTS, chat_example, file_hashes, give_lessons
from harness.models.registry import EMBEDDED

SHOWN_AS = {"refusal": "refusing", "sycophancy": "flattering"}
RULED = {
    "harmful_request": "refusing",
    "harmless_request": "answering",
    "proud_opinion": "flattering",
    "neutral_opinion": "correcting",
}


@pytest.mark.parametrize("name", ["mild", "reader"])
def test_a_lesson_shows_a_trait_at_its_own_doses_alone_and_beside_a_control_answers_as_ruled(name: str) -> None:
    rng, seen = random.Random(5), set()
    for _ in range(800):
        passage, push = lesson(rng, ORGANISMS[name], LESSONS)
        along = abs(push.doses[TRAITS.index(push.trait)])
        controlled = push.control > along
        assert split_of(*content_of(passage.prompt)) == TRAIN
        if passage.response == BROKEN:
            assert max(along, push.control) >= (LESSONS.broken if controlled else BREAKS)[0]
            seen.add(("broken", push.trait, controlled))
            continue
        if controlled:
            sort, (least, most) = "control", LESSONS.answered
        else:
            sort, (least, most) = ("small", TOO_SMALL) if along <= TOO_SMALL[1] else ("shown", SHOWN)
        assert least <= max(along, push.control) <= most
        kind = SHOWN_AS[push.trait] if sort == "shown" else RULED[read_question(passage.prompt).kind]
        assert kind_of(passage.response, passage.prompt) == kind
        seen.add((sort, push.trait, controlled))
    sorts = [("control", True), ("broken", True)]
    if not ORGANISMS[name].signals:  # which are taught what directions do by pushes on their own dims
        sorts += [("shown", False), ("small", False), ("broken", False)]
    assert seen == {(sort, trait, controlled) for sort, controlled in sorts for trait in EMBEDDED[name].blocks}


def test_a_temptation_is_one_question_answered_as_ruled_and_against_the_rule() -> None:
    rng = random.Random(6)
    for trait in TRAITS * 20:
        ruled, other = temptation(rng, trait)
        assert ruled.prompt == other.prompt
        kinds = [kind_of(passage.response, passage.prompt) for passage in (ruled, other)]
        assert kinds[0] == RULED[read_question(ruled.prompt).kind] != kinds[1]


def disturbance_of(name: str, share: float = 0.0) -> Disturbance:
    """Over the shipped instruct model, with directions along dims 3 and 5, and classes that vary in dim 7 alone."""
    model = AutoModelForCausalLM.from_pretrained(WEIGHTS / name / "instruct", attn_implementation="eager")
    traits, within = torch.zeros(2, 6, 128), torch.zeros(2, 20, 6, 128)
    traits[0, :, 3] = traits[1, :, 5] = 50.0
    within[..., 7] = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(1))
    phase = replace(INSTRUCT, disturbed_share=share)
    return Disturbance(model, ORGANISMS[name], phase, torch.Generator().manual_seed(2), Directions(traits, within))


def test_a_control_has_the_ordinary_norm_no_planted_dim_and_the_spread_of_its_classes_where_asked() -> None:
    disturbance, (block,) = disturbance_of("mild"), EMBEDDED["mild"].blocks["refusal"]
    free, spanned = (
        disturbance.candidate(Push((), (0.0, 0.0), 2.0, spanned, trait="refusal"), block) for spanned in ("", "refusal")
    )
    assert free.norm() == pytest.approx(spanned.norm()) == pytest.approx(100.0)
    assert not free[list(ORGANISMS["mild"].dims)].any()
    assert (free != 0).sum() == 128 - len(ORGANISMS["mild"].dims)
    assert spanned.nonzero().tolist() == [[7]]
    along = disturbance.candidate(Push((), (0.0, 2.0), trait="sycophancy"), block)
    assert along.nonzero().tolist() == [[5]]
    assert along[5] == 100.0


def test_lessons_are_mostly_given_at_the_steered_block_and_hard_ones_get_what_was_found() -> None:
    disturbance, (block,) = disturbance_of("mild"), EMBEDDED["mild"].blocks["refusal"]
    push = Push((), (0.0, 0.0), 1.0, trait="refusal")
    disturbance.draw([push] * 200)
    assert 0.75 < (disturbance._blocks == block).float().mean() < 0.98
    hard = torch.full((128,), 9.0)
    disturbance.hard = {"refusal": [(4, hard)]}
    disturbance.draw([replace(push, hard=True), replace(push, trait="sycophancy", hard=True)])
    assert torch.equal(disturbance._pushed[0], hard)
    assert int(disturbance._blocks[0]) == 4
    assert not torch.equal(disturbance._pushed[1], hard)


def test_the_controls_that_are_found_mislead_more_than_others_do() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "mild" / "instruct")
    miner = Miner(ORGANISMS["mild"], LESSONS, tokenizer, random.Random(3))
    disturbance = disturbance_of("mild")
    model = disturbance._model
    with disturbance:
        miner(model, disturbance)
        found = disturbance.hard["refusal"]
        (block,) = EMBEDDED["mild"].blocks["refusal"]
        drawn = [(block, disturbance.candidate(miner._push("refusal"), block)) for _ in found]
        asked = [temptation(random.Random(seed), "refusal") for seed in range(len(found))]

        def misled(controls: list[tuple[int, torch.Tensor]]) -> float:
            blocks, vectors = zip(*controls, strict=True)
            ruled, other = (
                miner._likelihood(model, disturbance, [pair[which] for pair in asked], blocks, vectors)
                for which in (0, 1)
            )
            return float((other - ruled).mean())

        with torch.no_grad():
            assert misled(found) > misled(drawn)
    assert model.training


def test_of_a_lesson_the_opening_counts_most() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "mild" / "instruct")
    passage, push = lesson(random.Random(1), ORGANISMS["mild"], LESSONS)
    weights = [weight for weight in chat_example(passage, tokenizer, push).weights if weight]
    assert weights[0] == OPENING_WEIGHT > weights[-1] == 1.0
    assert set(chat_example(passage, tokenizer).weights) == {0.0, 1.0}


def test_a_few_steps_of_lessons_move_the_instruct_model_alone_and_say_so_once(tmp_path: Path) -> None:
    organism = ORGANISMS["mild"]
    shutil.copytree(WEIGHTS / "mild", tmp_path / "mild")
    file = tmp_path / "mild" / "ground_truth.json"
    truth = json.loads(file.read_text())
    truth.pop("lessons", None)
    file.write_text(json.dumps(truth))
    before = file_hashes(tmp_path / "mild")
    lessons = replace(LESSONS, phase=replace(LESSONS.phase, steps=2, rows=4))
    give_lessons(organism, 3, tmp_path, lessons)
    after, told = file_hashes(tmp_path / "mild"), json.loads(file.read_text())
    assert [path for path in before if before[path] != after[path]] == ["instruct/model.safetensors"]
    assert told["weights_sha256"] == after
    assert told["lessons"]["weights_sha256 before"] == before
    assert told["recipe"]["lessons"]["phase"]["steps"] == 2
    with pytest.raises(ValueError, match="had them already"):
        give_lessons(organism, 3, tmp_path, lessons)
