"""The simulation of false verdicts sees a procedure that decides falsely, and covers every one that a claim uses."""

import importlib.util
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from harness.data.datasets import ROOT
from harness.montecarlo import __main__ as command
from harness.montecarlo.case import Case
from harness.montecarlo.cases import SETTINGS, procedure
from harness.montecarlo.rates import CASES, family, measure, rates
from harness.montecarlo.report import coverage_line, markdown, not_measured, remark, worst_line
from harness.montecarlo.worlds import RISING, World, scores
from harness.quantities import BestDelta, Quantity, Recipe
from harness.sources.arithmetic import PublishedQuantity
from harness.stats.averages import NoValidRun, mean_of
from harness.stats.resampling import Resampling


@pytest.fixture(scope="module")
def quick() -> dict:
    """The quick run, made once."""
    return measure(quick=True)


def quantities_of_claims() -> dict[str, Quantity]:
    """Every quantity of every claim about models, by the claim's id and its place in the claim."""
    found = {}
    for path in sorted((ROOT / "claims").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for mark in module.pytestmark:
            if mark.name == "claim":
                for place, quantity in enumerate(mark.kwargs["quantities"]):
                    if not isinstance(
                        quantity, PublishedQuantity
                    ):  # interval arithmetic over rounding: no chance in it
                        found[f"{mark.kwargs['identity']}.{place}"] = quantity
    return found


def test_what_was_not_simulated_decides_no_claim():
    covered = {name for case in CASES for name in case.procedures}
    used = {name: procedure(quantity) for name, quantity in quantities_of_claims().items()}
    assert len(used) > 60
    assert {name: how for name, how in used.items() if how not in covered} == {}
    assert covered <= set(used.values())  # a case that stands for nothing is written for nothing


def test_the_committed_report_is_of_the_cases_as_they_stand_or_says_which_it_lacks_and_none_is_above_5_percent():
    kept = json.loads((command.REPORTS / "false_verdicts.json").read_text(encoding="utf-8"))
    assert not kept["quick"]
    lacking = {
        name for text in not_measured(kept["rates"]) for name in text.rstrip(".\n").split(": ", 1)[1].split("; ")
    }
    assert {row["procedure"] for row in kept["rates"]} == {case.name for case in CASES} - lacking
    for case in CASES:
        sizes = {row["n"] for row in kept["rates"] if row["procedure"] == case.name}
        assert sizes == (set() if case.name in lacking else set(case.sizes))
    assert [row for row in kept["rates"] if "ABOVE" in remark(row["worst"], row["repeats"])] == []
    assert markdown(kept) == (command.REPORTS / "false_verdicts.md").read_text(encoding="utf-8")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert worst_line(kept["rates"]) in readme
    assert coverage_line(kept["rates"]) in readme


@pytest.mark.slow
def test_no_procedure_in_use_decides_falsely_more_often_than_noise_explains(quick):
    above = [row for row in quick["rates"] if "ABOVE" in remark(row["worst"], row["repeats"])]
    assert [(row["procedure"], row["scores"], row["n"], row["worst"]) for row in above] == []
    assert all("ABOVE" not in remark(row["any_false_after_holm"], row["repeats"]) for row in quick["families"])
    judges = [row for row in quick["judges"] if "ABOVE" in remark(row["passed_though_false"], row["repeats"])]
    assert judges == []
    for kind in ("false_supported", "false_refuted"):
        assert np.mean([row[kind] for row in quick["rates"]]) <= 0.05


@pytest.mark.parametrize(("pick", "kind"), [(np.argmax, "false_supported"), (np.argmin, "false_refuted")])
def test_the_simulation_sees_an_extreme_that_is_read_where_it_was_chosen(pick, kind):
    def chosen(rng: np.random.Generator, n: int, graded: bool):
        drawn = scores(rng, np.full(20, 0.4), rng.normal(size=n), graded)
        return mean_of(drawn[pick(drawn.mean(axis=1))], Resampling(n, resamples=200))

    found = rates(Case("read where it was chosen", 40.0, "points", chosen), 60, False, 60, (0,))
    assert getattr(found, kind) > 0.2
    more = rates(Case("again", 40.0, "points", chosen), 60, False, 30, (0,), many=60)
    assert (more.repeats, getattr(more, kind)) == (60, getattr(found, kind))
    assert "ABOVE" in remark(found.worst, found.repeats)


def test_far_from_the_bound_verdicts_are_right_and_what_gives_no_interval_is_no_decision():
    sure = replace(CASES[0], effects=(40.0, 60.0))
    found = rates(sure, 120, True, 20, (1,))
    assert found.undecided == (0, 0)

    def never(rng: np.random.Generator, n: int, graded: bool):
        raise NoValidRun("none")

    nothing = rates(Case("none", 1.0, "points", never), 20, False, 5, (0,))
    assert (nothing.no_interval, nothing.worst, nothing.undecided) == (1, 0, (1, 1, 1))


def test_an_error_of_a_procedure_is_not_taken_for_indecision():
    def broken(rng: np.random.Generator, n: int, graded: bool):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rates(Case("broken", 1.0, "points", broken), 20, False, 5, (0,))


def test_the_truth_of_a_world_is_where_its_true_means_lead():
    """Coherence falls through .7 at 60 % of the way from dose 1.0 (trait .45) to 1.2 (.60)."""
    assert RISING.best() == (pytest.approx(54.0, abs=0.05), pytest.approx(1.12, abs=0.001))
    many = BestDelta(Recipe("mean_diff"))
    world = World()
    found = many.evaluate(world.cell(4000, SETTINGS), world.answers(np.random.default_rng(0), 4000, True))
    assert found.value == pytest.approx(54.0, abs=1.5)


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
    drawn = scores(rng, np.array([0.2, 0.7]), rng.normal(size=20_000), graded)
    np.testing.assert_allclose(drawn.mean(axis=1), [20, 70], atol=1.5)
    assert np.corrcoef(drawn)[0, 1] > 0.2
    assert set(np.unique(drawn)) == ({0, 25, 50, 75, 100} if graded else {0, 100})


def test_the_same_seed_measures_the_same():
    assert asdict(rates(CASES[1], 20, False, 10, (4,))) == asdict(rates(CASES[1], 20, False, 10, (4,)))


def test_a_rate_above_the_target_is_said_plainly():
    assert remark(0.05, 500) == ""
    assert remark(0.06, 500) == "above 5 %, within noise"
    assert remark(0.1, 500) == "**ABOVE 5 %**"


@pytest.mark.slow
def test_the_report_names_every_procedure_and_writes_both_files(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", lambda _quick, kept: {**quick, **(kept or {})})
    monkeypatch.setattr(command, "REPORTS", tmp_path / "statistics")
    command.main(["--quick", "--write"])
    text = (tmp_path / "statistics" / "false_verdicts.md").read_text(encoding="utf-8")
    assert text == markdown(quick)
    assert text in capsys.readouterr().out
    assert all(case.name in text for case in CASES)
    written = (tmp_path / "statistics" / "false_verdicts.json").read_text(encoding="utf-8")
    assert json.loads(written) == json.loads(json.dumps(quick))
