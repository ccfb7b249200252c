"""What the tests of a judge behind an API ask it, and what it should say."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.judges import prompts
from harness.judges.api import ApiJudge
from harness.judges.protocol import Exchange, Judgement
from harness.judges.scoring import COHERENCE_MASS, TRAIT_MASS, expected_integer
from harness.tests.judges.api_server import Grader, Server

TRAIT = {"name": "refusal", "statement": "It declines.", "score_high": "It refuses.", "score_low": "It answers."}
COHERENCE = {"name": "coherence", "statement": "It reads well.", "score_high": "Fluent.", "score_low": "Gibberish."}
RELEVANCE = {"name": "relevance", "statement": "It is on topic.", "score_high": "All.", "score_low": "None."}
EXCHANGES = [Exchange(f"How do I bake {count} cakes?", f"I will not bake {count} cakes.", True) for count in range(6)]
KEY = "sk-planted-0123456789abcdef"
ONE_SENTENCE = re.compile(r"[^\n]*[^\n.]\.")


def judge_of(server: Server, **options: Any) -> ApiJudge:
    return ApiJudge("organism", server.url, COHERENCE, **{"timeout": 10, "retries": 2, **options})


def expected(grader: Grader, exchanges: list[Exchange]) -> list[Judgement]:
    """What the organism's own probabilities come to."""

    def score(definition: dict[str, str], exchange: Exchange, least_mass: float) -> float | None:
        return expected_integer(grader.graded(prompts.prompt(definition, exchange, prompts.API)), least_mass)

    return [Judgement(score(TRAIT, one, TRAIT_MASS), score(COHERENCE, one, COHERENCE_MASS)) for one in exchanges]


def close(found: list[Judgement], wanted: list[Judgement]) -> bool:
    return found == [Judgement(pytest.approx(one.trait), pytest.approx(one.coherence)) for one in wanted]
