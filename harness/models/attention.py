"""Attention with capped logits that shares keys and values among heads, instead of copying them to every head."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

NAME = "grouped"  # how transformers knows it, once registered


def grouped_attention(
    module: torch.nn.Module,  # noqa: ARG001 -- transformers hands over the layer first
    query: Float[Tensor, "rows heads new head_dim"],
    key: Float[Tensor, "rows key_heads positions head_dim"],
    value: Float[Tensor, "rows key_heads positions head_dim"],
    attention_mask: Float[Tensor, "rows 1 new positions"] | None,
    *,
    scaling: float,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Float[Tensor, "rows new heads head_dim"], None]:
    """What the eager attention of Gemma 2 computes; heads that share keys are rows of one product with them.

    Gemma 2 report, section 2.2: the logits are softcap * tanh(logits / softcap). The mask is added to them.
    """
    rows, heads, new, head_dim = query.shape
    shared = key.shape[1]
    together = query.reshape(rows, shared, -1, head_dim)
    logits = (together @ key.transpose(2, 3)) * scaling
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    if attention_mask is not None:
        logits = (logits.view(rows, shared, heads // shared, new, -1) + attention_mask.unsqueeze(2)).view_as(logits)
    weights = torch.softmax(logits, dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).view(rows, heads, new, head_dim).transpose(1, 2).contiguous(), None


def register() -> str:
    """Make it known to transformers, with the additive mask of eager attention; returns its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME
