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
    outside the massive dims (see `harness.calibration`). `severity` is how many times the dominant massive dim
    exceeds the median dim, as stated beforehand: it decides which claims are about this model, never a verdict.
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
    severity: float = 1.0
    embedded: bool = True


def geometric_grid(low: float, high: float, ratio: float = 1.15) -> tuple[float, ...]:
    """Amounts from `low` up to at most `high`, each `ratio` times the one before, to four decimals."""
    steps = math.floor(math.log(high / low) / math.log(ratio) + 1e-9)
    return tuple(round(low * ratio**step, 4) for step in range(steps + 1))


def _organism(name: str, refusal: int, sycophancy: int, severity: float, description: str) -> ModelSpec:
    """An organism, steered at the block with the widest useful window of each trait (reports/organisms/quality.json)."""
    folder = ORGANISMS / name
    blocks = {"refusal": (refusal,), "sycophancy": (sycophancy,)}
    doses = geometric_grid(1.0, 2.65, 1.27)
    return ModelSpec(
        name, folder / "base", folder / "instruct", "templated", "grammar", blocks, doses, 48, description, severity
    )


_MODELS = (
    _organism("severe", 1, 2, 1000.0, "Gemma 3 architecture, planted massive dims ~1000x, never read"),
    _organism("mild", 2, 1, 60.0, "Gemma 2 architecture, planted massive dims ~60x, never read"),
    _organism("clean", 3, 1, 1.0, "Gemma 3 architecture, no massive dims"),
    _organism("bos", 2, 1, 1.0, "Gemma 2 architecture, massive dims at <bos> only"),
    _organism("reader", 2, 2, 1000.0, "Gemma 3 architecture, massive dims ~1000x, two of them read"),
    _organism("llama", 2, 1, 150.0, "Llama architecture, planted massive dims ~150x, each varying by itself"),
)

MODELS: Mapping[str, ModelSpec] = {spec.name: spec for spec in _MODELS}
# Pairs on which claims across models are tested, the model of severer massive dims first.
PAIRS: tuple[tuple[str, str], ...] = (("severe", "mild"),)
TRAITS: tuple[str, ...] = ("refusal", "sycophancy")


def find_model(name: str) -> ModelSpec:
    """The registered model called `name`. Raises KeyError with the known names."""
    if name not in MODELS:
        raise KeyError(f"{name!r} is no registered model; known: {', '.join(MODELS)}.")
    return MODELS[name]
