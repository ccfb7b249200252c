"""Pure: what a request asks a chat-completions server for beside the text, and what is asked when it refuses that."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from harness.judges.scoring import plain_integer

TOP_TOKENS, FEWER_TOKENS = 20, 5  # first tokens whose probabilities are asked for; what some servers give at most
SAMPLES = 5  # answers of a server that gives no probabilities: their mean is the score
ANSWER_TOKENS = 8  # of an answer: room for "85 out of 100" in any vocabulary, and for what makes 8 of 8/10
LONGEST_DIRECTED_WAIT = 60.0  # seconds
NAMED = 3  # first tokens that are told of a judge that gives no scores
PARAMETERS = {  # and how servers write them in sentences
    name: re.compile(words)
    for name, words in {
        "top_logprobs": r"(?i:top[ _-]?log[ _-]?probs?)",
        "logprobs": r"(?i:log[ _-]?prob(s\b|abilit))",
        "max_completion_tokens": r"(?i:max[ _-]?completion[ _-]?tokens)",
        "max_tokens": r"(?i:max[ _-]?tokens)",
        "temperature": r"\b(?i:temperature)\b",
        "n": r"(?<![\w\\])n(?!\w)",
    }.items()
}
# How servers say that a text is longer than they read. "Input ... too large" may also be said of a parameter, and
# "exceeds" of what is paid for.
TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|n_ctx|fit .{0,20}context|sequence length|string_too_long|"
    r"too many (input |prompt )?tokens|token limit exceeded|reduce the length of|\+ .{0,3}max_new_tokens|"
    r"(request|payload|body|entity)( entity| body)? (is )?too (long|large)|"
    r"(prompt|inputs?|input_tokens|messages?|text|content|string)\b((?!log.?prob|temperature)[^.;]){0,80}?"
    r"(too[ _-](long|large)|longer than|greater than \d+|exceed|less than \d+ tokens|at most \d+ (tokens|characters))"
    r"(?![^.;]*(quota|rate|credit|minute))",
    re.IGNORECASE,
)
TEXT_STATUSES = (200, 400, 413, 422, 500)  # with which servers refuse a text for its length
HELD_BACK = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
FINAL = "insufficient_quota"  # a refusal that comes with a status that is otherwise worth another attempt
PASSING = (408, 409, 429, 502, 503, 504)  # statuses that say nothing of a request, whatever they name
THINKING = re.compile(r"\s*[<\[]\W*(think|thought|reason|analysis|channel)", re.IGNORECASE)
THOUGHTS = re.compile(
    r".*(</\W*(think|thought|reason|analysis)\w*>|\[/think\]|channel\|>final<\|message\|>)", re.I | re.S
)


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
        found: dict[str, Any] = {self.limit: ANSWER_TOKENS}
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


def texts_in(body: Any) -> Iterator[str]:
    """All names and texts in the body of an error, of whatever shape; a request that it repeats is left out."""
    pending = [body]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping) and "messages" not in part:
            pending += [*map(str, part), *part.values()]
        elif isinstance(part, list):
            pending += part


def refused_parameter(body: Any, sent: Collection[str]) -> str:
    """Which parameter an error of a server names, as a whole text or in a sentence; empty where it names none.

    One that was sent comes first, as a server may also name what it takes instead.
    """
    texts = list(texts_in(body))
    names = sorted(PARAMETERS, key=lambda name: name not in sent)
    named = (name for name in names if any(map(PARAMETERS[name].search, texts)))
    return next((name for name in names if name in sent and name in texts), "") or next(named, "")


def why_unjudgeable(status: int, body: Any, sent: Collection[str]) -> str:
    """Why a server refuses this text and not the next one, in a word or two; empty where it refuses all."""
    texts = list(texts_in(body))
    if any(word in text for word in HELD_BACK for text in texts):
        return "held back"
    other = refused_parameter(body, sent) in {*sent} - {"max_tokens", "max_completion_tokens"}
    long = status == 413 or any(map(TOO_LONG.search, texts))
    return "text too long" if long and status in TEXT_STATUSES and not other else ""


def answer_after(text: str) -> str:
    """An answer without the thoughts before it; empty where they do not end."""
    rest = THOUGHTS.sub("", text, count=1)
    return "" if THINKING.match(rest) else rest


def sampled_score(answers: Iterable[str], least_share: float) -> float | None:
    """The mean of the answers that are an integer; None where fewer than `least_share` of them are one."""
    texts = list(answers)
    given = [value for text in texts if (value := plain_integer(text)) is not None]
    return math.fsum(given) / len(given) if given and len(given) >= least_share * len(texts) else None


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
