"""Whatever breaks around the lab, nothing that was measured is lost and no other measurement suffers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data import datasets
from harness.decoding.capture import BadActivations
from harness.judges.errors import JudgeError
from harness.judges.gate import why_not_trusted
from harness.judges.protocol import Exchange, Judgement
from harness.lab.measurements import Baseline, JudgeCheck, Scores, Sweep
from harness.lab.store import TABLES, Response, Store
from harness.models.decoder import Decoder
from harness.models.hooks import residual
from harness.tests.lab.tiny_lab import MASSIVE, WANTED, Bench, ParityJudge, activations, answers, same, scores


def test_any_rows_may_be_lost_and_no_answer_changes(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    made = answers(lab)
    lab.store.close()
    for table in TABLES:
        for remainder in (0, 1):
            with contextlib.closing(sqlite3.connect(lab.store.path)) as connection, connection:
                connection.execute(f"DELETE FROM {table} WHERE rowid % 2 = ?", (remainder,))
            assert same(answers(bench().lab), made), table


def test_a_row_that_was_tampered_with_is_measured_again_and_no_other(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    made = answers(lab)
    lab.store.close()
    with contextlib.closing(sqlite3.connect(lab.store.path)) as connection, connection:
        connection.execute("UPDATE responses SET text = text || ' t3' WHERE rowid = 2")
        connection.execute("UPDATE judgements SET trait = 1.0 WHERE rowid = 2")
        connection.execute("DELETE FROM answers WHERE description LIKE '%Sweep%' OR description LIKE '%Scores%'")
    again = bench()
    assert same(answers(again.lab), made)
    assert again.lab.calls == 1
    assert bench().lab.plan(WANTED).calls == 0


def test_a_failure_is_raised_to_whoever_asks_and_stops_no_other(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    lab = bench().lab
    decoder = tiny_decoder("llama")
    reading = {"trait": ""}
    original = lab._data.trait

    def note(model: str, trait: str) -> datasets.TraitData:
        reading["trait"] = trait
        return original(model, trait)

    lab._data.trait = note  # type: ignore[method-assign]

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


def test_a_sweep_that_overflows_breaks_only_its_own_cells(bench: Callable[..., Bench]) -> None:
    lab, sweep = bench().lab, WANTED[0].of  # type: ignore[union-attr]
    assert isinstance(sweep, Sweep)
    far = replace(sweep, amounts=(1e39,), scale="coefficient")
    lab.prepare([sweep, far])
    with pytest.raises(BadActivations, match=r"NaN or infinite .* with coefficient 1e.39; run"):
        lab.answer(far)
    assert lab.answer(sweep).record["responses"]


def test_a_failure_keeps_no_frame_of_the_model_alive(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    def poison(_module: object, _inputs: object, output: object) -> object:
        return residual(output) * float("nan")

    handle = tiny_decoder("llama").blocks[2].register_forward_hook(poison)
    try:
        lab = bench().lab
        lab.prepare([activations()])
    finally:
        handle.remove()
    failure: BaseException | None = lab._failures[activations()]
    while failure is not None:
        assert failure.__traceback__ is None
        failure = failure.__cause__ or failure.__context__


def test_a_full_disk_is_said_once_and_loses_nothing_of_this_run(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = answers(bench().lab)

    def refuse(*_arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "_write", refuse)
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

    handle = tiny_decoder("llama").blocks[0].register_forward_hook(too_large)
    try:
        found = answers(small.lab)
    finally:
        handle.remove()
    for one, other in zip(found, made, strict=True):
        for name in one.arrays:
            np.testing.assert_allclose(one.arrays[name], other.arrays[name], rtol=1e-4, atol=1e-4)
    assert any("batch size is now" in warning for warning in small.told.warnings)


def test_an_interrupted_sweep_goes_on_where_it_stopped(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = answers(bench(batch_rows=8, store=bench().lab.store.root.parent / "whole").lab)
    first = bench(batch_rows=8)
    first.lab.prepare([activations(), activations("sycophancy"), MASSIVE])
    batches = 0
    original = Store.put_responses

    def interrupt(self: Store, made: Mapping[str, Response]) -> None:
        nonlocal batches
        original(self, made)
        batches += 1
        if batches == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "put_responses", interrupt)
    with pytest.raises(KeyboardInterrupt):
        first.lab.prepare(WANTED)
    monkeypatch.undo()
    monkeypatch.setattr(datasets, "DATASETS", first.lab.store.root.parent / "datasets")
    second = bench(batch_rows=8)
    assert same(answers(second.lab), made)
    assert second.lab.calls == 1  # two of three batches were kept


def test_a_wider_sweep_costs_its_own_rows_and_nothing_else(bench: Callable[..., Bench], tmp_path: Path) -> None:
    """Another claim, dose or recipe on the same directions finds every row that was made before."""
    first = bench(batch_rows=4)
    first.lab.answer(scores(amounts=(0.5, 1.0)))
    second = bench(batch_rows=4)
    second.lab.answer(scores(amounts=(0.5, 0.75, 1.0)))
    assert second.lab.calls == 1  # three rows of one new dose
    with contextlib.closing(sqlite3.connect(first.lab.store.path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM responses").fetchone() == (9,)


class Held(ParityJudge):
    """Notes in order what it is asked and when it is let go; is lost on the gold of sycophancy."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def judge(self, _definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
        self.events.append("judge")
        if any(exchange.question == "sycophancy?" for exchange in exchanges):
            raise RuntimeError("lost")
        return [Judgement(one, one, one) for one in [100.0, 0.0] * (len(exchanges) // 2)]

    def release(self) -> None:
        self.events.append("release judge")


def gold_sets(tmp_path: Path) -> None:
    """Eighty gold responses of each kind, half of them at either end."""
    folder = tmp_path / "datasets" / "words" / "judging"
    folder.mkdir()
    for name in ("refusal", "sycophancy", "coherence", "relevance"):
        rows = [
            {"question": f"{name}{number // 2 or ''}?", "response": f"{number}", "score": 100 - number % 2 * 100}
            for number in range(80)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({**row, "kind": "clear"}) + "\n" for row in rows))


def test_a_judge_that_fails_its_gate_is_looked_at_only_where_that_is_asked(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    class Undecided(ParityJudge):
        def judge(self, _definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
            return [Judgement(50.0, 50.0, 50.0) for _ in exchanges]

    gold_sets(tmp_path)
    wanted = [JudgeCheck("tiny", "refusal", "parity"), scores()]
    gated = bench(judge=Undecided()).lab
    gated.prepare(wanted)
    assert why_not_trusted(gated.answer(wanted[0]).record)
    assert gated.recall(scores()) is None
    assert scores() not in gated.plan(wanted).missing
    looked_at = bench(judge=Undecided(), untrusted=True).lab
    assert scores() in looked_at.plan(wanted).missing
    looked_at.prepare(wanted)
    assert (looked_at.answer(scores()).arrays["trait"] == 50.0).all()


def test_a_judge_is_let_go_when_it_was_checked_and_its_check_says_what_it_said(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    gold_sets(tmp_path)
    checks = [JudgeCheck("tiny", trait, "parity+relevance") for trait in ("refusal", "sycophancy")]
    found = bench()
    events = found.weights.events
    lab = bench(judge=Held(events)).lab
    lab._weights = found.weights
    lab.prepare([*checks, scores()])
    assert events[:4] == ["judge"] * 3 + ["release judge"], "both traits, then it makes room for the model"
    assert "judge" in events[events.index("load tiny instruct") :]
    record = lab.answer(checks[0]).record
    assert not why_not_trusted(record)
    assert record["relevance"]["scores"] == record["trait"]["gold"] == [100.0, 0.0] * 40
    assert {name: sorted(one) for name, one in record.items()} == {
        what: ["gold", "questions", "scores"] for what in ("trait", "coherence", "relevance")
    }, "no figure and no decision is stored"
    assert record["trait"]["questions"] == [number // 2 for number in range(80)]
    for check in (checks[1], replace(checks[1], judge="parity")):  # what caps is checked on trait and coherence, too
        with pytest.raises(RuntimeError, match="lost"):
            lab.answer(check)


def test_a_judge_that_cannot_be_had_keeps_no_plan_from_being_made(bench: Callable[..., Bench]) -> None:
    class Nowhere(ParityJudge):
        @property
        def identity(self) -> str:  # type: ignore[override]
            raise JudgeError("reads no meaning")

    plan = bench(judge=Nowhere()).lab.plan([scores()])
    assert scores() in plan.missing
