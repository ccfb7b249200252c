"""How often the project's procedures decide falsely, on data sets of known truth."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.ledger.multiplicity import FAMILY_LEVEL, p_decided, surviving
from harness.ledger.verdict import Rule, Verdict, at_least, at_most, more_than
from harness.montecarlo import cases, clusters, judges
from harness.montecarlo.case import SIZES, Case
from harness.montecarlo.worlds import scores
from harness.stats import averages
from harness.stats.resampling import CannotTell, Estimate, Replicated, Resampling

CASES = (*cases.CASES, *clusters.CASES)
REPEATS, QUICK, QUICK_JUDGES = 150, 24, 10  # data sets of a cell
MANY, SUSPECT = 1000, 0.03  # of a cell of which a larger share than this is false, either way
CLAIMS = 60  # in the simulated ledger of one model
SEED = 0


@dataclass(frozen=True)
class Rates:
    """How often one procedure decided falsely, over `repeats` data sets of n units.

    false_supported: SUPPORTED for "more than the truth", which is the low end above the truth. false_refuted: REFUTED
    for "at least the truth", the high end below it. Every rule decides by these two ends, so no rule is false more
    often: one that asks for at most, or for a range with the truth on its edge, swaps or shares them. covered: neither.
    bias: mean value less the truth. undecided: for each effect, the share INCONCLUSIVE of the rules "at least" whose
    bound lies so far below and above the truth. no_interval: share of data sets that gave none, which is no decision.
    """

    procedure: str
    n: int
    scores: str
    unit: str
    truth: float
    repeats: int
    false_supported: float
    false_refuted: float
    covered: float
    bias: float
    width: float
    effects: tuple[float, ...]
    undecided: tuple[float, ...]
    no_interval: float

    @property
    def worst(self) -> float:
        """The larger rate of false decisions."""
        return max(self.false_supported, self.false_refuted)


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


def rates(case: Case, n: int, graded: bool, repeats: int, seed: Sequence[int], many: int = 0) -> Rates:
    """One procedure on `repeats` data sets of n units, decided by the project's own rules.

    Where it is false in more than SUSPECT of them, further data sets are drawn, up to `many` in all.
    """
    rng = np.random.default_rng(list(seed))
    estimates = _estimates(case, rng, n, graded, repeats)
    found = _rates(case, n, graded, repeats, estimates)
    if found.worst <= SUSPECT or many <= repeats:
        return found
    return _rates(case, n, graded, many, estimates + _estimates(case, rng, n, graded, many - repeats))


def _estimates(case: Case, rng: np.random.Generator, n: int, graded: bool, repeats: int) -> list[Estimate]:
    """Those of so many data sets that have one."""
    found = []
    for _ in range(repeats):
        try:
            found.append(case.draw(rng, n, graded).estimate())
        except CannotTell:
            continue
    return found


def _rates(case: Case, n: int, graded: bool, repeats: int, estimates: Sequence[Estimate]) -> Rates:
    def share(rule: Rule, verdict: Verdict) -> float:
        return sum(rule.decide(each) is verdict for each in estimates) / repeats

    values = [each.value for each in estimates]
    truth = case.truth if case.truth is not None else float(np.mean(values)) if values else 0.0
    lacking, open_ = 1 - len(estimates) / repeats, Verdict.INCONCLUSIVE
    supported, refuted = share(more_than(truth), Verdict.SUPPORTED), share(at_least(truth), Verdict.REFUTED)
    return Rates(
        procedure=case.name,
        n=n,
        scores=scored(case, graded),
        unit=case.unit,
        truth=truth,
        repeats=repeats,
        false_supported=supported,
        false_refuted=refuted,
        covered=max(0.0, 1 - (supported + refuted) / max(1 - lacking, 1 / repeats)),
        bias=float(np.mean(values)) - truth if values else float("nan"),
        width=float(np.mean([each.high - each.low for each in estimates])) if estimates else float("nan"),
        effects=case.effects,
        undecided=tuple(
            lacking + (share(at_least(truth - by), open_) + share(at_least(truth + by), open_)) / 2
            for by in case.effects
        ),
        no_interval=lacking,
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
        quantities = _gains(rng, np.concatenate([[0.1], chances]), n, graded, Resampling(n))
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


def scored(case: Case, graded: bool) -> str:
    """What a case's scores are, in words."""
    return "scenario pairs" if case.pairs else ("graded" if graded else "all or nothing")


def _gains(
    rng: np.random.Generator, chances: np.ndarray, n: int, graded: bool, resampled: Resampling
) -> list[Replicated]:
    """The gains of all runs but the first over the first, in trait points."""
    drawn = scores(rng, chances, rng.normal(size=n), graded)
    gain = drawn[1:] - drawn[0]
    replicates = averages.means(resampled.counts(), gain)
    return [
        Replicated(float(row.mean()), column, resampled, "trait points", n, (-100.0, 100.0), "")
        for row, column in zip(gain, replicates.T, strict=True)
    ]


def _cell(task: tuple[int, int, bool, int, int]) -> dict[str, Any]:
    index, n, graded, repeats, many = task
    found = rates(CASES[index], n, graded, repeats, (SEED, index, n, graded), many)
    return asdict(found) | {"worst": found.worst}


def measure(quick: bool, processes: int | None = None, kept: dict[str, Any] | None = None) -> dict[str, Any]:
    """All rates, those of more than SUSPECT from MANY data sets; `quick` takes few, of one size, in about a minute.

    What `kept`, an earlier report of the same kind, has of a case is taken from there, and so are its judges and
    families.
    """
    started = time.time()
    repeats, ledgers = (QUICK, 20) if quick else (REPEATS, 150)
    tasks = [
        (index, n, graded, max(10, round(repeats * case.repeats)), 0 if quick else MANY)
        for index, case in enumerate(CASES)
        for graded in ((False,) if case.pairs else (False, True))
        for n in ((60,) if quick else case.sizes)
    ]
    there = {(row["procedure"], row["n"], row["scores"]): row for row in (kept or {}).get("rates", [])}
    names = [(CASES[index].name, n, scored(CASES[index], graded)) for index, n, graded, *_ in tasks]
    missing = [task for task, name in zip(tasks, names, strict=True) if name not in there]
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        made = iter(list(pool.map(_cell, missing)))
    found = [there[name] if name in there else next(made) for name in names]
    if kept is not None:
        return {**kept, "rates": found, "seconds": kept["seconds"] + round(time.time() - started)}
    families = [
        family(n, graded, on_bound, ledgers, (SEED, n, graded, on_bound))
        for n in ((60,) if quick else SIZES)
        for graded in (False, True)
        for on_bound in (CLAIMS, CLAIMS // 2)
    ]
    return {
        "quick": quick,
        "seed": SEED,
        "family_level": FAMILY_LEVEL,
        "seconds": round(time.time() - started),
        "rates": found,
        "judges": judges.rows(QUICK_JUDGES if quick else REPEATS),
        "families": [asdict(each) for each in families],
    }
