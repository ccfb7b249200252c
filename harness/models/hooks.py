"""Watches the residual stream that the blocks of a model pass on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


def residual(output: Any) -> Tensor:
    """The residual stream in a block's output, which is a tensor, or a tuple or list that opens with one."""
    tensor = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(tensor, Tensor):
        raise TypeError(f"a block returned {type(output).__name__}; a tensor or a tuple that opens with one is needed.")
    return tensor


@contextmanager
def recorded_blocks(
    blocks: nn.ModuleList, record: Callable[[int, Float[Tensor, "rows positions hidden"]], None]
) -> Iterator[None]:
    """Call `record(block, residual stream)` for every block's output; removes its own hooks, also after an error."""
    handles = []

    def watch(index: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            record(index, residual(output))

        return hook

    try:
        for index, block in enumerate(blocks):
            handles.append(block.register_forward_hook(watch(index)))
        yield
    finally:
        for handle in handles:
            handle.remove()
