"""Writes what `harness.montecarlo` measured as a page of tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.montecarlo.rates import CASES, MANY, SUSPECT
from harness.stats.power import KINDS, smallest_effect
from harness.stats.tails import clopper_pearson

TARGET = 0.05  # largest rate of false decisions of either kind that a procedure may have

_INTRODUCTION = """# How often verdicts are false

Simulated data with known truth, through the quantities that claims are about, their intervals and rules (`python -m
harness.montecarlo --write`). A verdict should be false in at most 5 % of the data sets, either way; a two-sided
95 % interval aims at 2.5 % each way when the truth lies exactly on the rule's bound. Brackets are exact 95 %
intervals of a rate (Clopper and Pearson).

- *false SUPPORTED*: the claim says "more than B", and the truth is B. *false REFUTED*: it says "at least B", and it is.
- *covered*: the interval holds the truth, where one is given. *bias*: the mean printed value less the truth.
- *open at*: the share INCONCLUSIVE where the truth is that far from the bound; never to decide is no cure.
- For cosines, shares, accuracy and d the truth is the expectation of the value with that many pairs.
- *abstained*: share of data sets that gave no interval (too few valid), which is no decision and counts as open.
- A line of which more than {suspect:.0%} of the first data sets are false, either way, is from {many:,} of them; one of
  fewer is older than this rule.
"""


def remark(rate: float, trials: int) -> str:
    """What to say of a rate against the target: nothing, above it, or above it beyond the simulation's own noise."""
    if rate <= TARGET:
        return ""
    return "**ABOVE 5 %**" if clopper_pearson(round(rate * trials), trials)[0] > TARGET else "above 5 %, within noise"


def markdown(found: dict[str, Any]) -> str:
    """The report as Markdown, from what `rates.measure` returned."""
    rows = found["rates"]
    above = [row for row in rows if "ABOVE" in remark(row["worst"], row["repeats"])]
    above += [row for row in found["judges"] if "ABOVE" in remark(row["passed_though_false"], row["repeats"])]
    lines = [
        _INTRODUCTION.format(suspect=SUSPECT, many=MANY),
        f"{len(rows)} combinations of procedure, kind of score and n, {len(found['judges'])} of judge and gold set; "
        f"{found['seconds']} s"
        f"{', quick run' if found['quick'] else ''}. Above 5 % beyond the simulation's noise: {len(above)}.",
        f"{worst_line(rows)} {coverage_line(rows)}\n",
        *not_measured(rows),
        "## Procedures in use\n",
        *_table(rows),
        "\n## Judges at the gate\n",
        "Judges whose truth lies on a bound of the gate, on gold sets of so many responses to so many questions: the "
        "share that is passed all the same, and the share of good judges that is passed.\n",
        "| what decides | responses | questions | on the bound | gold sets | passed though false | when good | |",
        "|---" * 8 + "|",
        *(
            f"| {row['procedure']} | {row['n']} | {row['questions']} | {row['truth']} | {row['repeats']} "
            f"| {_rate(row['passed_though_false'], row['repeats'])} | {_percent(row['passed_when_good'])} "
            f"| {remark(row['passed_though_false'], row['repeats'])} |"
            for row in found["judges"]
        ),
        "\n## What n questions can see\n",
        "Smallest effect, in points, that is shown to be more than 0 in 80 % of data sets of all-or-nothing scores, "
        "those without an interval among them (`python -m harness.montecarlo.power`): a best over a baseline of 0, and "
        "the difference of two bests whose answers have nine tenths of their chance in common, or none. Coherence "
        "falls through the gate from one run to the next; a dash where 80 % is never reached.\n",
        "| n | best | difference, alike | difference, unlike |",
        "|---|---|---|---|",
        *(
            f"| {n} | " + " | ".join(_points(smallest_effect(n, kind)) for kind in KINDS) + " |"
            for n in (12, 24, 60, 120, 240)
        ),
        "\n## A whole ledger\n",
        f"Claims about one model on the same questions (so they are correlated), each decided at 95 %; Holm's "
        f"step-down at {found['family_level']:.0%} over the ledger. Chance of any false decision among the claims on "
        "their bound, without and with Holm, and the share of right decisions about the others that Holm keeps.\n",
        "| n | scores | claims | on the bound | ledgers | false per claim | any false | with Holm | kept | |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {row['n']} | {row['scores']} | {row['claims']} | {row['on_bound']} | {row['repeats']} "
            f"| {_percent(row['false_per_claim'])} | {_rate(row['any_false'], row['repeats'])} "
            f"| {_rate(row['any_false_after_holm'], row['repeats'])} "
            f"| {'-' if row['on_bound'] == row['claims'] else _percent(row['kept'])} "
            f"| {remark(row['any_false_after_holm'], row['repeats'])} |"
            for row in found["families"]
        ),
    ]
    return "\n".join(lines) + "\n"


