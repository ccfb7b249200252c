"""Pure: what a request asks a chat-completions server for beside the text, and what is asked when it refuses that."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

TOP_TOKENS, FEWER_TOKENS = 20, 5  # first tokens whose probabilities are asked for; what some servers give at most
SAMPLES = 5  # answers of a server that gives no probabilities: their mean is the score
SAMPLED_TOKENS = 4  # of such an answer: room for "100" in any vocabulary
LONGEST_DIRECTED_WAIT = 60.0  # seconds
NAMED = 3  # first tokens that are told of a judge that gives no scores
PARAMETERS = ("top_logprobs", "logprobs", "max_completion_tokens", "max_tokens", "temperature", "n")
ANSWER = re.compile(r"\s*(100|[1-9]?[0-9])(?![0-9])")
THINKING = re.compile(r"\s*<\W*(think|thought|reason|analysis|channel)", re.IGNORECASE)


@dataclass(frozen=True)
class Asking:
    """How a server is asked: for probabilities of `top` first tokens, or, where `top` is 0, for sampled answers.

    `limit` is the name of the bound of an answer's length. `steady`: a temperature is named. `several`: all samples
    come in one answer.
    """

    top: int = TOP_TOKENS
    limit: str = "max_tokens"
    steady: bool = True
    several: bool = True

    def parameters(self) -> dict[str, Any]:
        """The parameters of a request."""
        found: dict[str, Any] = {self.limit: 1 if self.top else SAMPLED_TOKENS}
        if self.steady:
            found["temperature"] = 0 if self.top else 1
        if self.top:
            found |= {"logprobs": True, "top_logprobs": self.top}
        elif self.several:
            found["n"] = SAMPLES
        return found

    def without(self, parameter: str) -> Asking | None:
        """How to ask a server that refuses a parameter as it was given; None where there is no other way."""
        if parameter not in self.parameters():
            return None
        match parameter:
            case "max_tokens":
                return replace(self, limit="max_completion_tokens")
            case "top_logprobs" if self.top > FEWER_TOKENS:
                return replace(self, top=FEWER_TOKENS)
            case "top_logprobs" | "logprobs":
                return replace(self, top=0)
            case "temperature":
                return replace(self, steady=False)
            case "n":
                return replace(self, several=False)
        return None


def refused_parameter(body: Any) -> str:
    """Which of our parameters an error of a server names, as its `param` or in its words; empty where none."""
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {}
    if error.get("param") in PARAMETERS:
        return str(error["param"])
    said = str(error.get("message", ""))
    return next((name for name in PARAMETERS if re.search(rf"\b{name}\b", said)), "")


def sampled_score(answers: Iterable[str], least_share: float) -> float | None:
    """The mean integer that answers open with; None where fewer than `least_share` of them open with one."""
    texts = list(answers)
    found = [int(match[1]) for text in texts if (match := ANSWER.match(text))]
    return math.fsum(found) / len(found) if found and len(found) >= least_share * len(texts) else None


def directed_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks us to wait, at most a minute; None if it does not say so.

    It may say milliseconds (`retry-after-ms`), seconds, or a date (RFC 9110, 10.2.3).
    """
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _seconds(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return min(seconds, LONGEST_DIRECTED_WAIT) if seconds >= 0 else None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        until = parsedate_to_datetime(text)
    return max((until - datetime.now(until.tzinfo or UTC)).total_seconds(), 0.0)


def first_tokens(counted: Counter[str]) -> str:
    """What a judge said where it gave no score, in words: "The" 14 times and "I" 3 times."""
    told = [f"{token[:20]!r} {count} times" for token, count in counted.most_common(NAMED)]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
