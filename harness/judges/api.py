"""A judge behind an OpenAI-compatible API: the expected integer over the likeliest first tokens of its answers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import ssl
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.judges import prompts, scoring
from harness.judges.addresses import is_loopback, shown, why_no_client, why_unreached
from harness.judges.asking import (
    FINAL,
    PASSING,
    SAMPLES,
    Asking,
    directed_wait,
    first_tokens,
    refused_parameter,
    sampled_score,
    texts_in,
    why_unjudgeable,
)
from harness.judges.completions import NoLogprobs, Refused, Thinks, sampled, token_table
from harness.judges.errors import JudgeError, JudgeUnavailable, JudgeWarning
from harness.judges.identity import code_of, definitions_hash
from harness.judges.protocol import Exchange, Judgement

CONCURRENCY = 8  # exchanges under way at once
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds between attempts
DIGITS_SUSPECTED = 20  # answers by numbers, none above 10, from which they must be digits, or on another scale
ADVICE = {  # what these statuses mean by themselves; others mean many things
    401: "set {key} to a key that it takes",
    404: "check the model's name and the address",
    407: "give user name and password in the variable that names the proxy",
    429: "wait, or allow fewer requests a minute",
}
# What the client logs below a warning holds addresses with their queries, and headers that may repeat the key.
CLIENT_LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
CLIENT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # what the client sends of its own accord
CODE = tuple(f"judges/{module}" for module in ("prompts", "scoring", "asking", "completions", "api"))


class _Failure(Exception):
    """One attempt failed: what happened, what to do, and whether and when to try again."""

    def __init__(self, problem: str, advice: str, again: bool = True, wait: float | None = None) -> None:
        super().__init__(problem)
        self.problem, self.advice, self.again, self.wait = problem, advice, again, wait

    def after(self, attempts: int) -> _Failure:
        """The same failure, saying how often it was tried if that was more than once."""
        if attempts > 1:
            self.problem += f" in {attempts} attempts"
        return self


class ApiJudge:
    """Asks for an integer from 0 to 100 in one token and takes the expectation over the likeliest 20.

    A server that gives fewer probabilities is asked for 5, and one that gives none for 5 sampled answers, whose mean is
    the score: that it varies from one response to the next is in every interval, as questions are resampled.

    `base_url` may hold user name, password and query; they are used and never shown. The key is read from the
    environment variable named, when judging; a server on this machine needs none. `timeout` (seconds) bounds an
    attempt as a whole, however slowly the answer drips; a failed attempt is repeated up to `retries` times.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        coherence: Mapping[str, str],
        relevance: Mapping[str, str] | None = None,
        key_variable: str = "OPENAI_API_KEY",
        concurrency: int = CONCURRENCY,
        requests_per_minute: float | None = None,
        timeout: float = 60,
        retries: int = 5,
    ) -> None:
        self._model, self._coherence, self._relevance = model, coherence, relevance
        self._key_variable, self._concurrency, self._per_minute = key_variable, concurrency, requests_per_minute
        self._timeout, self._retries = timeout, retries
        self._url, self._where = base_url, shown(base_url)
        self._next_start = 0.0
        self._numbers_seen, self._largest_seen = 0, 0
        self._asking = Asking()
        self.first_tokens: Counter[str] = Counter()  # of answers that gave no score
        self._refused: Counter[str] = Counter()  # why the server would not judge a text

    @property
    def identity(self) -> str:
        """Changes with model, address, the definitions of coherence and relevance, and this judge's code."""
        definitions = definitions_hash(self._coherence, self._relevance)
        return f"api-judge:{self._model}@{self._where}:{definitions}:{code_of(*CODE)}"

    def __repr__(self) -> str:
        return f"ApiJudge({self._model!r}, {self._where!r})"

    def release(self) -> None:
        """Nothing is held between calls."""

    def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        """Trait and coherence of each exchange; None where integers hold too little of the probability of the first
        token, or where the server refuses this text.

        Raises JudgeUnavailable, with what was judged until then, when the server is lost or refuses; JudgeError when
        the key or the `openai` package is missing or the server gives no log-probabilities of whole integers;
        ValueError when a definition lacks a part.
        """
        if not exchanges:
            return []
        questions = [(definition, scoring.TRAIT_MASS), (self._coherence, scoring.COHERENCE_MASS)]
        if self._relevance is not None:
            questions.append((self._relevance, scoring.COHERENCE_MASS))
        for asked, _ in questions:
            prompts.prefix(asked, prompts.API)  # a definition that lacks a part is found before anything is sent
        client = self._client()
        judged: dict[int, Judgement] = {}
        self._refused.clear()
        with quiet(CLIENT_LOGGERS):
            failure = asyncio.run(self._judge_all(client, questions, exchanges, judged))
        self._warn_of_refusals()
        if isinstance(failure, _Failure):
            raise JudgeUnavailable(
                f"{self._model} at {self._where} {failure.problem}, with {len(judged)} of {len(exchanges)} responses "
                f"judged; {failure.advice} and run again.",
                judged,
            )
        if failure is not None:
            raise failure
        return [judged[index] for index in range(len(exchanges))]

    def _client(self) -> Any:
        """A client of the `openai` package for this address; its own retries are off, as ours cover more faults."""
        try:
            import openai
        except ImportError:
            openai = None  # type: ignore[assignment]
        if openai is None:
            raise JudgeError(
                'A judge behind an API needs the package openai; install it with `pip install -e ".[api]"`.'
            )
        parts = urlsplit(self._url)
        local = is_loopback(parts.hostname or "")
        if not local and not header(self._key_variable):
            raise JudgeError(
                f"{self._model} at {self._where} needs a key; set {self._key_variable} in the environment."
            )
        for variable in CLIENT_VARIABLES:
            header(variable)
        return openai.AsyncOpenAI(
            api_key=header(self._key_variable) or "none",
            base_url=self._where,
            default_query=dict(parse_qsl(parts.query)),
            max_retries=0,
            timeout=self._timeout,
            http_client=self._transport(openai.DefaultAsyncHttpxClient, local),
        )

    def _transport(self, make: Callable[..., Any], local: bool) -> Any:
        """What carries requests. A proxy of the environment is for the world outside; its certificates are for all."""
        parts = urlsplit(self._url)
        user = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
        try:
            if local and parts.scheme == "https":
                file, folder = (os.environ.get(f"SSL_CERT_{kind}") or None for kind in ("FILE", "DIR"))
                trusted = ssl.create_default_context(cafile=file, capath=folder)
                return make(trust_env=False, auth=user, verify=trusted)
            return make(trust_env=not local, auth=user)
        except Exception as error:  # packages, files and addresses fail with many kinds
            problem = why_no_client(error)
        del user, parts  # a report of the error may show what its frames hold
        raise JudgeError(f"{self._model} at {self._where} cannot be asked: {problem}.")

    def _warn_of_refusals(self) -> None:
        if self._refused:
            warnings.warn(
                f"{self._model} at {self._where} would not judge some texts: {first_tokens(self._refused)}; their "
                "scores are missing, so take a judge that reads longer texts or filters none.",
                JudgeWarning,
                stacklevel=3,
            )

    async def _judge_all(
        self,
        client: Any,
        questions: Sequence[tuple[Mapping[str, str], float]],
        exchanges: Sequence[Exchange],
        judged: dict[int, Judgement],
    ) -> Exception | None:
        """Fill `judged`, several exchanges at a time and in order; the first failure stops all and is returned."""
        indices = iter(range(len(exchanges)))

        async def work() -> None:
            for index in indices:
                found: list[float | None] = []
                for definition, least_mass in questions:
                    text = prompts.prompt(definition, exchanges[index], prompts.API)
                    found.append(await self._score(client, text, least_mass))
                trait, coherence, *relevance = found
                for one in relevance:
                    coherence = scoring.capped(coherence, one)
                judged[index] = Judgement(trait, coherence, *relevance)

        async with client:
            workers = [asyncio.ensure_future(work()) for _ in range(min(self._concurrency, len(exchanges)))]
            try:
                await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            finally:  # also when interrupted
                for worker in workers:
                    worker.cancel()
                results = await asyncio.gather(*workers, return_exceptions=True)
        failures = [result for result in results if isinstance(result, Exception)]
        return failures[0] if failures else None

    async def _score(self, client: Any, text: str, least_mass: float) -> float | None:
        """The score of one question, after as many attempts as it takes. Raises _Failure or JudgeError."""
        attempt = 0
        while True:
            attempt += 1
            asking = self._asking
            outcome = await self._attempt(client, text, least_mass, asking)
            if isinstance(outcome, Asking) or (isinstance(outcome, _Failure) and asking != self._asking):
                # Another worker may have found the way meanwhile; each way is tried once.
                if isinstance(outcome, Asking) and asking == self._asking:
                    self._asking = outcome
                attempt -= 1
                continue
            if isinstance(outcome, JudgeError):
                raise outcome
            if not isinstance(outcome, _Failure):
                return outcome
            if not outcome.again or attempt > self._retries:
                raise outcome.after(attempt)
            wait = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.75, 1)
            await asyncio.sleep(wait if outcome.wait is None else outcome.wait)

    async def _attempt(
        self, client: Any, text: str, least_mass: float, asking: Asking
    ) -> float | _Failure | JudgeError | Asking | None:
        """One request: its score, None where this text cannot be judged, how it failed, or how to ask instead.

        Errors are described by their kind and never by what the server said, which may repeat the key; and they are
        returned, so that none of theirs is chained to ours.
        """
        import openai

        table: list[tuple[str, float]] | None = None
        said: list[str] = []
        score: float | None = None
        completion: Any = None
        try:
            while len(said) < SAMPLES:  # of probabilities the first answer is enough
                await self._wait_for_turn()
                async with asyncio.timeout(self._timeout):
                    completion = await client.chat.completions.create(
                        model=self._model, messages=[{"role": "user", "content": text}], **asking.parameters()
                    )
                if asking.top:
                    table = token_table(completion)
                    score = None if table is None else scoring.expected_integer(table, least_mass)
                    break
                said += sampled(completion)
            else:
                score = sampled_score(said, least_mass)
        except openai.APIStatusError as error:
            return self._refusal(error.response.status_code, body_of(error.response), asking, error.response.headers)
        except (TimeoutError, openai.APITimeoutError):
            return _Failure(f"gave no whole answer within {self._timeout:g} s", "see whether it is overloaded")
        except openai.APIConnectionError as error:
            return _Failure(*why_unreached(self._url, error))
        except Refused:
            return self._refusal(200, completion.error, asking, {})
        except Thinks:
            return JudgeError(
                f"{self._model} at {self._where} thinks before it answers, so its first token is no score; switch that "
                "off at the server, or take a model that answers at once."
            )
        except NoLogprobs:
            return replace(asking, top=0)
        except (openai.OpenAIError, ValueError, TypeError, AttributeError):  # Malformed is a ValueError
            return _Failure("answered with no whole chat completion", "see whether it serves chat completions")
        if score is None:
            unread = [table[0][0]] if table else [one for one in said if scoring.plain_integer(one) is None]
            self.first_tokens[(unread or [""])[0].strip() or "(no text)"] += 1
        values = [value for value, _ in scoring.integers(table or [])] + [*map(scoring.plain_integer, said)]
        return self._small_scale_suspected([value for value in values if value is not None]) or score

    async def _wait_for_turn(self) -> None:
        """Requests start at least a minute / `requests_per_minute` apart, attempts included."""
        if self._per_minute is None:
            return
        start = max(time.monotonic(), self._next_start)
        self._next_start = start + 60 / self._per_minute
        await asyncio.sleep(start - time.monotonic())

    def _refusal(self, status: int, body: Any, asking: Asking, headers: Mapping[str, str]) -> _Failure | Asking | None:
        """What follows from a refusal: no score of this text, another way to ask, or a failure."""
        speaks = status not in PASSING
        if speaks and (why := why_unjudgeable(status, body, asking.parameters())):
            self._refused[why] += 1
            self.first_tokens[f"({why})"] += 1
            return None
        named = refused_parameter(body, asking.parameters()) if speaks else ""
        if other := asking.without(named):
            return other
        if status == 200 and not named:
            return _Failure("answered with no whole chat completion", "see whether it serves chat completions")
        again = status in PASSING or status >= 500
        return _Failure(
            f"answered with status {status}{f' and named {named}' if named else ''}",
            f"take a model or server that allows {named}"
            if named
            else ADVICE.get(status, "see its log").format(key=self._key_variable),
            again and not named and not any(FINAL in text for text in texts_in(body)),
            directed_wait(headers),
        )

    def _small_scale_suspected(self, values: Sequence[int]) -> JudgeError | None:
        """An error once so many answers held no integer above 10 that they must be digits or on another scale.

        The first digit of 85, and the 8 of a scale to 10, would pass for a score of 8, and nothing else would tell.
        """
        if values:
            self._numbers_seen, self._largest_seen = self._numbers_seen + 1, max(*values, self._largest_seen)
        if self._numbers_seen < DIGITS_SUSPECTED or self._largest_seen > 10:
            return None
        return JudgeError(
            f"{self._model} at {self._where} never answers with a number above 10, so its tokens seem to be single "
            "digits, or its scale to end there; take a model whose tokens are whole numbers from 0 to 100, or this one "
            "as a local judge."
        )


def header(variable: str) -> str:
    """What an environment variable holds for the header of a request. Raises JudgeError where no header can hold it."""
    if not (value := os.environ.get(variable, "").strip()).isascii() or re.search(r"[^!-~]", value):
        del value  # a report of the error may show what its frames hold
        raise JudgeError(f"{variable} holds characters that no key has; set it again.")
    return value


def body_of(response: Any) -> Any:
    """The body of a response: what its JSON holds, else its text."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text


@contextmanager
def quiet(names: Sequence[str]) -> Iterator[None]:
    """While it lasts, these loggers say nothing below a warning."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logging.WARNING, logger.level))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
