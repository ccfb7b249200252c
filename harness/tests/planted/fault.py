"""What a planted fault is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Word = Literal["caught", "survived", "stale", "unclear"]


class Stale(ValueError):
    """A fault whose old text does not stand exactly once in its file, so that nothing can be planted."""


@dataclass(frozen=True)
class Fault:
    """One small change of the instrument that must turn the named tests red.

    what: the fault in a plain sentence. file: where it is planted, relative to the root. old, new: the text that is
    replaced and what replaces it. caught_by: test node ids of which at least one must fail.
    """

    id: str
    what: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]

    def planted(self, text: str) -> str:
        """The text of the file with the fault in it. Raises Stale unless `old` stands there exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise Stale(f"fault {self.id} is stale: its old text stands {found} times in {self.file}, not once.")
        if self.old == self.new:
            raise Stale(f"fault {self.id} is stale: it changes nothing in {self.file}.")
        return text.replace(self.old, self.new)

    def line(self, root: Path) -> int:
        """The line in which the fault begins to differ from the file under `root`, counted from 1."""
        text = (root / self.file).read_text(encoding="utf-8")
        same = next(place for place, (a, b) in enumerate(zip(self.old + "\0", self.new + "\1", strict=False)) if a != b)
        return text.count("\n", 0, text.index(self.old) + same) + 1


@dataclass(frozen=True)
class Outcome:
    """What came of one fault: its word, the first test that failed and what it said, and how long it took.

    "caught": a named test failed. "survived": all of them passed. "stale": there was nothing to plant it in.
    "unclear": the tests could not run to a verdict with it, or were not green without it.
    """

    fault: Fault
    word: Word
    test: str = ""
    said: str = ""
    seconds: float = 0.0
