"""What one published number is, and the table of them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from harness.data.datasets import ROOT
from harness.sources.intervals import Interval

PUBLISHED = ROOT / "claims" / "published.yaml"
COUNTS = ("count", "questions", "dims", "blocks")  # units of numbers that are never rounded
RUN = {"coefficient": "coefficient", "coherence": "coherence points", "n": "questions"}  # numbers about a run -> unit

Expression: TypeAlias = Mapping[str, Any]  # {operation: id | [id or expression, ...]}


class PublishedError(ValueError):
    """The table of published values is malformed; the message names the file and the entry."""


class Written(float):
    """A number that remembers its digits as they were written."""

    text: str

    def __new__(cls, text: str) -> Written:
        number = super().__new__(cls, text.replace("_", "").replace(".nan", "nan").replace(".inf", "inf"))
        number.text = text
        return number


@dataclass(frozen=True)
class PublishedValue:
    """One published number (or list of dims), its unit, and where and under what conditions it was published.

    `decimals` are those it was rounded to (negative: tens, hundreds); an `exact` setting was not rounded. `n` counts
    the questions behind a mean; `baseline` is the id of the unsteered trait score that a Delta is counted from;
    `window` is response[:window].
    """

    id: str
    what: str
    value: float
    unit: str
    edition: str
    source: str
    model: str = ""
    trait: str = ""
    decimals: int = 0
    n: int | None = None
    coefficient: float | None = None
    coherence: float | None = None
    block: int | None = None
    window: int | None = None
    baseline: str | None = None
    approximate: bool = False
    exact: bool = False
    values: tuple[int, ...] = ()

    @property
    def rounded(self) -> Interval:
        """Everything that rounds to the published number."""
        half = 0.0 if self.exact or self.unit in COUNTS else 0.5 * 10.0**-self.decimals
        return Interval(self.value, self.value - half, self.value + half)

    @property
    def sentence(self) -> str:
        """The value in words: what, number, unit, then model, trait, window, edition and source."""
        number = ", ".join(map(str, self.values)) if self.values else f"{self.value:.{max(self.decimals, 0)}f}"
        window = f"response[:{self.window}]" if self.window else ""
        places = [self.model, self.trait, window, f"edition {self.edition}", self.source]
        about = "~" if self.approximate else ""
        return f"{self.what} = {about}{number} {self.unit} ({', '.join(place for place in places if place)})"


@dataclass(frozen=True)
class Comparable:
    """A published quantity that a claim's estimate can be compared with; see claims/published.yaml."""

    claim: str
    quantity: str
    value: Expression
    published_as: str
    unit: str
    model: str
    test: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """All published values by id, and by claim what it is compared with and what is told with it."""

    values: Mapping[str, PublishedValue]
    comparables: Mapping[str, tuple[Comparable, ...]]
    context: Mapping[str, tuple[str, ...]]

    def __getitem__(self, identity: str) -> PublishedValue:
        """The value of an id; `<id>.coefficient`, `<id>.coherence` and `<id>.n` are those of its run."""
        if identity in self.values:
            return self.values[identity]
        owner, _, name = identity.rpartition(".")
        entry = self.values.get(owner)
        number = getattr(entry, name) if entry is not None and name in RUN else None
        if entry is None or number is None:
            raise PublishedError(f"{PUBLISHED.name}: no published value is called {identity!r}; name one that is.")
        about = f"{name if name != 'n' else 'questions'} of: {entry.what}"
        about_the_run: dict[str, Any] = dict.fromkeys(RUN)
        return replace(
            entry, id=identity, what=about, value=float(number), unit=RUN[name], decimals=decimals_of(number),
            values=(), baseline=None, **about_the_run,
        )  # fmt: skip

    def changed(self, numbers: Mapping[str, float]) -> PublishedTable:
        """The same table with other numbers, rounded as before; for controls. Also takes `<id>.n` and the like."""
        values = dict(self.values)
        for identity, number in numbers.items():
            self[identity]  # for its error
            if identity in values:
                values[identity] = replace(values[identity], value=number)
            else:
                owner, _, name = identity.rpartition(".")
                decimals = decimals_of(getattr(values[owner], name))
                run: dict[str, Any] = {name: Written(f"{number:.{decimals}f}")}
                values[owner] = replace(values[owner], **run)
        return replace(self, values=values)


def decimals_of(number: float) -> int:
    """Decimals of a number as written; 0 for an integer."""
    return len(number.text.partition(".")[2]) if isinstance(number, Written) else 0
