"""A judge that reads stands in for a model's own asked one where that fails its gate, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import models
from fixtures.subjects import MODELS_KEY
from harness.lab.measurements import JudgeCheck, Measurement
from harness.lab.store import Answer
from harness.models.registry import MODELS, ModelSpec

EXACT = {"gold": [100.0, 0.0] * 40, "scores": [100.0, 0.0] * 40, "questions": list(range(80))}
SILENT = {**EXACT, "scores": [None] * 80}


class Lab:
    """Answers checks as it is told, by the judge's kind; remembers who was asked."""

    def __init__(self, **said: Any) -> None:
        self.said, self.asked = said, []

    def prepare(self, wanted: list[Measurement]) -> None:
        self.asked += [one.judge for one in wanted if isinstance(one, JudgeCheck)]

    def recall(self, check: JudgeCheck) -> Answer | None:
        found = self.said[check.judge.partition(":")[0]]
        return found and Answer({}, dict.fromkeys(("trait", "coherence"), found))


@pytest.fixture
def judged_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Whose judgements decide about a model after `choose_judge`."""

    def run(lab: Lab, spec: ModelSpec, judge: str | None = None, at_hand: bool = True) -> str:
        config: Any = SimpleNamespace(stash={MODELS_KEY: {"mine": spec}}, getoption=lambda _: judge)
        check = JudgeCheck("mine", "refusal", spec.judge)
        monkeypatch.setattr(models, "needs_of", lambda *_: {"mine": (check,)})
        monkeypatch.setattr(models, "_at_hand", lambda _: at_hand)
        models.choose_judge(config, "mine", lab)  # type: ignore[arg-type]
        return str(config.stash[MODELS_KEY]["mine"].judge)

    return run


def test_a_reader_stands_in_for_an_asked_judge_that_is_not_trusted(judged_by: Callable[..., str]) -> None:
    mine = replace(MODELS["qwen3"], name="mine", judge="local:mine")
    assert judged_by(Lab(local=SILENT, reader=EXACT), mine) == "reader:smollm2"
    for kept in (
        judged_by(Lab(local=EXACT, reader=EXACT), mine),
        judged_by(Lab(local=SILENT, reader=SILENT), mine),  # it is no better
        judged_by(Lab(local=SILENT, reader=None), mine),  # it could not be asked
        judged_by(Lab(local=SILENT, reader=EXACT), mine, at_hand=False),
        judged_by(Lab(local=SILENT, reader=EXACT), mine, judge="local:mine"),  # somebody named it
    ):
        assert kept == "local:mine"
    lab = Lab(local=SILENT, reader=EXACT, grammar=SILENT)
    assert judged_by(lab, replace(mine, language="templated")) == "local:mine"
    assert judged_by(lab, replace(MODELS["severe"], name="mine")) == "grammar"
    assert lab.asked == []
