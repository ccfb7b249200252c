"""Progress shows every stage, on a terminal and in a log, and a worker without a terminal only warns."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from fixtures import progress
from fixtures.progress import StageLog, TerminalProgress
from harness.lab.progress import LabWarning


class Terminal:
    """What the plugin needs of pytest's reporter."""

    def __init__(self, isatty: bool) -> None:
        self.isatty, self.lines = isatty, []

    def ensure_newline(self) -> None:
        self.lines.append("")

    def write_line(self, text: str) -> None:
        self.lines.append(text)


class Plugins:
    def __init__(self, terminal: Terminal | None, capture: Any) -> None:
        self._found = {"terminalreporter": terminal, "capturemanager": capture}

    def get_plugin(self, name: str) -> Any:
        return self._found[name]


class Config:
    def __init__(self, terminal: Terminal | None, capture: Any) -> None:
        self.pluginmanager = Plugins(terminal, capture)


def made(terminal: Terminal | None, request: pytest.FixtureRequest) -> TerminalProgress:
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    return TerminalProgress(Config(terminal, capture))  # type: ignore[arg-type]


def test_a_log_gets_a_line_for_a_stage_that_took_long(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(isatty=False)
    with made(terminal, request).stage("severe: steer", 40) as advance:
        advance(40)
    assert terminal.lines == [""]  # short stages are not worth a line
    monkeypatch.setattr(progress, "SHOWN_AFTER_SECONDS", 0.0)
    with made(terminal, request).stage("severe: steer", 40) as advance:
        advance(40)
    assert terminal.lines[-1] == "  severe: steer: 40 in 0 s"


def test_a_terminal_gets_a_bar_that_counts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda **_options: console)
    with made(Terminal(isatty=True), request).stage("severe: steer", 40) as advance:
        advance(15)
        advance(25)
    assert "severe: steer" in screen.getvalue()
    assert "40/40" in screen.getvalue()


def test_a_worker_without_a_terminal_shows_nothing_and_still_warns(request: pytest.FixtureRequest) -> None:
    silent = made(None, request)
    with silent.stage("severe: steer", 40) as advance:
        advance(40)
    with pytest.warns(LabWarning, match="the batch size is now 8"):
        silent.warn("the batch size is now 8 rows")


def test_a_log_hears_of_a_long_stage_once_a_minute_with_what_is_left_of_what_was_not_there_already() -> None:
    now, lines = [0.0], []
    log = StageLog("smollm2: steer", 1_300, lines.append, lambda: now[0])
    log.advance(300)  # the store had these
    for seconds, steps in ((30, 50), (61, 50), (100, 50), (122, 50)):
        now[0] = float(seconds)
        log.advance(steps)
    now[0] = 610.0
    log.advance(800)
    log.close()
    assert lines == [
        "  smollm2: steer: 400 of 1,300, about 9 min left",
        "  smollm2: steer: 500 of 1,300, about 8 min left",
        "  smollm2: steer: 1,300 in 10 min",
    ]
