"""The audit of the published numbers: every verdict as known, and every one flipped by a changed table."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from harness.data.datasets import ROOT
from harness.ledger import verdict
from harness.sources.arithmetic import PublishedQuantity
from harness.sources.published import load_published, published_for
from harness.sources.table import PublishedTable
from harness.stats.resampling import Estimate

CLAIMS = ROOT / "claims"
IDS = [f"A{number}" for number in range(1, 8)]
TOP1, DIRECT = "gemma3.refusal.cos.top1.probe", "gemma3.refusal.cos.mean_diff.probe"
SPREAD = "gemma3.refusal.mean_cos.mean_diff.cleaned"

# What is changed to flip each test, and what the verdict then is. A lower bound alone refutes nothing.
CONTROLS: Mapping[str, tuple[Mapping[str, float], str]] = {
    "A1 best_run_of_mean_diff_has_the_probes_dose": ({DIRECT: 0.9}, "REFUTED"),
    "A1 best_run_of_mean_diff_has_the_dose_of_top1": ({DIRECT: 0.9}, "REFUTED"),
    "A1 failing_run_of_mean_diff_has_a_dose_without_effect": ({DIRECT: 0.9}, "REFUTED"),
    "A2 the_probe_and_its_top1_cleaning_nearly_coincide": ({TOP1: 0.9}, "INCONCLUSIVE"),
    "A2 the_probe_and_its_top1_cleaning_steer_alike": ({"gemma3.refusal.probe_top1.best_delta": 30.0}, "SUPPORTED"),
    "A2 mean_diff_and_probe_nearly_coincide_at_20": ({"gemma3.refusal.w20.cos.mean_diff.probe": 0.9}, "REFUTED"),
    "A2 mean_diff_and_probe_steer_alike_at_20": ({"gemma3.refusal.w20.probe.best_delta": 30.0}, "SUPPORTED"),
    "A3 probe_over_mean_diff": ({"gemma3.refusal.probe.best_delta.n": 120}, "SUPPORTED"),
    "A3 top1_over_all": ({"gemma3.refusal.top1.best_delta.n": 120}, "SUPPORTED"),
    "A3 mean_diff_over_probe_on_the_mild_model": ({"gemma2.refusal.mean_diff.best_delta.n": 120}, "SUPPORTED"),
    "A3 probe_over_cleaned_on_sycophancy": ({"gemma3.sycophancy.probe.best_delta.n": 120}, "SUPPORTED"),
    "A3 cost_of_cleaning_the_probe": ({"gemma3.refusal.probe_cleaned.best_delta": 30.0}, "REFUTED"),
    "A3 cost_of_cleaning_the_probe_exceeds_its_interval": ({"gemma3.refusal.probe.best_delta.n": 120}, "SUPPORTED"),
    "A4 massive_share_of_the_norm": ({"gemma3.norm.massive_share": 0.998}, "SUPPORTED"),
    "A4 massive_share_of_mean_diff": (
        {"gemma3.refusal.mean_diff.massive_share.prose": 0.59, f"{SPREAD}.low": 0.641, f"{SPREAD}.high": 0.641},
        "SUPPORTED",
    ),
    "A4 norms_of_the_parts_fit_into_the_whole": ({"gemma3.norm": 26_100}, "SUPPORTED"),
    "A5 the_gate_caps_delta": ({"protocol.judge.cap.refusal": 90}, "REFUTED"),
    "A5 the_severe_models_best_run_stays_below_the_cap": ({"gemma3.refusal.probe.best_delta": 70.0}, "REFUTED"),
    "A5 the_mild_models_best_run_stays_below_the_cap": ({"gemma2.refusal.mean_diff.best_delta": 70.0}, "REFUTED"),
    "A5 the_later_editions_best_run_stays_below_the_cap": (
        {"gemma3.refusal.w10.probe.best_delta@2026-01-31": 30.0},
        "SUPPORTED",
    ),
    "A6 both_orders_steer_the_same": ({"gemma3.refusal.precleaned.best_delta@2026-01-31": 28.0}, "SUPPORTED"),
    "A7 on_the_probe": ({"doc.refusal.probe.best_delta": 9}, "REFUTED"),
    "A7 on_mean_diff_at_the_probes_coefficient": ({"doc.refusal.mean_diff.best_delta": 27}, "REFUTED"),
    "A7 on_the_best_delta_of_mean_diff": ({"doc.refusal.mean_diff.best_delta": 27}, "SUPPORTED"),
    "A7 on_cleaned_mean_diff_within_the_write_up": ({"doc.refusal.ablation.cleaned": 9}, "SUPPORTED"),
}  # fmt: skip

# Numbers from which the same arithmetic can tell nothing either way.
TOO_LITTLE_KNOWN: Mapping[str, Mapping[str, float]] = {
    "A1 best_run_of_mean_diff_has_the_probes_dose": {TOP1: 0.8},
    "A1 best_run_of_mean_diff_has_the_dose_of_top1": {TOP1: 0.8},
    "A1 failing_run_of_mean_diff_has_a_dose_without_effect": {TOP1: 0.8},
    "A3 top1_over_all": {"gemma3.refusal.top1.best_delta": 34.8},  # 10.0 +- .1 points are one answer, or not
    "A4 massive_share_of_mean_diff": {"gemma3.refusal.mean_diff.massive_share.prose": 0.5},
    "A4 norms_of_the_parts_fit_into_the_whole": {"gemma3.norm": 26_008},
    "A5 the_severe_models_best_run_stays_below_the_cap": {"gemma3.refusal.probe.best_delta": 53.6},
}


@dataclass
class Recorder:
    """Stands in for `expect`: computes a quantity on a table and decides the rule."""

    table: PublishedTable
    quantities: tuple[PublishedQuantity, ...]
    estimate: Estimate | None = None
    found: str = ""

    def __call__(self, quantity: PublishedQuantity, name: str) -> Recorder:
        assert quantity in self.quantities, "the claim does not list it"
        assert name
        self.estimate = quantity.compute(self.table)
        return self

    def __getattr__(self, rule: str) -> Callable[..., None]:
        def decide(*bounds: float, **_first: object) -> None:
            assert self.estimate is not None
            self.found = getattr(verdict, rule)(*bounds).decide(self.estimate).value

        return decide


def claim_module(identity: str) -> ModuleType:
    """The claim file of an id, imported by its path."""
    (path,) = CLAIMS.glob(f"test_{identity.lower()}_*.py")
    spec = importlib.util.spec_from_file_location(f"claim_{identity}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def functions_of(identity: str) -> Iterator[tuple[str, Any]]:
    """The test functions of a claim file, as "A1 what_it_tests"."""
    for name, function in vars(claim_module(identity)).items():
        if name.startswith("test_"):
            yield f"{identity} {name.removeprefix('test_')}", function


@pytest.fixture(scope="module")
def audit() -> Mapping[str, Any]:
    """All test functions of A1 to A7."""
    return {name: function for identity in IDS for name, function in functions_of(identity)}


def run(function: Any, table: PublishedTable) -> Recorder:
    """A test function, decided on a table."""
    recorder = Recorder(table, function.__globals__["pytestmark"][0].kwargs["quantities"])
    function(recorder)
    assert recorder.found, "the test decided nothing"
    return recorder


def known(function: Any) -> str:
    """The verdict that a test function says is known."""
    (mark,) = (mark for mark in function.pytestmark if mark.name == "known")
    assert mark.kwargs["cells"] == ("published",)
    return str(mark.kwargs["verdict"])


def test_every_test_of_the_audit_has_a_control_and_every_control_a_test(audit: Mapping[str, Any]) -> None:
    assert set(audit) == set(CONTROLS)
    assert set(TOO_LITTLE_KNOWN) <= set(audit)


@pytest.mark.parametrize("name", CONTROLS)
def test_on_the_published_numbers_the_verdict_is_the_one_known(audit: Mapping[str, Any], name: str) -> None:
    assert run(audit[name], load_published()).found == known(audit[name])


@pytest.mark.parametrize("name", CONTROLS)
def test_on_a_changed_table_the_verdict_flips(audit: Mapping[str, Any], name: str) -> None:
    changes, flipped = CONTROLS[name]
    assert flipped != known(audit[name])
    assert run(audit[name], load_published().changed(changes)).found == flipped


@pytest.mark.parametrize("name", TOO_LITTLE_KNOWN)
def test_where_too_little_is_known_the_verdict_is_inconclusive(audit: Mapping[str, Any], name: str) -> None:
    assert run(audit[name], load_published().changed(TOO_LITTLE_KNOWN[name])).found == "INCONCLUSIVE"


@pytest.mark.parametrize("name", CONTROLS)
def test_every_estimate_counts_its_published_values(audit: Mapping[str, Any], name: str) -> None:
    estimate = run(audit[name], load_published()).estimate
    assert estimate is not None
    assert estimate.sample == "published values"
    assert estimate.n >= 1
    assert json.dumps(estimate.to_json(), allow_nan=False)
    assert math.isfinite(estimate.detectable)
    assert estimate.low < estimate.high  # rounding always leaves something open


@pytest.mark.parametrize("identity", IDS)
def test_every_listed_quantity_is_tested(identity: str) -> None:
    module = claim_module(identity)
    mark = module.pytestmark[0]
    assert mark.kwargs["identity"] == identity
    assert mark.kwargs["family"] == "arithmetic"
    assert len(mark.kwargs["quantities"]) == len(list(functions_of(identity)))
    assert module.__doc__ is not None
    for word in ("Arithmetic:", "Published", "Refuted", "Control that flips it"):
        assert f"\n{word}" in module.__doc__, word


@pytest.mark.parametrize("identity", IDS)
def test_the_table_tells_the_values_that_a_claim_uses(identity: str) -> None:
    quantities = claim_module(identity).pytestmark[0].kwargs["quantities"]
    used = dict.fromkeys(one for quantity in quantities for one in quantity.ids)
    assert load_published().context[identity] == tuple(used)
    assert len(published_for(identity)) == len(used)


def test_the_estimates_are_those_that_the_claim_files_tell(audit: Mapping[str, Any]) -> None:
    def ends(name: str) -> tuple[float, float]:
        estimate = run(audit[name], load_published()).estimate
        assert estimate is not None
        return estimate.low, estimate.high

    assert ends("A1 best_run_of_mean_diff_has_the_probes_dose") == pytest.approx((0.814, 1.165), abs=0.001)
    assert ends("A2 the_probe_and_its_top1_cleaning_steer_alike") == pytest.approx((12.2, 12.4))
    assert ends("A3 cost_of_cleaning_the_probe_exceeds_its_interval") == pytest.approx((0.710, 0.720), abs=0.001)
    assert ends("A4 norms_of_the_parts_fit_into_the_whole") == pytest.approx((-25.15, -23.11), abs=0.01)
    assert ends("A5 the_gate_caps_delta") == pytest.approx((53.25, 54.05), abs=0.01)
    assert ends("A7 on_the_best_delta_of_mean_diff") == pytest.approx((26.55, 27.65))
