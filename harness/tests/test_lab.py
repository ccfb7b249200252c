"""The lab makes each measurement once, as planned, recalls it afterwards, and loses nothing when something breaks."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import datasets
from harness import store as store_module
from harness.capture import BadActivations, residual
from harness.generation import Generated
from harness.journal import Journal
from harness.judging import Exchange, Judgement
from harness.keys import Environment
from harness.lab import Lab
from harness.measurements import (
    Activations,
    Baseline,
    Cleaning,
    Direction,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
)
from harness.models import Decoder
from harness.progress import Silent
from harness.registry import ModelSpec
from harness.store import Answer, Store
from harness.weights import Weights

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
]


class ParityJudge:
    """Trait: share of odd words; coherence: missing for every text that opens with an even word."""

    identity = "parity 1"

    def judge(self, _trait: str, exchanges: Sequence[Exchange]) -> list[Judgement]:
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
            {"text": text(3 + pair % 5), "label": label, "pair": pair, "topic": "t"}
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

    def open_lab(batch_rows: int = 64, store: Path = tmp_path / "store") -> Bench:
        weights, told = TinyWeights(tiny_decoder("gemma3")), Silent()
        lab = Lab(
            {"tiny": spec}, Store(store), weights, {"parity": ParityJudge()}, Environment("float32", "cpu", ()),
            batch_rows=batch_rows, progress=told,
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


def test_everything_is_made_as_planned_and_recalled_without_a_model(bench: Callable[..., Bench]) -> None:
    first = bench(batch_rows=8)
    plan = first.lab.plan(WANTED)
    assert first.weights.events == []  # planning touches no weights
    made = answers(first.lab)
    assert first.lab.calls == plan.calls
    # refusal and sycophancy scenarios 20 rows each, calibration once, 3 x 2 x 3 + 3 = 21 steered rows, in batches of 8
    assert plan.calls == 3 + 3 + 1 + 3
    assert first.weights.events == ["load tiny base", "load tiny instruct"]
    second = bench(batch_rows=8)
    assert second.lab.plan(WANTED).calls == 0
    assert same(answers(second.lab), made)
    assert second.lab.calls == 0
    assert second.weights.events == []


def test_asking_twice_makes_nothing_twice(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    answers(lab)
    calls = lab.calls
    answers(lab)
    assert lab.calls == calls


def test_sweeps_of_different_traits_and_directions_share_a_batch(bench: Callable[..., Bench]) -> None:
    lab = bench(batch_rows=64).lab
    lab.prepare([activations(), activations("sycophancy"), MASSIVE])
    before = lab.calls
    lab.prepare(WANTED)
    assert lab.calls == before + 1


def test_one_greedy_run_serves_every_window(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    lab.prepare([activations(window=window) for window in (1, 3, 6)])
    assert lab.calls == 1
    alone = bench(store=lab.store.root.parent / "other store").lab.answer(activations(window=3))
    together = lab.answer(activations(window=3))
    np.testing.assert_allclose(together.arrays["positive"], alone.arrays["positive"], rtol=1e-4, atol=1e-5)


def test_scores_hold_missing_judgements_as_nan(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    found = lab.answer(scores())
    texts = [row["text"] for run in lab.answer(scores().of).record["responses"] for row in run]
    opens_odd = np.array([bool(text) and int(text.split()[0][1:]) % 2 == 1 for text in texts]).reshape(2, 3)
    assert opens_odd.any()
    assert not opens_odd.all()
    np.testing.assert_array_equal(np.isnan(found.arrays["coherence"]), ~opens_odd)
    assert np.isfinite(found.arrays["trait"]).all()
    assert found.record["doses"] == pytest.approx([0.5, 1.0])


def test_doses_become_coefficients_by_the_share_outside_the_massive_dims(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    wanted = scores()
    direction = lab.answer(wanted.of.direction).record  # type: ignore[union-attr]
    expected = [dose * direction["norm_without"] / direction["share_outside"] for dose in (0.5, 1.0)]
    assert lab.answer(wanted).record["coefficients"] == pytest.approx(expected, rel=1e-5)
    by_hand = scores(scale="coefficient", amounts=tuple(expected))
    assert lab.answer(by_hand).record["doses"] == pytest.approx([0.5, 1.0], rel=1e-5)


def test_deleting_any_file_of_the_store_changes_no_answer(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    made = answers(lab)
    files = sorted(path for path in lab.store.root.rglob("*") if path.is_file())
    assert len(files) > 20
    for path in files:
        path.unlink()
        assert same(answers(bench().lab), made), path.name


def test_a_flipped_byte_is_measured_again_and_said_so(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    made = answers(lab)
    for path in sorted(path for path in lab.store.root.rglob("*") if path.is_file()):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(bytes(data))
    again = bench()
    assert same(answers(again.lab), made)
    assert any("measured again" in warning for warning in again.told.warnings)
    assert bench().lab.plan(WANTED).calls == 0  # what was measured again replaced what was broken


def test_a_failure_is_raised_to_whoever_asks_and_stops_no_other(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    lab = bench().lab
    decoder = tiny_decoder("gemma3")
    reading = {"trait": ""}
    original = lab._trait

    def note(model: str, trait: str) -> datasets.TraitData:
        reading["trait"] = trait
        return original(model, trait)

    lab._trait = note  # type: ignore[method-assign]

    def poison(_module: object, _inputs: object, output: object) -> object:
        return residual(output) * float("nan") if reading["trait"] == "sycophancy" and "base" in reading else output

    handle = decoder.blocks[2].register_forward_hook(poison)
    try:
        reading["base"] = "yes"
        lab.prepare([activations(), activations("sycophancy")])
        del reading["base"]
        lab.prepare(WANTED)
    finally:
        handle.remove()
    with pytest.raises(BadActivations, match=r"block 2: .* first sycophancy scenario \d+ \(positive\)"):
        lab.answer(WANTED[2])
    for measurement in (WANTED[0], WANTED[1], WANTED[3], WANTED[4]):
        assert lab.answer(measurement).record


def test_a_trait_with_bad_or_too_few_questions_breaks_only_its_own_cells(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    folder = tmp_path / "datasets" / "words" / "traits" / "sycophancy"
    lab = bench().lab
    few = Scores(Baseline("tiny", "sycophancy", 5, 5), "parity")
    lab.prepare([*WANTED, few])
    with pytest.raises(datasets.DatasetError, match=r"sycophancy: 5 steering questions are asked for.* has 3"):
        lab.answer(few)
    assert lab.answer(WANTED[2]).record
    (folder / "questions.jsonl").write_text("{}\n")
    lab = bench(store=tmp_path / "another store").lab
    lab.prepare(WANTED)
    with pytest.raises(datasets.DatasetError, match=r"questions\.jsonl:1"):
        lab.answer(WANTED[2])
    assert lab.answer(WANTED[0]).record
    (folder / "questions.jsonl").unlink()
    lab = bench(store=tmp_path / "a third store").lab
    lab.prepare(WANTED)
    with pytest.raises(datasets.DatasetError, match="does not exist"):
        lab.answer(WANTED[2])
    assert lab.recall(WANTED[2]) is None
    assert lab.answer(WANTED[0]).record


def test_a_failure_keeps_no_frame_of_the_model_alive(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    def poison(_module: object, _inputs: object, output: object) -> object:
        return residual(output) * float("nan")

    handle = tiny_decoder("gemma3").blocks[2].register_forward_hook(poison)
    try:
        lab = bench().lab
        lab.prepare([activations()])
    finally:
        handle.remove()
    assert lab._failures[activations()].__traceback__ is None


def test_a_full_disk_is_said_once_and_loses_nothing_of_this_run(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = answers(bench().lab)

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_atomically", refuse)
    full = bench(store=Path(bench().lab.store.root.parent / "full"))
    assert same(answers(full.lab), made)
    assert len(full.told.warnings) == 1
    assert "the disk is full" in full.told.warnings[0]
    assert "stays in memory" in full.told.warnings[0]


def test_out_of_memory_halves_the_batch_and_says_so(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    made = answers(bench().lab)
    small = bench(store=Path(bench().lab.store.root.parent / "small"))

    def too_large(_module: object, _inputs: object, output: object) -> None:
        if residual(output).shape[0] > 10:
            raise torch.OutOfMemoryError("planted")

    handle = tiny_decoder("gemma3").blocks[0].register_forward_hook(too_large)
    try:
        found = answers(small.lab)
    finally:
        handle.remove()
    for one, other in zip(found, made, strict=True):
        for name in one.arrays:
            np.testing.assert_allclose(one.arrays[name], other.arrays[name], rtol=1e-4, atol=1e-4)
    assert any("batch size is now" in warning for warning in small.told.warnings)


def test_a_changed_question_measures_again_what_depends_on_it_only(bench: Callable[..., Bench], tmp_path: Path) -> None:
    answers(bench().lab)
    path = tmp_path / "datasets" / "words" / "traits" / "refusal" / "questions.jsonl"
    path.write_text(path.read_text().replace('"topic": "t"', '"topic": "u"'))
    plan = bench().lab.plan(WANTED)
    assert plan.missing
    assert {type(measurement) for measurement in plan.missing} == {Sweep, Baseline, Scores}
    assert all("sycophancy" not in repr(measurement) for measurement in plan.missing)


def test_an_interrupted_sweep_goes_on_where_it_stopped(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = answers(bench(batch_rows=8, store=bench().lab.store.root.parent / "whole").lab)
    first = bench(batch_rows=8)
    first.lab.prepare([activations(), activations("sycophancy"), MASSIVE])
    batches = 0
    original = Journal.append

    def interrupt(self: Journal, indices: list[int], generated: list[Generated]) -> None:
        nonlocal batches
        original(self, indices, generated)
        batches += 1
        if batches == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "append", interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.lab.prepare(WANTED)
    monkeypatch.undo()
    monkeypatch.setattr(datasets, "DATASETS", first.lab.store.root.parent / "datasets")
    second = bench(batch_rows=8)
    assert same(answers(second.lab), made)
    assert second.lab.calls == 1  # two of three batches were kept
    assert not list(second.lab.store.root.glob("partial/*"))
