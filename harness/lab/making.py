"""How each kind of measurement is made from a loaded model, trait data and the answers it requires."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from harness.data.datasets import DatasetError, Question, TraitData, training_pairs
from harness.data.gold import GoldExchange, question_numbers
from harness.decoding.capture import ResponseStatistics, add_responses, window_means
from harness.decoding.steering import Row
from harness.geometry import blocks, calibration, cleaning, directions, massive, separation
from harness.judges.protocol import WHAT, Exchange, Judgement
from harness.lab.measurements import (
    Activations,
    Baseline,
    BlockChoice,
    Cleaning,
    CrossFit,
    Direction,
    MassiveActivations,
    Refits,
    Sweep,
    along,
)
from harness.lab.store import Answer, Response, told
from harness.models.decoder import Decoder
from harness.models.memory import in_batches
from harness.stats import resampling

Array = np.ndarray[Any, Any]
Advance = Callable[[int], None]


def activations(
    decoder: Decoder,
    data: TraitData,
    measurements: Sequence[Activations],
    batch_rows: int,
    advance: Advance,
    on_halved: Callable[[int], None],
) -> tuple[dict[Activations, Answer], int]:
    """Every window of one model, trait and elicitation, from one greedy run of the longest; also the generate calls."""
    windows = [measurement.window for measurement in measurements]
    pairs = data.elicited_by(measurements[0].elicitation)
    scenarios = [scenario for pair in pairs for scenario in pair]  # positive, negative, positive, ...
    prompts = [
        decoder.encode_question(scenario.text, scenario.instruction)
        if scenario.instruction
        else decoder.encode(scenario.text)
        for scenario in scenarios
    ]
    shape = (len(scenarios), decoder.depth, decoder.width)
    means = {window: np.zeros(shape, np.float32) for window in windows}
    texts = [""] * len(scenarios)

    def run(batch: list[int]) -> None:
        labels = [f"{data.name} scenario {scenarios[row].pair} ({scenarios[row].label})" for row in batch]
        found, generated = window_means(decoder, [prompts[row] for row in batch], windows, labels)
        for window in windows:
            means[window][batch] = found[window]
        for row, response in zip(batch, generated, strict=True):
            texts[row] = decoder.decode(response.ids)
        advance(len(batch))

    calls = in_batches([len(prompt) for prompt in prompts], decoder.together(batch_rows), run, on_halved)
    topics = [positive.topic for positive, _ in pairs]
    record = {"training_pairs": training_pairs(pairs), "topics": topics, "responses": texts}
    if questions := [positive.question for positive, _ in pairs if positive.question]:
        record["questions"] = questions
    answers = {
        measurement: Answer(
            {"positive": means[measurement.window][0::2], "negative": means[measurement.window][1::2]}, record
        )
        for measurement in measurements
    }
    return answers, calls


def massive_activations(
    decoder: Decoder,
    prompts: Sequence[str],
    measurement: MassiveActivations,
    batch_rows: int,
    advance: Advance,
    on_halved: Callable[[int], None],
) -> tuple[Answer, int]:
    """Statistics of the instruct model's own responses, and the dims they single out; also the generate calls."""
    # A base model without a chat template continues the prompt as it would any text.
    rows = [(decoder.encode_question if decoder.has_template else decoder.encode)(prompt) for prompt in prompts]
    statistics = ResponseStatistics(decoder.depth, decoder.width)
    stop_ids = frozenset[int]() if decoder.unfit else None  # where responses may be empty, what follows is read instead

    def run(batch: list[int]) -> None:
        labels = [f"calibration prompt {row + 1}" for row in batch]
        read = [rows[row] for row in batch]
        add_responses(decoder, read, measurement.max_new_tokens, labels, statistics, stop_ids)
        advance(len(batch))

    calls = in_batches([len(row) for row in rows], decoder.together(batch_rows), run, on_halved)
    arrays = statistics.arrays()
    top = massive.top_dims(arrays["mean"])
    consensus = massive.consensus_dims(top)
    arrays |= {"token_norm": statistics.token_norms(), "token_norm_without": statistics.token_norms(consensus)}
    severity = massive.severity(arrays["mean"])
    record = {
        "top": [list(dims) for dims in top],
        "consensus": list(consensus),
        "sun": [list(dims) for dims in massive.sun_dims(arrays["peak"], arrays["median"])],
        "severity": [float(value) for value in severity],
        "overall_severity": float(massive.overall_severity(arrays["mean"])),
        "tokens": statistics.tokens,
    }
    return Answer(arrays, record), calls


