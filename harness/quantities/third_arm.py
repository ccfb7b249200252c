"""The third arm between probe and mean_diff: the same quantity with the mean difference of unit rows for the probe."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from harness.quantities.algebra import Quantity
from harness.quantities.cells import Recipe

NAME = "third arm: the same with unit_mean_diff for the probe"


def third_arm(quantity: Quantity) -> Quantity | None:
    """A quantity that sets the probe against mean_diff, with `unit_mean_diff` for the probe; None for any other, and
    for one that holds that arm already.

    The probe divides every row by its norm, and so does this arm, which learns nothing: what it reaches, too, is no
    merit of a fit (claims N1 and N2).
    """
    methods = _methods(quantity)
    if not {"probe", "mean_diff"} <= methods or "unit_mean_diff" in methods:
        return None
    found: Quantity = _with_unit_rows(quantity)
    return found


def _methods(value: Any) -> set[str]:
    if isinstance(value, Recipe):
        return {value.method}
    parts = value if isinstance(value, tuple) else [getattr(value, one.name) for one in fields(value)]
    return set().union(*(_methods(part) for part in parts if is_dataclass(part) or isinstance(part, tuple)))


def _with_unit_rows(value: Any) -> Any:
    if isinstance(value, Recipe):
        return replace(value, method="unit_mean_diff") if value.method == "probe" else value
    if isinstance(value, tuple):
        return tuple(_with_unit_rows(part) for part in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(value, **{one.name: _with_unit_rows(getattr(value, one.name)) for one in fields(value)})
