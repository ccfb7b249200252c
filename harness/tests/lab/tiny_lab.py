"""A lab on a tiny random decoder: small data sets of random words, a made-up judge, a store in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.data import datasets
from harness.judges.protocol import Exchange, Judge, Judgement
from harness.lab.keys import Environment
from harness.lab.lab import Lab
from harness.lab.measurements import (
    Activations,
    Baseline,
    Cleaning,
    CrossFit,
    Direction,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
)
from harness.lab.progress import Silent
from harness.lab.store import Answer, Store
from harness.lab.weights import Weights
from harness.models.decoder import Decoder
from harness.models.registry import ModelSpec

MASSIVE = MassiveActivations("tiny", 6)


def activations(trait: str = "refusal", window: int = 3) -> Activations:
    return Activations("tiny", trait, window)


def scores(
    trait: str = "refusal", method: str = "mean_diff", cleaning: Cleaning | None = None, **sweep: object
) -> Scores:
    direction = Direction(activations(trait), MASSIVE, method, 1, cleaning or Cleaning())
    settings = {"scale": "dose", "amounts": (0.5, 1.0), "questions": 3, "max_new_tokens": 5, **sweep}
    return Scores(Sweep(direction, **settings), "parity")  # type: ignore[arg-type]


WANTED: list[Measurement] = [
    scores(),
    scores(cleaning=Cleaning("top", 1)),
    scores(trait="sycophancy", method="probe", cleaning=Cleaning("consensus")),
    Scores(Baseline("tiny", "refusal", 3, 5), "parity"),
    Refits(activations(), "probe", 3, 1),
    CrossFit(activations(), "mean_diff", 1, Cleaning("top", 1), MASSIVE),
]


class ParityJudge:
    """Trait: share of odd words; coherence: missing for every text that opens with an even word."""

    identity = "parity 1"

    def release(self) -> None:
        """Nothing is held."""

    def judge(self, _definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        found = []
        for exchange in exchanges:
            odd = [int(word[1:]) % 2 for word in exchange.response.split()]
            found.append(Judgement(100.0 * sum(odd) / max(len(odd), 1), 90.0 if odd and odd[0] else None))
        return found


class TinyWeights(Weights):
    """Hands out one decoder in memory, and notes loads as the real one does."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__({}, Environment("float32", "cpu", ()))
        self._decoder = decoder

    def get(self, model: str, role: str) -> Decoder:  # type: ignore[override]
        if (model, role) not in self._decoders:
            self._decoders[model, role] = self._decoder  # type: ignore[index]
            self.events.append(f"load {model} {role}")
        return self._decoder


@dataclass
class Bench:
    """A lab over a store folder, its weights and what it told."""

    lab: Lab
    weights: TinyWeights
    told: Silent


@pytest.fixture
def bench(
    tmp_path: Path, tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Bench]:
    """`bench()` opens a new lab on the same store and data, as a new process would."""
    monkeypatch.setattr(datasets, "DATASETS", tmp_path / "datasets")
    words = np.random.default_rng(5)

    def text(length: int) -> str:
        return " ".join(f"t{token}" for token in words.integers(3, 97, length))

    for trait in ("refusal", "sycophancy"):
        folder = tmp_path / "datasets" / "words" / "traits" / trait
        folder.mkdir(parents=True)
        rows = [
            {"text": text(3 + pair % 5), "label": label, "pair": pair, "topic": f"t{pair // 2}"}
            for pair in range(10)
            for label in ("positive", "negative")
        ]
        (folder / "scenarios.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        questions = [{"text": text(4 + number), "topic": "t"} for number in range(3)]
        (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
        (folder / "definition.yaml").write_text("name: n\nstatement: s\nscore_high: h\nscore_low: l\n")
    prompts = "".join(json.dumps({"text": text(4)}) + "\n" for _ in range(4))
    (tmp_path / "datasets" / "words" / "calibration.jsonl").write_text(prompts)
    for role in ("base", "instruct"):
        (tmp_path / role).mkdir()
        (tmp_path / role / "config.json").write_text(role)
    spec = ModelSpec(
        "tiny", tmp_path / "base", tmp_path / "instruct", "words", "parity", {}, (0.5, 1.0), 6, "a tiny model"
    )

    def open_lab(
        batch_rows: int = 64,
        store: Path = tmp_path / "store",
        judge: Judge = ParityJudge(),  # noqa: B008
        untrusted: bool = False,
    ) -> Bench:
        weights, told = TinyWeights(tiny_decoder("llama")), Silent()
        lab = Lab(
            {"tiny": spec}, Store(store), weights, lambda _name, _language: judge, Environment("float32", "cpu", ()),
            batch_rows=batch_rows, progress=told, untrusted=untrusted,
        )  # fmt: skip
        return Bench(lab, weights, told)

    return open_lab


def answers(lab: Lab) -> list[Answer]:
    lab.prepare(WANTED)
    return [lab.answer(measurement) for measurement in WANTED]


def same(one: list[Answer], other: list[Answer]) -> bool:
    return all(
        a.record == b.record
        and set(a.arrays) == set(b.arrays)
        and all(np.array_equal(a.arrays[name], b.arrays[name], equal_nan=True) for name in a.arrays)
        for a, b in zip(one, other, strict=True)
    )
