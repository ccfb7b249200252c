"""Measurements as plain frozen values: what a claim names, what the lab answers, what the store keeps.

A measurement says *what* is measured, never how; each class documents the arrays and the record of its answer.
`requires` gives the measurements an answer is made from, so that a set of claims closes into one plan.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias

from harness.data.datasets import Elicitation
from harness.judges.protocol import RELEVANCE_CAP

CleaningKind = Literal["none", "top", "consensus", "per_block"]
Treatment = Literal["zero", "winsorise", "mean"]
Positions = Literal["all", "response"]
Role = Literal["base", "instruct"]
Scale = Literal["dose", "base", "full base", "coefficient"]


@dataclass(frozen=True)
class Cleaning:
    """Which massive dims are disarmed: none, the block's `k` most massive, the consensus, the block's own list.

    `before` treats the activations before the method is fitted ("preclean"), otherwise the finished direction is
    treated ("postclean"); `how` is what becomes of an entry (see `harness.geometry.cleaning.treat`).
    """

    kind: CleaningKind = "none"
    k: int = 0
    how: Treatment = "zero"
    before: bool = False

    def __post_init__(self) -> None:
        if (self.kind == "top") != (self.k > 0):
            raise ValueError(f"Cleaning({self.kind!r}, k={self.k}): k >= 1 goes with 'top' and with nothing else.")
        if self.kind == "none" and (self.how != "zero" or self.before):
            raise ValueError(f"Cleaning(how={self.how!r}, before={self.before}): nothing is cleaned, so name dims.")
        if self.how == "mean" and not self.before:
            raise ValueError("Cleaning(how='mean'): a mean over rows needs rows, so it goes with before=True.")


@dataclass(frozen=True)
class LoadCheck:
    """What was found when the weights of a model were loaded (see `harness.decoding.probe`).

    Answer: record `findings`, sentences on what is odd and how it is dealt with; none is as it should be.
    """

    model: str
    role: Role


@dataclass(frozen=True)
class Activations:
    """Block outputs averaged over response tokens 0..window-1, on prompts for a trait and for its opposite.

    Base model on scenarios, or instruct model under contrasting instructions.

    Answer: arrays `positive`, `negative` float32 [pairs, blocks, hidden] in file order;
    record `training_pairs`, `topics` (one a pair), `questions` (one a pair of instructions: its question's topic),
    `responses` (generated text, for reading only).
    """

    model: str
    trait: str
    window: int
    elicitation: Elicitation = "scenarios"


@dataclass(frozen=True)
class MassiveActivations:
    """Instruct model, calibration prompts: per-dim statistics of its own responses, per block.

    Answer: arrays `mean` and `peak` float32 [blocks, hidden] (signed mean; largest absolute value),
    `median` float32 [blocks] (median |a| over the whole block output), `token_norm` and `token_norm_without` float64
    [blocks] (mean norm of a token, with and without the consensus dims);
    record `consensus`, `top`, `sun`, `severity`, `overall_severity`, `tokens`.
    """

    model: str
    max_new_tokens: int


@dataclass(frozen=True)
class Direction:
    """A unit direction at one block, made from scenario activations, cleaned before or after the fit; or several.

    `count` above 1 asks for so many: extractions, each fitted on another part of the training topics (see
    `harness.lab.making.extractions`), or draws of a random control. Every question is answered along one of them
    (`along`), so the noise of extraction lies in the answers at no more rows.
    Answer: arrays `direction` float32 [hidden] (from all training pairs; the first draw) and `directions` float32
    [count, hidden]; record `massive_dims` (the consensus), `share_outside` (of the
    direction's norm, outside those), `cleaned_dims`, `norm` and `norm_without` (of the training activations, with
    and without the massive dims: what base coefficients are counted in, as published), `dose_norm` (of a token of the
    steered model without the massive dims: what doses are counted in, whatever the window and the trait).
    """

    activations: Activations
    massive: MassiveActivations
    method: str
    block: int
    cleaning: Cleaning
    count: int = 1


def along(questions: int, count: int) -> tuple[int, ...]:
    """Which of `count` directions each question is answered along: all as often, and (of three or more) never as its
    neighbours, which may share a topic; every fold of `harness.stats.crossfit` has questions along all of them."""
    return tuple((number + number // count) % count for number in range(questions))


@dataclass(frozen=True)
class BlockChoice:
    """The block, of `candidates`, at which the scenarios of a trait are told apart best: where to steer a model that
    nothing was published about.

    Answer: record `block`, and `effect_sizes`, one for each candidate (see `harness.geometry.blocks`).
    """

    activations: Activations
    massive: MassiveActivations
    candidates: tuple[int, ...]


@dataclass(frozen=True)
class CrossFit:
    """Every pair of scenarios along a method's direction that was made from other topics, cleaned after the fit.

    Answer: arrays `positive`, `negative`, `polarity` float64 [pairs] (see `harness.geometry.separation.HeldOut`);
    record `topics` and `questions` as `Activations` has them.
    """

    activations: Activations
    method: str
    block: int
    cleaning: Cleaning = Cleaning()
    massive: MassiveActivations | None = None  # that the cleaning takes its dims from


@dataclass(frozen=True)
class Refits:
    """One method refitted on the training pairs (entry 0) and on resampled topics of them (the rest), at `blocks`.

    Answer: array `directions` float32 [1 + resamples, blocks, hidden]; record `pairs`, `topics` (a number a pair),
    `blocks` (all where none are named).
    """

    activations: Activations
    method: str
    resamples: int
    seed: int
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """Instruct model, unsteered: its responses to the first `questions` questions of a trait.

    Answer: record `responses`: one list of {text, ids, finished}; `amounts` [0.0], `coefficients` [0.0].
    """

    model: str
    trait: str
    questions: int
    max_new_tokens: int


@dataclass(frozen=True)
class Sweep:
    """Instruct model, steered along one direction, one run for each amount.

    Amounts are doses, multiples of a base coefficient ("base": the activation norm without massive dims; "full base":
    with them), or coefficients; `harness.geometry.calibration` relates them.

    Answer: record `responses`: per amount a list (per question) of {text, ids, finished};
    `amounts`, `coefficients`, `doses` (one number a run, the mean over questions where directions differ).
    """

    direction: Direction
    scale: Scale
    amounts: tuple[float, ...]
    questions: int
    max_new_tokens: int
    positions: Positions = "all"


@dataclass(frozen=True)
class Scores:
    """A judge's reading of a sweep or baseline.

    Answer: arrays `trait`, `coherence` float32 [runs, questions] with NaN where a score is missing;
    record `amounts`, `coefficients`, `doses` as the sweep has them.
    """

    of: Sweep | Baseline
    judge: str


@dataclass(frozen=True)
class JudgeCheck:
    """A judge on the gold responses of a trait and of coherence, in the language of a model, before it scores anything.

    One that caps coherence by relevance is checked on relevance as well. Answer: record `trait`, `coherence` and
    perhaps `relevance`, each with `gold`, `scores` (None: missing) and `questions` (a number for each), response by
    response; and `first_tokens`, how often what stood where a score should, of a judge that is asked. How good that
    is, and whether it is good enough, `harness.judges.gate` computes from it.
    """

    model: str
    trait: str
    judge: str


Measurement: TypeAlias = (
    LoadCheck
    | Activations
    | MassiveActivations
    | Direction
    | BlockChoice
    | CrossFit
    | Refits
    | Baseline
    | Sweep
    | Scores
    | JudgeCheck
)


def requires(measurement: Measurement) -> tuple[Measurement, ...]:
    """The measurements that `measurement` is made from, one step down."""
    match measurement:
        case (
            Direction(activations=activations, massive=massive) | BlockChoice(activations=activations, massive=massive)
        ):
            return (activations, massive)
        case CrossFit(activations=activations, massive=MassiveActivations() as massive):
            return (activations, massive)
        case Refits(activations=activations) | CrossFit(activations=activations):
            return (activations,)
        case Sweep(direction=direction):
            return (direction,)
        case Scores(of=of):
            return (of,)
        case JudgeCheck(judge=judge) if judge.endswith(RELEVANCE_CAP):
            return (replace(measurement, judge=judge.removesuffix(RELEVANCE_CAP)),)
        case _:
            return ()


def model_of(measurement: Measurement) -> str:
    """The registered name of the one model that `measurement` is about."""
    match measurement:
        case LoadCheck(model=model) | Activations(model=model) | MassiveActivations(model=model):
            return model
        case Baseline(model=model) | JudgeCheck(model=model):
            return model
        case _:
            return model_of(requires(measurement)[0])


def trait_of(measurement: Measurement) -> str | None:
    """The trait that `measurement` is about; None for massive activations, which have none."""
    match measurement:
        case Activations(trait=trait) | Baseline(trait=trait) | JudgeCheck(trait=trait):
            return trait
        case MassiveActivations() | LoadCheck():
            return None
        case _:
            return trait_of(requires(measurement)[0])


def to_json(value: Any) -> Any:
    """A measurement (or cleaning) as JSON values; the class name is kept under `kind_of`."""
    if is_dataclass(value) and not isinstance(value, type):
        body = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {"kind_of": type(value).__name__, **body}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value