def cleaned_dims(measured: Answer, block: int, how: Cleaning) -> tuple[int, ...]:
    """The dims that a cleaning disarms at one block, given the answer of MassiveActivations."""
    found, record = measured.arrays["mean"][block], measured.record
    return massive.cleaned_dims(how.kind, how.k, found, record["consensus"], record["top"][block])


def training_rows(answer: Answer, block: int) -> tuple[Array, Array]:
    """Positive and negative training activations [pairs, hidden] of one block."""
    pairs = answer.record["training_pairs"]
    return answer.arrays["positive"][:pairs, block], answer.arrays["negative"][:pairs, block]


def ways_of(answer: Answer, pairs: int | None = None) -> tuple[Array, ...]:
    """How the first `pairs` of an answer (None: all) belong together; see `separation.ways_of`."""
    topics, questions = answer.record["topics"][:pairs], answer.record.get("questions")
    return separation.ways_of(topics, questions and questions[:pairs])


def direction(measurement: Direction, read: Answer, measured: Answer, given: Array | None = None) -> Answer:
    """A direction, fitted or `given`, those made again from other pairs or draws, and the norms of its amounts."""
    block = measurement.block
    positive, negative = training_rows(read, block)
    consensus = tuple(measured.record["consensus"])
    how = measurement.cleaning
    dims = cleaned_dims(measured, block, how)
    vector = fit(measurement, positive, negative, dims, given)
    several = [vector]
    if measurement.count > 1 and measurement.method in directions.DRAWN:
        several += [fit(measurement, positive, negative, dims, draw=draw) for draw in range(1, measurement.count)]
    elif measurement.count > 1:
        topics = read.record["topics"][: len(positive)]
        parts = extractions(topics, measurement.count)
        several = [fit(measurement, positive[part], negative[part], dims, given) for part in parts]
    rows = np.concatenate([positive, negative])
    record = {
        "share_outside": float(cleaning.share_outside(vector, consensus)),
        "massive_dims": [int(dim) for dim in consensus],
        "cleaned_dims": [int(dim) for dim in dims],
        "norm": float(calibration.activation_norm(rows)),
        "norm_without": float(calibration.activation_norm(rows, consensus)),
        "dose_norm": float(measured.arrays["token_norm_without"][block]),
    }
    stacked = np.stack(several)
    return Answer({"direction": vector.astype(np.float32), "directions": stacked.astype(np.float32)}, record)


def extractions(topics: Sequence[Hashable], count: int) -> list[Array]:
    """The pairs, by index, that each of `count` extractions is fitted on: two fifths of the topics, all equally often.

    Topics are dealt into `count` parts, and an extraction has the next ones in turn. A fifth each would make them
    independent, and too poor: SmolLM2's sycophancy, 47 points by a direction of all pairs, was 9 (reports/LOG.md).
    What extractions share moves them alike, which `harness.stats.resampling.shared` makes up for. Raises CannotTell
    for fewer topics than extractions. Questions that recur in several topics are in several extractions.
    """
    numbers = resampling.numbered(topics)
    if numbers.max() + 1 < count:
        raise resampling.CannotTell(
            f"{numbers.max() + 1} topics of training pairs make no {count} extractions: write more, or use "
            "--extractions 1."
        )
    taken = resampling.parts_taken(count)
    return [np.flatnonzero((numbers - part) % count < taken) for part in range(count)]


