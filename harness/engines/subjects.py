"""The models that engines are checked on, on the CPU, each with questions of its language."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from harness.data.datasets import TRAITS, load_trait, trait_folder
from harness.engines.bench import Bench
from harness.models.checkpoints import locate
from harness.models.decoder import load_decoder
from harness.models.registry import MODELS

# Organisms of three architectures (Gemma 3, Gemma 2, Llama), and a model that somebody else trained.
CHECKED_ON = ("severe", "bos", "llama", "smollm2")
QUESTIONS = 40


@lru_cache(maxsize=1)
def bench_of(name: str) -> Bench:
    """The bench of a model of CHECKED_ON, in float32 on the CPU. Raises NotAtHand where its weights are not here."""
    spec = MODELS[name]
    folder = spec.instruct if isinstance(spec.instruct, Path) else locate(spec.instruct)
    asked = load_trait(trait_folder(spec.language, TRAITS[0])).questions[:QUESTIONS]
    return Bench(load_decoder(folder, name), [question.text for question in asked])
