"""The judge's protocol: an exchange in, trait and coherence scores from 0 to 100 out, or a missing score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


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
WHAT: tuple[Literal["trait", "coherence"], ...] = ("trait", "coherence")


def why_not_trusted(record: Mapping[str, Any]) -> str:
    """Why a judge's scores decide nothing, from the record of JudgeCheck; empty where they may."""
    return "; ".join(f"{what}: {record[what]['why_not']}" for what in WHAT if record[what]["why_not"])
