"""Arms that are shown beside a claim's own: its quantity with unit_mean_diff, or a vector from outside, in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from harness.geometry.directions import VECTOR, vector_named
from harness.quantities.algebra import Quantity
from harness.quantities.cells import WINDOW, Recipe

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
    found: Quantity = _with(quantity, "probe", "unit_mean_diff")
    return found


def vector_arm(quantity: Quantity, name: str) -> Quantity | None:
    """A quantity with a vector from outside in place of the probe, or of mean_diff where there is no probe.

    None where it holds neither or holds a vector already, where it is about how a direction is made (its window, what
    elicits it, what is cleaned before the fit), which a vector has behind it, and where it averages over all blocks, of
    which a vector has one.
    """
    recipes = _recipes(quantity)
    replaced = next((method for method in ("probe", "mean_diff") if method in {one.method for one in recipes}), None)
    made = any(one.window != WINDOW or one.elicitation or one.cleaning.before for one in recipes)
    if replaced is None or made or any(vector_named(one.method) for one in recipes) or "all blocks" in _texts(quantity):
        return None
    found: Quantity = _with(quantity, replaced, VECTOR + name)
    return found


def vector_arm_title(name: str) -> str:
    """What an arm of a vector is called where it is shown."""
    return f"vector {name}: the same with it for the probe, or for mean_diff where there is none"


def _methods(value: Any) -> set[str]:
    return {recipe.method for recipe in _recipes(value)}


def _recipes(value: Any) -> list[Recipe]:
    """Every recipe in a quantity."""
    return [value] if isinstance(value, Recipe) else [one for part in _parts(value) for one in _recipes(part)]


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [one for part in _parts(value) for one in _texts(part)]


def _parts(value: Any) -> Sequence[Any]:
    if isinstance(value, tuple):
        return value
    return [getattr(value, one.name) for one in fields(value)] if is_dataclass(value) else ()


def _with(value: Any, method: str, other: str) -> Any:
    """The same quantity with another method wherever `method` stands."""
    if isinstance(value, Recipe):
        return replace(value, method=other) if value.method == method else value
    if isinstance(value, tuple):
        return tuple(_with(part, method, other) for part in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(value, **{one.name: _with(getattr(value, one.name), method, other) for one in fields(value)})
