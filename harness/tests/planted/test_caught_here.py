"""Faults of the instrument that no other test would notice show here."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.datasets import Question
from harness.decoding.capture import window_means
from harness.decoding.generation import greedy
from harness.decoding.steering import Row, RowSteering
from harness.geometry import directions
from harness.geometry.cleaning import clean, treat
from harness.judges.protocol import Judgement
from harness.lab import making
from harness.lab.measurements import Activations, Cleaning, Direction, MassiveActivations, Refits, Sweep
from harness.lab.store import Answer, CorruptEntry, Store
from harness.models.decoder import Decoder
from harness.models.hooks import residual
from harness.quantities import AroundBase, Cell, CurveGap, GainWhereNeeded, Recipe
from harness.stats.averages import NoValidRun
from harness.tests.lab.test_keys import make_keys
from harness.tests.lab.tiny_lab import Bench, activations, scores
from harness.tests.quantities import simulated
from harness.tests.quantities.simulated import World

PAIRS, TRAINING, BLOCKS, HIDDEN = 20, 12, 3, 8
MEAN_DIFF = Recipe("mean_diff")


def read_answer(seed: int = 0) -> Answer:
    """Activations whose classes differ in another dim at every block, and the other way round in held-out pairs.

    Pairs lie far apart from each other, and dim 0 is massive.
    """
    random = np.random.default_rng(seed)
    pair, shift = random.normal(0.0, 30.0, (PAIRS, BLOCKS, HIDDEN)), random.normal(0.0, 0.2, (PAIRS, BLOCKS, HIDDEN))
    shift[:, np.arange(BLOCKS), np.arange(BLOCKS) + 1] += 2.0
    shift[TRAINING:] *= -1.0
    pair[..., 0] += 500.0
    rows = {"positive": pair + shift, "negative": pair - shift}
    return Answer(
        {name: row.astype(np.float32) for name, row in rows.items()},
        {"training_pairs": TRAINING, "topics": [*range(PAIRS)]},
    )


def measured_answer() -> Answer:
    """Massive activations: dim 0 everywhere, and each block's own dim after it."""
    mean = np.ones((BLOCKS, HIDDEN), np.float32)
    mean[np.arange(BLOCKS), np.arange(BLOCKS) + 4] = -90.0
    mean[:, 0] = 50.0
    top = [[block + 4, 0] for block in range(BLOCKS)]
    norms = np.arange(1.0, BLOCKS + 1)
    return Answer({"mean": mean, "token_norm_without": norms}, {"consensus": [0], "top": top})


def direction(method: str = "mean_diff", cleaning: Cleaning | None = None, count: int = 1) -> Direction:
    read, massive = Activations("tiny", "refusal", 3), MassiveActivations("tiny", 6)
    return Direction(read, massive, method, 1, cleaning or Cleaning(), count)


def training(read: Answer) -> tuple[np.ndarray, np.ndarray]:
    return read.arrays["positive"][:TRAINING, 1], read.arrays["negative"][:TRAINING, 1]


def test_a_direction_is_fitted_on_training_pairs() -> None:
    read = read_answer()
    found = making.direction(direction(), read, measured_answer())
    expected = directions.mean_diff(*training(read))
    np.testing.assert_allclose(found.arrays["direction"], expected, rtol=1e-5, atol=1e-6)


def test_the_norms_of_a_direction_are_those_of_its_training_rows_with_and_without_massive_dims() -> None:
    read = read_answer()
    record = making.direction(direction(), read, measured_answer()).record
    rows = np.concatenate(training(read)).astype(np.float64)
    assert record["norm"] == pytest.approx(np.linalg.norm(rows, axis=1).mean())
    assert record["norm_without"] == pytest.approx(np.linalg.norm(rows[:, 1:], axis=1).mean())
    assert record["norm_without"] < record["norm"] / 2


def test_the_dims_cleaned_are_those_of_the_direction_s_own_block() -> None:
    measured = measured_answer()
    for block in range(BLOCKS):
        assert making.cleaned_dims(measured, block, Cleaning("top", 1)) == (block + 4,)
        assert making.cleaned_dims(measured, block, Cleaning("per_block")) == (block + 4, 0)
    assert making.cleaned_dims(measured, 1, Cleaning("consensus")) == (0,)
    assert making.cleaned_dims(measured, 1, Cleaning()) == ()


