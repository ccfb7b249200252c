"""What seeing that a decoder does what it should costs on load, against an extraction: seconds of both, in turn."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.data.datasets import load_trait, trait_folder
from harness.decoding.probe import probed
from harness.lab.keys import folder_of
from harness.lab.making import activations
from harness.lab.measurements import Activations
from harness.lab.weights import asked_first
from harness.models.decoder import load_decoder
from harness.models.registry import find_model
from harness.quantities.cells import WINDOW

TRAIT = "refusal"
WINDOWS = (3, WINDOW, 10, 20, 30)  # that claims read, from one run of the longest


@dataclass(frozen=True)
class Comparison:
    """Scenarios read, seconds of the probe on load and of the extraction by turn, and their ratios."""

    scenarios: int
    probe_seconds: tuple[float, ...]
    extraction_seconds: tuple[float, ...]
    ratios: tuple[float, ...]


def compare(model: str, pairs: int = 2) -> Comparison:
    """Probe the model that is read and extract one trait from it, in turn, `pairs` times after a probe as warm-up.

    The role, the questions and the windows are those of a run: base for scenarios, instruct for instructions.
    """
    spec = find_model(model)
    instructed = spec.elicitation == "instructions"
    decoder = load_decoder(folder_of(spec.instruct if instructed else spec.base), model)
    questions = asked_first(spec) if instructed else ()
    data = load_trait(trait_folder(spec.language, TRAIT))
    wanted = [Activations(model, TRAIT, window, spec.elicitation) for window in WINDOWS]
    known = probed(decoder, questions)
    seconds: list[tuple[float, float]] = []
    for _ in range(pairs):
        start = time.perf_counter()
        probed(decoder, questions)
        middle = time.perf_counter()
        activations(known, data, wanted, 64, lambda _count: None, lambda _rows: None)
        seconds.append((middle - start, time.perf_counter() - middle))
    probing, extracting = zip(*seconds, strict=True)
    ratios = tuple(probe / extraction for probe, extraction in seconds)
    return Comparison(2 * len(data.elicited_by(spec.elicitation)), probing, extracting, ratios)
