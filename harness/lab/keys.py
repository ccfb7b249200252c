"""Names everything that can change an answer, and turns it into the key under which the answer is kept."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data import datasets
from harness.geometry.directions import vector_named
from harness.hashes import HARNESS, code_hash, key_of
from harness.judges.protocol import Exchange
from harness.lab.measurements import (
    Activations,
    Baseline,
    BlockChoice,
    CrossFit,
    Direction,
    JudgeCheck,
    LoadCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
    model_of,
    requires,
    to_json,
    trait_of,
)
from harness.models.checkpoints import Checkpoint, locate, weights_identity
from harness.models.registry import ModelSpec

if TYPE_CHECKING:  # torch takes seconds to import, and mistakes of a command line are told before
    from harness.decoding.steering import Row

KEY_VERSION = 2  # of the description's own form; the code that measures is hashed itself
READING = (
    "data/datasets",
    "models/decoder",
    "models/hooks",
    "models/loadable",
    "models/memory",
    "decoding/generation",
    "decoding/capture",
    "lab/making",
)
FITTING = (*(f"geometry/{name}" for name in ("directions", "cleaning", "calibration", "massive")), "stats/resampling")
STEERING = ("decoding/steering",)
# The modules whose code makes each kind of answer, beside those of the answers it is made from.
CODE: Mapping[type, tuple[str, ...]] = {
    LoadCheck: (*READING, "decoding/probe"),
    Activations: READING,
    MassiveActivations: (*READING, "geometry/massive", "geometry/calibration"),
    Direction: ("lab/making", *FITTING),
    BlockChoice: ("lab/making", "geometry/blocks", "geometry/separation", *FITTING),
    CrossFit: ("lab/making", "geometry/separation", *FITTING),
    Refits: ("lab/making", *FITTING),
    Baseline: (*READING, *STEERING),
    Sweep: (*READING, *STEERING),
    Scores: ("lab/making", "judges/protocol"),
    JudgeCheck: ("lab/making", "judges/protocol"),  # raw scores: what is made of them is computed on reading
}
SPLIT = "split"  # the device of a model that is spread over all GPUs
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that compute answers."""
    return {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True)
class Environment:
    """What surrounds every measurement: number format, kind of device, attention and library versions.

    `dtype` is that of models which do not name their own. `device` is a kind ("cpu", "cuda"), not one of several alike.
    """

    dtype: str
    device: str
    libraries: tuple[tuple[str, str], ...]
    key_version: int = KEY_VERSION
    attention: str = "auto"

    @classmethod
    def here(cls, dtype: str = "float32", device: str = "cpu", attention: str = "auto") -> Environment:
        """The environment of this process."""
        return cls(dtype, device, tuple(sorted(library_versions().items())), attention=attention)


