"""`python -m harness.judges.compare MODEL [--write]` sets judges of English side by side on the gold responses.

The reader on a model's states, the same model asked, word lists, a bag of words that learned from the reader's labels,
and likelihood ratios: how much likelier the model finds a response under an instruction for a trait than under one for
its opposite; of coherence, its mean log-probability.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from harness.data.datasets import (
    ROOT,
    TRAITS,
    Scenario,
    judging_folder,
    load_definition,
    load_trait,
    trait_folder,
)
from harness.data.gold import GoldExchange, load_gold, question_numbers
from harness.data.labelled import labelled_file, load_labelled
from harness.judges.errors import JudgeError
from harness.judges.gate import CUTS, why_not
from harness.judges.lexical import LexicalJudge
from harness.judges.local import LocalJudge
from harness.judges.protocol import Exchange, Judge
from harness.judges.quality import quality
from harness.judges.reader import ReaderJudge, encoded, reader_file
from harness.judges.readout import calibration, folds_of
from harness.judges.train import command_of, located
from harness.models.checkpoints import weights_identity
from harness.models.decoder import Decoder, load_decoder
from harness.models.memory import in_batches
from harness.streams import replace_what_cannot_be_shown

REPORTS = ROOT / "reports" / "judges"
SIDES = (50.0, 70.0)
PHRASINGS = 1  # of the contrasting instructions, whose likelihood ratios are averaged: each costs two passes a response
BATCH_ROWS = 32
INTRODUCTION = """# Judges of English on gold responses

How well each orders the gold responses of a set (AUROC of high against low ones, rank correlation over all), what it
makes of an effect (slope: points of score a point of gold), on which side of 50 and 70 it puts them, and whether it
passes the gate that lets a judge decide. Intervals take the questions for units. Seconds are those of one response on
one thread of the machine that made this table, trait and coherence read together where a judge does both.

- **reader**: ridge regressions on the states of {model} (`python -m harness.judges.train {model}`).
- **local**: {model}, asked in words for a digit.
- **lexical**: phrases of refusal and crude rules of language.
- **tf-idf**: ridge regression on a bag of words and word pairs, learned from the labels that the reader learned from.
- **likelihood**: log-probability of the response a token under {phrasings} instructions for the trait less that under
  their opposites; of coherence, under no instruction. It has no scale of scores, so it has only an order.

`python -m harness.judges.compare {model} --write` writes this page.
"""

Scorer = Callable[[str, Sequence[Exchange]], Sequence[float | None]]  # what is judged, and exchanges -> scores


def of_judge(judge: Judge, definitions: Mapping[str, Mapping[str, str]]) -> Scorer:
    """A judge's scores of a trait, or its coherence (read along with any trait)."""

    def score(what: str, exchanges: Sequence[Exchange]) -> list[float | None]:
        judged = judge.judge(definitions[TRAITS[0] if what == "coherence" else what], exchanges)
        return [one.coherence if what == "coherence" else one.trait for one in judged]

    return score


def tf_idf(what: str, exchanges: Sequence[Exchange]) -> list[float | None]:
    """A ridge regression on words and pairs of words, calibrated as the reader is."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    traits = TRAITS if what == "coherence" else (what,)
    rows = [one for trait in traits for one in load_labelled(labelled_file("english", trait))]
    texts = [one.response for one in rows]
    labels = np.array([one.scores["coherence" if what == "coherence" else "trait"] for one in rows])
    numbers = {question: number for number, question in enumerate(dict.fromkeys(one.question for one in rows))}
    questions = np.array([numbers[one.question] for one in rows])
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), RidgeCV(alphas=tuple(10.0**p for p in range(-2, 3)))
    )
    folds = folds_of(questions)
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    knots, scores = calibration(cross_val_predict(model, texts, labels, cv=splits), labels)
    predicted = model.fit(texts, labels).predict([one.response for one in exchanges])
    return [float(score) for score in np.interp(predicted, knots, scores)]


def likelihood(decoder: Decoder, instructed: Mapping[str, Sequence[tuple[Scenario, Scenario]]]) -> Scorer:
    """Log-probability of a response a token: of one instruction less its opposite, or of none."""

    def a_token(exchanges: Sequence[Exchange], instruction: str) -> np.ndarray:
        rows = []
        for one in exchanges:
            _, response = encoded(decoder, one)
            rows.append((tuple(decoder.encode_question(one.question, instruction)), response))
        return log_probabilities(decoder, rows)

    def score(what: str, exchanges: Sequence[Exchange]) -> list[float | None]:
        if what == "coherence":
            found = a_token(exchanges, "")
        else:
            pairs = list({one.topic: (one, other) for one, other in instructed[what]}.values())[:PHRASINGS]
            found = np.mean(
                [a_token(exchanges, one.instruction) - a_token(exchanges, other.instruction) for one, other in pairs],
                axis=0,
            )
        return [None if np.isnan(value) else float(value) for value in found]

    return score


@torch.inference_mode()
def log_probabilities(
    decoder: Decoder, rows: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
) -> Float[np.ndarray, rows]:
    """Mean log-probability of a response's tokens after its prompt; NaN for a response of none."""
    found = np.full(len(rows), np.nan)
    readable = [row for row, (_, response) in enumerate(rows) if response]

    def run(batch: list[int]) -> None:
        chosen = [readable[place] for place in batch]
        longest = max(len(rows[row][0]) + len(rows[row][1]) for row in chosen)
        ids = torch.full((len(chosen), longest), decoder.pad_id, dtype=torch.long, device=decoder.device)
        for place, row in enumerate(chosen):
            whole = [*rows[row][0], *rows[row][1]]
            ids[place, : len(whole)] = torch.tensor(whole, dtype=torch.long)
        # Padding stands on the right, where no real token sees it.
        logits = decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        for place, row in enumerate(chosen):
            start, end = len(rows[row][0]), len(rows[row][0]) + len(rows[row][1])
            said = logits[place, start - 1 : end - 1].float().log_softmax(dim=-1)
            found[row] = float(said.gather(1, ids[place, start:end].unsqueeze(1)).mean())

    in_batches([len(rows[row][0]) + len(rows[row][1]) for row in readable], BATCH_ROWS, run)
    return found


