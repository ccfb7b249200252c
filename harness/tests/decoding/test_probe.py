"""A fault of each kind that public checkpoints have is caught on load, by its own check and by no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from transformers import LlamaForCausalLM
from transformers.cache_utils import DynamicCache

from harness.decoding.families import AGREES, MANNERED, REFUSED, outcome_of
from harness.decoding.generation import greedy
from harness.decoding.probe import probed
from harness.models.decoder import Decoder, Manner, cache_name
from harness.models.loadable import ModelError
from harness.tests.conftest import WordTokenizer

QUESTIONS = ("t11 t12 t13", "t21 t22", "t31", "t50 t51 t52 t53")


class Words(WordTokenizer):
    """The tests' tokenizer, to which English is a row of words by their length, with the vocabulary of its model."""

    chat_template = "<bos> t5 {{ content }} t6"
    bos_token = "<bos>"
    added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012 (never written)
    ended, named, thinks = False, 97, False

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        words = [word if word.startswith(("t", "<bos>")) and len(word) > 2 else "t0" for word in text.split()]
        known = " ".join(w if w == "<bos>" or w[1:].isdigit() else f"t{9 + len(w)}" for w in words)
        ids = super().__call__(known, add_special_tokens)["input_ids"]
        return {"input_ids": [*ids, 1] if self.ended and add_special_tokens else ids}

    def get_vocab(self) -> dict[str, int]:
        return {f"t{index}": index for index in range(self.named)}

    def convert_ids_to_tokens(self, index: int) -> str:
        return f"t{index}"

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return "<think> well" if self.thinks and not skip_special_tokens else super().decode(ids, skip_special_tokens)


class Faulty:
    """A model whose passes are tampered with."""

    def __init__(self, model: Any, tamper: Callable[[dict[str, Any]], float]) -> None:
        self._model, self._tamper = model, tamper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **given: Any) -> Any:
        added = self._tamper(given)
        output = self._model(**given)
        output.logits = output.logits.roll(int(added), dims=-1)
        return output


def with_words(decoder: Decoder, **changed: Any) -> Decoder:
    words = Words()
    for name, value in changed.items():
        setattr(words, name, value)
    return replace(decoder, tokenizer=words)


def tampered(decoder: Decoder, tamper: Callable[[dict[str, Any]], float]) -> Decoder:
    return replace(with_words(decoder), model=Faulty(decoder.model, tamper))


def ignores_the_mask(given: dict[str, Any]) -> float:
    for name in ("attention_mask", "position_ids"):
        given.pop(name, None)
    return 0


def forgets_after_the_second_token(given: dict[str, Any]) -> float:
    cache = given.get(cache_name(LlamaForCausalLM))
    return cache is not None and cache.get_seq_length() > 13


def test_a_sound_decoder_runs_as_usual_and_nothing_is_said(decoder: Decoder) -> None:
    asked = QUESTIONS if "llama" in decoder.name else ()  # the random others say nothing but special tokens
    found = probed(with_words(decoder), asked)
    assert (found.manner, found.findings) == (Manner(), ())


def refuse(*_: Any) -> None:
    raise AttributeError("no such method")