def fit(
    measurement: Direction,
    positive: Array,
    negative: Array,
    dims: Sequence[int],
    given: Array | None = None,
    draw: int = 0,
) -> Array:
    """The unit direction of a method (or a `given` one), cleaned of `dims` before or after the fit."""
    read, how = measurement.activations, measurement.cleaning
    place = read.model, read.trait, measurement.block, draw
    method = directions.method_at(measurement.method, *place, vector=given)
    if not how.before:
        return cleaning.clean_by(method(positive, negative), dims, how.how)
    rows = cleaning.treat(np.concatenate([positive, negative]), dims, how.how)
    return method(rows[: len(positive)], rows[len(positive) :])


def block_choice(measurement: BlockChoice, read: Answer, measured: Answer) -> Answer:
    """The candidate block at which training scenarios are told apart best along a cleaned mean_diff of other ones."""
    consensus = tuple(measured.record["consensus"])
    found = [blocks.separation(*training_rows(read, block), consensus) for block in measurement.candidates]
    chosen = blocks.choose(measurement.candidates, found)
    return Answer({}, {"block": chosen, "effect_sizes": found})


def cross_fit(measurement: CrossFit, read: Answer, measured: Answer | None, given: Array | None = None) -> Answer:
    """Every pair of scenarios along a direction that was made from the pairs of other topics and questions."""
    origin, block, how = measurement.activations, measurement.block, measurement.cleaning
    dims = cleaned_dims(measured, block, how) if measured is not None else ()

    def fit_without(positive: Array, negative: Array, fold: int) -> Array:
        place = origin.model, origin.trait, block, f"without fold {fold}"
        method = directions.method_at(measurement.method, *place, vector=given)
        return np.asarray(cleaning.clean_by(method(positive, negative), dims, how.how))

    positive, negative = read.arrays["positive"][:, block], read.arrays["negative"][:, block]
    with threadpool_limits(1):
        found = separation.held_out(positive, negative, separation.folds_by(ways_of(read)), fit_without)
    record = {name: list(read.record[name]) for name in ("topics", "questions") if name in read.record}
    return Answer({name: getattr(found, name) for name in ("positive", "negative", "polarity")}, record)


def refits(measurement: Refits, read: Answer, advance: Advance, given: Array | None = None) -> Answer:
    """A method refitted at every block on resampled training pairs, whole topics of them; a pair has both classes."""
    pairs = read.record["training_pairs"]
    origin, ways = measurement.activations, ways_of(read, pairs)
    indices = resampling.resample_groups(ways, measurement.resamples, measurement.seed)
    choices = [np.arange(pairs), *indices]
    depth, hidden = read.arrays["positive"].shape[1:]
    places = measurement.blocks or tuple(range(depth))
    found = np.zeros((len(choices), len(places), hidden), np.float32)
    with threadpool_limits(1):  # fits this small only wait for each other's threads
        for number, chosen in enumerate(choices):
            for place, block in enumerate(places):
                positive, negative = training_rows(read, block)
                place_of = origin.model, origin.trait, block, number
                method = directions.method_at(measurement.method, *place_of, vector=given)
                found[number, place] = method(positive[chosen], negative[chosen])
            advance(1)
    topics = separation.coarsest(ways).tolist()
    return Answer({"directions": found}, {"pairs": pairs, "topics": topics, "blocks": list(places)})


def require_questions(data: TraitData, measurement: Sweep | Baseline) -> None:
    """Raise DatasetError when a trait has fewer questions than a sweep or baseline asks."""
    if len(data.questions) < measurement.questions:
        raise DatasetError(
            f"{data.name}: {measurement.questions} steering questions are asked for, questions.jsonl has "
            f"{len(data.questions)}; write more."
        )