def measure(model: str, device: str = "cpu", dtype: str = "float32") -> list[dict[str, Any]]:
    """One row for every judge and gold set."""
    folder = located(model)
    decoder = load_decoder(folder, model, dtype, device)
    data = {trait: load_trait(trait_folder("english", trait)) for trait in TRAITS}
    definitions = {trait: one.definition for trait, one in data.items()}
    coherence = load_definition(judging_folder("english") / "coherence.yaml")
    identity = weights_identity(folder)
    file = reader_file("english", model, identity)
    judges: dict[str, tuple[Scorer, bool]] = {  # and whether it has scores, or an order only
        "reader": (
            of_judge(ReaderJudge(f"reader:{model}", file, command_of(model), identity, lambda: decoder), definitions),
            True,
        ),
        "local": (
            of_judge(LocalJudge(f"local:{model}", folder, identity, lambda: decoder, coherence), definitions),
            True,
        ),
        "lexical": (of_judge(LexicalJudge(), definitions), True),
        "tf-idf": (tf_idf, True),
        "likelihood": (likelihood(decoder, {trait: one.instructed for trait, one in data.items()}), False),
    }
    found = []
    for what in (*TRAITS, "coherence"):
        gold = load_gold(judging_folder("english") / f"{what}.jsonl")
        for name, (score, has_scale) in judges.items():
            start = time.perf_counter()
            try:
                scores = score(what, [_exchange(one) for one in gold])
            except JudgeError:
                continue  # it knows nothing of this set
            seconds = (time.perf_counter() - start) / len(gold)
            if any(one is not None for one in scores):
                found.append(row(name, what, gold, scores, seconds, has_scale))
    return found


def row(
    name: str, what: str, gold: Sequence[GoldExchange], scores: Sequence[float | None], seconds: float, has_scale: bool
) -> dict[str, Any]:
    """The figures of one judge on one gold set."""
    known = np.array([one.score for one in gold])
    said = np.array([np.nan if score is None else score for score in scores], np.float64)
    there = ~np.isnan(said)
    if not has_scale:  # any rising map to 0..100 has the same order
        said = 100 * (said - np.nanmin(said)) / max(float(np.ptp(said[there])), 1e-9)
    cuts = CUTS["coherence" if what == "coherence" else "trait"]
    figures = quality(known, said, np.array(question_numbers(gold)), cuts)
    by_source = {
        source: _correlation(known[chosen], said[chosen])
        for source, chosen in (
            ("written", there & np.array([one.source == "written" for one in gold])),
            ("by models", there & np.array([one.source != "written" for one in gold])),
        )
    }
    return {
        "judge": name,
        "judged": what,
        "n": len(gold),
        "auroc": str(figures.auroc),
        "rank correlation": str(figures.rank_correlation),
        **{f"rank correlation, {source}": value for source, value in by_source.items()},
        "slope": str(figures.slope) if has_scale else "",
        **{
            f"side of {cut:g}": round(float(np.mean(((known >= cut) == (said >= cut)) & there)), 2) if has_scale else ""
            for cut in SIDES
        },
        "missing": round(float(1 - there.mean()), 3),
        "seconds": round(seconds, 4),
        "gate": ("passed" if not why_not(figures, "coherence" if what == "coherence" else "trait") else "not passed")
        if has_scale
        else "no scale",
    }


def _correlation(known: np.ndarray, said: np.ndarray) -> float | None:
    from harness.judges.quality import rank_correlation

    found = rank_correlation(known, said) if len(known) > 2 else float("nan")
    return None if np.isnan(found) else round(found, 2)


def _exchange(one: GoldExchange) -> Exchange:
    return Exchange(one.question, one.response, one.finished and one.kind != "partial")


def markdown(model: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The page with its table."""
    columns = list(rows[0])
    lines = [INTRODUCTION.format(model=model, phrasings=PHRASINGS)]
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join("" if one[c] is None else str(one[c]) for c in columns) + " |" for one in rows]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the page, and with --write keep it and its numbers in reports/judges."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.judges.compare", description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--write", action="store_true", help="keep english.md and english.json in reports/judges")
    options = parser.parse_args(arguments)
    rows = measure(options.model, options.device, options.dtype)
    print(markdown(options.model, rows))
    if options.write:
        REPORTS.mkdir(parents=True, exist_ok=True)
        Path(REPORTS / "english.md").write_text(markdown(options.model, rows), encoding="utf-8")
        Path(REPORTS / "english.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
