"""What the tests of planted dims look at: the residual stream after every block."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


def streams_of(model: PreTrainedModel, ids: torch.Tensor) -> list[torch.Tensor]:
    """The output of each block, [rows, positions, width]."""
    kept: list[torch.Tensor] = []
    handles = [block.register_forward_hook(lambda _m, _i, output: kept.append(output)) for block in model.model.layers]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    return kept
