"""Pools evidence from directions that were made again: draws of a control, extractions from resampled scenarios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from harness.stats.evidence import Bracketed, Evidence, Extreme
from harness.stats.resampling import Repeat, Replicated

Kind = TypeVar("Kind", bound=Evidence)


def mean_of_draws(draws: Sequence[Evidence | None]) -> Evidence:
    """The mean over draws of a control on the same units, its interval as wide as few draws deserve.

    The claim is about a direction drawn at random, not about the one that happened to be drawn. None is a draw without
    a value, and keeps its place, for differences are taken draw by draw.
    """
    first = next(draw for draw in draws if draw is not None)
    if isinstance(first, Replicated):
        found = [draw for draw in draws if isinstance(draw, Replicated)]
        replicates = np.mean([draw.replicates for draw in found], axis=0)
        value = float(np.mean([draw.value for draw in found]))
        return replace(first, value=value, replicates=replicates, repeats={"draws": _values(draws)})
    if isinstance(first, Bracketed):
        below, above = _sides(draws)
        return replace(first, below=_mean(below), above=_mean(above))
    assert isinstance(first, Extreme)
    return replace(first, members=tuple(mean_of_draws(member) for member in _members(draws, len(first.members))))


def repeated(evidence: Kind, of: Repeat, others: Sequence[Evidence | None]) -> Kind:
    """The evidence with what `others` of its kind came to (None: nothing), so that their spread widens its interval."""
    if isinstance(evidence, Replicated):
        return replace(evidence, repeats={**evidence.repeats, of: _values(others)})
    if isinstance(evidence, Bracketed):
        below, above = _sides(others)
        return replace(evidence, below=repeated(evidence.below, of, below), above=repeated(evidence.above, of, above))
    assert isinstance(evidence, Extreme)
    members = zip(evidence.members, _members(others, len(evidence.members)), strict=True)
    return replace(evidence, members=tuple(repeated(member, of, column) for member, column in members))


def _values(repeats: Sequence[Evidence | None]) -> tuple[float, ...]:
    return tuple(math.nan if one is None else one.value for one in repeats)


def _sides(repeats: Sequence[Evidence | None]) -> tuple[list[Replicated | None], list[Replicated | None]]:
    found = [one if isinstance(one, Bracketed) else None for one in repeats]
    return [one.below if one else None for one in found], [one.above if one else None for one in found]


def _members(repeats: Sequence[Evidence | None], count: int) -> list[list[Evidence | None]]:
    return [[one.members[place] if isinstance(one, Extreme) else None for one in repeats] for place in range(count)]


def _mean(draws: Sequence[Evidence | None]) -> Replicated:
    found = mean_of_draws(draws)
    assert isinstance(found, Replicated)
    return found
