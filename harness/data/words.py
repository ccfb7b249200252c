"""`python -m harness.data.words [--write]` measures how far words alone tell the classes of scenarios apart."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.datasets import LANGUAGES, ROOT, TraitData, content_hash, known_traits, load_trait, trait_folder
from harness.stats.tails import clopper_pearson
from harness.streams import replace_what_cannot_be_shown

REPORTS = ROOT / "reports" / "datasets"

FOLDS = 5
MARKING = 5  # words named of each trait
SHUFFLES = 10  # a single one is off by several points with so few pairs
SEED = 0
LIMIT = 0.80  # accuracy that hand-written scenarios must stay below
DECIMALS = 4

_INTRODUCTION = f"""# What words alone tell of the classes

How often a linear classifier that sees only which words a scenario has (binary bag of words, logistic regression,
C = 1) names its class: {FOLDS}-fold cross-validation in which both members of a pair are always in the same fold. Near
50 %, single words hardly tell the classes apart, and neither can a direction that follows single words. English
scenarios were written by hand and must stay below {100 * LIMIT:.0f} %; templated ones come from a grammar of few words,
so that models of a million parameters can learn it.

Brackets are Clopper-Pearson 95 % intervals that take scenarios for independent; the members of a pair are not quite.
*Shuffled* is the mean accuracy over {SHUFFLES} data sets in which a coin decided, pair by pair, whether labels were
swapped. Marking words: the share of positive less the share of negative scenarios that have the word, in points.
`python -m harness.data.words --write` writes this page.
"""


@dataclass(frozen=True)
class MarkingWord:
    """A word, and the share of positive less the share of negative texts that have it, from -1 to 1."""

    word: str
    difference: float


@dataclass(frozen=True)
class Separation:
    """How far words alone tell the classes of one trait apart; shares from 0 to 1, `n` in scenarios.

    `low` and `high` bound the accuracy (Clopper-Pearson, 95 %), `shuffled` is that on swapped labels, `sha256` is
    that of the scenarios it was measured on.
    """

    language: str
    trait: str
    n: int
    accuracy: float
    low: float
    high: float
    shuffled: float
    words: tuple[MarkingWord, ...]
    sha256: str


def bag_of_words_accuracy(texts: Sequence[str], labels: Sequence[str], groups: Sequence[int]) -> float:
    """Share of texts whose label is found by their words, in 5-fold cross-validation that keeps groups together.

    Raises ValueError for fewer than five groups.
    """
    return _accuracy(_words_of(texts)[1], labels, groups)


def marking_words(texts: Sequence[str], labels: Sequence[str], count: int = MARKING) -> tuple[MarkingWord, ...]:
    """The `count` words whose document frequency differs most between positive and negative texts, largest first.

    Words that differ alike stand in alphabetical order. Raises ValueError when a class has no text.
    """
    positive = np.asarray([label == "positive" for label in labels])
    if positive.all() or not positive.any():
        raise ValueError("Marking words need texts of both classes; give positive and negative ones.")
    words, present = _words_of(texts)
    differences = np.asarray(present[positive].mean(axis=0) - present[~positive].mean(axis=0)).ravel().tolist()
    found = [MarkingWord(*pair) for pair in zip(words, differences, strict=True)]
    return tuple(sorted(found, key=lambda one: (-round(abs(one.difference), 9), one.word))[:count])


def _words_of(texts: Sequence[str]) -> tuple[list[str], Any]:
    """The vocabulary, and a sparse matrix [texts, words] of 1 where a text has a word, however often."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(binary=True)
    present = vectorizer.fit_transform(texts)
    return vectorizer.get_feature_names_out().tolist(), present


