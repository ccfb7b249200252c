"""Loads each model of the registry on first need, once, and frees it when the next one comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from harness.keys import Environment
from harness.models import Decoder, free_memory, load_decoder
from harness.progress import Progress, Silent
from harness.registry import ModelSpec

Role = Literal["base", "instruct"]


class Weights:
    """Decoders in memory by model and role; `events` tells every load and release in order."""

    def __init__(
        self, models: Mapping[str, ModelSpec], environment: Environment, progress: Progress | None = None
    ) -> None:
        self.events: list[str] = []  # "load severe base", "release severe"
        self._models = models
        self._environment = environment
        self._progress: Progress = progress or Silent()
        self._decoders: dict[tuple[str, Role], Decoder] = {}

    def get(self, model: str, role: Role) -> Decoder:
        """The decoder, loaded now if it is not in memory."""
        if (model, role) not in self._decoders:
            spec = self._models[model]
            with self._progress.stage(f"{model}: load {role} weights", 1) as advance:
                folder = spec.base if role == "base" else spec.instruct
                self._decoders[model, role] = load_decoder(
                    folder, f"{model} ({role})", self._environment.dtype, self._environment.device
                )
                advance(1)
            self.events.append(f"load {model} {role}")
        return self._decoders[model, role]

    def release(self, model: str) -> None:
        """Free both roles of a model."""
        held = [key for key in self._decoders if key[0] == model]
        for key in held:
            del self._decoders[key]
        if held:
            free_memory()
            self.events.append(f"release {model}")

    @property
    def held(self) -> tuple[tuple[str, Role], ...]:
        """What is in memory now."""
        return tuple(self._decoders)
