"""Means leave out what is missing, and the best run of a grid pays for being picked."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from harness.geometry.directions import DegenerateDirection
from harness.stats.averages import GAINS, bootstrap, mean_of
from harness.stats.resampling import CannotTell, Estimate, Resampling, ResamplingMismatch

PERCENT = (0.0, 100.0)


def covers(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_a_missing_score_is_left_out_and_never_counted_as_0():
    scores = np.array([90.0, np.nan, 80.0, np.nan, 100.0, 90.0])
    found = mean_of(scores, Resampling(6, resamples=500))
    assert found.value == pytest.approx(90)
    assert found.n == 4
    assert np.nanmin(found.replicates) >= 80
    for drawn, replicate in zip(found.resampling.indices(), found.replicates, strict=True):
        judged = scores[drawn][~np.isnan(scores[drawn])]
        np.testing.assert_allclose(replicate, judged.mean() if judged.size else np.nan)


def test_a_difference_of_bounded_scores_is_bounded_both_ways():
    same = np.full(60, 100.0)
    estimate = mean_of(same - same, Resampling(60), bounds=GAINS).estimate()
    assert (estimate.low, estimate.high) == (
        pytest.approx(-estimate.high),
        pytest.approx(100 - 100 * 0.025 ** (1 / 60)),
    )


def test_scores_that_cannot_be_averaged_are_refused():
    resampling = Resampling(3)
    with pytest.raises(CannotTell, match="at least 2 must be judged"):
        mean_of(np.array([1.0, np.nan, np.nan]), resampling)
    with pytest.raises(ValueError, match=r"leave their range of 0\.0 to 100\.0: check the judge"):
        mean_of(np.array([1.0, 2.0, 101.0]), resampling, bounds=PERCENT)
    with pytest.raises(ValueError, match="leave their range"):
        mean_of(np.array([1.0, 2.0, np.inf]), resampling)
    with pytest.raises(ResamplingMismatch, match="4 scores do not fit"):
        mean_of(np.ones(4), resampling)
    with pytest.raises(TypeCheckError):
        mean_of(np.ones((3, 3)), resampling)


def test_bootstrap_of_the_mean_is_the_mean():
    scores = np.random.default_rng(0).normal(size=12)
    resampling = Resampling(12, resamples=50)
    found = bootstrap(lambda drawn: scores[drawn].mean(), resampling, "points")
    np.testing.assert_allclose(found.replicates, mean_of(scores, resampling).replicates)
    assert found.value == pytest.approx(scores.mean())


def test_a_resample_without_a_direction_is_missing_and_whole_data_without_one_is_an_error():
    def never_the_first_alone(drawn: np.ndarray) -> float:
        if (drawn == 0).all():
            raise DegenerateDirection("no direction")
        return float(drawn.mean())

    found = bootstrap(never_the_first_alone, Resampling(3, resamples=500), "points")
    assert 0 < np.isnan(found.replicates).sum() < 40
    with pytest.raises(DegenerateDirection):
        bootstrap(lambda drawn: never_the_first_alone(drawn * 0), Resampling(3), "points")
