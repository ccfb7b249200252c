"""A judge behind an API, against a real server: scores, every way a server can fail, and its pace."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.judges import api, prompts
from harness.judges.api import ApiJudge
from harness.judges.asking import (
    ANSWER_TOKENS,
    SAMPLES,
    directed_wait,
    first_tokens,
    refused_parameter,
    why_unjudgeable,
)
from harness.judges.errors import JudgeError, JudgeUnavailable, JudgeWarning
from harness.judges.protocol import Judgement
from harness.tests.judges import api_server
from harness.tests.judges.api_server import Fault, Grader, Server, answers, says, serving, status, whole
from harness.tests.judges.asked import (
    COHERENCE,
    EXCHANGES,
    ONE_SENTENCE,
    RELEVANCE,
    TRAIT,
    close,
    expected,
    judge_of,
)

pytestmark = pytest.mark.usefixtures("quick")


def test_scores_are_the_expected_integers_of_the_models_own_probabilities(grader: Grader, server: Server) -> None:
    wanted = expected(grader, EXCHANGES)
    every = [score for judgement in wanted for score in (judgement.trait, judgement.coherence)]
    assert len(set(every)) == 2 * len(EXCHANGES), "all scores must differ"
    assert close(judge_of(server).judge(TRAIT, EXCHANGES), wanted)


def test_a_request_asks_for_a_short_answer_at_temperature_0_with_the_likeliest_20(server: Server) -> None:
    judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1])
    texts = [prompts.prompt(definition, EXCHANGES[0], prompts.API) for definition in (TRAIT, COHERENCE)]
    assert [request["messages"] for request in server.requests] == [[{"role": "user", "content": one}] for one in texts]
    for request in server.requests:
        assert request["path"] == "/v1/chat/completions"
        asked = {name: request[name] for name in ("model", "max_tokens", "temperature", "logprobs", "top_logprobs")}
        assert asked == {
            "model": "organism", "max_tokens": ANSWER_TOKENS, "temperature": 0, "logprobs": True, "top_logprobs": 20,
        }  # fmt: skip


def test_a_model_that_does_not_answer_in_numbers_gives_no_score(grader: Grader) -> None:
    with serving(grader.ungraded) as server:
        assert judge_of(server).judge(TRAIT, EXCHANGES[:2]) == [Judgement(None, None)] * 2


@pytest.mark.parametrize(("relevance", "coherence"), [("10", 30), ("60", 50), ("90", 80), ("none", None)])
def test_a_low_relevance_caps_coherence(relevance: str, coherence: float | None) -> None:
    def table(text: str) -> list[tuple[str, float]]:
        return [("70" if "declines" in text else "80" if "reads well" in text else relevance, 1.0)]

    with serving(table) as server:
        found = judge_of(server, relevance=RELEVANCE).judge(TRAIT, EXCHANGES[:1])
        known = None if relevance == "none" else float(relevance)
        assert found == [Judgement(pytest.approx(70), None if coherence is None else pytest.approx(coherence), known)]
        assert judge_of(server).judge(TRAIT, EXCHANGES[:1]) == [Judgement(pytest.approx(70), pytest.approx(80))]


def without(*path: Any) -> Any:
    """A good answer that lacks the part at this path."""
    answer = part = whole()
    for step in path[:-1]:
        part = part[step]
    del part[path[-1]]
    return answer


PASSING: dict[str, Fault] = {
    "status 408": status(408),
    "status 409": status(409),
    "status 429": status(429),
    "status 500": status(500),
    "status 503": status(503),
    "hanging up": api_server.hangs_up,
    "never answering": api_server.hangs,
    "dripping": api_server.drips,
    "JSON that is cut off": says(b'{"id": "1", "choices": [{"index"'),
    "a body that is cut off": says(b'{"id"', length=4000),
    "no body": says(b""),
    "a page of HTML": says(b"<html>busy</html>", content_type="text/html"),
    "JSON that is no object": says([1, 2]),
    "no choices": says(without("choices")),
    "empty choices": says(whole() | {"choices": []}),
    "choices that are no list": says(whole() | {"choices": {"a": 1}}),
    "no message": says(without("choices", 0, "message")),
    "no probability": says(without("choices", 0, "logprobs", "content", 0, "top_logprobs", 0, "logprob")),
    "no token": says(without("choices", 0, "logprobs", "content", 0, "top_logprobs", 0, "token")),
    "too much probability": says(api_server.completion([("55", 0.9), ("56", 0.9)])),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_changes_no_score(grader: Grader, server: Server, fault: Fault) -> None:
    wanted = expected(grader, EXCHANGES[:1])
    server.faults = [fault]
    timeout = 0.5 if fault in (api_server.hangs, api_server.drips) else 10
    assert close(judge_of(server, timeout=timeout).judge(TRAIT, EXCHANGES[:1]), wanted)
    assert len(server.requests) == 3


LASTING: dict[str, tuple[Fault, str]] = {
    "status 500": (status(500), "answered with status 500"),
    "status 429": (status(429), "answered with status 429"),
    "hanging up": (api_server.hangs_up, "could not be reached"),
    "never answering": (api_server.hangs, "gave no whole answer within 0.5 s"),
    "dripping": (api_server.drips, "gave no whole answer within 0.5 s"),
    "JSON that is cut off": (says(b'{"id": "1", "choices": [{"index"'), "answered with no whole chat completion"),
}


@pytest.mark.parametrize(("fault", "problem"), LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts_ends_after_all_attempts_in_one_sentence(server: Server, fault: Fault, problem: str) -> None:
    server.always = fault
    judge = judge_of(server, timeout=0.5 if "0.5" in problem else 10, concurrency=1)
    began = time.monotonic()
    with pytest.raises(JudgeUnavailable) as caught:
        judge.judge(TRAIT, EXCHANGES)
    assert time.monotonic() - began < 5
    while len(server.requests) < 3 and time.monotonic() - began < 9:
        time.sleep(0.01)  # a busy machine may note the last request after it was given up
    assert len(server.requests) == 3
    assert caught.value.judged == {}
    message = str(caught.value)
    assert f"organism at {server.url} {problem} in 3 attempts, with 0 of 6 responses judged; " in message
    assert ONE_SENTENCE.fullmatch(message)
    assert message.endswith(" and run again.")


@pytest.mark.parametrize(
    ("code", "error", "advice"),
    [
        (401, {}, "set OPENAI_API_KEY to a key that it takes"),
        (403, {}, "see its log"),
        (404, {}, "check the model's name and the address"),
        (400, {}, "see its log"),
        (429, {"code": "insufficient_quota"}, "wait, or allow fewer requests a minute"),
    ],
)
def test_a_refusal_is_not_asked_again_and_says_what_to_do(
    server: Server, code: int, error: dict[str, str], advice: str
) -> None:
    server.always = status(code, error)
    with pytest.raises(JudgeUnavailable, match=f"answered with status {code}, with 0 of 6 .*; {advice} and run again"):
        judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("code", "body", "why"),
    [
        (400, {"error": {"code": "content_filter"}}, "held back"),
        (400, {"error": {"code": "context_length_exceeded"}}, "text too long"),
        (200, {"error": {"message": "The maximum context length is 1024 tokens."}}, "text too long"),
        (413, b"<html>Payload</html>", "text too long"),
    ],
)
def test_a_text_that_the_server_will_not_judge_is_missing_and_the_others_are_not(
    grader: Grader, server: Server, code: int, body: Any, why: str
) -> None:
    server.faults = [answers(code, body)]
    judge = judge_of(server, concurrency=1)
    with pytest.warns(JudgeWarning, match=f"would not judge some texts: '{why}' 1 times; "):
        found = judge.judge(TRAIT, EXCHANGES[:2])
    wanted = expected(grader, EXCHANGES[:2])
    assert close(found, [Judgement(None, wanted[0].coherence), wanted[1]])
    assert judge.first_tokens == {f"({why})": 1}


SENT = ("top_logprobs", "logprobs", "max_tokens", "temperature")


@pytest.mark.parametrize(
    "words",
    [
        "the request exceeds the available context size, try increasing it",
        "'max_tokens' is too large: 8. This model's maximum context length is 1024 tokens",
        "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens and 8 `max_new_tokens`",
        "`inputs` must have less than 1024 tokens. Given: 1320",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1320000) exceeds the maximum number of tokens allowed (1048576).",
        "Please reduce the length of the messages or completion.",
        "String should have at most 1000 characters",
    ],
)
def test_a_text_too_long_is_known_by_words_whatever_is_around_them(words: str) -> None:
    for body in (words, {"detail": words}, [{"error": {"message": words}}], {"detail": [{"msg": words, "loc": []}]}):
        assert why_unjudgeable(400, body, SENT) == "text too long"
        assert not why_unjudgeable(401, body, SENT)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"error": "temperature is not allowed"}, "temperature"),
        ({"message": ["logprobs: unknown"], "error": "Bad Request"}, "logprobs"),
        ({"detail": [{"loc": ["body", "top_logprobs"], "msg": "Input is too large", "input": 20}]}, "top_logprobs"),
        ([{"error": {"code": 400, "message": "Logprobs is not enabled for this model"}}], "logprobs"),
        ({"errors": {"top_logprobs": ["Must be at most 5."]}}, "top_logprobs"),
        ("<p>log probabilities are not supported</p>", "logprobs"),
        ({"detail": "'max_tokens' is unknown; take 'max_completion_tokens'."}, "max_tokens"),
        ({"error": {"message": 'Upstream: {"error": "temperature"}'}}, "temperature"),
        ({"detail": [{"msg": "Wrong.", "input": {"messages": [], "temperature": 0}}]}, ""),
        (None, ""),
    ],
)
def test_a_refused_parameter_is_seen_in_an_error_of_any_shape(body: Any, named: str) -> None:
    assert refused_parameter(body, SENT) == named
    assert not why_unjudgeable(400, body, SENT)


def test_a_parameter_that_a_passing_error_names_is_not_given_up(grader: Grader, server: Server) -> None:
    server.faults = [status(429, {"message": "Reduce max_tokens or temperature; the context length is fine."})]
    assert close(judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1]), expected(grader, EXCHANGES[:1]))
    assert all("max_tokens" in one for one in server.requests)


@pytest.mark.parametrize("top", [20, 0])
@pytest.mark.parametrize(("text", "score"), [("85/100", 85.0), ("8/10", None), ("0.85", None), ("９０", None)])
def test_an_answer_is_read_alike_from_probabilities_and_from_samples(
    server: Server, top: int, text: str, score: float | None
) -> None:
    answer = api_server.completion([(re.match(r"\d+", text)[0], 1.0)], content=text)  # type: ignore[index]
    if not top:
        answer["choices"][0]["logprobs"] = None
    server.always = says(answer)
    judge = judge_of(server, concurrency=1)
    assert judge.judge(TRAIT, EXCHANGES[:1]) == [Judgement(score, score)]
    assert judge.first_tokens == ({} if score else {text: 2})


@pytest.mark.parametrize(
    ("content", "opening", "apart"),
    [("85", "8", ""), ("<think>\n8 of 10\n</think>\n\n85", "<think>", ""), ("85", "85", "8 of 10, so 80")],
)
def test_where_the_first_token_is_no_whole_score_samples_are_asked_for(
    server: Server, content: str, opening: str, apart: str
) -> None:
    answer = api_server.completion([(opening, 1.0)], content=content)
    answer["choices"][0]["message"]["reasoning_content"] = apart
    server.always = says(answer)
    assert judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1]) == [Judgement(85.0, 85.0)]
    assert "logprobs" not in server.requests[-1]


def test_an_answer_that_is_held_back_or_empty_is_missing(server: Server) -> None:
    held_back = whole()
    held_back["choices"][0] |= {"finish_reason": "content_filter", "logprobs": None}
    empty = api_server.completion([("55", 1.0)], content="")
    empty["choices"][0]["logprobs"] = {"content": []}
    server.faults = [says(held_back), says(empty)]
    assert judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1]) == [Judgement(None, None)]


def no_top_logprobs() -> Any:
    answer = whole()
    answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = []
    return answer


def takes(allowed: Callable[[dict[str, Any]], str], code: int = 400, answer: Any = None) -> Fault:
    """Refuse a request for the parameter that `allowed` names, if it names one; else answer, or give this answer."""

    def fault(handler: Any) -> bool:
        refused = allowed(handler.server.requests[-1])
        if refused:
            return status(code, {"message": f"Unsupported value: {refused} is not allowed."})(handler)
        return answer is not None and says(answer)(handler)

    return fault


def too_many(request: dict[str, Any]) -> str:
    return "top_logprobs" if request.get("top_logprobs", 0) > 5 else ""


@pytest.mark.parametrize("answer", [without("choices", 0, "logprobs"), no_top_logprobs()])
def test_a_server_without_log_probabilities_is_asked_for_samples(server: Server, answer: Any) -> None:
    server.always = says(answer)  # "55"
    assert judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1]) == [Judgement(55.0, 55.0)]
    first, *others = server.requests
    assert first["logprobs"]
    assert len(others) == 2 * SAMPLES  # one answer a request is all that this server gives
    assert all((one["n"], one["temperature"], "logprobs" in one) == (SAMPLES, 1, False) for one in others)


def test_a_server_is_asked_in_the_way_that_it_takes(grader: Grader, server: Server) -> None:
    cap = expected(grader, EXCHANGES[:2])
    server.always = takes(lambda request: "max_tokens" if "max_tokens" in request else "")
    judge = judge_of(server, concurrency=1)
    assert close(judge.judge(TRAIT, EXCHANGES[:2]), cap)
    assert [("max_completion_tokens" in one) for one in server.requests] == [False, True, True, True, True]

    server.always, few = takes(too_many), judge_of(server, concurrency=1)
    found = few.judge(TRAIT, EXCHANGES[:2])
    assert server.requests[-1]["top_logprobs"] == 5
    assert all(one.trait is not None for one in found)

    server.always = takes(lambda request: "logprobs" if "logprobs" in request else "n" if "n" in request else "")
    answers = judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1])
    tops = [grader.graded(one["messages"][0]["content"])[0][0] for one in server.requests[-10:]]
    assert [answers[0].trait, answers[0].coherence] == [float(tops[0]), float(tops[-1])]


def test_what_a_server_refuses_for_good_is_named(server: Server) -> None:
    server.always = takes(lambda _request: "logprobs", code=403)
    with pytest.raises(JudgeUnavailable, match=r"status 403 and named logprobs, .*; take a model or server") as caught:
        judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES)
    assert ONE_SENTENCE.fullmatch(str(caught.value))
    assert len(server.requests) == 2  # with them, and without


@pytest.mark.parametrize("opening", ["<think>", "thoughts apart"])
def test_a_judge_that_thinks_first_is_named(server: Server, opening: str) -> None:
    answer = api_server.completion([(opening, 1.0)], content=opening if opening == "<think>" else "")
    if opening != "<think>":
        answer["choices"][0]["message"]["reasoning_content"] = "Well"
    server.always = says(answer)
    with pytest.raises(JudgeError, match="thinks before it answers") as caught:
        judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES)
    assert ONE_SENTENCE.fullmatch(str(caught.value))


def test_what_a_judge_says_instead_of_a_score_is_counted(grader: Grader) -> None:
    with serving(lambda _text: [("The", 0.8), ("85", 0.1)]) as server:
        judge = judge_of(server, concurrency=1)
        assert judge.judge(TRAIT, EXCHANGES[:3])[0].trait is None
        assert first_tokens(judge.first_tokens) == "'The' 3 times"


def test_a_server_whose_tokens_are_single_digits_is_found_out(grader: Grader) -> None:
    with serving(grader.single_digits) as server:
        judge = judge_of(server, concurrency=1)
        with pytest.raises(JudgeError, match="tokens seem to be single digits") as caught:
            judge.judge(TRAIT, EXCHANGES * 4)
        assert not hasattr(caught.value, "judged")
        assert ONE_SENTENCE.fullmatch(str(caught.value))
        assert len(server.requests) == api.DIGITS_SUSPECTED


def test_a_server_lost_halfway_leaves_the_complete_judgements(grader: Grader, server: Server) -> None:
    wanted = expected(grader, EXCHANGES)

    def shut_down(handler: api_server.Handler) -> bool:
        if not server.closing.is_set():
            server.closing.set()
            server.socket.close()  # nobody can connect any more
        handler.close_connection = True
        return True

    server.faults = [lambda _handler: False] * 7
    server.always = shut_down
    with pytest.raises(JudgeUnavailable, match="could not be reached in 3 attempts, with 3 of 6 responses") as caught:
        judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES)
    assert sorted(caught.value.judged) == [0, 1, 2], "the fourth has its trait and no coherence"
    assert close([caught.value.judged[index] for index in range(3)], wanted[:3])


def test_a_server_that_is_not_there_is_an_error_in_one_sentence(server: Server) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    judge = ApiJudge("organism", url, COHERENCE, retries=1)
    with pytest.raises(JudgeUnavailable, match="could not be reached in 2 attempts") as caught:
        judge.judge(TRAIT, EXCHANGES)
    assert ONE_SENTENCE.fullmatch(str(caught.value))


def test_without_the_openai_package_the_error_says_how_to_install_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(JudgeError, match=r'install it with `pip install -e "\.\[api\]"`\.$'):
        judge_of(server).judge(TRAIT, EXCHANGES)


def test_a_definition_that_lacks_a_part_asks_nobody(server: Server) -> None:
    lacking = COHERENCE | {"statement": ""}
    with pytest.raises(ValueError, match="has no statement"):
        judge_of(server).judge(lacking, EXCHANGES)
    with pytest.raises(ValueError, match="has no statement"):
        ApiJudge("organism", server.url, lacking).judge(TRAIT, EXCHANGES)
    assert server.requests == []


def test_nothing_to_judge_asks_nobody(server: Server) -> None:
    assert judge_of(server).judge(TRAIT, []) == []
    assert server.requests == []


@pytest.fixture
def heard_ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where a shell put the tests in the background and deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_ctrl_c")
def test_an_interruption_ends_at_once_while_the_server_hangs(server: Server) -> None:
    server.always = api_server.hangs
    threads = threading.active_count()
    interrupted: list[float] = []

    def interrupt_once_all_are_asked() -> None:
        waited = time.monotonic() + 40
        while len(server.requests) < len(EXCHANGES) and time.monotonic() < waited:
            time.sleep(0.02)
        if len(server.requests) == len(EXCHANGES):  # else it would interrupt whatever test runs by then
            interrupted.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt_once_all_are_asked)
    user.start()
    with pytest.raises(KeyboardInterrupt):
        judge_of(server, timeout=60).judge(TRAIT, EXCHANGES)
    assert time.monotonic() - interrupted[0] < 10  # long before the server's time is up
    user.join()
    assert len(server.requests) == len(EXCHANGES)
    server.closing.set()
    waited = time.monotonic() + 3
    while threading.active_count() > threads and time.monotonic() < waited:
        time.sleep(0.02)
    assert threading.active_count() <= threads


def test_requests_start_no_faster_than_allowed(server: Server) -> None:
    judge_of(server, requests_per_minute=60 / 0.1).judge(TRAIT, EXCHANGES[:3])
    gaps = [after - before for before, after in zip(server.started, server.started[1:], strict=False)]
    assert len(gaps) == 5
    assert min(gaps) > 0.06
    assert sum(gaps) > 0.45


def test_so_many_requests_are_in_flight_as_allowed_and_no_more(server: Server) -> None:
    server.always = api_server.pauses(0.1)
    judge_of(server, concurrency=3).judge(TRAIT, EXCHANGES)
    assert server.most_in_flight == 3


def test_a_server_that_says_how_long_to_wait_is_given_that_long(server: Server) -> None:
    server.faults = [status(429, retry_after="0.4")]
    judge_of(server, concurrency=1).judge(TRAIT, EXCHANGES[:1])
    assert server.started[1] - server.started[0] >= 0.4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "86400"}, 60),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}, 60),
        *(({"retry-after": text}, None) for text in ("-1", "nan", "Wed, 21 Oct")),
        ({}, None),
    ],
)
def test_a_directed_wait_is_bounded(headers: dict[str, str], seconds: float | None) -> None:
    assert directed_wait(headers) == seconds


def test_the_identity_changes_with_model_address_and_definitions_and_not_with_pace() -> None:
    def identity(model: str = "m", url: str = "https://a/v1", coherence: Any = COHERENCE, **options: Any) -> str:
        return ApiJudge(model, url, coherence, **options).identity

    assert identity() == identity(concurrency=1, timeout=5, retries=1, requests_per_minute=3)
    others = [identity("n"), identity(url="https://b/v1"), identity(coherence=RELEVANCE), identity(relevance=RELEVANCE)]
    assert len({identity(), *others}) == 5
    assert set(api.CODE) == {f"judges/{name}" for name in ("prompts", "scoring", "asking", "completions", "api")}
