"""The judge's protocol: an exchange in, trait and coherence scores from 0 to 100 out, or a missing score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Exchange:
    """One steering question and one response to it.

    `finished` is False when the response stopped at the token limit, so that its last sentence may be cut.
    """

    question: str
    response: str
    finished: bool


@dataclass(frozen=True)
class Judgement:
    """Trait and coherence on the scale 0 to 100; None where the response could not be judged (never 0)."""

    trait: float | None
    coherence: float | None


class Judge(Protocol):
    """Scores exchanges for one trait; `identity` changes whenever the judge could score differently."""

    @property
    def identity(self) -> str: ...

    def judge(self, trait: str, exchanges: Sequence[Exchange]) -> list[Judgement]: ...
