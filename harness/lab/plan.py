"""What a set of measurements would cost, before any of it is made."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.data.datasets import Elicitation, TraitData
from harness.lab.measurements import (
    Activations,
    Baseline,
    CrossFit,
    Direction,
    JudgeCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Scores,
    Sweep,
    model_of,
    requires,
    trait_of,
)

CHARACTERS_PER_TOKEN, TEMPLATE_TOKENS = 4.0, 10  # of English in vocabularies of 30,000 tokens and more; of a chat


@dataclass(frozen=True)
class Stage:
    """One piece of work on one model: rows to generate, tokens at most, and the generate calls it takes.

    `prompt_tokens` is a row's mean prompt, told from its characters; activations of `captured` rows are kept;
    `judged` responses are scored, at most (equal ones are scored once).
    """

    model: str
    title: str
    rows: int
    tokens: int
    calls: int
    prompt_tokens: int = 0
    captured: bool = False
    judged: int = 0


@dataclass(frozen=True)
class Plan:
    """The measurements that must be made, what the store already has, and the stages of the work."""

    needed: int
    stored: int
    missing: tuple[Measurement, ...]
    stages: tuple[Stage, ...]

    @property
    def calls(self) -> int:
        """Generate calls in all."""
        return sum(stage.calls for stage in self.stages)


def missing_from(
    measurements: Iterable[Measurement], is_there: Callable[[Measurement], bool]
) -> tuple[Measurement, ...]:
    """What has to be made, requirements first; nothing below an answer that is there is looked at."""
    ordered: dict[Measurement, None] = {}
    there: set[Measurement] = set()

    def visit(measurement: Measurement) -> None:
        if measurement in ordered or measurement in there:
            return
        if is_there(measurement):
            there.add(measurement)
            return
        for needed in requires(measurement):
            visit(needed)
        ordered[measurement] = None

    for measurement in measurements:
        visit(measurement)
    return tuple(ordered)


def rows_of(measurement: Sweep | Baseline) -> int:
    """How many responses a sweep or baseline generates."""
    return measurement.questions * (len(measurement.amounts) if isinstance(measurement, Sweep) else 1)


def capture_groups(missing: Iterable[Measurement]) -> dict[tuple[str, str, Elicitation], list[Activations]]:
    """Activations by model, trait and elicitation: each group is served by one greedy run of its longest window."""
    groups: dict[tuple[str, str, Elicitation], list[Activations]] = defaultdict(list)
    for measurement in missing:
        if isinstance(measurement, Activations):
            # Scenarios first: the base model that reads them is freed for the instruct model.
            groups[measurement.model, measurement.trait, measurement.elicitation].append(measurement)
    return dict(sorted(groups.items(), key=lambda group: group[0][2] != "scenarios"))


def fused_groups(missing: Iterable[Measurement]) -> dict[tuple[str, int, str], list[Sweep | Baseline]]:
    """Sweeps and baselines by model, token limit and steered positions: each group is generated as one."""
    groups: dict[tuple[str, int, str], list[Sweep | Baseline]] = defaultdict(list)
    for measurement in missing:
        if isinstance(measurement, Sweep | Baseline):
            # An unsteered row has no steered positions, so it rides along with the commonest kind.
            positions = measurement.positions if isinstance(measurement, Sweep) else "all"
            groups[model_of(measurement), measurement.max_new_tokens, positions].append(measurement)
    return groups


def judged_groups(missing: Iterable[Measurement]) -> dict[tuple[str, str, str], list[Scores]]:
    """Scores by model, trait and judge: each group is judged as one, every distinct exchange once."""
    groups: dict[tuple[str, str, str], list[Scores]] = defaultdict(list)
    for measurement in missing:
        if isinstance(measurement, Scores):
            groups[model_of(measurement), str(trait_of(measurement)), measurement.judge].append(measurement)
    return groups


def make_plan(
    needed: Sequence[Measurement],
    missing: Sequence[Measurement],
    traits: Mapping[tuple[str, str], TraitData],
    prompts: Mapping[str, Sequence[str]],
    batch_rows: int,
    gold: Mapping[JudgeCheck, int] = MappingProxyType({}),
) -> Plan:
    """Count rows, tokens and calls of everything missing.

    `traits` by (model, trait), the calibration `prompts` by model and the number of `gold` responses come from the
    data files.
    """
    stages: list[Stage] = []
    for (model, trait, elicitation), group in capture_groups(missing).items():
        longest = max(measurement.window for measurement in group)
        asked_pairs = traits[model, trait].elicited_by(elicitation)
        texts = [f"{scenario.instruction} {scenario.text}" for pair in asked_pairs for scenario in pair]
        rows = len(texts)
        calls, length = math.ceil(rows / batch_rows), prompt_tokens(texts)
        stages.append(Stage(model, f"read {trait} {elicitation}", rows, rows * longest, calls, length, captured=True))
    for measurement in missing:
        if isinstance(measurement, MassiveActivations):
            texts = list(prompts[measurement.model])
            rows = len(texts)
            tokens, calls, length = (
                rows * measurement.max_new_tokens,
                math.ceil(rows / batch_rows),
                prompt_tokens(texts),
            )
            stages.append(Stage(measurement.model, "find massive dims", rows, tokens, calls, length, captured=True))
    for (model, limit, _), fused in fused_groups(missing).items():
        rows = sum(rows_of(measurement) for measurement in fused)
        asked = {str(trait_of(measurement)) for measurement in fused}
        texts = [question.text for trait in sorted(asked) for question in traits[model, trait].questions]
        stages.append(Stage(model, "steer", rows, rows * limit, math.ceil(rows / batch_rows), prompt_tokens(texts)))
    for model, count in _count(missing, Direction | CrossFit | Refits).items():
        stages.append(Stage(model, f"fit {count} sets of directions", 0, 0, 0))
    for model in dict.fromkeys(check.model for check in gold):
        responses = sum(count for check, count in gold.items() if check.model == model)
        stages.append(Stage(model, "judge the gold sets", 0, 0, 0, judged=responses))
    for model, count in _count(missing, Scores).items():
        responses = sum(rows_of(one.of) for one in missing if isinstance(one, Scores) and model_of(one) == model)
        stages.append(Stage(model, f"judge {count} sets of responses", 0, 0, 0, judged=responses))
    order = {model: index for index, model in enumerate(dict.fromkeys(model_of(m) for m in needed))}
    stages.sort(key=lambda stage: order.get(stage.model, len(order)))
    made = {*missing}
    wanted = {*needed}
    return Plan(len(wanted), len(wanted - made), tuple(missing), tuple(stages))


def prompt_tokens(texts: Sequence[str]) -> int:
    """Tokens of a text on average, the chat template included; a tokenizer may say otherwise."""
    characters = sum(map(len, texts)) / max(len(texts), 1)
    return round(characters / CHARACTERS_PER_TOKEN) + TEMPLATE_TOKENS


def trait_pairs(measurements: Iterable[Measurement]) -> set[tuple[str, str]]:
    """Every (model, trait) whose data the measurements read."""
    return {(model_of(m), trait) for m in measurements if (trait := trait_of(m)) is not None}


def _count(missing: Iterable[Measurement], kind: object) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for measurement in missing:
        if isinstance(measurement, kind):  # type: ignore[arg-type]
            counts[model_of(measurement)] += 1
    return counts
