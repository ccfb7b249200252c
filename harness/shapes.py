"""Executes the shape annotations of the public numeric functions: a wrong shape is an error where it enters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from beartype import beartype
from jaxtyping import jaxtyped

Function = TypeVar("Function", bound=Callable[..., object])


def checked(function: Function) -> Function:
    """Check the annotated shapes and types of `function` on every call (jaxtyping with beartype)."""
    return cast(Function, jaxtyped(function, typechecker=beartype))
