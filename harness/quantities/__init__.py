"""The quantities a claim is about: expressions over measurements, paired by resampling the same units."""

from harness.quantities.algebra import Answers, Difference, Largest, Lookup, Quantity, Ratio, Smallest
from harness.quantities.cells import WINDOW, Cell, Pair, Recipe, Settings, Subject
from harness.quantities.geometry import Accuracy, Cosine, EffectSize, NormOutside, RightOrder, ShareInside
from harness.quantities.steering import (
    GATE,
    AroundBase,
    BestAmount,
    BestDelta,
    CoherenceAt,
    CurveGap,
    GainWhereNeeded,
    GridBest,
    NeededAmount,
    SearchDelta,
)

__all__ = [
    "GATE",
    "WINDOW",
    "Accuracy",
    "Answers",
    "AroundBase",
    "BestAmount",
    "BestDelta",
    "Cell",
    "CoherenceAt",
    "Cosine",
    "CurveGap",
    "Difference",
    "EffectSize",
    "GainWhereNeeded",
    "GridBest",
    "Largest",
    "Lookup",
    "NeededAmount",
    "NormOutside",
    "Pair",
    "Quantity",
    "Ratio",
    "Recipe",
    "RightOrder",
    "SearchDelta",
    "Settings",
    "ShareInside",
    "Smallest",
    "Subject",
]