def steering_rows(
    decoder: Decoder, questions: Sequence[Question], measurement: Sweep | Baseline, vector: Answer | None
) -> tuple[list[Row], dict[str, list[float]]]:
    """The rows of one sweep or baseline, amount by amount and question by question, and what each amount means."""
    prompts = [tuple(decoder.encode_question(question.text)) for question in questions[: measurement.questions]]
    if isinstance(measurement, Baseline) or vector is None:
        return [Row(prompt) for prompt in prompts], {"amounts": [0.0], "coefficients": [0.0], "doses": [0.0]}
    units, dims, norm = vector.arrays["directions"], vector.record["massive_dims"], vector.record["dose_norm"]
    turns = along(len(prompts), len(units))
    coefficients = np.array([_coefficients(measurement, unit, vector.record) for unit in units])[list(turns)]
    doses = [
        [calibration.dose(float(one), units[turn].astype(np.float64), dims, norm) for one in run]
        for run, turn in zip(coefficients, turns, strict=True)
    ]
    amounts = {
        "amounts": list(measurement.amounts),
        "coefficients": coefficients.mean(axis=0).tolist(),
        "doses": np.mean(doses, axis=0).tolist(),
    }
    block = measurement.direction.block
    rows = [
        Row(prompt, units[turn], float(coefficients[question, run]), block)
        for run in range(len(measurement.amounts))
        for question, (prompt, turn) in enumerate(zip(prompts, turns, strict=True))
    ]
    return rows, amounts


def _coefficients(measurement: Sweep, unit: Array, record: Mapping[str, Any]) -> list[float]:
    """What each amount of a sweep is as a coefficient of one unit direction."""
    exact = unit.astype(np.float64)
    base, full_base = (calibration.base_coefficient(record[one], exact) for one in ("norm_without", "norm"))
    to_coefficient: Mapping[str, Callable[[float], Any]] = {
        "dose": lambda amount: calibration.coefficient_for_dose(
            amount, exact, record["massive_dims"], record["dose_norm"]
        ),
        "base": lambda amount: amount * base,
        "full base": lambda amount: amount * full_base,
        "coefficient": lambda amount: amount,
    }
    return [float(to_coefficient[measurement.scale](amount)) for amount in measurement.amounts]


def responses(keys: Sequence[str], made: Mapping[str, Response], questions: int, amounts: Mapping[str, Any]) -> Answer:
    """Rows of a sweep, by their keys, folded back into one list of responses for each amount."""
    runs = [list(keys[start : start + questions]) for start in range(0, len(keys), questions)]
    shown = [[told(made[key]) for key in run] for run in runs]
    return Answer({}, {**amounts, "response_keys": runs, "responses": shown})


def exchanges_of(questions: Sequence[Question], answer: Answer) -> list[Exchange]:
    """What a judge reads of a sweep or baseline, run by run and question by question."""
    return [
        Exchange(question.text, response["text"], response["finished"])
        for run in answer.record["responses"]
        for question, response in zip(questions[: len(run)], run, strict=True)
    ]


def scores(judged: Mapping[Exchange, Judgement], exchanges: Sequence[Exchange], answer: Answer) -> Answer:
    """A judge's trait and coherence of every response; NaN where the judge could not tell."""
    runs = len(answer.record["responses"])
    arrays: dict[str, Array] = {
        what: numbers([judged[one] for one in exchanges], what).reshape(runs, -1) for what in WHAT
    }
    record = {name: answer.record[name] for name in ("amounts", "coefficients", "doses")}
    return Answer(arrays, record)


def numbers(judgements: Sequence[Judgement], what: Literal["trait", "coherence"]) -> Array:
    """One score a judgement as float32, NaN where it is missing."""
    values = [getattr(judgement, what) for judgement in judgements]
    return np.asarray([np.nan if value is None else float(value) for value in values], np.float32)


def gold_exchange(one: GoldExchange) -> Exchange:
    """A gold response as a judge reads it: what is graded as a partial answer may end at a limit, as in a run."""
    return Exchange(one.question, one.response, one.finished and one.kind != "partial")


def judge_check(judged: Mapping[Exchange, Judgement], golds: Mapping[str, Sequence[GoldExchange]]) -> Answer:
    """What a judge said of responses whose scores are known, by what is scored; whether it is good enough is not said.

    `golds` by trait, coherence or relevance.
    """
    record: dict[str, Any] = {}
    for what, gold in golds.items():
        record[what] = {
            "gold": [one.score for one in gold],
            "scores": [getattr(judged[gold_exchange(one)], what) for one in gold],
            "questions": question_numbers(gold),
        }
    return Answer({}, record)
