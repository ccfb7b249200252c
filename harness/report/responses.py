"""What a steered model said: runs of a store, each with its responses beside the unsteered ones, to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.lab.measurements import Cleaning
from harness.lab.store import Answer, CorruptEntry, Store
from harness.quantities.cells import Recipe
from harness.report.escaping import escaped, table
from harness.report.reading import plain
from harness.stats.averages import GATE

UNSTEERED = "unsteered"


@dataclass(frozen=True)
class Said:
    """One response to one question, and its scores from 0 to 100; None where the judge gave none."""

    number: int  # of the question, from 1, as its file has it
    question: str
    text: str
    finished: bool
    trait: float | None
    coherence: float | None


@dataclass(frozen=True)
class Run:
    """Every response at one coefficient of one direction, judged; of the unsteered run, `direction` is UNSTEERED.

    `count` is how many extractions of the direction, or draws of a random control, the questions were answered along;
    coefficient and dose are means over them.
    """

    model: str
    trait: str
    judge: str
    direction: str
    method: str
    block: int | None
    count: int
    coefficient: float
    dose: float
    said: tuple[Said, ...]

    def mean(self, what: str) -> float:
        """Mean of "trait" or "coherence" over the responses that have one; NaN where none has."""
        values = [value for one in self.said if (value := getattr(one, what)) is not None]
        return float(np.mean(values)) if values else float("nan")

    @property
    def title(self) -> str:
        """What was added, where, and how much of it."""
        return self.direction if self.block is None else f"{self.direction}, block {self.block}, dose {self.dose:.2f}"


def runs_of(store: Store, model: str = "", trait: str = "") -> list[Run]:
    """All judged runs of a store, or of one model and trait: the unsteered one first, then by direction, block, dose.

    Of a direction that was run with several numbers of extractions the largest is kept.
    """
    described = {key: text for key, text in store.descriptions() if text["measurement"]["kind_of"] in KINDS}
    made: dict[str, list[str]] = {}
    for key, text in described.items():
        made.setdefault(_name(text["measurement"]), []).append(key)
    found: list[Run] = []
    for key, one in described.items():
        of = one["measurement"].get("of")
        if of is None or (model and (_origin(of)["model"], _origin(of)["trait"]) != (model, trait)):
            continue
        steered = next((other for other in made.get(_name(of), ()) if _is_made_from(one, described[other])), None)
        scores, responses = _answer(store, key), _answer(store, steered) if steered else None
        if scores is not None and responses is not None:
            found += _runs(store, one["measurement"], scores, responses)
    most: dict[tuple[object, ...], int] = {}
    for run in found:
        most[_curve(run)] = max(run.count, most.get(_curve(run), 0))
    # Grids share runs, and a later one may have asked more questions.
    fullest = {
        (_curve(run), run.coefficient): run
        for run in sorted(found, key=lambda run: len(run.said))
        if run.count == most[_curve(run)]
    }
    return sorted(
        fullest.values(),
        key=lambda run: (
            run.model,
            run.trait,
            run.judge,
            run.block is not None,
            run.direction,
            run.block or 0,
            run.dose,
        ),
    )


KINDS = ("Scores", "Sweep", "Baseline")


def _curve(run: Run) -> tuple[object, ...]:
    """What the runs of one dose-response curve have in common."""
    return run.model, run.trait, run.judge, run.direction, run.block


def _name(measurement: Mapping[str, Any]) -> str:
    return json.dumps(measurement, sort_keys=True)


def _origin(of: Mapping[str, Any]) -> Mapping[str, Any]:
    """What names the model and the trait of a sweep or baseline."""
    origin: Mapping[str, Any] = of if of["kind_of"] == "Baseline" else of["direction"]["activations"]
    return origin


def _is_made_from(scores: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the responses that scores are of were made by the same code, data and weights, in one environment."""
    return scores["environment"] == other["environment"] and other["sources"].items() <= scores["sources"].items()


def _answer(store: Store, key: str) -> Answer | None:
    try:
        return store.get(key)
    except CorruptEntry:  # the next run of the claims measures it again
        return None


