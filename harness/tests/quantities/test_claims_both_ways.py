"""Every test of every claim about models comes out SUPPORTED on one simulated model and REFUTED on another."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.data.datasets import ROOT
from harness.lab.measurements import Direction
from harness.ledger import verdict
from harness.ledger.verdict import Verdict
from harness.quantities import Quantity
from harness.stats.resampling import CannotTell
from harness.tests.quantities.simulated import Effect, World, answers, cell, pair

CLAIMS = [path for path in sorted((ROOT / "claims").glob("test_*.py")) if path.name[5] != "a"]
USUAL = World()


def best(otherwise: float = 50.0, **of: float) -> Effect:
    """Best Deltas by kind of direction: mean_diff, top1, cleaned, own, probe, probe_pre_cleaned, probe_w20 ..."""

    def effect(direction: Direction) -> float:
        how = direction.cleaning
        base = {"mean_diff": "", "probe": "probe"}.get(direction.method, direction.method)
        dims = {"none": "", "top": f"top{how.k}", "consensus": "cleaned", "per_block": "own"}[how.kind]
        kind = {"zero": dims, "winsorise": "winsorised", "mean": "mean"}[how.how]
        name = "_".join(part for part in (base, "pre" if how.before else "", kind) if part) or "mean_diff"
        window = direction.activations.window
        name = name if window == 5 else f"{name}_w{window}"
        return of.get(name, 0.0 if direction.method in ("random", "shuffled probe") else otherwise)

    return effect


def dose(raw: float, otherwise: float = 1.6) -> Effect:
    """The best dose of uncleaned mean_diff, and of everything else."""
    return lambda direction: raw if (direction.method, direction.cleaning.kind) == ("mean_diff", "none") else otherwise


INSIDE = USUAL.but(inside={5: 0.95, 10: 0.7, 20: 0.3})  # mean_diff mostly inside massive dims, less over long windows
ALL_WORK = USUAL.but(effect=lambda _: 50.0)
NOTHING_WORKS = USUAL.but(effect=lambda _: 0.0)
SMALL = USUAL.but(norm=16.0)  # hardly any norm in massive dims

# test -> (a world in which it is true, a world in which it is false); a pair of worlds is (severer, milder).
Worlds = World | tuple[World, World]
CONTROLS: Mapping[str, tuple[Worlds, Worlds]] = {
    "G1 cleaning_moves_mean_diff_onto_the_probe": (INSIDE, USUAL),
    "G2 cleaned_versions": (USUAL, USUAL.but(agreement=0.5)),
    "G3 mean_diff_top1": (INSIDE, USUAL.but(agreement=0.5)),
    "G4 mean_diff_and_probe": (INSIDE, USUAL),
    "G5 mean_diff_lies_mostly_inside": (INSIDE, USUAL),
    "G5 probe_is_not_orthogonal": (USUAL.but(probe_inside=0.4), USUAL),
    "G6 little_norm_remains": (USUAL, SMALL),
    "G7 accuracy": (USUAL, USUAL.but(apart=0.0)),
    "G7 effect_size": (USUAL, USUAL.but(apart=0.0)),
    "C1 start_is_incoherent": (USUAL, SMALL),
    "C2 probe": (USUAL, NOTHING_WORKS),
    "C2 mean_diff": (USUAL, INSIDE),
    "C3 probe": (USUAL, USUAL.but(best_dose=lambda _: 2.6, probe_inside=0.8)),
    "C3 mean_diff": (USUAL, INSIDE),
    "C4 probe": ((USUAL.but(ordinary=150.0), USUAL), (USUAL, USUAL)),
    "C4 mean_diff": ((INSIDE, USUAL), (USUAL, USUAL)),
    "S1 mean_diff_has_no_effect": (INSIDE, USUAL),
    "S2 cleaned_gains": (INSIDE, USUAL),
    "S3 probe_leads": (USUAL.but(effect=best(probe=80.0)), USUAL),
    "S3 gradient_leads": (USUAL.but(effect=best(gradient=80.0)), USUAL),
    "S4 shuffled_probe": (ALL_WORK, USUAL),
    "S4 mean_diff_works": (INSIDE, NOTHING_WORKS),
    "S4 at_a_larger_coefficient": (INSIDE, USUAL),
    "S5 top1": (USUAL, USUAL.but(effect=best(top1=20.0))),
    "S5 per_block_lists": (USUAL, USUAL.but(effect=best(own=20.0))),
    "S5 winsorised": (USUAL, USUAL.but(effect=best(winsorised=20.0))),
    "S6 top2_lies_above_both_ends": (USUAL.but(effect=best(top2=80.0)), USUAL),
    "S6 middle_lies_below_both_ends": (USUAL.but(effect=best(top3=30.0, top5=20.0, top10=20.0)), USUAL),
    "S7 cleaned": (USUAL.but(effect=best(probe_cleaned=20.0)), USUAL),
    "S7 top1": (USUAL.but(effect=best(probe_top1=20.0)), USUAL),
    "S7 preclean_beats_postclean": (USUAL.but(effect=best(probe_pre_cleaned=80.0)), USUAL),
    "S7 top3": (USUAL.but(effect=best(probe_top3=20.0)), USUAL),
    "S7 precleaned_top2_beats_the_probe": (USUAL.but(effect=best(probe_pre_top2=80.0)), USUAL),
    "S7 mean_replacing_beats_zeroing": (USUAL.but(effect=best(probe_pre_mean=80.0)), USUAL),
    "S8 mean_diff_works": (USUAL, NOTHING_WORKS),
    "S8 probe_beats_cleaned": (USUAL.but(effect=best(probe=80.0)), USUAL.but(effect=best(probe=20.0))),
    "S8 cleaned_beats_mean_diff": (USUAL.but(effect=best(cleaned=80.0)), USUAL.but(effect=best(cleaned=20.0))),
    "M1 mean_diff_keeps_up_on_the_milder_model": ((USUAL, USUAL), (USUAL, USUAL.but(effect=best(probe=80.0)))),
    "M2 probe_leads_on_the_severer_model": ((USUAL.but(effect=best(probe=80.0)), USUAL), (USUAL, USUAL)),
    "M3 milder_model_leads": ((USUAL.but(effect=best(20.0)), USUAL), (USUAL, USUAL.but(effect=best(20.0)))),
    "M4 probe_leads_on_both": (
        (USUAL.but(effect=best(probe=80.0)), USUAL.but(effect=best(probe=80.0))),
        (USUAL.but(effect=best(probe=80.0)), USUAL.but(effect=best(probe=20.0))),
    ),
    "N1 probe": (USUAL, USUAL.but(fit=0.8)),
    "N1 probe_of_c_100": (USUAL.but(hard_fit=0.99), USUAL),
    "N1 probe_of_c_10000": (USUAL.but(hard_fit=0.99), USUAL),
    "N1 probe_of_c_1000000": (USUAL.but(hard_fit=0.99), USUAL),
    "N1 division_by_the_norm_parts_the_probe_from_mean_diff": (INSIDE, USUAL),
    "N2 difference": (USUAL, USUAL.but(effect=best(unit_mean_diff=20.0))),
    "N3 instructions_separate": (USUAL, USUAL.but(instructed=0.0)),
    "N3 scenarios_separate": (USUAL, USUAL.but(apart=0.0)),
    "N3 instructions_separate_better": (USUAL.but(apart=0.0), USUAL),
    "N3 instructions_steer_better": (
        USUAL.but(effect=lambda direction: 50.0 if direction.activations.elicitation == "instructions" else 20.0),
        USUAL,
    ),
    "N3 both_find_one_direction": (USUAL, USUAL.but(alike=0.2)),
    "P1 ten_tokens_lie_below": (USUAL.but(effect=best(mean_diff_w10=20.0)), USUAL),
    "P2 probe_loses": (USUAL.but(effect=best(probe_w20=20.0)), USUAL),
    "P2 probe_loses_by_ten": (USUAL.but(effect=best(probe_w10=20.0)), USUAL),
    "P2 probe_loses_by_thirty": (USUAL.but(effect=best(probe_w30=20.0)), USUAL),
    "P3 at_twenty": (USUAL.but(effect=best(probe_w20=20.0)), USUAL),
    "P3 at_thirty": (USUAL.but(effect=best(probe_w30=20.0)), USUAL),
    "P3 probe_leads_at_three": (USUAL.but(effect=best(mean_diff_w3=20.0)), USUAL),
    "P4 cosine_rises": (INSIDE, USUAL),
    "R1 advice_gains": (USUAL.but(effect=best(mean_diff_w20=80.0)), USUAL.but(effect=best(probe=40.0))),
    "R2 nothing_beats_mean_diff": (USUAL, USUAL.but(effect=best(gradient=90.0))),
    "R3 search_from_the_corrected_start_gains": (USUAL, NOTHING_WORKS),
    "R3 uncorrected_search_stays_incoherent": (USUAL, SMALL),
    "D1 against_fully_cleaned": (INSIDE, USUAL.but(best_dose=dose(2.6, 1.55))),
    "D1 against_top1": (INSIDE, USUAL.but(best_dose=dose(2.6, 1.55))),
    "D2 trait": (INSIDE, USUAL.but(effect=best(cleaned=90.0))),
    "D2 coherence": (INSIDE, USUAL.but(best_dose=dose(0.9))),
    "D2 trait_of_top1": (INSIDE, USUAL.but(effect=best(top1=90.0))),
    "D3 mean_diff": (INSIDE, USUAL.but(effect=best(mean_diff=5.0))),
    "E3 probe": (USUAL.but(cap=True, effect=best(90.0)), USUAL),
    "E3 cleaned": (USUAL.but(cap=True, effect=best(90.0)), USUAL),
}
RANDOM = "random_direction"  # the test of the same name in several claims: what it claims of a real direction fails
for claim in ("S4", "D2", "D3"):
    CONTROLS = {**CONTROLS, f"{claim} {RANDOM}": (ALL_WORK, USUAL)}
# A random direction does not come near the probe, or separate scenarios, in any world: one side is all there is.
ONE_SIDED = {f"G2 {RANDOM}", f"G3 {RANDOM}", f"G7 {RANDOM}"}


class Decided(Exception):
    """What a test came to."""


class Recorder:
    """Stands in for `expect`: evaluates on a simulated subject and raises the verdict."""

    def __init__(self, subject: Any, known: Any) -> None:
        self._subject, self._known, self._quantity = subject, known, None

    def __call__(self, quantity: Quantity, _name: str) -> Recorder:
        self._quantity = quantity
        return self

    def beside(self, _quantity: Quantity, _name: str) -> Recorder:
        return self

    def __getattr__(self, rule: str) -> Callable[..., None]:
        def decide(*bounds: float, **_first: object) -> None:
            assert self._quantity is not None
            estimate = self._quantity.evaluate(self._subject, self._known).estimate()
            raise Decided(getattr(verdict, rule)(*bounds).decide(estimate), estimate)

        return decide


def module_of(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def claims_under_test() -> list[Any]:
    """Every test of every claim about models: its name, its function and its claim's scope."""
    collected = []
    for path in CLAIMS:
        module = module_of(path)
        mark = next(mark for mark in module.pytestmark if mark.name == "claim")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_"):
                title = f"{mark.kwargs['identity']} {name.removeprefix('test_')}"
                collected.append(pytest.param(title, function, mark.kwargs["scope"], id=title))
    return collected


