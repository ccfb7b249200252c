"""What was found on a model, in three sentences; the words that a report uses; a part of a ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from _pytest.mark.expression import Expression

from harness.ledger.rows import Ledger, LedgerError, Row, estimate_of, natural, rule_of
from harness.ledger.verdict import Verdict
from harness.report import reading
from harness.report.reading import plain

MOST = 3  # claims named of a kind
GLOSSARY: Mapping[str, str] = {
    "steering vector, direction": "What is added to the residual stream at a block so that answers show a trait: "
    "mean_diff is the difference of class means, a probe the weights of a classifier.",
    "massive dims, severity": "A few dims of the residual stream that are far larger than the others; severity is how "
    "many times the median the largest one is. Cleaning a direction zeroes them in it: the most massive one (top-1), "
    "or all (consensus).",
    "coefficient, dose": "How much of a direction is added: in units of the residual stream, or of the norm outside "
    "massive dims.",
    "trait, coherence, gate": "A judge's scores from 0 to 100 of how much an answer shows the trait, and of how well "
    "it reads. A run counts only if its mean coherence passes the gate.",
    "Delta": "Trait points over the unsteered model; the best Delta is that of the best run that passes the gate.",
    "window": "The response tokens that activations are averaged over: response[:5] are the first five.",
    "verdict": "SUPPORTED if the whole 95 % interval satisfies the claim's rule, REFUTED if the whole interval "
    "violates it, else INCONCLUSIVE; BROKEN is an error and no evidence. Holm's correction asks which verdicts would "
    "stand if all were one family.",
}


def sentences(ledger: Ledger, model: str) -> tuple[str, str, str]:
    """What held on a model and what did not, how that compares with what was published, and what could not be told."""
    rows = [row for row in ledger.rows if row.model == model]
    unanimous = {name: verdicts for name, verdicts in _by_claim(rows).items() if len(verdicts) == 1}
    unseen = [name for name in unanimous if any(row.blind for row in rows if row.claim == name)]
    holds, fails = (
        [name for name, verdicts in unanimous.items() if verdicts == {only} and name not in unseen]
        for only in (Verdict.SUPPORTED, Verdict.REFUTED)
    )
    titles = {name: _titled(name, rows) for name in unanimous}
    first = f"On {model} {_named('holds', holds, titles)}, and {_named('does not', fails, titles)}."
    if not holds and not fails:
        first = f"On {model} no claim holds, or fails, in every cell that could be told."
    if unseen:
        first += f" Counted as neither, since a control was not seen: {_listed(unseen, titles)}."
    words = {row.identity: {one.get("word") for one in row.published} for row in rows}
    replicated, contradicted = (sum(word in said for said in words.values()) for word in ("replicated", "contradicted"))
    second = (
        f"Of what was published of this very model, {replicated} cells replicate a number and {contradicted} "
        "contradict one."
        if replicated + contradicted
        else "Nothing was published of this very model that these cells could be held against."
    )
    return plain(first), plain(second), plain(_untold(rows))


def _by_claim(rows: Sequence[Row]) -> dict[str, set[str]]:
    """The verdicts of each claim's decided cells, but of controls, which are there to be refuted."""
    found: dict[str, set[str]] = {}
    for row in sorted(rows, key=lambda one: natural(one.claim)):
        if row.decided and not reading.is_control(row):
            found.setdefault(row.claim, set()).add(row.verdict)
    return found


def _named(verb: str, claims: Sequence[str], titles: Mapping[str, str]) -> str:
    """How many claims, and the first of them in words."""
    if not claims:
        return f"no claim {verb} wherever it could be told"
    count = "one claim" if len(claims) == 1 else f"{len(claims)} claims"
    verbs = verb if len(claims) == 1 else {"holds": "hold", "does not": "do not"}[verb]
    return f"{count} {verbs} wherever it could be told: {_listed(claims, titles)}"


def _listed(claims: Sequence[str], titles: Mapping[str, str]) -> str:
    more = f"; and {len(claims) - MOST} more" if len(claims) > MOST else ""
    return "; ".join(titles[name] for name in claims[:MOST]) + more


def _titled(claim: str, rows: Sequence[Row]) -> str:
    """A claim's id and sentence, with how many of its cells were decided if not all of them were."""
    own = [row for row in rows if row.claim == claim and not reading.is_control(row)]
    decided = sum(row.decided for row in own)
    part = "" if decided == len(own) else f"; {decided} of {len(own)} cells could be told"
    return f"{claim} ({own[0].sentence}{part})"


def _untold(rows: Sequence[Row]) -> str:
    open_ = [row for row in rows if row.verdict == Verdict.INCONCLUSIVE]
    broken = sum(row.verdict == Verdict.BROKEN for row in rows)
    if broken:
        return f"{broken} of {len(rows)} cells are broken, and {len(open_)} could not be told."
    if not open_:
        return f"All {len(rows)} cells could be told."
    without, needed = 0, []
    for row in open_:
        estimate = estimate_of(row.estimates[-1]) if row.estimates else None
        if estimate is None:
            without += 1
        elif estimate.sample == "questions" and (count := rule_of(row.estimates[-1]).needed(estimate)) is not None:
            needed.append(count)
    told = f"{len(open_)} of {len(rows)} cells could not be told, {without} of them without a value"
    if needed:
        told += f"; of the {len(needed)} that wait for questions, half would need {math.ceil(median(needed))} or fewer"
    return told + "."


def part(ledger: Ledger, claims: Sequence[str] = (), expression: str = "") -> Ledger:
    """The rows of some claims, and those whose model, trait or family an expression as of pytest's -m selects.

    Families of Holm's correction stay those of the whole. Raises LedgerError for a claim that the ledger does not
    have, and for an expression that cannot be read.
    """
    if unknown := sorted({*claims} - {row.claim for row in ledger.rows}, key=natural):
        known = ", ".join(sorted({row.claim for row in ledger.rows}, key=natural))
        raise LedgerError(f"--claim: the ledger has no {', '.join(unknown)}; it has {known}.")
    try:
        chosen = Expression.compile(expression) if expression else None
    except SyntaxError as error:
        raise LedgerError(f"-m {expression!r}: {error}.") from error
    sizes: dict[str, int] = {}
    for row in ledger.rows:
        sizes[row.model] = sizes.get(row.model, 0) + (row.verdict != Verdict.BROKEN)
    rows = [
        row
        for row in ledger.rows
        if (not claims or row.claim in claims) and (chosen is None or chosen.evaluate(Named(_names(row))))
    ]
    if not rows:
        names = sorted(set().union(*(_names(row) for row in ledger.rows)))
        raise LedgerError(f"-m {expression!r} selects nothing of this ledger; it knows {', '.join(names)}.")
    cells = {(row.model, row.trait) for row in rows}
    tables = [one for one in ledger.tables if (one.model, one.trait) in cells]
    return Ledger({**ledger.head, "family": ledger.head.get("family", sizes)}, rows, tables)


class Named(frozenset[str]):
    """Names that an expression is evaluated on."""

    def __call__(self, name: str, /, **_: object) -> bool:
        return name in self


def _names(row: Row) -> set[str]:
    return {*row.model.split("+"), row.trait, row.family}


def in_lines(ledger: Ledger) -> list[str]:
    """The three sentences of every model that has cells of its own."""
    return [" ".join(sentences(ledger, model)) for model in reading.models_of(ledger.rows)]