def worst_line(rows: Sequence[dict[str, Any]]) -> str:
    """The table's own worst line in a sentence."""
    worst = max(rows, key=lambda row: row["worst"])
    kind = "SUPPORTED" if worst["false_supported"] >= worst["false_refuted"] else "REFUTED"
    return (
        f"Worst of {len(rows)}: {_line(worst)}, falsely {kind} in "
        f"{_rate(worst['worst'], worst['repeats'])} of {worst['repeats']} data sets."
    )


def coverage_line(rows: Sequence[dict[str, Any]]) -> str:
    """How often intervals hold the truth where they are given, and how often none is, in a sentence."""
    given = [row for row in rows if row["no_interval"] < 1]
    least, most = min(given, key=lambda row: row["covered"]), max(rows, key=lambda row: row["no_interval"])
    covered = np.average([row["covered"] for row in given], weights=[1 - row["no_interval"] for row in given])
    return (
        f"Where an interval is given it holds the truth in {_percent(covered)} on average, least in "
        f"{_percent(least['covered'])} ({_line(least)}); none is given in "
        f"{_percent(float(np.mean([row['no_interval'] for row in rows])))} on average, most often in "
        f"{_percent(most['no_interval'])} ({_line(most)})."
    )


def not_measured(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The cases of which a report has no line, in a paragraph; none where it has all."""
    missing = [case.name for case in CASES if case.name not in {row["procedure"] for row in rows}]
    listed = "; ".join(missing)
    return [f"Not measured yet (`python -m harness.montecarlo --new --write`): {listed}.\n"] if missing else []


def _line(row: dict[str, Any]) -> str:
    return f"{row['procedure']}, {row['scores']}, n = {row['n']}"


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    head = (
        "procedure | scores | n | data sets | false SUPPORTED | false REFUTED | covered | bias | width | open at | "
        "abstained | "
    )
    return [
        f"| {head}|",
        "|---" * 12 + "|",
        *(
            f"| {row['procedure']} | {row['scores']} | {row['n']} | {row['repeats']} "
            f"| {_rate(row['false_supported'], row['repeats'])} | {_rate(row['false_refuted'], row['repeats'])} "
            f"| {_percent(row['covered'])} | {row['bias']:+.2g} | {row['width']:.3g} {row['unit']} "
            f"| {_open(row)} "
            f"| {_percent(row['no_interval'])} | {remark(row['worst'], row['repeats'])} |"
            for row in rows
        ),
    ]


def _open(row: dict[str, Any]) -> str:
    pairs = zip(row["effects"], row["undecided"], strict=True)
    return ", ".join(f"{by:g}: {100 * left:.0f} %" for by, left in pairs)


def _rate(rate: float, trials: int) -> str:
    low, high = clopper_pearson(round(rate * trials), trials)
    return f"{_percent(rate)} [{100 * low:.1f}, {100 * high:.1f}]"


def _points(effect: float | None) -> str:
    return "-" if effect is None else f"{effect:.1f}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
