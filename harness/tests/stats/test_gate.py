"""Where coherence lies along the gate, questions cannot tell which run is best, and nothing is read off one."""

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from harness.stats.curves import Curve
from harness.stats.gate import UNLOCATED, enough
from harness.stats.interpolation import best_on_curves, search_on_curves
from harness.stats.need import gain_where_needed, needed_amount
from harness.stats.resampling import CannotTell
from harness.tests.stats.test_interpolation import BASELINE, COHERENT, RESAMPLING, UNITS

RISING = [5, 25, 45, 65, 85]
ABOVE, BELOW, THROUGH = [95, 72, 72, 72, 40], [95, 68, 68, 68, 40], [95, 92, 82, 50, 30]
OFF_A_BEST = {
    "best": lambda curve: best_on_curves([curve], BASELINE, COHERENT, RESAMPLING).delta,
    "search": lambda curve: search_on_curves([curve], BASELINE, COHERENT, [1.5], RESAMPLING),
    "need": lambda curve: needed_amount([curve], BASELINE, COHERENT, RESAMPLING),
    "gain where needed": lambda curve: gain_where_needed([curve], [curve], BASELINE, COHERENT, RESAMPLING),
}


def curve_of(trait: list[int], coherence: list[int]) -> Curve:
    """Every question shows the trait alike; half of them are up to 25 points more coherent, half as much less."""
    rng = np.random.default_rng(0)
    sides = np.stack([rng.permutation(np.repeat([-1.0, 1.0], UNITS // 2)) for _ in coherence])
    means, flat = np.array(coherence, float)[:, None], np.ones(UNITS)
    return Curve(np.arange(1.0, 6.0), np.outer(trait, flat), means + np.minimum(100 - means, 25) * sides)


@pytest.mark.parametrize("read", OFF_A_BEST)
def test_where_the_gate_leaves_the_best_to_chance_nothing_is_read_off_it(read: str) -> None:
    assert np.isfinite(OFF_A_BEST[read](curve_of(RISING, THROUGH)).value)
    with pytest.raises(CannotTell, match="lies so near 70"):
        OFF_A_BEST[read](curve_of(RISING, ABOVE))


@pytest.mark.parametrize("coherence", [pytest.param(ABOVE, id="back"), pytest.param(BELOW, id="on")])
def test_it_is_not_known_whichever_way_resamples_move_it(coherence: list[int]) -> None:
    with pytest.raises(CannotTell, match="lies so near 70"):
        OFF_A_BEST["best"](curve_of(RISING, coherence))


@pytest.mark.parametrize("coherence", [ABOVE, BELOW])
def test_it_stays_known_where_the_runs_past_which_it_moves_are_as_good(coherence: list[int]) -> None:
    found = OFF_A_BEST["best"](curve_of([50, 50, 50, 50, 50], coherence))
    np.testing.assert_allclose(found.replicates, 50.0)


@pytest.mark.parametrize("unsteered", [pytest.param(False, id="where steered"), pytest.param(True, id="everywhere")])
def test_coherence_that_is_missing_where_answers_are_steered_lets_no_run_pass(unsteered: bool) -> None:
    curve, baseline = curve_of(RISING, [95, 92, 82, 78, 40]), COHERENT.copy()
    lacking = np.arange(UNITS) % 5 == 0
    curve.coherence[:, lacking] = np.nan
    baseline[lacking] = np.nan if unsteered else baseline[lacking]
    if unsteered:  # by chance, as far as can be seen
        assert best_on_curves([curve], BASELINE, baseline, RESAMPLING).delta.value > 60
    else:
        with pytest.raises(CannotTell, match=r"not judged are incoherent or like the others"):
            best_on_curves([curve], BASELINE, baseline, RESAMPLING)


def test_a_place_lies_where_coherence_is_reached_with_what_is_missing_counted_as_incoherent() -> None:
    curve = curve_of([5, 25, 45, 47, 47], [95, 92, 82, 78, 40])
    whole = best_on_curves([curve], BASELINE, COHERENT, RESAMPLING)
    curve.coherence[:, np.arange(UNITS) % 8 == 0] = np.nan  # 82 becomes 71.75, and 78 is 68.25
    lacking = best_on_curves([curve], BASELINE, COHERENT, RESAMPLING)
    assert whole.between[2] == 0
    assert lacking.between[:2] == (2, 3)
    assert 0.3 < lacking.between[2] < 0.7


def test_what_would_tell_grows_with_the_share_that_moves() -> None:
    assert enough(60, UNLOCATED) == 60
    needed = [enough(60, share) for share in (0.01, 0.05, 0.2)]
    assert needed == sorted(needed)
    # Means of normal scores a distance from the gate: as many questions leave the share that is allowed.
    distance = -ndtri(0.05) / math.sqrt(60)
    assert ndtr(-distance * math.sqrt(needed[1])) == pytest.approx(UNLOCATED, rel=0.05)