class Keys:
    """Keys of measurements under one registry, environment and set of judges.

    Files are hashed once a process: model folders (weights, configuration, tokenizer, template), data files, and the
    code of the modules that make an answer.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        environment: Environment,
        judge_identity: Callable[[str, str], str],
        hash_of: Callable[[Path], str] = datasets.content_hash,
        hash_of_code: Callable[[Path], str] = code_hash,
        hash_of_weights: Callable[[Path], str] = weights_identity,
    ) -> None:
        self._models = models
        self._environment = environment
        self._judge_identity = judge_identity
        self._hash = functools.cache(hash_of)
        self._code_hash = functools.cache(hash_of_code)
        self._weights_hash = functools.cache(hash_of_weights)
        self._described: dict[Measurement, dict[str, Any]] = {}

    def description(self, measurement: Measurement) -> dict[str, Any]:
        """Everything that can change the answer, as JSON values a person can read."""
        if measurement not in self._described:
            spec = self._models[model_of(measurement)]
            sources = dict(sorted(self._sources(measurement).items()))
            self._described[measurement] = {
                "measurement": to_json(measurement),
                "sources": sources,
                "environment": self._environment_of(spec),
            }
        return self._described[measurement]

    def of_responses(self, model: str, max_new_tokens: int, positions: str) -> Callable[[Row], str]:
        """The key of a row by its content: everything that can change what one steered answer comes to."""
        spec = self._models[model]
        surroundings = {
            "environment": self._environment_of(spec),
            "instruct model": self._weights_hash(folder_of(spec.instruct)),
            "code": {name: self._code_hash(HARNESS / f"{name}.py") for name in (*READING, *STEERING)},
            "max_new_tokens": max_new_tokens,
            "positions": positions,
        }
        common = key_of(surroundings)

        def key(row: Row) -> str:
            vector, steered = row.direction, row.direction is not None and row.coefficient != 0.0
            content = hashlib.sha256(vector.tobytes()).hexdigest() if steered and vector is not None else ""
            return key_of([common, list(row.prompt), content, *((row.coefficient, row.block) if steered else (0.0, 0))])

        return key

    def of_judgements(self, model: str, trait: str, judge: str) -> Callable[[Exchange], str]:
        """The key of a judgement by what was judged, by whom, after which definition."""
        spec = self._models[model]
        surroundings = {
            "environment": self._environment_of(spec),
            "judge": self._judge_identity(judge, spec.language),
            "rubric": self._hash(spec.trait_folder(trait) / "definition.yaml"),
        }
        common = key_of(surroundings)
        return lambda exchange: key_of([common, exchange.question, exchange.response, exchange.finished])

    def key(self, measurement: Measurement) -> str:
        """The key of a measurement: the hash of its description."""
        return key_of(self.description(measurement))

    def _environment_of(self, spec: ModelSpec) -> dict[str, Any]:
        return {
            "dtype": spec.dtype or self._environment.dtype,
            "device": self._environment.device,
            "attention": self._environment.attention,
            "libraries": dict(self._environment.libraries),
            "key_version": self._environment.key_version,
        }

    def _sources(self, measurement: Measurement) -> dict[str, str]:
        """Hashes of the data and code that go in, those of required measurements included."""
        spec = self._models[model_of(measurement)]
        trait = trait_of(measurement)
        found: dict[str, str] = {}
        for needed in requires(measurement):
            found.update(self._sources(needed))
        for module in CODE[type(measurement)]:
            found[f"code of {module}"] = self._code_hash(HARNESS / f"{module}.py")
        match measurement:
            case LoadCheck(role=role):
                found[f"{role} model"] = self._weights_hash(folder_of(spec.base if role == "base" else spec.instruct))
            case Activations(elicitation="instructions"):
                found["instruct model"] = self._weights_hash(folder_of(spec.instruct))
                for path in datasets.instruction_files(spec.trait_folder(str(trait))):
                    found[path.name] = self._hash(path)
            case Activations():
                found["base model"] = self._weights_hash(folder_of(spec.base))
                found["scenarios"] = self._hash(spec.trait_folder(str(trait)) / "scenarios.jsonl")
            case MassiveActivations():
                found["instruct model"] = self._weights_hash(folder_of(spec.instruct))
                found["calibration"] = self._hash(datasets.calibration_file(spec.language))
            case Baseline() | Sweep():
                found["instruct model"] = self._weights_hash(folder_of(spec.instruct))
                found["questions"] = self._hash(spec.trait_folder(str(trait)) / "questions.jsonl")
            case Scores(judge=judge):
                found["judge"] = self._judge_identity(judge, spec.language)
                found["rubric"] = self._hash(spec.trait_folder(str(trait)) / "definition.yaml")
            case JudgeCheck(judge=judge):
                found["judge"] = self._judge_identity(judge, spec.language)
                found["rubric"] = self._hash(spec.trait_folder(str(trait)) / "definition.yaml")
                for path in gold_files(spec, str(trait)):
                    found[f"gold {path.name}"] = self._hash(path)
            case Direction(method=method) | CrossFit(method=method) | Refits(method=method):
                if (name := vector_named(method)) is not None:
                    found["vector"] = spec.vectors[name].sha256
            case BlockChoice():
                pass
        return found


def gold_files(spec: ModelSpec, trait: str) -> list[Path]:
    """What a judge is checked with: gold responses, and how coherence and relevance are defined."""
    folder = datasets.judging_folder(spec.language)
    both = [folder / f"{what}.{kind}" for what in ("coherence", "relevance") for kind in ("jsonl", "yaml")]
    return [path for path in (spec.gold_file(trait), *both) if path.is_file()]


def folder_of(where: Path | Checkpoint) -> Path:
    """The folder of a checkpoint on this machine. Raises NotAtHand, a sentence with the command that brings it."""
    return where if isinstance(where, Path) else locate(where)
