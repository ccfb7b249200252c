"""The data files that a model of the registry is measured with: those of its language, each read once."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.datasets import (
    TraitData,
    calibration_file,
    load_calibration,
    load_trait,
)
from harness.data.gold import GoldExchange, load_gold
from harness.geometry.directions import vector_named
from harness.judges.protocol import RELEVANCE_CAP
from harness.lab.measurements import JudgeCheck
from harness.models.registry import ModelSpec


class SubjectData:
    """Traits, calibration prompts and gold responses by model. Raises DatasetError, with file and line, on reading."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = models
        self._read_trait = functools.cache(lambda folder, own: load_trait(folder, partial=own))

    def trait(self, model: str, trait: str) -> TraitData:
        """Scenarios, questions and definition of one trait."""
        spec = self._models[model]
        found: TraitData = self._read_trait(spec.trait_folder(trait), trait in spec.own_traits)
        return found

    def prompts(self, model: str) -> tuple[str, ...]:
        """The prompts on which massive dims are found."""
        return load_calibration(calibration_file(self.language(model)))

    def gold(self, check: JudgeCheck) -> Mapping[str, Sequence[GoldExchange]]:
        """The gold responses that a check asks a judge about: trait and coherence; of one that caps, relevance."""
        gold_file = self._models[check.model].gold_file
        if check.judge.endswith(RELEVANCE_CAP):
            return {"relevance": load_gold(gold_file("relevance"))}
        return {"trait": load_gold(gold_file(check.trait)), "coherence": load_gold(gold_file("coherence"))}

    def vector(self, model: str, method: str) -> np.ndarray | None:
        """The values [hidden] of the vector that a method names; None for a method that fits."""
        name = vector_named(method)
        return None if name is None else self._models[model].vectors[name].values

    def language(self, model: str) -> str:
        """What the model speaks, and its judges read."""
        return self._models[model].language
