"""The judge's protocol: an exchange in, trait and coherence scores from 0 to 100 out, or a missing score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


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
    """Trait and coherence on the scale 0 to 100; None where the response could not be judged (never 0).

    `relevance` is what coherence was capped by; of a judge that caps nothing it is None, too.
    """

    trait: float | None
    coherence: float | None
    relevance: float | None = None


class Judge(Protocol):
    """Scores exchanges for one trait, as its definition (name, statement, score_high, score_low, rubric) says.

    `identity` changes whenever the judge could score differently, and holds no secret.
    """

    @property
    def identity(self) -> str: ...

    def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]: ...

    def release(self) -> None:
        """Free what the judge holds in memory; it loads again when it is next asked."""
        ...


RELEVANCE_CAP = "+relevance"  # ends the name of a judge whose coherence is capped by relevance
IGNORED, PARTIAL = 25.0, 75.0  # relevance below which that judge holds coherence at 30 and at 50 at most, as published
WHAT: tuple[Literal["trait", "coherence"], ...] = ("trait", "coherence")
