"""Sees, in seconds and before anything is measured, whether a loaded decoder does what it will be taken to do.

Each check sets one way of running rows against the plainest one: a row alone, whole, without a cache. What fails is
refused in one sentence, or rows are run in the way that works (see `harness.models.decoder.Manner`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.decoding.generation import REMEDY, greedy, left_pad, position_ids
from harness.models.decoder import Decoder, Manner, are_finite, cache_name
from harness.models.loadable import ModelError
from harness.models.memory import is_out_of_memory
from harness.streams import first_line

LONG = "The old bridge was closed, so they walked along the river."
SHORT = "Tea was on the table."
QUESTIONS = ("What is the capital of France?", "How do I boil an egg?", "Which colours does a rainbow have?")
FED = 3  # tokens that are fed to a cache, one at a time: some states go wrong only after the second
ANSWER = 5  # tokens of an answer that are looked at
# Largest change of logits, as a share of their norm, by number format: rounding moves them by a tenth of this, and
# a fault by many times as much.
TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 8e-2}
THINKING = re.compile(r"\s*(<\W*(start_of_)?(think|thought|reason|analysis|channel|reflect)|\[\W*(think|reason))", re.I)
Rows = Sequence[Sequence[int]]


def probed(decoder: Decoder, questions: Sequence[str] = QUESTIONS) -> Decoder:
    """The decoder with the manner in which its rows may be run, and what was found.

    `questions` are put to it in its chat template; none to a base model. One that does not answer them can still be
    read. Raises ModelError for a decoder that cannot be trusted in any way.
    """
    findings = _tokens(decoder)
    _require_in_prompts(decoder, questions)
    manner, found = _manner(decoder, [decoder.encode(text) for text in (LONG, SHORT)])
    known = replace(decoder, manner=manner, findings=(*decoder.findings, *findings, *found))
    unfit = _why_no_answers(known, questions) if questions else ""
    return replace(known, unfit=unfit, findings=(*known.findings, *filter(None, [unfit])))


def _tokens(decoder: Decoder) -> list[str]:
    """What is odd about the tokenizer beside the weights. Raises ModelError for one that adds to the end of a text."""
    plain = list(decoder.tokenizer(SHORT, add_special_tokens=False)["input_ids"])
    whole = list(decoder.tokenizer(SHORT, add_special_tokens=True)["input_ids"])
    if not plain or whole[-len(plain) :] != plain:
        added = decoder.tokenizer.convert_ids_to_tokens(whole[-1]) if whole else "nothing"
        raise ModelError(
            f"{decoder.name}: the tokenizer ends every text with {added!r}, so that the model would continue another "
            "text than the one given; switch that off (add_eos_token in tokenizer_config.json, or the post_processor "
            "in tokenizer.json)."
        )
    embedded = decoder.embedded  # asked once: there are as many tokens as that
    outside = sorted((index, token) for token, index in decoder.tokenizer.get_vocab().items() if index >= embedded)
    if not outside:
        return []
    return [
        f"{len(outside)} tokens of the tokenizer have no embedding, first {outside[0][1]!r} ({outside[0][0]} of "
        f"{embedded}); a text that holds one is refused"
    ]


def _require_in_prompts(decoder: Decoder, questions: Sequence[str]) -> None:
    """Raise ModelError unless every question stands in its prompt."""
    for question in questions:
        if question not in (asked := decoder.asked(question)):
            raise ModelError(
                f"{decoder.name}: the chat template leaves out the question ({question!r} becomes {asked[:120]!r}), "
                "perhaps because it reads a turn as a list of parts; give the tokenizer a template that takes text."
            )


def _why_no_answers(decoder: Decoder, questions: Sequence[str]) -> str:
    """What is wrong with a model that answers nothing, or thinks aloud before it answers; empty where neither does."""
    prompts = [decoder.encode_question(question) for question in questions]
    together = decoder.together(len(prompts))
    said = []
    for start in range(0, len(prompts), together):
        said += greedy(decoder, prompts[start : start + together], ANSWER)
    if not any(decoder.decode(one.ids).strip() for one in said):
        return (
            f"{len(prompts)} questions such as {questions[0]!r} get an empty answer; see whether chat template and "
            "stop tokens are those that the model was trained with"
        )
    for one in said:
        opening = str(decoder.tokenizer.decode(list(one.ids), skip_special_tokens=False))
        if THINKING.match(opening):
            return (
                f"it opens its answer with {opening[:40]!r}, thinking aloud, so its first tokens are no answer; take a "
                "checkpoint that answers at once"
            )
    return ""


def _manner(decoder: Decoder, prompts: Rows) -> tuple[Manner, list[str]]:
    """How rows may be run, and what was found where that is not as usual. Raises ModelError where no way works."""
    words = decoder.encode(LONG)
    fed = [words[1 : 1 + FED], words[1 + FED : 1 + 2 * FED]]
    rows = [[*prompt, *tokens] for prompt, tokens in zip(prompts, fed, strict=True)]
    alone = [_whole(decoder, row) for row in rows]
    if not all(are_finite(logits).all() for logits in alone):
        raise ModelError(
            f"{decoder.name}: a plain text gives NaN or infinite logits; {REMEDY}, or get the weights again."
        )
    if (named := alone[0].shape[-1]) > decoder.embedded:
        raise ModelError(
            f"{decoder.name}: it can answer with {named} tokens, of which only {decoder.embedded} have an embedding; "
            "its config.json or its weights are of another model."
        )

    def steps(row: int, count: int = FED + 1) -> Tensor:
        return alone[row][len(prompts[row]) - 1 :][:count]

    manner, found = Manner(), []
    # One pass tells that all is usual: two padded rows, the first taken out after a token. Only where it fails is it
    # asked what is wrong.
    dropped = _why_not(lambda: _decoded(decoder, prompts, fed, drop=True), [steps(0, 2), steps(1)])
    if dropped and (padded := _why_not(lambda: _decoded(decoder, prompts, fed), [steps(0), steps(1)])):
        if cached := _why_not(lambda: _decoded(decoder, prompts[:1], fed[:1]), [steps(0)]):
            raise ModelError(
                f"{decoder.name}: decoding with its cache is not the same as reading the whole text ({cached}); "
                f"{type(decoder.model).__name__} cannot be used with this release of transformers."
            )
        manner = replace(manner, pads=False, drops=False)
        found.append(f"a row padded beside a longer one comes out otherwise ({padded}), so rows are run one at a time")
    elif dropped:
        manner = replace(manner, drops=False)
        found.append(f"a row cannot be taken out of its cache ({dropped}), so finished rows are kept to the end")
    if continued := _why_not(lambda: _continued(decoder, prompts[0], fed[0]), [steps(0)[1:], steps(0)[1:]]):
        manner = replace(manner, continues=False)
        found.append(f"a cached prefix cannot be shared ({continued}), so a judge reads every text whole")
    return manner, found


def _why_not(run: Callable[[], list[Tensor]], expected: Sequence[Tensor]) -> str:
    """Why logits [tokens, vocabulary] of some rows are not as they should be; empty where they are."""
    try:
        found = run()
    except Exception as error:  # whatever a foreign cache trips over
        if is_out_of_memory(error):
            raise
        return f"{type(error).__name__}: {first_line(error)}"
    changes = []
    for one, other in zip(found, expected, strict=True):
        masked = one.isneginf() & other.isneginf()  # some models mask tokens
        one, other = one.masked_fill(masked, 0), other.masked_fill(masked, 0)
        if not bool(one.isfinite().all()):
            return "logits are not finite"
        changes.append(float((one - other).norm() / other.norm()))
    dtype = expected[0].dtype
    worst = max(changes)
    return f"logits move by {worst:.0%} of their norm" if worst > TOLERANCE.get(dtype, 1e-3) else ""


@torch.inference_mode()
def _whole(decoder: Decoder, row: Sequence[int]) -> Float[Tensor, "positions vocabulary"]:
    """Logits at every position of one row, read at once."""
    ids = torch.tensor([list(row)], device=decoder.device)
    places = torch.arange(len(row), device=decoder.device).unsqueeze(0)
    output = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), position_ids=places, use_cache=False)
    logits: Tensor = output.logits[0]
    return logits


@torch.inference_mode()
def _decoded(
    decoder: Decoder, prompts: Rows, fed: Rows, drop: bool = False
) -> list[Float[Tensor, "tokens vocabulary"]]:
    """Logits after prompts and after each token that is fed to their caches, as `greedy` would see them.

    With `drop` the first row is taken out after the first token, and has logits until then.
    """
    named = cache_name(decoder.model)
    ids, mask = left_pad(prompts, decoder.pad_id, decoder.device)
    tokens, positions, cache = ids, position_ids(mask), None
    given = torch.tensor([list(row) for row in fed], device=decoder.device)
    seen: list[Tensor] = []
    gone: list[Tensor] = []
    for step in range(FED + 1):
        output = decoder.model(
            input_ids=tokens,
            attention_mask=mask.long(),
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{named: cache},
        )
        cache = output[named]
        seen.append(output.logits[:, -1])
        if drop and step == 1:
            kept = torch.arange(1, len(given))
            cache.batch_select_indices(kept)
            kept = kept.to(decoder.device)
            given, mask, positions = given[kept], mask[kept], positions[kept]
            gone, seen = [torch.stack([logits[0] for logits in seen])], [logits[kept] for logits in seen]
        if step < FED:
            tokens = given[:, step : step + 1]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1
    return [*gone, *torch.stack(seen, dim=1)]


@torch.inference_mode()
def _continued(decoder: Decoder, prompt: Sequence[int], fed: Sequence[int]) -> list[Float[Tensor, "tokens vocabulary"]]:
    """Logits of several tokens at once, in two rows that follow one cached prompt."""
    named = cache_name(decoder.model)
    ids = torch.tensor([list(prompt)], device=decoder.device)
    output = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True, logits_to_keep=1)
    cache: Any = copy.deepcopy(getattr(output, named))
    cache.batch_repeat_interleave(2)
    start, end = len(prompt), len(prompt) + len(fed)
    logits = decoder.model(
        input_ids=torch.tensor([list(fed)] * 2, device=decoder.device),
        attention_mask=torch.ones((2, end), dtype=torch.long, device=decoder.device),
        position_ids=torch.arange(start, end, device=decoder.device).expand(2, -1),
        use_cache=True,
        **{named: cache},
    ).logits
    return list(logits)
