"""What a plan would cost: minutes and memory on a GPU, from architectures alone, and minutes on this CPU, timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.judges.naming import parse_judge
from harness.lab.costs import Accelerator, Work, estimated_seconds, judge_calls, judging, peak_bytes, rows_that_fit
from harness.lab.plan import Plan, Stage
from harness.lab.timed import seconds_here
from harness.models.registry import ModelSpec

MOST_PARAMETERS = 1.5e9  # of a model that anybody would run on a CPU


@dataclass(frozen=True)
class ModelCost:
    """One model's share of a plan.

    `judged` responses take `judge_calls` of a judge that `asks` a model, and none of another. `seconds` are those of
    its own forward passes and `judging_seconds` those of a local judge of its size (None: an API's, or none); both
    None, with `peak_gigabytes`, where its architecture is not known here.
    """

    model: str
    rows: int
    tokens: int
    judged: int
    asks: bool
    judge_calls: int
    seconds: float | None
    judging_seconds: float | None
    peak_gigabytes: float | None
    batch_rows: int


def costs_of(
    plan: Plan,
    models: Mapping[str, ModelSpec],
    accelerator: Accelerator,
    dtype: str,
    batch_rows: int,
    relevance: bool = False,
) -> list[ModelCost]:
    """What the plan's missing work would cost, model by model, those that ship with the checkout left out."""
    found = []
    for model in dict.fromkeys(stage.model for stage in plan.stages):
        spec = models[model]
        if not spec.embedded:
            own = [stage for stage in plan.stages if stage.model == model]
            found.append(_cost(spec, own, accelerator, spec.dtype or dtype, batch_rows, relevance))
    return found


def _cost(
    spec: ModelSpec, stages: list[Stage], accelerator: Accelerator, dtype: str, batch_rows: int, relevance: bool
) -> ModelCost:
    responses = sum(stage.judged for stage in stages)
    kind = parse_judge(spec.judge.partition("+")[0]).kind
    asks = kind in ("local", "api")
    calls = judge_calls(responses, relevance) if asks else 0
    rows, tokens = sum(stage.rows for stage in stages), sum(stage.tokens for stage in stages)
    if spec.architecture is None:
        return ModelCost(spec.name, rows, tokens, responses, asks, calls, None, None, None, batch_rows)
    generating = [stage for stage in stages if stage.rows]
    # Rows of a batch that fit; a stage of few rows does not make the batch smaller.
    fitting = [
        batch_rows if fits == stage.rows else fits
        for stage in generating
        for fits in [rows_that_fit(spec.architecture, dtype, accelerator, _work(stage, batch_rows))]
    ]
    works = [_work(stage, max(fits, 1)) for stage, fits in zip(generating, fitting, strict=True)]
    seconds = sum(estimated_seconds(spec.architecture, dtype, accelerator, work) for work in works)
    peak = max((peak_bytes(spec.architecture, dtype, work) for work in works), default=0)
    judged = None
    if kind == "local":
        judged = judging("local", responses, spec.architecture, dtype, accelerator, relevance=relevance).seconds
    batch = min([batch_rows, *fitting], default=batch_rows)
    return ModelCost(spec.name, rows, tokens, responses, asks, calls, seconds, judged, peak / 1e9, batch)


def here_in_words(plan: Plan, models: Mapping[str, ModelSpec], batch_rows: int) -> list[str]:
    """One line for every real model of a plan that a CPU can run: minutes here, from a timing of some seconds."""
    lines = []
    for model in dict.fromkeys(stage.model for stage in plan.stages):
        spec, own = models[model], [stage for stage in plan.stages if stage.model == model]
        if spec.embedded or spec.architecture is None or spec.architecture.parameters > MOST_PARAMETERS:
            continue
        works = [_work(stage, batch_rows) for stage in own if stage.rows]
        reads = parse_judge(spec.judge.partition("+")[0]).kind == "reader"
        seconds = seconds_here(spec.architecture, works, sum(stage.judged for stage in own) if reads else 0)
        lines.append(
            f"{model}: about {max(seconds / 60, 1):,.0f} minutes on this CPU as it is now (one block was timed; "
            f"{'reading responses included' if reads else 'the judge not included'}, fitting directions not)"
        )
    return lines


def _work(stage: Stage, batch_rows: int) -> Work:
    return Work(stage.rows, stage.prompt_tokens, stage.tokens // stage.rows, batch_rows, stage.captured)


def in_words(cost: ModelCost, accelerator: Accelerator) -> str:
    """One line of a plan: "gemma3: 67,000 rows ... about 12 GPU minutes on an H100 SXM"."""
    told = f"{cost.model}: {cost.rows:,} rows, {cost.tokens:,} tokens at most"
    if cost.judged:
        count, what = (cost.judge_calls, "judge calls") if cost.asks else (cost.judged, "responses judged")
        told += f", {count:,} {what} at most"
    if cost.seconds is None or cost.peak_gigabytes is None:
        return f"{told}; its architecture is not known here, so neither time nor memory can be told"
    minutes = f"about {cost.seconds / 60:,.0f} GPU minutes on one {accelerator.name}"
    if cost.judging_seconds is not None:
        minutes += f" and {cost.judging_seconds / 60:,.0f} for a local judge of its own size"
    if cost.batch_rows < 1:
        return (
            f"{told}; {minutes}; not even one row fits into its {accelerator.memory / 1e9:.0f} GB: split it over GPUs"
        )
    return f"{told}; {minutes}; {cost.peak_gigabytes:.0f} GB at most, {cost.batch_rows} rows a batch (estimated)"
