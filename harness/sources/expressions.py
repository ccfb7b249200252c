"""Differences, ratios and extremes of published values: checked, given a unit, and evaluated with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness.sources.intervals import Interval, largest, least
from harness.sources.table import Expression, PublishedTable, PublishedValue
from harness.stats.resampling import LEVEL

OPERATIONS = {"value": (1, 1), "difference": (2, 2), "ratio": (2, 2), "least": (2, 9), "largest": (2, 9)}  # operands
LENGTHS = {"coefficient", "activation norm"}  # a coefficient times a unit direction is a norm
NORMAL = 1.96  # quantile of 95 %


def check(expression: Any) -> None:
    """Raise ValueError unless it is one of OPERATIONS with as many operands as it takes, ids or expressions."""
    if not isinstance(expression, dict) or len(expression) != 1 or next(iter(expression)) not in OPERATIONS:
        raise ValueError(f"{expression!r} is no expression; write one of {', '.join(OPERATIONS)}.")
    operation, operands = _taken_apart(expression)
    fewest, most = OPERATIONS[operation]
    if not fewest <= len(operands) <= most:
        raise ValueError(f"{operation} of {len(operands)} values takes {fewest} to {most}; give that many.")
    for operand in operands:
        if not isinstance(operand, str):
            check(operand)


def ids_of(expression: Expression) -> Iterator[str]:
    """The ids of an expression, in order."""
    for operand in _taken_apart(expression)[1]:
        if isinstance(operand, str):
            yield operand
        else:
            yield from ids_of(operand)


def unit_of(expression: Expression, table: PublishedTable) -> str:
    """The unit of an expression, "ratio" for a ratio; ValueError if its operands cannot be combined."""
    operation, operands = _taken_apart(expression)
    units = {table[one].unit if isinstance(one, str) else unit_of(one, table) for one in operands}
    if operation == "ratio" and (len(units) == 1 or units == LENGTHS):
        return "ratio"
    if operation == "ratio" or len(units) != 1:
        raise ValueError(f"{operation} of {' and '.join(sorted(units))} means nothing; use values of one unit.")
    return units.pop()


def evaluate(expression: Expression, table: PublishedTable) -> Interval:
    """An expression of published values with what their rounding and, at 95 %, their sampling leave open.

    Rounding adds up; sampling adds in quadrature, as unpaired, because no pairing was published. Ratios have rounding
    alone.
    """
    rounding = _evaluate(expression, table, sampled=False)
    if "ratio" in expression:
        return rounding
    drawn = _evaluate(expression, table, sampled=True)
    below, above = rounding.value - rounding.low, rounding.high - rounding.value
    return Interval(rounding.value, drawn.low - below, drawn.high + above)


def sampling(published: PublishedValue, table: PublishedTable) -> Interval:
    """A published mean of trait points with what n questions leave open at 95 %; anything else is itself alone.

    Each question is taken as all or nothing, the widest that a mean of 0 to 100 can vary: 1.96 sqrt(p (1 - p) / n),
    and at least what n questions cannot exclude (rule of three: a share 1 - .025^(1/n) may never have been seen). A
    Delta varies as the trait score behind it does; its baseline counts as known.
    """
    if published.n is None or published.unit != "trait points":
        return Interval(published.value, published.value, published.value)
    baseline = table[published.baseline].value if published.baseline else 0.0
    share = min(max((published.value + baseline) / 100, 0.0), 1.0)
    half = NORMAL * math.sqrt(share * (1 - share) / published.n)
    unseen = 1 - ((1 - LEVEL) / 2) ** (1 / published.n)
    below, above = min(max(half, unseen * share), share), min(max(half, unseen * (1 - share)), 1 - share)
    return Interval(published.value, published.value - 100 * below, published.value + 100 * above)


def _evaluate(expression: Expression, table: PublishedTable, sampled: bool) -> Interval:
    operation, parts = _taken_apart(expression)
    operands = [
        (sampling(table[part], table) if sampled else table[part].rounded)
        if isinstance(part, str)
        else _evaluate(part, table, sampled)
        for part in parts
    ]
    if operation in ("least", "largest"):
        return (least if operation == "least" else largest)(*operands)
    if operation == "value":
        return operands[0]
    left, right = operands
    if operation == "ratio":
        return left / right
    if not sampled:
        return left - right
    value = left.value - right.value
    below = math.hypot(left.value - left.low, right.high - right.value)
    above = math.hypot(left.high - left.value, right.value - right.low)
    return Interval(value, value - below, value + above)


def _taken_apart(expression: Expression) -> tuple[str, list[Any]]:
    operation, operands = next(iter(expression.items()))
    return operation, operands if isinstance(operands, list) else [operands]