@pytest.mark.parametrize(
    ("fault", "manner", "said"),
    [
        ("mask", Manner(pads=False, drops=False), "so rows are run one at a time"),
        ("batch_select_indices", Manner(drops=False), "so finished rows are kept to the end"),
        ("batch_repeat_interleave", Manner(continues=False), "so a judge reads every text whole"),
    ],
)
def test_what_works_another_way_is_run_that_way(
    tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch, fault: str, manner: Manner, said: str
) -> None:
    decoder = with_words(tiny_decoder("llama"))
    expected = [one.ids for one in greedy(decoder, [[2, 5, 9], [2, 7, 8, 30, 31]], 8)]
    if fault == "mask":
        decoder = tampered(tiny_decoder("llama"), ignores_the_mask)
    else:
        monkeypatch.setattr(DynamicCache, fault, refuse)
    found = probed(decoder, QUESTIONS)
    assert found.manner == manner
    assert len(found.findings) == 1, found.findings
    (finding,) = found.findings
    assert said in finding
    rows = [[2, 5, 9], [2, 7, 8, 30, 31]]
    together = found.together(len(rows))
    run = [one.ids for start in range(0, 2, together) for one in greedy(found, rows[start : start + together], 8)]
    assert run == expected


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ended": True}, "ends every text with 't1'"),
        ({"apply_chat_template": lambda *_, **__: "<bos> t5 t6"}, "leaves out the question"),
    ],
)
def test_what_would_answer_another_text_is_refused(
    tiny_decoder: Callable[[str], Decoder], changed: dict[str, Any], said: str
) -> None:
    decoder = with_words(tiny_decoder("llama"), **changed)
    with pytest.raises(ModelError, match=said):
        probed(decoder, QUESTIONS)
    if "apply_chat_template" in changed:
        assert probed(decoder, ()).findings == ()  # of a base model nothing is asked


def test_decoding_that_goes_wrong_after_some_tokens_is_refused(tiny_decoder: Callable[[str], Decoder]) -> None:
    decoder = tampered(tiny_decoder("llama"), forgets_after_the_second_token)
    with pytest.raises(ModelError, match="decoding with its cache is not the same as reading the whole text"):
        probed(decoder, QUESTIONS)


@pytest.mark.parametrize(("thinks", "said"), [(False, "get an empty answer"), (True, "thinking aloud")])
def test_a_model_that_answers_nothing_or_thinks_aloud_can_be_read_and_not_asked(
    tiny_decoder: Callable[[str], Decoder], thinks: bool, said: str
) -> None:
    decoder = with_words(tiny_decoder("llama"), **({"thinks": True} if thinks else {}))
    known = probed(decoder if thinks else replace(decoder, stop_ids=frozenset(range(97))), QUESTIONS)
    assert known.findings == (known.unfit,)
    with pytest.raises(ModelError, match=said):
        known.require_answers()
    assert probed(decoder, ()).unfit == "", "of a base model nothing is asked"


def test_tokens_without_an_embedding_are_named_and_refused_where_a_text_holds_one(
    tiny_decoder: Callable[[str], Decoder],
) -> None:
    found = probed(with_words(tiny_decoder("llama"), named=99), QUESTIONS)
    assert found.findings == (
        "2 tokens of the tokenizer have no embedding, first 't97' (97 of 97); a text that holds one is refused",
    )
    with pytest.raises(ModelError, match="the token 't98' of a text has no embedding"):
        found.encode("t98")


def test_a_model_with_more_answers_than_embeddings_is_refused(
    tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "embedded", property(lambda _self: 90))
    with pytest.raises(ModelError, match="can answer with 97 tokens, of which only 90 have an embedding"):
        probed(with_words(tiny_decoder("llama"), named=90), QUESTIONS)


def test_a_prompt_that_is_longer_than_the_context_is_refused(tiny_decoder: Callable[[str], Decoder]) -> None:
    with pytest.raises(ModelError, match="of 100 tokens and 29 new ones do not fit into its context of 128"):
        greedy(tiny_decoder("llama"), [[2] * 7, [2] * 100], 29)
    assert len(greedy(tiny_decoder("llama"), [[2] * 100], 28)) == 1


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        *((kind, AGREES) for kind in ("llama", "gpt2", "gemma3_text", "gpt_oss", "bloom", "deepseek_v3", "mpt")),
        *((kind, MANNERED) for kind in ("qwen3_next", "lfm3", "trocr")),
        *((kind, REFUSED) for kind in ("mamba", "jamba")),
    ],
)
def test_a_dozen_decoder_types_agree_with_each_row_alone_or_are_refused(kind: str, outcome: str) -> None:
    found = outcome_of(kind)
    assert found.outcome == outcome, found.why
    assert bool(found.why) == (outcome != AGREES)