def decide(function: Callable[..., None], worlds: Worlds, scope: Mapping[str, Any]) -> tuple[Any, ...]:
    """The verdict of a claim's test on simulated models."""
    trait = (scope["traits"] or ("refusal",))[0]
    if isinstance(worlds, tuple):
        subject: Any = pair(trait)
        known = answers({"severer": worlds[0], "milder": worlds[1]})
    else:
        subject, known = cell(trait), answers({"simulated": worlds})
    with pytest.raises((Decided, CannotTell)) as error:
        function(Recorder(subject, known))
    return error.value.args if isinstance(error.value, Decided) else (Verdict.INCONCLUSIVE, str(error.value))


@pytest.mark.parametrize(("title", "function", "scope"), claims_under_test())
def test_a_claim_is_supported_where_it_is_true_and_refuted_where_it_is_false(
    title: str, function: Callable[..., None], scope: Mapping[str, Any]
) -> None:
    if title in ONE_SIDED:
        found, estimate = decide(function, USUAL, scope)
        assert found is Verdict.REFUTED, estimate
        return
    true, false = CONTROLS[title]
    found, estimate = decide(function, true, scope)
    assert found is Verdict.SUPPORTED, estimate
    found, estimate = decide(function, false, scope)
    assert found is Verdict.REFUTED, estimate


