"""A chat-completions server on this machine whose log-probabilities an organism computes, and which can misbehave."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from harness.judges.local import digit_ids
from harness.models.decoder import Decoder, load_decoder

ORGANISM = Path(__file__).parents[3] / "fixtures" / "organisms" / "weights" / "severe" / "instruct"
Fault = Callable[["Handler"], bool]  # what to do in place of answering, or before it; True if the request is done with


class Grader:
    """The organism as a model behind an API: what it thinks of the next token of a prompt."""

    def __init__(self) -> None:
        self.decoder: Decoder = load_decoder(ORGANISM, "severe")
        self.digits = [list(ids) for ids in digit_ids(self.decoder.tokenizer, "server")]
        self._lock, self._known = threading.Lock(), {}

    @torch.inference_mode()
    def probabilities(self, text: str) -> torch.Tensor:
        """[vocabulary] probabilities of the token after a prompt."""
        with self._lock:
            if text not in self._known:
                ids = self.decoder.encode_question(text)
                logits = self.decoder.model(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1]
                self._known[text] = logits.double().softmax(-1)
            return self._known[text]

    def graded(self, text: str) -> list[tuple[str, float]]:
        """As a model that was taught to grade would answer: its digits, as integers 0, 11, ... 99, hold 90 %."""
        held = self.probabilities(text)
        weights = torch.stack([held[ids].sum() for ids in self.digits])
        shares = (0.9 * weights / weights.sum()).tolist()
        return [(str(11 * digit), share) for digit, share in enumerate(shares)] + [("The", 0.1)]

    def single_digits(self, text: str) -> list[tuple[str, float]]:
        """As a model whose tokenizer splits numbers into digits would answer."""
        return [(str(int(token) // 11), share) for token, share in self.graded(text)[:-1]]

    def ungraded(self, text: str) -> list[tuple[str, float]]:
        """What it does think: the likeliest twenty tokens, and hardly a number among them."""
        top = self.probabilities(text).topk(20)
        names = [self.decoder.tokenizer.decode([index]) for index in top.indices.tolist()]
        return list(zip(names, top.values.tolist(), strict=True))


class Server(ThreadingHTTPServer):
    """Answers every request by `table`, unless `faults` (one a request) or `always` say otherwise."""

    daemon_threads = True

    def __init__(self, table: Callable[[str], list[tuple[str, float]]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.table = table
        self.faults: list[Fault] = []
        self.always: Fault | None = None
        self.requests: list[dict[str, Any]] = []
        self.started: list[float] = []
        self.closing = threading.Event()  # set when faults that wait may stop waiting
        self.in_flight, self.most_in_flight = 0, 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(
                {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}, **body}
            )
            server.started.append(time.monotonic())
            server.in_flight += 1
            server.most_in_flight = max(server.in_flight, server.most_in_flight)
            fault = server.faults.pop(0) if server.faults else server.always
        try:
            if fault is None or not fault(self):
                self.send(200, completion(server.table(body["messages"][0]["content"])))
        finally:
            with server.lock:
                server.in_flight -= 1

    def send(self, status: int, body: Any, length: int | None = None, **headers: str) -> None:
        """Send JSON, or bytes as they are; `length` is what the header claims."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


def completion(table: list[tuple[str, float]], content: str | None = None) -> dict[str, Any]:
    """A chat completion of one token with the log-probabilities of a table."""
    top = [{"token": token, "logprob": math.log(max(share, 1e-30)), "bytes": None} for token, share in table]
    first = {**top[0], "top_logprobs": top}
    message = {"role": "assistant", "content": table[0][0] if content is None else content}
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": {"content": [first]}}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "organism", "choices": [choice]}


def whole() -> dict[str, Any]:
    """A good answer, for faults to take something from."""
    return completion([("55", 1.0)])


def status(code: int, error: dict[str, str] | None = None, **headers: str) -> Fault:
    """Answer with a status, and an error as APIs describe theirs."""

    def fault(handler: Handler) -> bool:
        handler.send(code, {"error": {"message": "planted", "type": "planted", **(error or {})}}, **headers)
        return True

    return fault


def answers(code: int, body: Any) -> Fault:
    """Answer with a status and a body of any shape."""

    def fault(handler: Handler) -> bool:
        handler.send(code, body)
        return True

    return fault


def says(body: Any, length: int | None = None, **headers: str) -> Fault:
    """Answer with status 200 and this body."""

    def fault(handler: Handler) -> bool:
        handler.send(200, body, length, **headers)
        handler.close_connection = length is not None
        return True

    return fault


def hangs(handler: Handler) -> bool:
    """Never answer."""
    handler.server.closing.wait(30)
    handler.close_connection = True
    return True


def drips(handler: Handler) -> bool:
    """Answer a byte at a time, each well within any timeout between two bytes, and never come to an end."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()
    handler.close_connection = True
    return True


def hangs_up(handler: Handler) -> bool:
    """Close the connection without a word."""
    handler.close_connection = True
    return True


def pauses(seconds: float) -> Fault:
    """Answer well, but late."""
    return lambda handler: handler.server.closing.wait(seconds)


@contextmanager
def serving(table: Callable[[str], list[tuple[str, float]]]) -> Iterator[Server]:
    """A server in a thread, closed at the end."""
    server = Server(table)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