def _accuracy(present: Any, labels: Sequence[str], groups: Sequence[int]) -> float:
    """As `bag_of_words_accuracy`; a word that no training text has gets weight zero, so it may be in the matrix."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict

    classifier = LogisticRegression(C=1.0, max_iter=2000)
    found = cross_val_predict(classifier, present, list(labels), groups=list(groups), cv=GroupKFold(FOLDS))
    return float(np.mean(found == np.asarray(labels)))


def swapped_within_pairs(labels: Sequence[str], groups: Sequence[int], rng: np.random.Generator) -> list[str]:
    """The labels after a coin decided, group by group, whether positive and negative trade places."""
    other = {"positive": "negative", "negative": "positive"}
    swaps = {group: bool(rng.integers(2)) for group in dict.fromkeys(groups)}
    return [other[label] if swaps[group] else label for label, group in zip(labels, groups, strict=True)]


def separation(language: str, data: TraitData, sha256: str) -> Separation:
    """Accuracy, its interval, its control and the marking words of one trait."""
    scenarios = [scenario for pair in data.pairs for scenario in pair]
    texts, labels = [one.text for one in scenarios], [one.label for one in scenarios]
    groups = [one.pair for one in scenarios]
    present = _words_of(texts)[1]
    accuracy = _accuracy(present, labels, groups)
    low, high = clopper_pearson(round(accuracy * len(texts)), len(texts))
    rng = np.random.default_rng(SEED)
    shuffled = [_accuracy(present, swapped_within_pairs(labels, groups, rng), groups) for _ in range(SHUFFLES)]
    words = tuple(MarkingWord(one.word, round(one.difference, DECIMALS)) for one in marking_words(texts, labels))
    return Separation(
        language=language,
        trait=data.name,
        n=len(texts),
        accuracy=round(accuracy, DECIMALS),
        low=round(low, DECIMALS),
        high=round(high, DECIMALS),
        shuffled=round(float(np.mean(shuffled)), DECIMALS),
        words=words,
        sha256=sha256,
    )


def measure(languages: Iterable[str] = LANGUAGES) -> list[Separation]:
    """Every trait of every language."""
    return [
        separation(language, load_trait(folder), content_hash(folder / "scenarios.jsonl"))
        for language in languages
        for folder in (trait_folder(language, trait) for trait in known_traits(language))
    ]


def markdown(rows: Sequence[Separation]) -> str:
    """The page with its table."""
    lines = [
        _INTRODUCTION,
        "| language | trait | n | accuracy | shuffled | marking words |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row.language} | {row.trait} | {row.n} "
            f"| {100 * row.accuracy:.1f} % [{100 * row.low:.1f}, {100 * row.high:.1f}] | {100 * row.shuffled:.1f} % "
            f"| {', '.join(f'{one.word} {100 * one.difference:+.1f}' for one in row.words)} |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def record(rows: Sequence[Separation]) -> dict[str, Any]:
    """What is kept as JSON: the settings and the rows."""
    return {"folds": FOLDS, "shuffles": SHUFFLES, "seed": SEED, "rows": [asdict(row) for row in rows]}


def write(rows: Sequence[Separation], folder: Path) -> None:
    """Keep `word_separation.json` and `word_separation.md` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "word_separation.json").write_text(json.dumps(record(rows), indent=1) + "\n", encoding="utf-8")
    (folder / "word_separation.md").write_text(markdown(rows), encoding="utf-8")


def read(folder: Path) -> list[Separation]:
    """The rows that `write` kept in `folder`. Raises FileNotFoundError if there are none."""
    kept = json.loads((folder / "word_separation.json").read_text(encoding="utf-8"))
    return [Separation(**{**row, "words": tuple(MarkingWord(**one) for one in row["words"])}) for row in kept["rows"]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the page, and with --write keep it in reports/datasets."""
    replace_what_cannot_be_shown()
    parser = argparse.ArgumentParser(prog="python -m harness.data.words", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the tables in reports/datasets")
    options = parser.parse_args(arguments)
    rows = measure()
    print(markdown(rows))
    if options.write:
        write(rows, REPORTS)


if __name__ == "__main__":
    main()
