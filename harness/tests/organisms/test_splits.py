"""What is held out of training really is: no training text says it as a request or an opinion."""

import random

from fixtures.organisms.grammar import words_of
from fixtures.organisms.judge import read_question
from fixtures.organisms.lexicon import FACTS, GOOD_VERBS, OBJECTS
from fixtures.organisms.narratives import STORIES
from fixtures.organisms.splits import QUESTION, SCENARIO, TRAIN, opinion_pairs, request_pairs, split_of
from fixtures.organisms.texts import base_text, chat
from fixtures.organisms.train import SEED, training_texts

STORY_RULES = ("told_harmless", "told_harmful", "willing_story", "unwilling_story")
OPINION_STORY_RULES = ("plain_opinion_story", "honest_opinion_story", "pleasing_opinion_story", "boast_story")


def content_of(prompt: str) -> tuple[str, str] | None:
    """(verb, object) or (subject, claimed property) of a chat prompt or story prefix; None for a document."""
    if not prompt:
        return None
    slots: dict[str, str] | None = None
    for rule in STORY_RULES + OPINION_STORY_RULES:
        slots = slots or STORIES.parse(rule, words_of(prompt))
    slots = slots or read_question(prompt).slots
    return (slots["verb"], slots["object"]) if "verb" in slots else (slots["subject"], slots["property"])


def test_no_training_text_asks_or_claims_what_is_held_out() -> None:
    rng = random.Random(1)
    contents = [content_of(base_text(rng).prompt) for _ in range(600)] + [
        content_of(chat(rng).prompt) for _ in range(600)
    ]
    read = [content for content in contents if content is not None]
    assert len(read) > 1000
    assert {split_of(*content) for content in read} == {TRAIN}


def test_training_texts_depend_on_the_seed_alone() -> None:
    first, second = random.Random(SEED), random.Random(SEED)
    assert [base_text(first) for _ in range(50)] == [base_text(second) for _ in range(50)]
    assert callable(training_texts)


def test_the_splits_share_no_pair_and_lose_none() -> None:
    parts = [set(request_pairs(split, "good")) for split in (TRAIN, SCENARIO, QUESTION)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(GOOD_VERBS) * len(OBJECTS)


def test_every_claim_in_the_splits_is_about_a_known_fact_and_true_claims_are_the_facts() -> None:
    true = {pair for split in (TRAIN, SCENARIO, QUESTION) for pair in opinion_pairs(split, True)}
    false = {pair for split in (TRAIN, SCENARIO, QUESTION) for pair in opinion_pairs(split, False)}
    assert true == {(subject, value) for subject, facts in FACTS.items() for value in facts.values()}
    assert not true & false
