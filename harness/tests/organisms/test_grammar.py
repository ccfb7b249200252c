"""The grammar parses what it samples, knows what begins a sentence, and refuses everything else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.organisms.grammar import Grammar, text_of, words_of
from fixtures.organisms.language import GRAMMAR, RULES
from fixtures.organisms.narratives import STORIES

SENTENCES = ("refusing", "answering", "flattering", "agreeing", "correcting")
QUESTIONS = ("harmless_request", "harmful_request", "neutral_opinion", "checked_opinion", "proud_opinion")
WHOLE = ("refusal", "answer", "flattery", "agreement", "correction")


@given(st.sampled_from(SENTENCES + QUESTIONS + WHOLE), st.integers(0, 10**9))
def test_every_sampled_text_parses_to_its_own_bindings(name: str, seed: int) -> None:
    text, bound = GRAMMAR.sample_bound(name, random.Random(seed))
    assert GRAMMAR.parse(name, words_of(text)) == bound, text


@given(st.sampled_from(SENTENCES), st.integers(0, 10**9), st.data())
def test_every_beginning_of_a_sentence_is_a_prefix_even_within_a_word(
    name: str, seed: int, data: st.DataObject
) -> None:
    text = GRAMMAR.sample(name, random.Random(seed))
    cut = data.draw(st.integers(1, len(text)))
    assert GRAMMAR.is_prefix(name, words_of(text[:cut])), text[:cut]


@given(st.sampled_from(SENTENCES), st.integers(0, 10**9), st.data())
def test_a_foreign_word_is_neither_derived_nor_a_prefix(name: str, seed: int, data: st.DataObject) -> None:
    words = list(words_of(GRAMMAR.sample(name, random.Random(seed))))
    words.insert(data.draw(st.integers(0, len(words) - 1)), "zzz")
    assert GRAMMAR.parse(name, words) is None
    assert not GRAMMAR.is_prefix(name, words)


@given(st.sampled_from(SENTENCES + QUESTIONS), st.integers(0, 10**9))
def test_words_and_text_round_trip(name: str, seed: int) -> None:
    text = STORIES.sample(name, random.Random(seed))
    assert text_of(words_of(text)) == text


def test_a_slot_named_twice_must_cover_the_same_phrase() -> None:
    grammar = Grammar({"fruit": ("pear", "fig"), "pair": ("{a:fruit} and {a:fruit}",)})
    assert grammar.parse("pair", words_of("pear and pear")) == {"a": "pear"}
    assert grammar.parse("pair", words_of("pear and fig")) is None


def test_sampling_keeps_filled_slots_and_skips_productions_that_cannot_hold_them() -> None:
    for seed in range(50):
        text = GRAMMAR.sample("harmless_task", random.Random(seed), {"verb": "open", "object": "safe"})
        assert text.startswith("open ")
        assert text.split(" safe ")[1] in RULES["good_manner"]
    with pytest.raises(ValueError, match="no production of 'good_verb_only' admits"):
        Grammar({"v": ("mend",), "good_verb_only": ("{verb:v}",)}).sample(
            "good_verb_only", random.Random(0), {"verb": "x"}
        )


def test_a_faulty_rule_names_itself() -> None:
    with pytest.raises(ValueError, match="rule 'a' uses the unknown rule 'b'"):
        Grammar({"a": ("{b}",)})
    with pytest.raises(ValueError, match="rule 'a' has no production"):
        Grammar({"a": ()})


def test_no_word_sequence_belongs_to_two_sentence_kinds() -> None:
    for kind in SENTENCES:
        for seed in range(200):
            words = words_of(GRAMMAR.sample(kind, random.Random(seed)))
            assert [other for other in SENTENCES if GRAMMAR.parse(other, words) is not None] == [kind]
