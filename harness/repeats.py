"""Pools evidence from directions that were made again: draws of a control, extractions from resampled scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from harness.evidence import Bracketed, Evidence, Extreme
from harness.resampling import Repeat, Replicated

Kind = TypeVar("Kind", bound=Evidence)


def mean_of_draws(draws: Sequence[Evidence]) -> Evidence:
    """The mean over draws of a control on the same units, its interval as wide as few draws deserve.

    The claim is about a direction drawn at random, not about the one that happened to be drawn.
    """
    first = draws[0]
    if isinstance(first, Replicated):
        parts = [draw for draw in draws if isinstance(draw, Replicated)]
        values = tuple(draw.value for draw in parts)
        replicates = np.mean([draw.replicates for draw in parts], axis=0)
        return replace(first, value=float(np.mean(values)), replicates=replicates, repeats={"draws": values})
    if isinstance(first, Bracketed):
        sides = [(draw.below, draw.above) for draw in draws if isinstance(draw, Bracketed)]
        return replace(first, below=_mean([below for below, _ in sides]), above=_mean([above for _, above in sides]))
    assert isinstance(first, Extreme)
    members = [draw.members for draw in draws if isinstance(draw, Extreme)]
    return replace(first, members=tuple(mean_of_draws(one) for one in zip(*members, strict=True)))


def _mean(draws: Sequence[Replicated]) -> Replicated:
    found = mean_of_draws(draws)
    assert isinstance(found, Replicated)
    return found


def repeated(evidence: Kind, of: Repeat, others: Sequence[Evidence]) -> Kind:
    """The evidence with what `others` of its kind came to, so that their spread widens its interval."""
    if isinstance(evidence, Replicated):
        return replace(evidence, repeats={**evidence.repeats, of: tuple(other.value for other in others)})
    if isinstance(evidence, Bracketed):
        pairs = [(other.below, other.above) for other in others if isinstance(other, Bracketed)]
        below, above = (list(side) for side in zip(*pairs, strict=True))
        return replace(evidence, below=repeated(evidence.below, of, below), above=repeated(evidence.above, of, above))
    assert isinstance(evidence, Extreme)
    columns = zip(*(other.members for other in others if isinstance(other, Extreme)), strict=True)
    members = zip(evidence.members, columns, strict=True)
    return replace(evidence, members=tuple(repeated(member, of, column) for member, column in members))
