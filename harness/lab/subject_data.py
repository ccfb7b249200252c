"""The data files that a model of the registry is measured with: those of its language, each read once."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from harness.data.datasets import (
    TraitData,
    calibration_file,
    judging_folder,
    load_calibration,
    load_trait,
    trait_folder,
)
from harness.data.gold import GoldExchange, load_gold
from harness.judges.protocol import RELEVANCE_CAP
from harness.lab.measurements import JudgeCheck
from harness.models.registry import ModelSpec


class SubjectData:
    """Traits, calibration prompts and gold responses by model. Raises DatasetError, with file and line, on reading."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = models
        self._read_trait = functools.cache(lambda language, trait: load_trait(trait_folder(language, trait)))

    def trait(self, model: str, trait: str) -> TraitData:
        """Scenarios, questions and definition of one trait."""
        found: TraitData = self._read_trait(self.language(model), trait)
        return found

    def prompts(self, model: str) -> tuple[str, ...]:
        """The prompts on which massive dims are found."""
        return load_calibration(calibration_file(self.language(model)))

    def gold(self, check: JudgeCheck) -> Mapping[str, Sequence[GoldExchange]]:
        """The gold responses that a check asks a judge about: trait and coherence; of one that caps, relevance."""
        folder = judging_folder(self.language(check.model))
        if check.judge.endswith(RELEVANCE_CAP):
            return {"relevance": load_gold(folder / "relevance.jsonl")}
        return {"trait": load_gold(folder / f"{check.trait}.jsonl"), "coherence": load_gold(folder / "coherence.jsonl")}

    def language(self, model: str) -> str:
        """What the model speaks, and its judges read."""
        return self._models[model].language
