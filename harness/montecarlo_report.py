"""Writes what `harness.montecarlo` measured as a page of tables."""

from collections.abc import Sequence
from typing import Any

from harness.power import FEW_DIFFER, MANY_DIFFER, ONE_SIDED, smallest_effect

SHARES = (ONE_SIDED, FEW_DIFFER, MANY_DIFFER)
TARGET = 0.05  # largest rate of false decisions of either kind that a procedure may have

_INTRODUCTION = """# How often verdicts are false

Simulated data with known truth, through the project's own procedures, intervals and rules (`python -m
harness.montecarlo --write`). A verdict should be false in at most 5 % of the data sets, either way; a two-sided
95 % interval aims at 2.5 % each way when the truth lies exactly on the rule's bound. Brackets are
Clopper-Pearson 95 % intervals of a rate.

- *false SUPPORTED*: the claim says "more than B", and the truth is B.
- *false REFUTED*: the claim says "at least B", and the truth is B.
- *outside*: SUPPORTED for a bound the margin above the truth; *inside*: REFUTED for a bound the margin below.
- *right*: share decided rightly of the last two; *no interval*: share that gave none (too few valid), no decision.
- For the search the truth is where it ends on the true means; for cosines and gaps, which noise biases, it is the
  expectation of the value with that many units (see `Replicated.recentred`).
"""


def clopper_pearson(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval of a rate of `hits` in `trials`."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def remark(rate: float, trials: int) -> str:
    """What to say of a rate against the target: nothing, above it, or above it beyond the simulation's own noise."""
    if rate <= TARGET:
        return ""
    return "**ABOVE 5 %**" if clopper_pearson(round(rate * trials), trials)[0] > TARGET else "above 5 %, within noise"


def markdown(found: dict[str, Any]) -> str:
    """The report as Markdown, from what `montecarlo.measure` returned."""
    used = [row for row in found["rates"] if row["used"]]
    unused = [row for row in found["rates"] if not row["used"]]
    above = [row for row in used if "ABOVE" in remark(row["worst"], row["repeats"])]
    worst = max(used, key=lambda row: row["worst"])
    lines = [
        _INTRODUCTION,
        f"{len(used)} combinations of procedure, kind of score and n, {worst['repeats']} data sets each; "
        f"{found['cpu_seconds']} s on one core{', quick run' if found['quick'] else ''}. "
        f"Above 5 % beyond the simulation's noise: {len(above)}. "
        f"The worst is {worst['procedure']}, {worst['scores']}, n = {worst['n']}: {_percent(worst['worst'])}.\n",
        "## Procedures in use\n",
        *_table(used),
        "\n## For comparison: not recentred\n",
        "Cosines of refitted directions by plain percentiles. Refitting on a resample adds the noise's bias a second "
        "time, so these intervals lie beside their value.\n",
        *_table(unused),
        "\n## What n questions can see\n",
        "Smallest mean difference of paired all-or-nothing scores told from 0 with 80 % power, in points, by the "
        "share of questions whose answers differ (`harness.power`; computed, and checked by simulation in its tests). "
        "For single runs: choosing the best of a grid costs more.\n",
        "| n | only those that make the effect (a Delta over a silent baseline) | 10 % | 50 % |",
        "|---|---|---|---|",
        *(
            f"| {n} | " + " | ".join(f"{smallest_effect(n, share):.1f}" for share in SHARES) + " |"
            for n in (10, 20, 60, 120, 240)
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


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    head = (
        "procedure | scores | n | false SUPPORTED | false REFUTED | outside | inside | right | width | no interval | "
    )
    return [
        f"| {head}|",
        "|---" * 11 + "|",
        *(
            f"| {row['procedure']} | {row['scores']} | {row['n']} "
            f"| {_rate(row['on_bound_supported'], row['repeats'])} | {_rate(row['on_bound_refuted'], row['repeats'])} "
            f"| {_percent(row['outside_supported'])} | {_percent(row['inside_refuted'])} "
            f"| {_percent(row['decided_rightly'])} | {row['width']:.3g} {row['unit']} | {_percent(row['undecidable'])} "
            f"| {remark(row['worst'], row['repeats'])} |"
            for row in rows
        ),
    ]


def _rate(rate: float, trials: int) -> str:
    low, high = clopper_pearson(round(rate * trials), trials)
    return f"{_percent(rate)} [{100 * low:.1f}, {100 * high:.1f}]"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
