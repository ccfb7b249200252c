"""Pure: the answer of a chat-completions server becomes the probabilities of its first token."""

from __future__ import annotations

import math
from typing import Any

from harness.judges.asking import THINKING
from harness.judges.scoring import integers


class Malformed(ValueError):
    """The answer lacks a part that every answer has, as when it was cut off; asking again may help."""


class Thinks(ValueError):
    """The answer opens with thoughts, which are no score."""


class NoLogprobs(ValueError):
    """The answer is whole and has no log-probabilities: this server or model does not give them."""


def token_table(completion: Any) -> list[tuple[str, float]] | None:
    """The likeliest first tokens with their probabilities; None where the server held its answer back or said nothing.

    Raises Malformed, Thinks or NoLogprobs.
    """
    choices = getattr(completion, "choices", None)
    message = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
    if message is None or choices is None:
        raise Malformed
    content = getattr(getattr(choices[0], "logprobs", None), "content", None)
    if getattr(choices[0], "finish_reason", None) == "content_filter":
        return None
    if any(getattr(message, name, None) for name in ("reasoning_content", "reasoning")) or (
        THINKING.match(str(getattr(message, "content", None) or ""))
    ):
        raise Thinks
    if not content and not getattr(message, "content", None):
        return None
    top = getattr(content[0], "top_logprobs", None) if isinstance(content, list) and content else None
    if not top:
        raise NoLogprobs
    return [_entry(entry) for entry in top]


def sampled(completion: Any) -> list[str]:
    """The texts of all answers; an answer that was held back is empty. Raises Malformed or Thinks."""
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise Malformed
    messages = [getattr(choice, "message", None) for choice in choices]
    if any(message is None for message in messages):
        raise Malformed
    texts = [str(getattr(message, "content", None) or "") for message in messages]
    if any(getattr(message, "reasoning_content", None) for message in messages) or any(map(THINKING.match, texts)):
        raise Thinks
    return texts


def _entry(entry: Any) -> tuple[str, float]:
    token, logprob = getattr(entry, "token", None), getattr(entry, "logprob", None)
    if not isinstance(token, str) or not isinstance(logprob, int | float) or math.isnan(logprob):
        raise Malformed
    return token, math.exp(min(logprob, 0.0))


def largest_integer(table: list[tuple[str, float]] | None) -> int | None:
    """The largest integer among the tokens of a table, None if there is none."""
    return max((value for value, _ in integers(table or [])), default=None)