def _runs(store: Store, measured: Mapping[str, Any], scores: Answer, responses: Answer) -> Iterator[Run]:
    direction = measured["of"].get("direction")
    for number, keys in enumerate(responses.record["response_keys"]):
        there = store.responses(keys)
        given = [[_score(value) for value in scores.arrays[what][number]] for what in ("trait", "coherence")]
        yield Run(
            **{name: _origin(measured["of"])[name] for name in ("model", "trait")},
            judge=measured["judge"],
            direction=title_of(direction) if direction else UNSTEERED,
            method=direction["method"] if direction else UNSTEERED,
            block=direction["block"] if direction else None,
            count=direction.get("count", 1) if direction else 1,
            coefficient=responses.record["coefficients"][number],
            dose=responses.record["doses"][number],
            said=tuple(
                Said(place, there[key].question, there[key].text, there[key].finished, trait, coherence)
                for place, (key, trait, coherence) in enumerate(zip(keys, *given, strict=True), start=1)
            ),
        )


def _score(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def title_of(direction: Mapping[str, Any]) -> str:
    """The words for a direction that a store describes."""
    how = {name: value for name, value in direction["cleaning"].items() if name != "kind_of"}
    read = direction["activations"]
    return Recipe(direction["method"], read["window"], Cleaning(**how), read["elicitation"]).title


def chosen(runs: Sequence[Run], directions: Sequence[str] = (), dose: float | None = None) -> list[Run]:
    """The unsteered run, and of each direction the run nearest to `dose`, else the best by the published rule: most
    of the trait among those whose mean coherence reaches the gate.

    `directions` are names of methods, or titles; none means all.
    A direction none of whose runs is coherent enough is shown at its least incoherent one.
    """

    def named(run: Run) -> bool:
        return not directions or run.direction in directions or run.method in directions

    asked = [run for run in runs if named(run)]
    found = [run for run in runs if run.direction == UNSTEERED]
    for name in dict.fromkeys((run.judge, run.direction, run.block) for run in asked if run.direction != UNSTEERED):
        own = [run for run in asked if (run.judge, run.direction, run.block) == name]
        if dose is not None:
            found.append(min(own, key=lambda run: abs(run.dose - dose)))
        elif coherent := [run for run in own if run.mean("coherence") >= GATE]:
            found.append(max(coherent, key=lambda run: run.mean("trait")))
        else:
            found.append(max(own, key=lambda run: np.nan_to_num(run.mean("coherence"), nan=-1.0)))
    return found


def in_lines(runs: Sequence[Run], questions: Sequence[int] = ()) -> Iterator[str]:
    """The runs, then question by question what each said, for a terminal; all of `questions` unless some are named."""
    for run in runs:
        trait, coherence = _means(run)
        yield f"{plain(run.title)}: trait {trait}, coherence {coherence} ({plain(run.judge)})"
    for heading, own in _by_question([with_questions(run, questions) for run in runs]):
        yield f"\n{plain(heading)}"
        for run, one in own:
            yield f"    {plain(run.title)}  [trait {_shown(one.trait)}, coherence {_shown(one.coherence)}]"
            yield f"        {_text(one)}"


def in_markdown(runs: Sequence[Run], questions: Sequence[int] = ()) -> str:
    """The same as a document; of all `questions` unless some are named."""
    first = runs[0]
    parts = [
        f"# What {escaped(first.model)} said: {escaped(first.trait)}",
        f"Scores from 0 to 100 by {escaped(first.judge)}, means over {len(first.said)} questions. Each direction is "
        f"shown at the dose at which it shows most of the trait among those of a mean coherence of {GATE:.0f} or more.",
        table(["run", "trait", "coherence"], [[escaped(run.title), *_means(run)] for run in runs], numbers=(1, 2)),
    ]
    for heading, own in _by_question([with_questions(run, questions) for run in runs]):
        lines = [
            [escaped(run.title), _shown(one.trait), _shown(one.coherence), escaped(_text(one))] for run, one in own
        ]
        parts += [f"## {escaped(heading)}", table(["run", "trait", "coherence", "response"], lines, numbers=(1, 2))]
    return "\n\n".join(parts) + "\n"


def with_questions(run: Run, numbers: Sequence[int]) -> Run:
    """A run's responses to some questions; to all of them if none is named."""
    return replace(run, said=tuple(one for one in run.said if one.number in numbers or not numbers))


def _by_question(runs: Sequence[Run]) -> Iterator[tuple[str, list[tuple[Run, Said]]]]:
    for number, question in dict.fromkeys((one.number, one.question) for run in runs for one in run.said):
        yield f"{number}. {question}", [(run, one) for run in runs for one in run.said if one.number == number]


def _means(run: Run) -> list[str]:
    return [f"{run.mean(what):.1f}" for what in ("trait", "coherence")]


def _shown(score: float | None) -> str:
    return "missing" if score is None else f"{score:.0f}"


def _text(one: Said) -> str:
    return (plain(one.text) or "(nothing)") + ("" if one.finished else " …")
