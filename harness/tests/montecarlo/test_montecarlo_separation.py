"""What is said of directions decides falsely no more often than noise explains, and the simulation sees what does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.geometry import separation
from harness.montecarlo.rates import rates
from harness.montecarlo.report import remark
from harness.montecarlo.separation import CASES
from harness.stats.resampling import Replicated

BY_NAME = {case.name: case for case in CASES}
HARD = {  # cases that simpler intervals fail, each at a size where they do
    "accuracy, nothing to find": 60,
    "Cohen's d, nothing to find": 120,
    "Cohen's d, two pairs a topic": 30,
    "cosine, a common factor": 30,
    "difference of cosines, a common factor": 60,
}


@pytest.mark.parametrize(("name", "n"), HARD.items())
def test_hard_cases_decide_falsely_no_more_often_than_noise_explains(name: str, n: int) -> None:
    found = rates(BY_NAME[name], n, False, 60, (7, n))
    assert "ABOVE" not in remark(found.worst, found.repeats), found
    assert found.no_interval == 0


def test_recentring_alone_decides_falsely_where_a_common_factor_carries_the_norm() -> None:
    case = BY_NAME["cosine, a common factor"]

    def recentred(rng: np.random.Generator, n: int, graded: bool) -> Any:
        one = case.draw(rng, n, graded)
        return Replicated(one.value, one.replicates, one.resampling, one.unit, one.n).recentred()

    found = rates(replace(case, draw=recentred), 30, False, 120, (7, 30))
    assert "ABOVE" in remark(found.worst, found.repeats)


def test_folds_that_are_taken_for_independent_decide_falsely_where_there_is_nothing_to_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(separation, "_shared", lambda _folds: 1.0)
    found = rates(BY_NAME["Cohen's d, nothing to find"], 120, False, 200, (7, 120))
    assert "ABOVE" in remark(found.worst, found.repeats)