def test_cleaning_before_the_fit_fits_on_cleaned_rows() -> None:
    positive, negative = training(read_answer())
    after = making.fit(direction("probe", Cleaning("consensus")), positive, negative, (0,))
    before = making.fit(direction("probe", Cleaning("consensus", before=True)), positive, negative, (0,))
    np.testing.assert_allclose(after, clean(directions.probe(positive, negative), (0,)))
    np.testing.assert_allclose(before, directions.probe(treat(positive, (0,)), treat(negative, (0,))))
    assert directions.cosine(before, after) < 0.99


def test_refits_resample_both_members_of_a_pair_together() -> None:
    read = read_answer()
    measurement = Refits(Activations("tiny", "refusal", 3), "mean_diff", 20, 1)
    found = making.refits(measurement, read, lambda _: None).arrays["directions"]
    np.testing.assert_allclose(found[0, 1], directions.mean_diff(*training(read)), rtol=1e-5, atol=1e-6)
    assert len(np.unique(found[:, 1], axis=0)) > 15
    assert (found[1:, 1] @ found[0, 1]).min() > 0.9  # what tells pairs apart cancels


def test_pairs_of_one_topic_are_resampled_together() -> None:
    """Two topics, the difference of each in a dim of its own: no resample has other mixtures than of whole topics."""
    rows = np.repeat(np.eye(HIDDEN)[:2], TRAINING // 2, axis=0)[:, None].repeat(BLOCKS, axis=1).astype(np.float32)
    record = {"training_pairs": TRAINING, "topics": [pair // (TRAINING // 2) for pair in range(TRAINING)]}
    read = Answer({"positive": rows, "negative": -rows}, record)
    measurement = Refits(Activations("tiny", "refusal", 3), "mean_diff", 30, 1)
    found = making.refits(measurement, read, lambda _: None).arrays["directions"][:, 1]
    assert {round(float(share), 3) for share in found[:, 0] ** 2} == {0.0, 0.5, 1.0}


def test_a_response_is_judged_with_its_own_question() -> None:
    runs = [[{"text": f"{run} {number}", "finished": True} for number in range(2)] for run in range(2)]
    record = {"responses": runs, "amounts": [1.0, 2.0], "coefficients": [1.0, 2.0], "doses": [1.0, 2.0]}
    questions = [Question(f"q{number}", "t") for number in range(3)]
    exchanges = making.exchanges_of(questions, Answer({}, record))
    seen = [(exchange.question, exchange.response) for exchange in exchanges]
    assert seen == [("q0", "0 0"), ("q1", "0 1"), ("q0", "1 0"), ("q1", "1 1")]
    judged = {one: Judgement(float(place), 50.0 + place) for place, one in enumerate(exchanges)}
    scored = making.scores(judged, exchanges, Answer({}, record))
    assert scored.arrays["trait"].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert scored.arrays["coherence"].tolist() == [[50.0, 51.0], [52.0, 53.0]]


def test_activations_are_filed_under_their_own_scenario_and_label(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    lab, decoder = bench().lab, tiny_decoder("llama")
    found = lab.answer(activations())
    for number, pair in enumerate(lab._data.trait("tiny", "refusal").pairs):
        for scenario in pair:
            alone, _ = window_means(decoder, [decoder.encode(scenario.text)], [3], [scenario.text])
            filed = found.arrays[scenario.label][number]
            np.testing.assert_allclose(filed, alone[3][0], rtol=1e-3, atol=1e-4)


def test_steering_everywhere_goes_on_at_every_generated_token(tiny_decoder: Callable[[str], Decoder]) -> None:
    decoder, plain, steered = tiny_decoder("llama"), list[torch.Tensor](), list[torch.Tensor]()
    steering = RowSteering([Row((2, 5, 9), np.ones(decoder.width, np.float32), 3.0, 0)], decoder)
    before = decoder.blocks[0].register_forward_hook(lambda _m, _i, out: plain.append(residual(out)))
    with steering.on(decoder.blocks):
        after = decoder.blocks[0].register_forward_hook(lambda _m, _i, out: steered.append(residual(out)))
        greedy(decoder, [(2, 5, 9)], 4, stop_ids=frozenset(), watcher=steering)
        after.remove()
    before.remove()
    assert [one.shape[1] for one in steered] == [3, 1, 1, 1]
    for one, other in zip(steered, plain, strict=True):
        torch.testing.assert_close(one - other, torch.full_like(one, 3.0), rtol=1e-3, atol=1e-3)


def test_around_the_base_nothing_beyond_twice_of_it_counts() -> None:
    world = simulated.answers({"simulated": World(inside={5: 0.95})})  # works from 2.6 times the base on
    quantity = AroundBase(MEAN_DIFF, ("around base", "doses"))
    try:
        assert quantity.evaluate(simulated.cell("refusal"), world).value < 5
    except NoValidRun:
        pytest.fail("unsteered text is coherent, and so is text steered by less than twice the base")


def test_curves_are_compared_at_the_block_at_which_they_lie_furthest_apart() -> None:
    usual = simulated.cell("refusal")
    subject = Cell(replace(usual.model, blocks={"refusal": (1, 2)}), "refusal", usual.settings)

    def effect(made: Direction) -> float:
        return 90.0 if made.block == 2 and made.method == "probe" else 50.0

    world = simulated.answers({"simulated": World(effect=effect)})
    assert CurveGap(MEAN_DIFF, Recipe("probe")).evaluate(subject, world).value > 5


def test_a_direction_is_read_at_the_dose_that_another_needs() -> None:
    cleaned = MEAN_DIFF.cleaned(Cleaning("consensus"))
    world = World(best_dose=lambda made: 1.6 if made.cleaning.kind == "consensus" else 2.0)
    found = GainWhereNeeded(MEAN_DIFF, cleaned).evaluate(
        simulated.cell("refusal"), simulated.answers({"simulated": world})
    )
    # The cleaned one needs 1.2, between the runs at 1 and 1.27; at the other's own need, 1.5, they lie 19 apart.
    at_need = (1.2 - 1.0) / 0.27 * 50.0 * (2 * 1.27 / 2.0 - 1)
    assert found.value == pytest.approx(at_need - 25.0, abs=1.5)


def test_whatever_a_sweep_is_made_of_is_in_its_key() -> None:
    sweep, keys = scores().of, make_keys()
    assert isinstance(sweep, Sweep)
    made = replace(sweep.direction, activations=replace(activations(), model="severe"))
    sweep = replace(sweep, direction=replace(made, massive=MassiveActivations("severe", 6)))
    others = [
        replace(sweep, amounts=(0.5, 1.5)),
        replace(sweep, scale="base"),
        replace(sweep, direction=replace(sweep.direction, cleaning=Cleaning("top", 1))),
        replace(sweep, direction=replace(sweep.direction, cleaning=Cleaning("top", 1, before=True))),
        replace(sweep, direction=replace(sweep.direction, cleaning=Cleaning("top", 1, how="winsorise"))),
        replace(sweep, direction=replace(sweep.direction, count=2)),
    ]
    assert len({keys.key(one) for one in (sweep, *others)}) == 1 + len(others)


def test_a_flipped_bit_in_any_byte_of_stored_arrays_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("k" * 64, {}, Answer({"a": np.arange(20_000, dtype=np.float32)}))
    (path,) = store.root.rglob("*.safetensors")
    right = path.read_bytes()
    for place in (*range(100), *range(100, len(right), 997)):
        path.write_bytes(right[:place] + bytes([right[place] ^ 4]) + right[place + 1 :])
        with pytest.raises(CorruptEntry):
            store.get("k" * 64)
    path.write_bytes(right)
    assert store.get("k" * 64) is not None


def test_a_damaged_answer_is_measured_again_and_said_so(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    made = lab.answer(activations()).arrays["positive"]
    lab.store.close()
    with contextlib.closing(sqlite3.connect(lab.store.path)) as connection, connection:
        connection.execute("UPDATE answers SET record = record || ' '")
    again = bench()
    np.testing.assert_array_equal(again.lab.answer(activations()).arrays["positive"], made)
    assert [warning for warning in again.told.warnings if "measured again" in warning]
