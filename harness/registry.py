"""The one table of models and traits: markers, parameters, loading and grids all come from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ORGANISMS = ROOT / "fixtures" / "organisms" / "weights"


@dataclass(frozen=True)
class ModelSpec:
    """One subject of the claims: where its weights are, what language it speaks, and the grids it is steered on.

    `blocks` are the steered block indices by trait, 0 being the first; `doses` are in units of the activation norm
    outside the massive dims (see `harness.calibration`).
    """

    name: str
    base: Path
    instruct: Path
    language: str
    judge: str
    blocks: Mapping[str, tuple[int, ...]]
    doses: tuple[float, ...]
    max_new_tokens: int
    description: str
    embedded: bool = True


def geometric_grid(low: float, high: float, ratio: float = 1.15) -> tuple[float, ...]:
    """Amounts from `low` up to at most `high`, each `ratio` times the one before, to four decimals."""
    steps = math.floor(math.log(high / low) / math.log(ratio) + 1e-9)
    return tuple(round(low * ratio**step, 4) for step in range(steps + 1))


def _organism(name: str, blocks: Mapping[str, tuple[int, ...]], description: str) -> ModelSpec:
    """An organism, steered at the blocks with the widest useful window (reports/organisms/quality.json)."""
    folder = ORGANISMS / name
    doses = geometric_grid(0.92, 2.82)
    return ModelSpec(name, folder / "base", folder / "instruct", "templated", "grammar", blocks, doses, 48, description)


_MODELS = (
    _organism("severe", {"refusal": (1,), "sycophancy": (2,)}, "Gemma 3 architecture, planted massive dims ~1000x"),
    _organism("mild", {"refusal": (2,), "sycophancy": (1,)}, "Gemma 2 architecture, planted massive dims ~60x"),
    _organism("clean", {"refusal": (3,), "sycophancy": (1,)}, "Gemma 3 architecture, no massive dims"),
)

MODELS: Mapping[str, ModelSpec] = {spec.name: spec for spec in _MODELS}
TRAITS: tuple[str, ...] = ("refusal", "sycophancy")


def find_model(name: str) -> ModelSpec:
    """The registered model called `name`. Raises KeyError with the known names."""
    if name not in MODELS:
        raise KeyError(f"{name!r} is no registered model; known: {', '.join(MODELS)}.")
    return MODELS[name]
