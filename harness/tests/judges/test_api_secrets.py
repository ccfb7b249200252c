"""The key and the address of a judge behind an API: used as given, and shown nowhere."""

from __future__ import annotations

import logging
import re
import ssl
import sys
import traceback

import pytest

from harness.judges import addresses, api
from harness.judges.api import ApiJudge
from harness.judges.errors import JudgeError, JudgeUnavailable
from harness.tests.judges.api_server import Grader, Server, status
from harness.tests.judges.asked import (
    COHERENCE,
    EXCHANGES,
    KEY,
    ONE_SENTENCE,
    TRAIT,
    close,
    expected,
    judge_of,
)

pytestmark = pytest.mark.usefixtures("quick")


def everything_shown(error: BaseException) -> str:
    """An error with its causes and with what all its frames hold, but for the test's own."""
    assert error.__traceback__ is not None
    lines = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True).format()
    return "\n".join([str(error), repr(error), repr(error.__context__), repr(error.__cause__), *lines])


@pytest.mark.parametrize("code", [200, 401, 429, 500])
def test_a_key_that_the_server_echoes_shows_nowhere(
    server: Server, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in api.CLIENT_LOGGERS:  # as OPENAI_LOG=debug would
        caplog.set_level(logging.DEBUG, name)
    echo = f"Incorrect API key provided: {KEY}"
    server.always = status(code, {"message": echo, "code": KEY, "type": KEY}, x_request_id=KEY)
    judge = judge_of(server, concurrency=2)
    with pytest.raises(JudgeUnavailable) as caught:
        judge.judge(TRAIT, EXCHANGES)
    assert server.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"
    seen = [everything_shown(caught.value), caplog.text, repr(judge), judge.identity]
    assert not any(KEY in text for text in seen)
    assert logging.getLogger("openai").level == logging.DEBUG, "what was set before holds again"


def test_a_key_that_cannot_be_one_is_refused_and_not_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX-Other: header")
    with pytest.raises(JudgeError, match="OPENAI_API_KEY holds characters that no key has") as caught:
        judge_of(server).judge(TRAIT, EXCHANGES)
    shown = everything_shown(caught.value)
    assert KEY not in shown
    assert server.requests == []


def test_credentials_and_query_of_an_address_are_used_and_not_shown(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://someone:hidden%21@127.0.0.1:{server.server_port}/v1?version=7&token=hidden"
    caplog.set_level(logging.DEBUG)
    judge = ApiJudge("organism", url, COHERENCE, retries=0)
    judge.judge(TRAIT, EXCHANGES[:1])
    assert "hidden" not in caplog.text
    assert server.requests[0]["path"] == "/v1/chat/completions?version=7&token=hidden"
    assert server.requests[0]["headers"]["authorization"] == "Basic c29tZW9uZTpoaWRkZW4h"
    server.always = status(500)
    with pytest.raises(JudgeUnavailable) as caught:
        judge.judge(TRAIT, EXCHANGES[:1])
    for text in (str(caught.value), repr(judge), judge.identity):
        assert f"at {server.url}" in text or server.url in text
        assert "someone" not in text
        assert "hidden" not in text
        assert "version" not in text


@pytest.mark.parametrize("url", ["", "host/v1", "ftp://host/v1", "http://", "http://host:port/v1", "http://[bad/v1"])
def test_an_address_that_is_none_is_an_error_that_does_not_repeat_it(url: str) -> None:
    with pytest.raises(JudgeError, match=r"^The address of a judge's API is no http or https URL; [^\n]*\.$"):
        ApiJudge("organism", url, COHERENCE)


def test_a_missing_key_is_one_sentence_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    judge = ApiJudge("some-model", "https://judge.invalid/v1", COHERENCE, key_variable="OTHER_KEY")
    assert judge.identity, "a plan needs no key"
    expected_message = "some-model at https://judge.invalid/v1 needs a key; set OTHER_KEY in the environment."
    with pytest.raises(JudgeError, match=f"^{re.escape(expected_message)}$"):
        judge.judge(TRAIT, EXCHANGES)


def test_a_server_on_this_machine_needs_no_key_and_no_proxy(
    grader: Grader, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert close(judge_of(server).judge(TRAIT, EXCHANGES[:1]), expected(grader, EXCHANGES[:1]))
    assert server.requests[0]["headers"]["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("ALL_PROXY", "socks5://me:hidden@127.0.0.1:9", "install it with `pip install socksio`"),
        ("ALL_PROXY", "socks://me:hidden@127.0.0.1:9", "write it as http://host:port or socks5://host:port"),
        ("HTTP_PROXY", "me:hidden@127.0.0.1:port", "write it as http://host:port or socks5://host:port"),
        ("HTTPS_PROXY", "http://me:hidden@127.0.0.1:9", "see whether both are up, correct or unset HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/gone/hidden.pem", "names no file that can be used; correct it"),
        ("OPENAI_ORG_ID", "hidden ü", "holds characters that no key has; set it again"),
    ],
)
def test_an_environment_that_keeps_us_from_the_server_is_one_sentence_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, advice: str
) -> None:
    for name in (*addresses.PROXIES, *addresses.CERTIFICATES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    if "socks5" in value:
        monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(JudgeError, match=advice) as caught:
        ApiJudge("m", "https://judge.invalid/v1", COHERENCE, retries=0, timeout=5).judge(TRAIT, EXCHANGES[:1])
    assert ONE_SENTENCE.fullmatch(str(caught.value))
    assert variable in str(caught.value)
    assert "hidden" not in everything_shown(caught.value)


@pytest.mark.parametrize(
    ("cause", "problem"),
    [(ssl.SSLCertVerificationError, "certificate that is not trusted"), (ssl.SSLError, "no secure connection")],
)
def test_a_connection_that_is_not_secure_is_named(cause: type[Exception], problem: str) -> None:
    outer = RuntimeError()
    outer.__cause__ = cause("planted")
    assert problem in addresses.why_unreached("https://a.b/v1", outer)[0]


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_only_this_machine_is_this_machine(host: str, here: bool) -> None:
    assert addresses.is_loopback(host) == here
