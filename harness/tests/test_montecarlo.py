"""The simulation of false verdicts would see a procedure that decides falsely, and says so in its report."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from harness import montecarlo
from harness.montecarlo import family, measure, rates
from harness.montecarlo_report import clopper_pearson, markdown, remark
from harness.montecarlo_worlds import CASES, Case, scores
from harness.stats import NoValidRun


@pytest.fixture(scope="module")
def quick() -> dict:
    """The quick run, made once."""
    return measure(quick=True)


def test_no_procedure_in_use_decides_falsely_more_often_than_noise_explains(quick):
    above = [
        (row["procedure"], row["scores"], row["n"], row["worst"])
        for row in quick["rates"]
        if row["used"] and "ABOVE" in remark(row["worst"], row["repeats"])
    ]
    assert above == []
    assert all("ABOVE" not in remark(row["any_false_after_holm"], row["repeats"]) for row in quick["families"])


def test_pooled_over_procedures_false_verdicts_stay_within_5_percent_each_way(quick):
    for kind in ("on_bound_supported", "on_bound_refuted"):
        assert np.mean([row[kind] for row in quick["rates"] if row["used"]]) <= 0.05


def test_the_simulation_sees_intervals_that_lie_beside_their_value(quick):
    """Cosines by plain percentiles are kept for comparison: they must come out as false, or nothing would."""
    worst = max(row["worst"] for row in quick["rates"] if not row["used"])
    assert worst > 0.2
    case = CASES[0]
    biased = replace(case, draw=lambda rng, n, graded: case.draw(rng, n, graded) * 1.5)
    assert rates(biased, 60, False, 40, (0,)).on_bound_supported > 0.2


def test_far_from_the_bound_verdicts_are_right_and_what_gives_no_interval_is_no_decision():
    sure = replace(CASES[0], margin=40.0)
    found = rates(sure, 120, True, 20, (1,))
    assert found.decided_rightly == 1
    assert found.outside_supported == found.inside_refuted == found.undecidable == 0

    def never(rng: np.random.Generator, n: int, graded: bool):
        raise NoValidRun("none")

    nothing = rates(Case("none", 1.0, "points", 1.0, never), 20, False, 5, (0,))
    assert (nothing.undecidable, nothing.worst, nothing.decided_rightly) == (1, 0, 0)


def test_an_error_of_a_procedure_is_not_taken_for_indecision():
    def broken(rng: np.random.Generator, n: int, graded: bool):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rates(Case("broken", 1.0, "points", 1.0, broken), 20, False, 5, (0,))


def test_a_ledger_of_many_claims_has_false_verdicts_that_holm_takes_away():
    found = family(60, False, on_bound=60, repeats=25, seed=(3,))
    assert found.any_false > 0.4
    assert found.any_false_after_holm <= 0.2
    assert found.false_per_claim < 0.1
    half = family(120, True, on_bound=30, repeats=5, seed=(3,))
    assert half.kept > 0.9


@pytest.mark.parametrize("graded", [False, True])
def test_simulated_scores_have_the_means_they_are_said_to_have_and_share_their_questions(graded):
    rng = np.random.default_rng(0)
    drawn = scores(rng, np.array([0.2, 0.7]), rng.normal(size=20_000), graded, missing=0.1)
    np.testing.assert_allclose(np.nanmean(drawn, axis=1), [20, 70], atol=1.5)
    assert np.isnan(drawn).mean() == pytest.approx(0.1, abs=0.01)
    both = ~np.isnan(drawn).any(axis=0)
    assert np.corrcoef(drawn[:, both])[0, 1] > 0.2
    assert set(np.unique(drawn[~np.isnan(drawn)])) == ({0, 25, 50, 75, 100} if graded else {0, 100})


def test_the_same_seed_measures_the_same():
    assert asdict(rates(CASES[1], 20, False, 10, (4,))) == asdict(rates(CASES[1], 20, False, 10, (4,)))


def test_clopper_pearson_is_the_exact_interval():
    from scipy.stats import binomtest

    for hits, trials in ((0, 30), (3, 500), (30, 30)):
        exact = binomtest(hits, trials).proportion_ci(0.95, method="exact")
        assert clopper_pearson(hits, trials) == pytest.approx((exact.low, exact.high))


def test_a_rate_above_the_target_is_said_plainly():
    assert remark(0.05, 500) == ""
    assert remark(0.06, 500) == "above 5 %, within noise"
    assert remark(0.1, 500) == "**ABOVE 5 %**"


def test_the_report_names_every_procedure_and_writes_both_files(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(montecarlo, "measure", lambda _quick: quick)
    monkeypatch.setattr(montecarlo, "REPORTS", tmp_path / "statistics")
    montecarlo.main(["--quick", "--write"])
    text = (tmp_path / "statistics" / "false_verdicts.md").read_text(encoding="utf-8")
    assert text == markdown(quick)
    assert text in capsys.readouterr().out
    assert all(case.name in text for case in CASES)
    assert "**ABOVE 5 %**" in text  # of what is kept for comparison
    assert json.loads((tmp_path / "statistics" / "false_verdicts.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(quick)
    )
