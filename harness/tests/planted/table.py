"""The planted faults as a report: a table to read, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.tests.planted.fault import Outcome

LONGEST = 160  # characters of what a test said
INTRODUCTION = """# Planted faults of the instrument

Each row is one small fault, planted in a copy of the checkout and taken out again. The tests named beside it were green
before; the first one that turned red, and the beginning of what it said, stand on the right. A fault that no test
notices would be called "survived" and make the command fail.

    python -m harness.tests.planted --write             # all of them
    python -m harness.tests.planted --only ID,ID        # some
"""


RANDOM = """# Random faults of the numeric modules

Each row is one operator, bound or number changed where chance pointed, in a copy of the checkout, and taken out again.
Those that survived are to be read: some change nothing that can be seen, others want a test.

    python -m harness.tests.planted --random 48 --write
"""


def markdown(outcomes: Sequence[Outcome], root: Path, introduction: str = INTRODUCTION) -> str:
    """The report as Markdown."""
    caught = sum(one.word == "caught" for one in outcomes)
    lines = [
        introduction,
        f"{len(outcomes)} faults, {caught} caught, {len(outcomes) - caught} not.",
        "",
        "| fault | what is wrong | where | came out as | first test that failed | what it said |",
        "|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        path, _, test = one.test.partition("::")
        named = f"`{path.removeprefix('harness/tests/')}` {_words(test)}" if test else ""
        cells = [one.fault.id, one.fault.what, f"`{_where(one, root)}`", one.word, named, _code(one.said)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rows(outcomes: Sequence[Outcome], root: Path) -> str:
    """The report as JSON: one object a fault."""
    return json.dumps([_row(one, root) for one in outcomes], indent=1) + "\n"


def _row(one: Outcome, root: Path) -> dict[str, Any]:
    said = {"came_out_as": one.word, "first_failing_test": one.test, "said": _short(one.said)}
    return {**asdict(one.fault), "where": _where(one, root), **said}


def _where(one: Outcome, root: Path) -> str:
    return one.fault.file if one.word == "stale" else f"{one.fault.file}:{one.fault.line(root)}"


def _words(test: str) -> str:
    """A test's name as a sentence; its parameters stay as they are."""
    name, bracket, parameters = test.partition("[")
    return f"{name.removeprefix('test_').replace('_', ' ')}{bracket}{parameters}".replace("|", "\\|")


def _short(said: str) -> str:
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def _code(said: str) -> str:
    return f"`{_short(said).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if said else ""
