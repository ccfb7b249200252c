"""Pure: the answer of a chat-completions server becomes its texts and the probabilities of its first token."""

from __future__ import annotations

import math
from typing import Any

from harness.judges.asking import answer_after
from harness.judges.scoring import plain_integer


class Malformed(ValueError):
    """The answer lacks a part that every answer has, as when it was cut off; asking again may help."""


class Refused(ValueError):
    """The answer is the body of an error that came with status 200."""


class Thinks(ValueError):
    """The answer ends within thoughts, which are no score."""


class NoLogprobs(ValueError):
    """The answer is whole and has no log-probabilities of whole integers: this server or model does not give them."""


def token_table(completion: Any) -> list[tuple[str, float]] | None:
    """The likeliest first tokens with their probabilities; None where the server held its answer back or said nothing.

    Of an answer that is a number, but no integer from 0 to 100 alone ("8/10", "0.85"), the whole text stands for its
    first token, which would pass for a score. Raises Malformed, Refused, Thinks or NoLogprobs.
    """
    text, choice = sampled(completion)[0], completion.choices[0]
    if getattr(choice, "finish_reason", None) == "content_filter":
        return None
    content = getattr(getattr(choice, "logprobs", None), "content", None)
    if not content and not text:
        return None
    opening = content[0] if isinstance(content, list) and content else None
    top = getattr(opening, "top_logprobs", None)
    if not top or _thought(choice.message):
        raise NoLogprobs
    table = [_entry(entry) for entry in top]
    value, first = plain_integer(text), str(getattr(opening, "token", "")).strip()
    if value is None:
        return [(text, 1.0)] if any(map(str.isdigit, text)) else table
    if first.isdigit() and first != str(value):  # the tokens are digits
        raise NoLogprobs
    return table


def sampled(completion: Any) -> list[str]:
    """The texts of all answers, without thoughts; an answer that was held back is empty.

    Raises Malformed, Refused or Thinks.
    """
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise Refused if getattr(completion, "error", None) else Malformed
    messages = [getattr(choice, "message", None) for choice in choices]
    if any(message is None for message in messages):
        raise Malformed
    texts = [answer_after(_text(message)) for message in messages]
    if any(_thought(message) and not text.strip() for message, text in zip(messages, texts, strict=True)):
        raise Thinks
    return texts


def _text(message: Any) -> str:
    return str(getattr(message, "content", None) or "")


def _thought(message: Any) -> bool:
    """Whether a message holds thoughts, in its text or apart."""
    apart = any(getattr(message, name, None) for name in ("reasoning_content", "reasoning"))
    return apart or answer_after(_text(message)) != _text(message)


def _entry(entry: Any) -> tuple[str, float]:
    token, logprob = getattr(entry, "token", None), getattr(entry, "logprob", None)
    if not isinstance(token, str) or not isinstance(logprob, int | float) or math.isnan(logprob):
        raise Malformed
    return token, math.exp(min(logprob, 0.0))
