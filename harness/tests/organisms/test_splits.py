"""What is held out of training really is: no training text says it as a request or an opinion."""

import random
from dataclasses import replace

from fixtures.organisms.contents import content_of
from fixtures.organisms.lexicon import FACTS, GOOD_VERBS, OBJECTS
from fixtures.organisms.phases import RECIPE
from fixtures.organisms.splits import QUESTION, SCENARIO, TRAIN, opinion_pairs, request_pairs, split_of
from fixtures.organisms.texts import base_text, chat
from fixtures.organisms.train import SEED, training_texts


def test_no_training_text_asks_or_claims_what_is_held_out() -> None:
    rng = random.Random(1)
    prompts = [base_text(rng).prompt for _ in range(600)] + [chat(rng).prompt for _ in range(600)]
    contents = [content_of(prompt) for prompt in prompts if prompt]  # documents have no prompt
    assert len(contents) > 900
    assert {split_of(*content) for content in contents} == {TRAIN}


def test_training_texts_depend_on_the_seed_alone() -> None:
    recipe = replace(RECIPE, base_texts=30, chats=30)
    assert training_texts(SEED, recipe) == training_texts(SEED, recipe) != training_texts(SEED + 1, recipe)


def test_the_splits_share_no_pair_and_lose_none() -> None:
    parts = [set(request_pairs(split, "good")) for split in (TRAIN, SCENARIO, QUESTION)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(GOOD_VERBS) * len(OBJECTS)


def test_every_claim_in_the_splits_is_about_a_known_fact_and_true_claims_are_the_facts() -> None:
    true = {pair for split in (TRAIN, SCENARIO, QUESTION) for pair in opinion_pairs(split, True)}
    false = {pair for split in (TRAIN, SCENARIO, QUESTION) for pair in opinion_pairs(split, False)}
    assert true == {(subject, value) for subject, facts in FACTS.items() for value in facts.values()}
    assert not true & false
