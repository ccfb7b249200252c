"""A server whose model grades, and what makes waiting for it short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.judges import api
from harness.tests.judges.api_server import Grader, Server, serving
from harness.tests.judges.asked import KEY


@pytest.fixture(scope="module")
def grader() -> Grader:
    return Grader()


@pytest.fixture
def server(grader: Grader) -> Iterator[Server]:
    with serving(grader.graded) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between attempts, and a key that must not show."""
    monkeypatch.setattr(api, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
