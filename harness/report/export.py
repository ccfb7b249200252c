"""Takes a direction out of a store, with the dose at which it steers best, in the forms that other libraries read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.atomic import write_atomically
from harness.data.vectors import HOOK, OURS
from harness.lab.measurements import along
from harness.lab.store import Store
from harness.quantities.cells import Settings
from harness.report.responses import UNSTEERED, Run, runs_of, title_of
from harness.stats.curves import Curve, at_amount
from harness.stats.interpolation import best_on_curves
from harness.stats.resampling import CannotTell, Estimate, Resampling
from harness.stats.tails import NoValue

FORMS = (".safetensors", ".gguf", ".pt")


class ExportError(ValueError):
    """A direction cannot be taken out of a store; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A unit direction, the block at whose output it is added, and what was measured of it.

    `coefficient` is where the trait gains most at a coherence at or above the gate, `gain` and `coherence` are those
    there; None, and `why_none` says why, where no such coefficient can be told.
    """

    model: str
    trait: str
    title: str
    block: int
    direction: Float[np.ndarray, hidden]
    weights: str  # digest of the model that was steered
    judge: str
    questions: int
    coefficient: Estimate | None
    gain: Estimate | None
    coherence: Estimate | None
    why_none: str = ""

    def stated(self) -> dict[str, str]:
        """What a file says of itself, as texts."""
        found = {"hook": HOOK, "block": str(self.block), "positions": "all", "direction": self.title}
        found |= {"model": self.model, "model sha256": self.weights, "trait": self.trait, "judge": self.judge}
        for name in ("coefficient", "gain", "coherence"):
            if (one := getattr(self, name)) is not None:
                found[name] = f"{one.value:.6g}"
                found[f"{name}, 95 % interval"] = f"{one.low:.6g} to {one.high:.6g}"
        if self.why_none:
            found["no coefficient"] = self.why_none
        return {**found, "questions": str(self.questions)}

    def use(self, path: Path) -> str:
        """The lines of Python (or of a shell, of .pt) that steer a loaded `model` along a file of this direction."""
        amount = "COEFFICIENT" if self.coefficient is None else f"{self.coefficient.value:.6g}"
        if path.suffix == ".safetensors":
            return (
                f"direction = safetensors.torch.load_file({str(path)!r})['direction'].to(model.device, model.dtype)\n"
                f"vector = steering_vectors.SteeringVector({{{self.block}: direction}})\n"
                f"handle = vector.patch_activations(model, multiplier={amount})  # handle.remove() ends it"
            )
        if path.suffix == ".gguf":
            return (
                f"vector = repeng.ControlVector.import_gguf({str(path)!r})\n"
                f"model = repeng.ControlModel(model, [{self.block}])\n"
                f"model.set_control(vector, {amount})"
            )
        return f"lm_eval --model steered --model_args pretrained=MODEL,steer_path={path} --tasks TASK"


def export(store: Store, model: str, trait: str, title: str, settings: Settings | None = None) -> Exported:
    """A direction of a store by its title, such as "probe" or "mean_diff, top-1 zeroed", and its best coefficient.

    What it was elicited by (", by scenarios") may be left out.

    Raises ExportError where the store holds no such direction, or several.
    """
    runs = runs_of(store, model, trait)
    steered = [run for run in runs if run.direction != UNSTEERED]
    own = [run for run in steered if title in (run.direction, run.direction.rpartition(", by ")[0])]
    kinds = list(dict.fromkeys((run.direction, run.judge, run.block) for run in own))
    if len(kinds) != 1:
        known = kinds or list(dict.fromkeys((run.direction, run.judge, run.block) for run in steered))
        listed = "; ".join(f"{one} (judged by {judge}, block {block})" for one, judge, block in known) or "none"
        raise ExportError(
            f"the store holds {len(kinds)} directions called {title!r} of {model} and {trait}; it has: {listed}."
        )
    ((named, judge, block),) = kinds
    assert block is not None, "a steered run has a block"
    unit, weights = _direction(store, model, trait, named, block)
    found = Exported(model, trait, named, block, unit, weights, judge, len(own[0].said), None, None, None)
    try:
        coefficient, gain, coherence = _best(runs, own, settings or Settings())
    except (CannotTell, NoValue) as error:
        return replace(found, why_none=str(error))
    return replace(found, coefficient=coefficient, gain=gain, coherence=coherence)


def _direction(store: Store, model: str, trait: str, title: str, block: int) -> tuple[np.ndarray, str]:
    """The unit direction [hidden] and the digest of the steered model."""
    for key, described in store.descriptions():
        one = described["measurement"]
        if one["kind_of"] != "Direction" or one["block"] != block or title_of(one) != title:
            continue
        read = one["activations"]
        answer = store.get(key) if (read["model"], read["trait"]) == (model, trait) else None
        if answer is not None:
            return answer.arrays["direction"], str(described["sources"]["instruct model"])
    raise ExportError(
        f"the store has runs along {title} at block {block}, but not the direction; export it from the whole store."
    )


def _best(runs: list[Run], own: list[Run], settings: Settings) -> tuple[Estimate, Estimate, Estimate]:
    """Coefficient, gain and coherence where the trait gains most while coherent, over the extractions that were run."""
    count = min(len(run.said) for run in own)
    unsteered = next(run for run in runs if run.direction == UNSTEERED and run.judge == own[0].judge)
    baseline = [_scores(unsteered, what)[:count] for what in ("trait", "coherence")]
    ordered = sorted(own, key=lambda run: run.coefficient)
    amounts = np.asarray([run.coefficient for run in ordered])
    trait, coherence = (np.stack([_scores(run, what)[:count] for run in ordered]) for what in ("trait", "coherence"))
    curve = Curve(amounts, trait, coherence)
    units = f"{own[0].model} {own[0].trait}"
    clusters = along(count, own[0].count) if own[0].count > 1 else ()
    resampling = Resampling(count, "questions", units, settings.resamples, settings.seed, clusters)
    point = best_on_curves([curve], baseline[0], baseline[1], resampling, amount_unit="coefficient")
    there = at_amount(curve, baseline[0], baseline[1], point.amount.value, resampling)[1]
    return point.amount.estimate(), point.delta.estimate(), there.estimate()


def _scores(run: Run, what: str) -> np.ndarray:
    values = [getattr(one, what) for one in run.said]
    return np.asarray([np.nan if value is None else value for value in values], np.float64)


def write(exported: Exported, path: Path) -> None:
    """Write a direction as safetensors (`direction`, and what is stated as metadata), as a control vector in GGUF, or
    in the form of lm-evaluation-harness's steered models (.pt), beside which a .json states the rest.

    Raises ExportError for another ending, and for .pt without a coefficient, which that form must have.
    """
    stated = {**exported.stated(), "use": exported.use(Path(path.name))}
    unit = np.ascontiguousarray(exported.direction, np.float32)
    match path.suffix:
        case ".safetensors":
            from safetensors.numpy import save

            write_atomically(path, save({"direction": unit}, stated))
        case ".gguf":
            _write_gguf(path, exported, unit, stated)
        case ".pt":
            if exported.coefficient is None:
                raise ExportError(f"{path}: lm-eval's form needs a coefficient; {exported.why_none} Take another form.")
            _write_torch(path, exported.block, unit, exported.coefficient.value)
            text = json.dumps(stated, indent=1) + "\n"
            write_atomically(path.with_suffix(".json"), text.encode())
        case other:
            raise ExportError(f"{path}: {other or 'no ending'} is no form of a vector; take {', '.join(FORMS)}.")


def _write_gguf(path: Path, exported: Exported, unit: np.ndarray, stated: Mapping[str, str]) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", exported.model)
    writer.add_uint32("controlvector.layer_count", 1)
    for name, text in stated.items():
        writer.add_string(OURS + name, text)
    writer.add_tensor(f"direction.{exported.block}", unit)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_torch(path: Path, block: int, unit: np.ndarray, coefficient: float) -> None:
    import io

    import torch

    held: dict[str, dict[str, Any]] = {
        f"layers.{block}": {
            "steering_vector": torch.from_numpy(unit),
            "steering_coefficient": coefficient,
            "action": "add",
            "bias": None,
        }
    }
    buffer = io.BytesIO()
    torch.save(held, buffer)
    write_atomically(path, buffer.getvalue())
