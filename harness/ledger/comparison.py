"""Says of an estimate whether it replicates or contradicts what was published, or whether the two can be compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.ledger.verdict import number
from harness.sources.expressions import evaluate, ids_of
from harness.sources.published import load_published
from harness.sources.table import Comparable, PublishedTable
from harness.stats.resampling import Estimate

PURE_NUMBERS = {"ratio", "share"}
FIRST_EDITION = "2026-01-29"  # whose verdicts are expected on the models that it is about


@dataclass(frozen=True)
class Comparison:
    """One word on a published quantity and an estimate, and why.

    word: "replicated", "contradicted", "not comparable" or "new". `published`, `low` and `high` are the published
    value with its own interval in `unit`, None where there is none.
    """

    word: str
    why: str
    quantity: str = ""
    edition: str = ""
    published_as: str = ""
    published: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Builtin types only, for a ledger row."""
        return asdict(self)


def comparisons(claim: str, test: str, model: str, trait: str, estimate: Estimate) -> list[Comparison]:
    """What each published quantity of a claim's test says of an estimate; one "new" if nothing was published.

    `test` is the test function's name (or its words); `model` names a pair as "gemma3+gemma2" or with "and". Claims
    about published numbers themselves are compared with nothing.
    """
    table = load_published()
    published = table.comparables.get(claim, ())
    if not published and claim in table.context:
        return []
    if not published:
        return [Comparison("new", f"nothing was published under {claim}")]
    fitting = [one for one in published if one.test == "" or _words(one.test) == _words(test)]
    if not fitting:
        return [Comparison("not comparable", f"what was published under {claim} belongs to other tests of it")]
    return [compare(one, model, trait, estimate, table) for one in fitting]


def published_verdict(claim: str, test: str, model: str, trait: str, edition: str = FIRST_EDITION) -> str | None:
    """SUPPORTED or REFUTED, as one edition of the sources has it for exactly this test, model (or pair) and trait.

    None where it says nothing, or where its own values disagree. Where the log and its write-up differ the log counts,
    because it has the runs.
    """
    table = load_published()
    words: dict[bool, set[str]] = {True: set(), False: set()}  # of the write-up or not -> conclusions
    for one in table.comparables.get(claim, ()):
        of = [table[identity] for identity in ids_of(one.value)]
        about = (one.test == "" or _words(one.test) == _words(test)) and _models(one.model) == _models(model)
        if about and {value.trait for value in of} == {trait} and of[0].edition == edition:
            words[any(value.source.startswith("DOC") for value in of)].add(one.published_as)
    found = words[False] or words[True]
    return found.pop() if len(found) == 1 and found <= {"SUPPORTED", "REFUTED"} else None


def _models(names: str) -> list[str]:
    return sorted(names.replace(" and ", "+").split("+"))


def compare(comparable: Comparable, model: str, trait: str, estimate: Estimate, table: PublishedTable) -> Comparison:
    """Whether an estimate's interval overlaps that of a published quantity, unless something keeps the two apart.

    The published interval is that of `sources.expressions.evaluate`: rounding and, where the number of questions is
    known, sampling.
    """
    of = [table[identity] for identity in ids_of(comparable.value)]
    published = evaluate(comparable.value, table)
    traits = sorted({one.trait for one in of})

    def told(word: str, why: str) -> Comparison:
        ends = (published.value, published.low, published.high)
        return Comparison(
            word, why, comparable.quantity, of[0].edition, comparable.published_as, *ends, comparable.unit
        )

    models = comparable.model.split("+")
    if _models(model) != sorted(models):
        return told("not comparable", f"published for {' and '.join(models)}, estimated on {model}")
    if [trait] != traits:
        return told("not comparable", f"published for {' and '.join(traits)}, estimated for {trait}")
    if comparable.unit != estimate.unit and not {comparable.unit, estimate.unit} <= PURE_NUMBERS:
        return told("not comparable", f"published in {comparable.unit}, estimated in {estimate.unit}")
    if vague := [one.what for one in of if one.approximate]:
        return told("not comparable", f"published only approximately: {', '.join(vague)}")
    apart = published.low > estimate.high or published.high < estimate.low
    given = f"published {number(published.value)} [{number(published.low)}, {number(published.high)}]"
    found = f"estimated [{number(estimate.low)}, {number(estimate.high)}] {estimate.unit}"
    either = "; the published interval holds 0, too" if published.low <= 0 <= published.high else ""
    return told(
        "contradicted" if apart else "replicated",
        f"{given} and {found} {'lie apart' if apart else 'overlap'}{either}",
    )


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ").lower()
