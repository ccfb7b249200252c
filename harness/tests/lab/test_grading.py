"""A judge is asked about every exchange once; what it said before it was lost is kept, and is not asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from harness.judges.protocol import Exchange, Judgement
from harness.lab import grading
from harness.lab.grading import grade, is_worth_making
from harness.lab.measurements import Baseline, JudgeCheck, Measurement, Scores
from harness.lab.store import Answer
from harness.tests.quantities.simulated import EXACT

EXCHANGES = [Exchange(f"question {number}", f"response {number}", number % 2 == 0) for number in range(10)]
DEFINITION = {"name": "refusal"}


class Lost(RuntimeError):
    judged: ClassVar = {0: Judgement(1.0, 2.0)}


class Counting:
    """Scores by the number of the question; is lost in its `lost_in`-th batch, after one exchange of it."""

    identity = "counting"

    def __init__(self, lost_in: int = -1) -> None:
        self.asked: list[Exchange] = []
        self._batches, self._lost_in = 0, lost_in

    def judge(self, _definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        self._batches += 1
        if self._batches == self._lost_in:
            raise Lost("gone")
        self.asked += exchanges
        return [Judgement(float(one.question.split()[1]), None) for one in exchanges]

    def release(self) -> None:
        """Nothing is held."""


Kept = dict[Exchange, Judgement]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What was kept so far; three exchanges make a batch."""
    monkeypatch.setattr(grading, "AT_ONCE", 3)
    return {}


def test_equal_exchanges_are_asked_once(kept: Kept) -> None:
    judge, steps = Counting(), []
    judged, failure = grade(judge, DEFINITION, [*EXCHANGES, *EXCHANGES], {}, kept.update, steps.append)
    assert failure is None
    assert judge.asked == EXCHANGES
    assert judged == kept == {one: Judgement(float(number), None) for number, one in enumerate(EXCHANGES)}
    assert sum(steps) == len(EXCHANGES)


def test_what_was_judged_before_the_judge_was_lost_is_kept_and_not_asked_again(kept: Kept) -> None:
    judged, failure = grade(Counting(lost_in=3), DEFINITION, EXCHANGES, {}, kept.update, lambda _: None)
    assert isinstance(failure, Lost)
    assert failure.__traceback__ is None  # its frames would keep what they hold in memory
    assert list(judged) == list(kept) == EXCHANGES[:7]  # two whole batches, and the one that the error brought
    assert judged[EXCHANGES[6]] == Judgement(1.0, 2.0)
    again = Counting()
    whole, failure = grade(again, DEFINITION, EXCHANGES, judged, kept.update, lambda _: None)
    assert failure is None
    assert again.asked == EXCHANGES[7:]
    assert {one: whole[one] for one in EXCHANGES[:7]} == judged


def test_ctrl_c_costs_no_finished_batch(kept: Kept) -> None:
    class Interrupted(Counting):
        def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
            if len(self.asked) == 6:
                raise KeyboardInterrupt
            return super().judge(definition, exchanges)

    with pytest.raises(KeyboardInterrupt):
        grade(Interrupted(), DEFINITION, EXCHANGES, {}, kept.update, lambda _: None)
    assert list(kept) == EXCHANGES[:6]


WRONG = {**EXACT, "scores": [0.0, 100.0] * 20}
BASELINE = Baseline("model", "refusal", 3, 5)
PLAIN, CAPPED = JudgeCheck("model", "refusal", "judge"), JudgeCheck("model", "refusal", "judge+relevance")


@pytest.mark.parametrize(
    ("trait", "relevance", "plain", "capped"),
    [
        (EXACT, EXACT, True, True),
        (EXACT, WRONG, True, False),
        (WRONG, EXACT, False, False),
        (WRONG, None, False, False),
    ],
)
def test_a_failed_judge_of_relevance_costs_what_it_caps_and_a_failed_judge_costs_all(
    trait: dict, relevance: dict | None, plain: bool, capped: bool
) -> None:
    checked = {PLAIN: Answer({}, {"trait": trait, "coherence": EXACT})}
    if relevance is not None:
        checked[CAPPED] = Answer({}, {**checked[PLAIN].record, "relevance": relevance})

    def worth(measurement: Measurement) -> bool:
        return is_worth_making(measurement, [PLAIN, CAPPED, BASELINE], checked, unchecked=True)

    assert worth(Scores(BASELINE, "judge")) == worth(BASELINE) == plain
    assert worth(Scores(BASELINE, "judge+relevance")) == capped
