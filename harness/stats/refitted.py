"""Quantities of directions that were refitted on resampled pairs of scenarios: cosines, and shares of their norm."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from harness.stats import tails
from harness.stats.resampling import Bounds, Combine, Estimate, Replicated
from harness.stats.tails import LEVEL, SMALLEST, End, interval

__all__ = ["Refitted"]


@dataclass(frozen=True, eq=False)
class Refitted(Replicated):
    """A quantity of refitted directions, about its expectation with this many pairs; `bounds` are what is possible.

    A refit's noise comes on top of the fit's. In many dims it moves every replicate alike, which recentring undoes; in
    one dim it moves them by chance, and recentring would be wrong. Which it is cannot be seen, so the interval is the
    wider of both at each end.
    """

    def estimate(self, level: float = LEVEL) -> Estimate:
        """The value with the wider interval of plain and recentred replicates, within the bounds."""
        ends = [interval(self.value, each, self.n, None, level, self.independent) for each in self._both()]
        least, most = self._possible()
        low, high = max(least, min(low for low, _ in ends)), min(most, max(high for _, high in ends))
        low, high = min(low, self.value), max(high, self.value)
        return self._estimate(low, high, level)

    def level_of_end(self, end: End, bound: float, strict: bool) -> float:
        """See `harness.stats.evidence.Evidence.level_of_end`: both intervals must reach the bound."""
        least, most = self._possible()
        past = bound - least if end == "low" else most - bound
        if past < 0 or (past == 0 and not strict):
            return SMALLEST  # nothing that is possible is on the other side
        both = self._both()
        given = self.n, None, end, bound, strict, self.independent
        return max(tails.level_of_end(self.value, each, *given) for each in both)

    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        return self.replicates, self.recentred().replicates

    def _possible(self) -> Bounds:
        return (-np.inf, np.inf) if self.bounds is None else self.bounds

    def _combined(self, other: Replicated, combine: Combine, unit: str, bounds: Bounds | None) -> Refitted:
        found = super()._combined(other, combine, unit, bounds)
        return Refitted(**{field.name: getattr(found, field.name) for field in fields(found)})
