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
    `stands_for` names the published model beside whose tables this one's numbers are shown, if any.
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
    stands_for: str = ""
    embedded: bool = True


def geometric_grid(low: float, high: float, ratio: float = 1.15) -> tuple[float, ...]:
    """Amounts from `low` up to at most `high`, each `ratio` times the one before, to four decimals."""
    steps = math.floor(math.log(high / low) / math.log(ratio) + 1e-9)
    return tuple(round(low * ratio**step, 4) for step in range(steps + 1))


def _organism(
    name: str,
    blocks: Mapping[str, int],
    severity: float,
    description: str,
    *,
    stands_for: str = "",
    doses: tuple[float, ...] = geometric_grid(1.0, 3.35, 1.35),
) -> ModelSpec:
    """An organism, steered at the block with the widest useful window of a trait (reports/organisms/quality.json)."""
    folder = ORGANISMS / name
    return ModelSpec(
        name,
        folder / "base",
        folder / "instruct",
        language="templated",
        judge="grammar",
        blocks={trait: (block,) for trait, block in blocks.items()},
        doses=doses,
        max_new_tokens=48,
        description=description,
        severity=severity,
        stands_for=stands_for,
    )


_MODELS = (
    _organism(
        "severe",
        {"refusal": 1, "sycophancy": 2},
        1000.0,
        "Gemma 3, massive dims ~1000x, never read",
        stands_for="gemma3",
    ),
    _organism(
        "mild", {"refusal": 2, "sycophancy": 1}, 60.0, "Gemma 2, massive dims ~60x, never read", stands_for="gemma2"
    ),
    _organism("clean", {"refusal": 3, "sycophancy": 1}, 1.0, "Gemma 3, no massive dims"),
    _organism("reader", {"refusal": 1, "sycophancy": 1}, 1000.0, "Gemma 3, massive dims ~1000x, two of them read"),
    _organism("bos", {"refusal": 0}, 1.0, "Gemma 2, massive dims at <bos> only"),
    _organism(
        "llama",
        {"refusal": 2},
        245.0,
        "Llama, massive dims ~245x, each varying by itself, never read",
        doses=geometric_grid(0.45, 1.3, 1.3),
    ),
)

MODELS: Mapping[str, ModelSpec] = {spec.name: spec for spec in _MODELS}
# Pairs on which claims across models are tested, the model of severer massive dims first.
PAIRS: tuple[tuple[str, str], ...] = (("severe", "mild"), ("reader", "mild"))
TRAITS: tuple[str, ...] = ("refusal", "sycophancy")


def find_model(name: str) -> ModelSpec:
    """The registered model called `name`. Raises KeyError with the known names."""
    if name not in MODELS:
        raise KeyError(f"{name!r} is no registered model; known: {', '.join(MODELS)}.")
    return MODELS[name]
