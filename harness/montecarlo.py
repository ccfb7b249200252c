"""`python -m harness.montecarlo [--write] [--quick]` measures how often verdicts on known truths are false."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import stats
from harness.montecarlo_report import markdown
from harness.montecarlo_worlds import CASES, Case, plan, scores
from harness.multiplicity import FAMILY_LEVEL, p_decided, surviving
from harness.resampling import CannotTell, Estimate, Plan, Replicated
from harness.verdict import Verdict, at_least, at_most, more_than

REPORTS = Path(__file__).parents[1] / "reports" / "statistics"
SIZES = (10, 20, 60, 120)
CLAIMS = 60  # in the simulated ledger of one model
SEED = 0


@dataclass(frozen=True)
class Rates:
    """How often one procedure decided falsely, over `repeats` data sets of n units.

    on_bound_supported: SUPPORTED for "more than the truth". on_bound_refuted: REFUTED for "at least the truth".
    outside_supported: SUPPORTED for "at least" a bound the margin above the truth. inside_refuted: REFUTED for
    "at least" a bound the margin below it. decided_rightly: the share decided rightly of these two rules.
    undecidable: share of data sets that gave no interval, which is no decision.
    """

    procedure: str
    used: bool
    n: int
    scores: str
    unit: str
    truth: float
    repeats: int
    on_bound_supported: float
    on_bound_refuted: float
    outside_supported: float
    inside_refuted: float
    decided_rightly: float
    undecidable: float
    width: float

    @property
    def worst(self) -> float:
        """The largest rate of false decisions."""
        return max(self.on_bound_supported, self.on_bound_refuted, self.outside_supported, self.inside_refuted)


@dataclass(frozen=True)
class Family:
    """A ledger of claims in one model: how often any claim was decided falsely, without and with Holm.

    on_bound: how many of the claims have their truth on the bound; the others lie far from it, and `kept` of their
    right decisions survive Holm.
    """

    n: int
    scores: str
    claims: int
    on_bound: int
    repeats: int
    any_false: float
    any_false_after_holm: float
    false_per_claim: float
    kept: float


def rates(case: Case, n: int, graded: bool, repeats: int, seed: Sequence[int]) -> Rates:
    """One procedure on `repeats` data sets of n units, decided by the project's own rules."""
    rng = np.random.default_rng(list(seed))
    estimates: list[Estimate] = []
    for _ in range(repeats):
        try:
            estimates.append(case.draw(rng, n, graded).estimate())
        except CannotTell:
            continue
    truth = case.truth if case.truth is not None else float(np.mean([each.value for each in estimates]))
    above, below = at_least(truth + case.margin), at_least(truth - case.margin)

    def share(rule: Any, verdict: Verdict) -> float:
        return sum(rule.decide(each) is verdict for each in estimates) / repeats

    return Rates(
        procedure=case.name,
        used=case.used,
        n=n,
        scores="scenario pairs" if case.pairs else ("graded" if graded else "all or nothing"),
        unit=case.unit,
        truth=truth,
        repeats=repeats,
        on_bound_supported=share(more_than(truth), Verdict.SUPPORTED),
        on_bound_refuted=share(at_least(truth), Verdict.REFUTED),
        outside_supported=share(above, Verdict.SUPPORTED),
        inside_refuted=share(below, Verdict.REFUTED),
        decided_rightly=(share(above, Verdict.REFUTED) + share(below, Verdict.SUPPORTED)) / 2,
        undecidable=1 - len(estimates) / repeats,
        width=float(np.mean([each.high - each.low for each in estimates])) if estimates else float("nan"),
    )


