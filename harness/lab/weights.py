"""Loads each model of the registry on first need, once, and frees it when the next one comes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.datasets import TEMPLATED, DatasetError, load_trait, trait_folder
from harness.decoding.probe import QUESTIONS, probed
from harness.lab.keys import SPLIT, Environment, folder_of
from harness.lab.measurements import Role
from harness.lab.progress import Progress, Silent
from harness.models.decoder import Decoder, load_decoder
from harness.models.memory import free_memory
from harness.models.registry import ModelSpec


def asked_first(spec: ModelSpec) -> tuple[str, ...]:
    """Questions in the language of a model, to see whether it answers; none of one that can be asked nothing."""
    if not spec.chat:
        return ()
    if spec.language != TEMPLATED:
        return QUESTIONS
    for trait in spec.blocks:
        with contextlib.suppress(DatasetError):  # told by whoever asks for that trait
            data = load_trait(trait_folder(spec.language, trait))
            return tuple(question.text for question in data.questions[: len(QUESTIONS)])
    return ()


class Weights:
    """Decoders in memory by model and role; `events` tells every load and release in order."""

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        environment: Environment,
        progress: Progress | None = None,
        *,
        place: str | None = None,
    ) -> None:
        self.events: list[str] = []  # "load severe base", "release severe"
        self._models = models
        self._environment = environment
        self._place = place or environment.device
        self._progress: Progress = progress or Silent()
        self._decoders: dict[tuple[str, Role], Decoder] = {}

    def get(self, model: str, role: Role) -> Decoder:
        """The decoder, loaded now if it is not in memory."""
        if (model, role) not in self._decoders:
            spec = self._models[model]
            with self._progress.stage(f"{model}: load {role} weights", 1) as advance:
                folder = folder_of(spec.base if role == "base" else spec.instruct)
                questions = () if role == "base" else asked_first(spec)
                self._decoders[model, role] = self.load(folder, f"{model} ({role})", spec.dtype, questions)
                advance(1)
            self.events.append(f"load {model} {role}")
        return self._decoders[model, role]

    def load(self, folder: Path, name: str, dtype: str = "", questions: Sequence[str] = QUESTIONS) -> Decoder:
        """A decoder from a folder, where this run's models go, seen to do what it is taken to do; the caller keeps it.

        Raises ModelError for one that does not.
        """
        split = self._place == SPLIT
        decoder = load_decoder(
            folder,
            name,
            dtype or self._environment.dtype,
            "cuda" if split else self._place,
            attention=self._environment.attention,
            device_map="auto" if split else None,
        )
        checked = probed(decoder, questions)
        for finding in checked.findings:
            self._progress.warn(f"{name}: {finding}.")
        return checked

    def number_format(self, folder: Path) -> str:
        """In which number format a folder's weights run: that of the model of the table they are, else the run's."""
        own = (spec.dtype for spec in self._models.values() if folder in (spec.base, spec.instruct))
        return next(filter(None, own), self._environment.dtype)

    def holding(self, folder: Path) -> Decoder | None:
        """The decoder that was loaded from a folder, if it is in memory."""
        for (model, role), decoder in self._decoders.items():
            spec = self._models[model]
            if folder_of(spec.base if role == "base" else spec.instruct) == folder:
                return decoder
        return None

    def release(self, model: str, role: Role | None = None) -> None:
        """Free both roles of a model, or one."""
        held = [key for key in self._decoders if key[0] == model and role in (None, key[1])]
        for key in held:
            del self._decoders[key]
        if held:
            free_memory()
            self.events.append(f"release {model}" if role is None else f"release {model} {role}")

    @property
    def held(self) -> tuple[tuple[str, Role], ...]:
        """What is in memory now."""
        return tuple(self._decoders)
