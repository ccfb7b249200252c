"""What a judge must be shown to reach on gold responses before its scores decide anything, and whether it did.

The whole 95 % interval of a figure must lie within its bounds, so that a judge exactly on a bound is passed on at most
5 % of gold sets (`harness.montecarlo.judges`). The bounds follow from what scores are used for, and were chosen before
any judge was measured by them, knowing how wide the intervals of an exact judge are on gold sets of that size:

- Effects of 10 points decide claims about a trait, and coherence is read in points, too. A slope of 2/3 to 3/2 reads an
  effect of 10 as 6.7 to 15, neither half of it nor double.
- Coherence is cut at a mean of 70, and one step of the published search (x1.15) moved it by 17 to 23 points. At most
  every fifth response may be on the wrong side of 70 (20 points of a mean where coherence is all or nothing), and the
  judge's line at most 10 points off there: one step and half of one.
- A trait has no such cut: its mean is compared with the unsteered mean by the same judge, from which a constant offset
  cancels. Its offset is reported and not gated.
- Relevance only decides whether coherence is held at 30, at 50 or not at all: a third of the responses held wrongly
  moves a mean by 17 points, one step again. A missing score counts as held wrongly.
- .80 of pairs in the right order (AUROC), at most .20 missing.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.judges.asking import first_tokens
from harness.judges.protocol import IGNORED, PARTIAL
from harness.judges.quality import Figure, JudgeQuality, quality
from harness.stats.averages import GATE


@dataclass(frozen=True)
class Bound:
    """Where the whole interval of one figure must lie; `meaning` says what a value of it does to scores."""

    figure: str
    words: str
    low: float = float("-inf")
    high: float = float("inf")
    meaning: Callable[[float], str] = lambda _value: ""

    def admits(self, figure: Figure) -> bool:
        """Whether the figure is shown to lie within the bounds."""
        return (
            figure.low is not None and figure.high is not None and self.low <= figure.low and figure.high <= self.high
        )

    def why_not(self, figure: Figure) -> str:
        """Why the figure is not admitted; empty where it is."""
        if self.admits(figure):
            return ""
        if figure.value is None:
            return f"its {self.words} cannot be told ({figure.why})"
        limits = (
            f"lie within {self.low:.2f} to {self.high:.2f}"
            if np.isfinite([self.low, self.high]).all()
            else f"reach {self.low:.2f}"
            if np.isfinite(self.low)
            else f"stay within {self.high:.2f}"
        )
        return f"its {self.words} of {figure} is not shown to {limits}{self.meaning(figure.value)}"


AUROC = Bound("auroc", "AUROC", low=0.80)
MISSING = Bound("missing", "share of missing scores", high=0.20)
SLOPE = Bound(
    "slope", "slope on gold", 2 / 3, 3 / 2, lambda value: f" (an effect of 10 points is read as {10 * value:.1f})"
)
SIDES = Bound("agreement", f"share on the right side of {GATE:g}", low=0.80)
OFFSET = Bound(
    "offset",
    f"offset at {GATE:g}",
    -10.0,
    10.0,
    lambda value: f" (a gold score of {GATE:g} is read as {GATE + value:.0f})",
)
CAPS = Bound("agreement", "share held at the right cap", low=2 / 3)
GATES: Mapping[str, tuple[Bound, ...]] = {
    "trait": (AUROC, MISSING, SLOPE),
    "coherence": (AUROC, MISSING, SIDES, SLOPE, OFFSET),
    "relevance": (CAPS,),
}
CUTS: Mapping[str, tuple[float, ...]] = {"trait": (), "coherence": (GATE,), "relevance": (IGNORED, PARTIAL)}


def why_not(found: JudgeQuality, what: str) -> str:
    """Why a judge of `what` (trait, coherence or relevance) may not decide, empty where it may."""
    return " and ".join(reason for bound in GATES[what] if (reason := bound.why_not(getattr(found, bound.figure))))


def why_not_trusted(record: Mapping[str, Any]) -> str:
    """Why a judge's scores decide nothing, from the record of JudgeCheck; empty where they may.

    Figures and decision are computed here and stored nowhere, so that they are always those of the present rules.
    """
    reasons = {what: why_not(quality_in(record, what), what) for what in GATES if what in record}
    told = [f"{what}: {reason}" for what, reason in reasons.items() if reason]
    if told and record.get("first_tokens"):
        told.append(f"without a score it says {first_tokens(Counter(record['first_tokens']))}")
    return "; ".join(told)


def quality_in(record: Mapping[str, Any], what: str) -> JudgeQuality:
    """The figures of `what` from the record of JudgeCheck."""
    return _quality(*(tuple(record[what][name]) for name in ("gold", "scores", "questions")), CUTS[what])


@functools.cache  # every claim asks
def _quality(
    gold: Sequence[float], scores: Sequence[float | None], questions: Sequence[int], cuts: Sequence[float]
) -> JudgeQuality:
    given = [np.nan if score is None else score for score in scores]
    return quality(np.asarray(gold, np.float64), np.asarray(given, np.float64), np.asarray(questions), cuts)