def family(n: int, graded: bool, on_bound: int, repeats: int, seed: Sequence[int], claims: int = CLAIMS) -> Family:
    """Ledgers of `claims` gains over one baseline on the same questions; every other bound is exactly the truth.

    Half of the rules ask for more than their bound and half for at most their bound.
    """
    rng = np.random.default_rng(list(seed))
    chances = rng.uniform(0.3, 0.8, claims)
    true_gain = 100 * (chances - 0.1)
    bounds = np.where(np.arange(claims) < on_bound, true_gain, true_gain - 25.0)
    rules = [more_than(float(bound)) if claim % 2 else at_most(float(bound)) for claim, bound in enumerate(bounds)]
    right = [
        None if claim < on_bound else (Verdict.SUPPORTED if claim % 2 else Verdict.REFUTED) for claim in range(claims)
    ]
    any_false, any_after, false, kept, decided = 0, 0, 0, 0, 0
    for _ in range(repeats):
        quantities = _gains(rng, np.concatenate([[0.1], chances]), n, graded, plan(n, 2000))
        verdicts = [rule.decide(each.estimate()) for rule, each in zip(rules, quantities, strict=True)]
        p_values = np.array(
            [
                1.0 if verdict is Verdict.INCONCLUSIVE else p_decided(each, rule)
                for verdict, rule, each in zip(verdicts, rules, quantities, strict=True)
            ]
        )
        survive = surviving(verdicts, p_values)
        wrong = np.array([verdict is not Verdict.INCONCLUSIVE for verdict in verdicts]) & np.array(
            [verdict is not truth for verdict, truth in zip(verdicts, right, strict=True)]
        )
        any_false += bool(wrong.any())
        any_after += bool((wrong & survive).any())
        false += int(wrong.sum())
        well = np.array([verdict is truth for verdict, truth in zip(verdicts, right, strict=True)])
        kept, decided = kept + int((well & survive).sum()), decided + int(well.sum())
    return Family(
        n,
        "graded" if graded else "all or nothing",
        claims,
        on_bound,
        repeats,
        any_false / repeats,
        any_after / repeats,
        false / repeats / max(on_bound, 1),
        kept / decided if decided else float("nan"),
    )


def _gains(rng: np.random.Generator, chances: np.ndarray, n: int, graded: bool, resampled: Plan) -> list[Replicated]:
    """The gains of all runs but the first over the first, in trait points."""
    drawn = scores(rng, chances, rng.normal(size=n), graded)
    gain = drawn[1:] - drawn[0]
    replicates = stats.means(resampled.counts(), gain)
    return [
        Replicated(float(row.mean()), column, resampled, "trait points", n, (-100.0, 100.0), "")
        for row, column in zip(gain, replicates.T, strict=True)
    ]


def measure(quick: bool) -> dict[str, Any]:
    """All rates; `quick` takes few data sets of two sizes, in seconds."""
    repeats, sizes, ledgers = (30, (20, 60), 20) if quick else (600, SIZES, 400)
    started = time.process_time()
    found = [
        rates(case, n, graded, repeats, (SEED, index, n, graded))
        for index, case in enumerate(CASES)
        for graded in ((False,) if case.pairs else (False, True))
        for n in sizes
    ]
    families = [
        family(n, graded, on_bound, ledgers, (SEED, n, graded, on_bound))
        for n in sizes
        for graded in (False, True)
        for on_bound in (CLAIMS, CLAIMS // 2)
    ]
    return {
        "quick": quick,
        "seed": SEED,
        "family_level": FAMILY_LEVEL,
        "cpu_seconds": round(time.process_time() - started),
        "rates": [asdict(each) | {"worst": each.worst} for each in found],
        "families": [asdict(each) for each in families],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the report, and with --write keep it in reports/statistics."""
    parser = argparse.ArgumentParser(prog="python -m harness.montecarlo", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the report in reports/statistics")
    parser.add_argument("--quick", action="store_true", help="few data sets, in seconds; for a look only")
    options = parser.parse_args(arguments)
    found = measure(options.quick)
    text = markdown(found)
    print(text)
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        (REPORTS / "false_verdicts.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (REPORTS / "false_verdicts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
