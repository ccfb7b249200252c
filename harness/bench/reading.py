"""Reading responses by a judge against generating them: seconds of both, in turn, and their ratio."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.bench.sweep import rows_of
from harness.data.datasets import load_trait, trait_folder
from harness.decoding.steering import steer
from harness.judges.protocol import Exchange
from harness.judges.reader import ReaderJudge, reader_file
from harness.judges.train import command_of
from harness.lab.keys import folder_of
from harness.models.checkpoints import weights_identity
from harness.models.decoder import load_decoder
from harness.models.registry import find_model

QUESTIONS = 12  # each with a response at every coefficient


@dataclass(frozen=True)
class Comparison:
    """Rows generated and read, their tokens at most, seconds of both by turn, and reading over generating."""

    rows: int
    tokens: int
    generating_seconds: tuple[float, ...]
    reading_seconds: tuple[float, ...]
    ratios: tuple[float, ...]


def compare(model: str, pairs: int = 3) -> Comparison:
    """Generate and read the same rows in turn, `pairs` times after a warm-up of both.

    Raises JudgeError where no reader of the model was trained.
    """
    spec = find_model(model)
    folder = folder_of(spec.instruct)
    decoder, identity = load_decoder(folder, model), weights_identity(folder)
    file = reader_file(spec.language, model, identity)
    judge = ReaderJudge(f"reader:{model}", file, command_of(model), identity, lambda: decoder)
    data = load_trait(trait_folder(spec.language, "refusal"))
    runs = [run[:QUESTIONS] for run in rows_of(decoder, spec.language)]
    rows = [row for run in runs for row in run]
    asked = [question.text for _ in runs for question in data.questions[:QUESTIONS]]

    def generate() -> list[Exchange]:
        made = steer(decoder, rows, spec.max_new_tokens, batch_rows=64).responses
        return [Exchange(q, decoder.decode(one.ids), one.finished) for q, one in zip(asked, made, strict=True)]

    exchanges = generate()
    judge.judge(data.definition, exchanges)
    seconds: list[tuple[float, float]] = []
    for _ in range(pairs):
        start = time.perf_counter()
        generate()
        middle = time.perf_counter()
        judge.judge(data.definition, exchanges)
        seconds.append((middle - start, time.perf_counter() - middle))
    generating, reading = zip(*seconds, strict=True)
    ratios = tuple(read / made for made, read in seconds)
    return Comparison(len(rows), len(rows) * spec.max_new_tokens, generating, reading, ratios)
