"""The lab makes each measurement once, as planned, and recalls it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.decoding.generation import greedy
from harness.decoding.steering import Row, steer
from harness.geometry import blocks
from harness.geometry.directions import mean_diff
from harness.judges.protocol import Exchange, Judgement
from harness.lab import grading, making
from harness.lab.making import extractions, steering_rows
from harness.lab.measurements import (
    Baseline,
    BlockChoice,
    Cleaning,
    Scores,
    Sweep,
    along,
)
from harness.models.decoder import Decoder
from harness.stats.resampling import CannotTell
from harness.tests.lab.tiny_lab import MASSIVE, WANTED, Bench, ParityJudge, activations, answers, same, scores


def test_everything_is_made_as_planned_and_recalled_without_a_model(bench: Callable[..., Bench]) -> None:
    first = bench(batch_rows=8)
    plan = first.lab.plan(WANTED)
    assert first.weights.events == []  # planning touches no weights
    made = answers(first.lab)
    assert first.lab.calls == plan.calls
    # refusal and sycophancy scenarios 20 rows each, calibration once, 3 x 2 x 3 + 3 = 21 steered rows, in batches of 8
    assert plan.calls == 3 + 3 + 1 + 3
    assert first.weights.events == ["load tiny base", "release tiny base", "load tiny instruct"]
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
    expected = [dose * direction["dose_norm"] / direction["share_outside"] for dose in (0.5, 1.0)]
    assert lab.answer(wanted).record["coefficients"] == pytest.approx(expected, rel=1e-5)
    by_hand = scores(scale="coefficient", amounts=tuple(expected))
    assert lab.answer(by_hand).record["doses"] == pytest.approx([0.5, 1.0], rel=1e-5)


def test_a_changed_question_measures_again_what_depends_on_it_only(bench: Callable[..., Bench], tmp_path: Path) -> None:
    answers(bench().lab)
    path = tmp_path / "datasets" / "words" / "traits" / "refusal" / "questions.jsonl"
    path.write_text(path.read_text().replace('"topic": "t"', '"topic": "u"'))
    plan = bench().lab.plan(WANTED)
    assert plan.missing
    assert {type(measurement) for measurement in plan.missing} == {Sweep, Baseline, Scores}
    assert all("sycophancy" not in repr(measurement) for measurement in plan.missing)


def test_every_response_lands_in_its_own_sweep_amount_and_question(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    lab, decoder = bench().lab, tiny_decoder("llama")
    lab.prepare(WANTED)
    seen = set()
    for wanted in WANTED[:3]:
        sweep = wanted.of  # type: ignore[union-attr]
        vector = lab.answer(sweep.direction).arrays["direction"]
        record = lab.answer(sweep).record
        questions = lab._data.trait("tiny", sweep.direction.activations.trait).questions
        for coefficient, run in zip(record["coefficients"], record["responses"], strict=True):
            for question, response in zip(questions, run, strict=True):
                row = Row(tuple(decoder.encode_question(question.text)), vector, coefficient, 1)
                alone = steer(decoder, [row], 5, batch_rows=1).responses[0]
                assert response["ids"] == list(alone.ids)
                seen.add(alone.ids)
    assert len(seen) > 9  # the rows do differ, so that a response in the wrong place would show


def test_directions_that_coincide_are_steered_once(bench: Callable[..., Bench]) -> None:
    zeroed = scores(cleaning=Cleaning("consensus"))
    before = scores(
        cleaning=Cleaning("consensus", before=True)
    )  # for mean_diff the order of cleaning makes no difference
    opened = bench()
    opened.lab.prepare([zeroed])
    alone = opened.lab.calls
    opened = bench(store=opened.lab.store.root.parent / "other")
    opened.lab.prepare([zeroed, before])
    assert opened.lab.calls == alone
    assert np.array_equal(
        opened.lab.answer(zeroed).arrays["trait"], opened.lab.answer(before).arrays["trait"], equal_nan=True
    )


def test_extractions_come_from_topics_that_none_of_them_share_and_questions_take_turns(
    bench: Callable[..., Bench],
) -> None:
    lab, one = bench().lab, scores(method="mean_diff").of
    assert isinstance(one, Sweep)
    several = replace(one, direction=replace(one.direction, count=2))
    made, read = lab.answer(several.direction).arrays, lab.answer(one.direction.activations)
    pairs = read.record["training_pairs"]
    topics = read.record["topics"][:pairs]
    parts = extractions(topics, 2)
    assert sorted(np.concatenate(parts)) == list(range(pairs))
    assert not {topics[pair] for pair in parts[0]} & {topics[pair] for pair in parts[1]}
    assert np.bincount(np.concatenate(extractions(range(20), 5))).tolist() == [2] * 20
    for number, part in enumerate(parts):
        rows = (read.arrays[side][part, one.direction.block] for side in ("positive", "negative"))
        np.testing.assert_allclose(made["directions"][number], mean_diff(*rows), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(made["direction"], lab.answer(one.direction).arrays["direction"])
    with pytest.raises(CannotTell, match="use --extractions 1"):
        extractions(topics, 100)
    steered = steering_rows(
        lab._decoder("tiny", "instruct"),
        lab._data.trait("tiny", "refusal").questions,
        several,
        lab.answer(several.direction),
    )[0]
    turns = along(several.questions, 2)
    for place, row in enumerate(steered):
        np.testing.assert_array_equal(row.direction, made["directions"][turns[place % several.questions]])


def test_every_extraction_answers_as_many_questions_in_every_fold() -> None:
    for questions, count in ((24, 5), (60, 5), (120, 5), (120, 10), (60, 2)):
        turns = np.array(along(questions, count))
        assert np.ptp(np.bincount(turns, minlength=count)) <= 1
        assert count == 2 or (turns[1:] != turns[:-1]).all()
    dealt = np.array(along(120, 5)).reshape(-1, 10)  # a fold is a column
    assert all(len(set(fold)) == 5 for fold in dealt.T)
    assert along(7, 7) == tuple(range(7))


def test_doses_of_every_window_are_counted_in_the_steered_models_own_tokens(
    bench: Callable[..., Bench], tiny_decoder: Callable[[str], Decoder]
) -> None:
    lab, decoder = bench().lab, tiny_decoder("llama")
    longer = replace(scores().of.direction, activations=activations(window=4))  # type: ignore[union-attr]
    short, long = (lab.answer(one).record for one in (scores().of.direction, longer))  # type: ignore[union-attr]
    assert short["norm_without"] != long["norm_without"]  # a base coefficient is counted in its own window
    measured = lab.answer(MASSIVE)
    prompts = [decoder.encode_question(prompt) for prompt in lab._data.prompts("tiny")]
    tokens = []
    for prompt, response in zip(prompts, greedy(decoder, prompts, MASSIVE.max_new_tokens), strict=True):
        whole = decoder.model(input_ids=torch.tensor([[*prompt, *response.ids]]), output_hidden_states=True)
        tokens.append(whole.hidden_states[2][0, len(prompt) :].numpy())  # block 1, where `scores` steers
    rows = np.concatenate(tokens).astype(np.float64)
    consensus = measured.record["consensus"]
    assert consensus
    outside = np.delete(rows, consensus, axis=1)
    expected = [np.linalg.norm(one, axis=1).mean() for one in (rows, outside)]
    assert [measured.arrays[name][1] for name in ("token_norm", "token_norm_without")] == pytest.approx(
        expected, rel=1e-5
    )
    assert short["dose_norm"] == long["dose_norm"] == measured.arrays["token_norm_without"][1]


def test_methods_cleanings_and_scales_of_a_sweep_are_what_they_say(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    for method in ("gradient", "random", "shuffled probe"):
        assert np.linalg.norm(lab.answer(scores(method=method).of.direction).arrays["direction"]) == pytest.approx(1.0)  # type: ignore[union-attr]
    read, dims = lab.answer(activations()), lab.answer(MASSIVE).record["consensus"]
    assert read.record["topics"] == [f"t{pair // 2}" for pair in range(len(read.arrays["positive"]))]
    precleaned = scores(cleaning=Cleaning("consensus", how="mean", before=True)).of.direction  # type: ignore[union-attr]
    vector = lab.answer(precleaned).arrays["direction"]
    difference = (read.arrays["positive"] - read.arrays["negative"])[: read.record["training_pairs"], 1].mean(axis=0)
    difference[dims] = 0.0  # a dim replaced by its mean over all rows has no difference of class means
    assert np.allclose(vector, difference / np.linalg.norm(difference), atol=1e-5)
    base, full = (lab.answer(scores(scale=scale, amounts=(0.5,))) for scale in ("base", "full base"))
    record = lab.answer(scores().of.direction).record  # type: ignore[union-attr]
    assert base.record["coefficients"][0] == pytest.approx(0.5 * record["norm_without"])
    assert full.record["coefficients"][0] == pytest.approx(0.5 * record["norm"])
    assert record["norm"] > record["norm_without"]


def test_a_judge_that_is_lost_costs_only_what_it_has_not_judged(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(RuntimeError):
        pass

    class Dying(ParityJudge):
        def __init__(self, batches: int) -> None:
            self.left = batches
            self.asked = 0

        def judge(self, definition: Mapping[str, str], exchanges: Sequence[Exchange]) -> list[Judgement]:
            if not self.left:
                raise Lost("the server is gone")
            self.left -= 1
            self.asked += len(exchanges)
            return super().judge(definition, exchanges)

    monkeypatch.setattr(grading, "AT_ONCE", 2)
    whole = bench(store=bench().lab.store.root.parent / "other").lab
    expected = [whole.answer(one) for one in (scores(), WANTED[3])]
    opened = bench(judge=Dying(2)).lab
    opened.prepare([scores(), WANTED[3]])
    with pytest.raises(Lost, match="gone"):
        opened.answer(scores())
    assert opened.answer(scores().of).record["responses"]  # what was generated is kept
    distinct = {*making.exchanges_of(opened._data.trait("tiny", "refusal").questions, opened.answer(scores().of))}
    distinct |= {*making.exchanges_of(opened._data.trait("tiny", "refusal").questions, opened.answer(WANTED[3].of))}  # type: ignore[union-attr]
    again = Dying(1000)
    resumed = bench(judge=again).lab
    assert same([resumed.answer(one) for one in (scores(), WANTED[3])], expected)
    assert again.asked == len(distinct) - 4  # the two batches of two that were judged are not asked again
    assert resumed.calls == 0


def test_the_block_of_a_model_without_one_is_chosen_on_its_training_scenarios(bench: Callable[..., Bench]) -> None:
    lab = bench().lab
    wanted = BlockChoice(activations(), MASSIVE, (1, 2, 3))
    plan = lab.plan([wanted])
    assert plan.missing[-1] == wanted
    answer, read = lab.answer(wanted), lab.answer(activations())
    dims = lab.answer(MASSIVE).record["consensus"]
    by_hand = [blocks.separation(*making.training_rows(read, block), dims) for block in (1, 2, 3)]
    assert answer.record["effect_sizes"] == pytest.approx(by_hand)
    assert answer.record["block"] == 1 + int(np.argmax(by_hand))
    assert bench().lab.plan([wanted]).missing == ()