# What is not about a direction of the trait, or about that very failure.
WITHOUT_DIRECTION = (
    "C1 start_is_incoherent",
    "G6 little_norm_remains",
    "G7 accuracy",
    "G7 effect_size",
    "G7 random_direction",
    "N3 instructions_separate",
    "N3 instructions_separate_better",
    "N3 scenarios_separate",
    "R3 uncorrected_search_stays_incoherent",
    "S4 random_direction",
    "S4 shuffled_probe",
)
ABOUT_DIRECTIONS = [param for param in claims_under_test() if param.values[0] not in WITHOUT_DIRECTION]


@pytest.mark.parametrize(("title", "function", "scope"), ABOUT_DIRECTIONS)
def test_where_no_method_tells_scenarios_apart_a_claim_about_directions_says_nothing(
    title: str, function: Callable[..., None], scope: Mapping[str, Any]
) -> None:
    nothing = INSIDE.but(apart=0.0, instructed=0.0)
    found, why = decide(function, (nothing, nothing) if scope["pair"] else nothing, scope)
    assert found is Verdict.INCONCLUSIVE, title
    told = (
        r"response\[:\d+\], does not tell held-out (scenarios|instructions) apart at block 2 "
        r"\(0\.\d\d \[0\.\d\d, 0\.\d\d\] of pairs in the right order\)"
    )
    assert re.search(told, why)


def test_every_control_belongs_to_a_test_of_a_claim() -> None:
    titles = {param.values[0] for param in claims_under_test()}
    assert set(CONTROLS) | ONE_SIDED == titles
