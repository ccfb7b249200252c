"""What a long measurement tells while it works: stages with a number of steps, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class LabWarning(UserWarning):
    """Something the reader of the ledger must know though the run went on."""


class Progress(Protocol):
    """Listens to stages; `stage` yields a function that advances the stage by some steps."""

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """A stage of `total` steps."""
        ...

    def warn(self, message: str) -> None:
        """Say something the user must know though the work goes on."""
        ...


class Silent:
    """Shows nothing and keeps warnings in a list."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """A stage that is not shown."""
        yield lambda _steps: None

    def warn(self, message: str) -> None:
        """Keep the warning."""
        self.warnings.append(message)
