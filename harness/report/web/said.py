"""Runs of a store as a page holds them: curves over dose, responses with scores, a sample where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.data.datasets import DatasetError, judging_folder
from harness.data.gold import GoldExchange, load_gold
from harness.lab.store import CorruptEntry, Store
from harness.report.responses import UNSTEERED, Run, chosen, runs_of
from harness.stats.averages import GATE

MOST = 50_000  # responses on a page
LONGEST = 2_000  # characters of one that are shown
Z = 1.96  # standard errors on each side of a mean's band


def runs(store: Store, cells: Sequence[tuple[str, str]], most: int = MOST) -> dict[str, Any]:
    """The judged runs of these models and traits: `texts`, and `groups` that point into them; `left_out` responses.

    Where there are more than `most` responses, each run keeps those to the first questions, as many as there is room
    for; its curves are of all.
    """
    by_cell: dict[tuple[str, str], list[Run]] = {cell: [] for cell in cells}
    for run in runs_of(store):
        if (run.model, run.trait) in by_cell and not run.judge.endswith("+relevance"):
            by_cell[run.model, run.trait].append(run)
    whole = [run for found in by_cell.values() for run in found]
    total, asked = sum(len(run.said) for run in whole), max((len(run.said) for run in whole), default=0)
    kept = asked
    while kept > 1 and sum(min(kept, len(run.said)) for run in whole) > most:
        kept -= 1
    texts = _Texts()
    groups = [_group(model, trait, found, kept, texts) for (model, trait), found in by_cell.items() if found]
    shown = sum(min(kept, len(run.said)) for run in whole)
    return {"groups": groups, "texts": texts.list, "total": total, "shown": shown, "gate": GATE}


class _Texts:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text."""
        short = text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"
        if short not in self._numbers:
            self._numbers[short] = len(self.list)
            self.list.append(short)
        return self._numbers[short]


def _group(model: str, trait: str, found: Sequence[Run], kept: int, texts: _Texts) -> dict[str, Any]:
    best = {id(run) for run in chosen(found)}
    questions = {one.number: one.question for run in found for one in run.said[:kept]}
    return {
        "model": model,
        "trait": trait,
        "judge": found[0].judge,
        "questions": [[number, texts.number(text)] for number, text in sorted(questions.items())],
        "runs": [_run(run, id(run) in best, kept, texts) for run in found],
    }


def _run(run: Run, best: bool, kept: int, texts: _Texts) -> dict[str, Any]:
    shown = replace(run, said=run.said[:kept])
    return {
        "direction": run.direction,
        "block": run.block,
        "dose": round(run.dose, 4),
        "coefficient": round(run.coefficient, 4),
        "best": best and run.direction != UNSTEERED,
        "questions": len(run.said),
        "trait": _band(run, "trait"),
        "coherence": _band(run, "coherence"),
        "said": [
            [one.number, texts.number(one.text), int(one.finished), _score(one.trait), _score(one.coherence)]
            for one in shown.said
        ],
    }


def _band(run: Run, what: str) -> list[float | None]:
    """Mean over questions with its 95 % band, None where nothing was scored."""
    values = np.array([value for one in run.said if (value := getattr(one, what)) is not None], float)
    if not len(values):
        return [None, None, None]
    half = Z * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    mean = float(values.mean())
    return [round(mean, 2), round(max(mean - half, 0.0), 2), round(min(mean + half, 100.0), 2)]


def _score(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def gold(store: Store, languages: Mapping[str, str]) -> list[dict[str, Any]]:
    """What judges made of the gold responses of a trait, of coherence and of relevance, one entry for each.

    `languages` by model. Texts are those of the data files, where these still are what was judged.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for key, text in store.descriptions():
        measured = text["measurement"]
        if measured["kind_of"] != "JudgeCheck" or measured["model"] not in languages:
            continue
        try:
            answer = store.get(key)
        except CorruptEntry:  # the next run of the claims measures it again
            continue
        for what, record in (answer.record if answer else {}).items():
            if what == "first_tokens":
                continue
            named = measured["trait"] if what == "trait" else what
            golds = _golds(languages[measured["model"]], named)
            told = golds if [one.score for one in golds] == list(record["gold"]) else []
            found[measured["model"], measured["judge"], named] = {
                "model": measured["model"],
                "judge": measured["judge"],
                "what": named,
                "rows": [
                    [gold, score, *([told[row].question, told[row].response[:LONGEST]] if told else ["", ""])]
                    for row, (gold, score) in enumerate(zip(record["gold"], record["scores"], strict=True))
                ],
            }
    return [found[name] for name in sorted(found)]


def _golds(language: str, what: str) -> Sequence[GoldExchange]:
    try:
        return load_gold(judging_folder(language) / f"{what}.jsonl")
    except DatasetError:
        return []
