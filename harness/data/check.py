"""Says everything that is wrong with a trait's files at once, what is too small, and what each number of rows decides.

Exits with 0 where nothing is: a part that is missing, or decides little, is told or warned of and no fault. Exits with
1 where a row or a file cannot be used, or a part is so small that it decides nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.data.datasets import (
    FILES,
    GOLD_FILE,
    INSTRUCTIONS,
    DatasetError,
    Pairs,
    groups_of,
    missing_parts,
    training_pairs,
)
from harness.data.gold import FEWEST_A_SIDE, FEWEST_QUESTIONS, sides, too_few_gold
from harness.data.outside import FORMS, Brought, read, write
from harness.geometry.separation import FOLDS, independent
from harness.stats.power import words
from harness.stats.tails import FEWEST, clopper_pearson
from harness.streams import replace_what_cannot_be_shown, shown

WIDTH = 120  # of the table, where nobody sees it on a terminal
STANDARD_PHRASINGS = 5  # in every file of persona_vectors: nobody's mistake
MOST_PLACES = 4  # that are listed of one kind of mistake, after the first
PLACE = re.compile(r":(\d+): |: ([a-z]+ \d+): |: (pair \d+) ")
VARIES = re.compile(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\d+")  # between two messages about one kind of mistake


def examine(where: Path) -> tuple[list[str], Brought | None]:
    """Every problem of the trait at `where`, a sentence each, and what can be used; None where its form is unknown."""
    problems: list[str] = []
    try:
        found = read(where, lambda error: problems.append(str(error)))
    except DatasetError as error:
        return [*problems, str(error)], None
    return problems, found


def by_kind(problems: Sequence[str]) -> list[str]:
    """Each kind of mistake once, with its first message, how many there are, and where the next ones are."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(VARIES.sub("", problem), []).append(problem)
    return [_with_places(*same) for same in kinds.values()]


def _with_places(first: str, *others: str) -> str:
    if not others:
        return first
    met = [PLACE.search(other) for other in others[:MOST_PLACES]]
    places = ", ".join(f"line {one[1]}" if one[1] else one[2] or one[3] for one in met if one)
    return f"{first} ({1 + len(others)} times; next {places}{' ...' if len(others) > MOST_PLACES else ''})"


def too_small(found: Brought, where: Path | str) -> list[str]:
    """The parts that are there and decide nothing, a sentence each."""
    told = [
        f"{where}: {part} ({file}) of {units} {unit}; with fewer than {FEWEST} not even a direction that puts "
        "every held-out pair in order is told from guessing."
        for part, file, pairs, unit in _elicitations(found)
        if pairs and (units := _topics(pairs)) < FEWEST and not _is_standard(part, units)
    ]
    if 0 < (asked := len(found.data.questions)) < FEWEST:
        told.append(f"{where}: {asked} questions ({FILES[1]}); fewer than {FEWEST} tell no difference from 0.")
    elif asked and (topics := len(set(groups_of(found.data.questions)))) < FEWEST:
        told.append(
            f"{where}: questions of {topics} topics ({FILES[1]}); fewer than {FEWEST} tell no difference from 0."
        )
    if found.gold and (why := too_few_gold(found.gold)):
        told.append(f"{where}: {GOLD_FILE}: {why}")
    return told


def warnings(found: Brought, where: Path | str) -> list[str]:
    """The parts that are as they usually are and yet decide nothing of a direction, a sentence each."""
    return [
        f"{where}: {part} ({file}) of {units} {unit}, as in files of persona_vectors: a verdict on a direction made "
        f"from them needs a sixth pair of instructions, so write one more."
        for part, file, pairs, unit in _elicitations(found)
        if _is_standard(part, units := _topics(pairs))
    ]


def _is_standard(part: str, units: int) -> bool:
    return part == "instructions" and STANDARD_PHRASINGS <= units < FEWEST


def sizes(found: Brought) -> Iterator[tuple[str, str, str, str]]:
    """Each part that is there: its name, how much of it, how much is the least, and what so much decides."""
    for part, _, pairs, unit in _elicitations(found):
        if pairs:
            topics, held_out = _topics(pairs), len(pairs) - training_pairs(pairs)
            low, _ = clopper_pearson(topics, topics)
            yield (
                part,
                f"{len(pairs)} pairs, {topics} {unit}",
                f"{FEWEST} {unit}",
                f"{held_out} pairs are held out as published; {min(FOLDS, topics)} cross-fit folds of {unit}, where a "
                f"direction that orders every pair rightly is shown to order {low:.2f} or more",
            )
    if asked := len(found.data.questions):
        yield "questions", f"{asked}", f"{FEWEST}", words(asked)
    if found.gold:
        there = sides(found.gold)
        yield (
            "gold",
            f"{there['positive']} questions with a positive, {there['negative']} with a negative, "
            f"{there['either']} with either",
            f"{FEWEST_A_SIDE} a side, {FEWEST_QUESTIONS} with either",
            "no judge can pass" if too_few_gold(found.gold) else "a judge that errs in nothing passes",
        )
    if found.labelled:
        yield "labelled", f"{len(found.labelled)} responses", "", "a judge that reads states can learn from them"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is wrong, lacking and too small, and the table; with --write keep the trait in this project's form."""
    replace_what_cannot_be_shown()
    summary, _, statuses = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m harness.data.check", description=summary, epilog=statuses)
    parser.add_argument("where", type=Path, metavar="FOLDER_OR_FILE", help=FORMS)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="keep it there in this project's own form")
    options = parser.parse_args(arguments)
    problems, found = examine(options.where)
    small = too_small(found, options.where) if found else []
    warned = warnings(found, options.where) if found else []
    for heading, lines in (("wrong", by_kind(problems)), ("too small", small), ("warning", warned)):
        for line in lines:
            print(shown(f"{heading}: {line}"))
    if found:
        for line in (*missing_parts({*found.files}, options.where).values(), *filter(None, [found.note])):
            print(shown(f"told: {line}"))
        table = Table("part", "there", "at least", "what so many decide")
        for row in sizes(found):
            table.add_row(*row)
        Console(width=None if sys.stdout.isatty() else WIDTH, markup=False).print(table)
    if options.write and found and not problems:
        if options.write.exists():
            parser.error(f"{options.write} exists: name a folder that does not.")
        write(found.files, options.write)
    print(f"{len(problems)} wrong, {len(small)} too small")
    return 1 if problems or small else 0


def _elicitations(found: Brought) -> tuple[tuple[str, str, Pairs, str], ...]:
    """Both ways to elicit the trait, each with its file, its pairs, and what of them is held out as a whole."""
    return (
        ("scenarios", FILES[0], found.data.pairs, "topics"),
        ("instructions", INSTRUCTIONS[0], found.data.instructed, "phrasings"),
    )


def _topics(pairs: Pairs) -> int:
    """How many can be held out: topics, or questions where these recur under several phrasings and are fewer."""
    questions = [positive.question or str(positive.pair) for positive, _ in pairs]
    return independent([positive.topic for positive, _ in pairs], questions)


if __name__ == "__main__":
    sys.exit(main())
