"""Sizes of a decoder, and the parameters, bytes and arithmetic that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
# Norm weights of one block: how many are as wide as the residual stream, and how many as wide as a head.
_NORMS = {"gemma2": (4, 0), "gemma3": (4, 2), "llama": (2, 0), "qwen3": (2, 2)}
_FAMILY_OF_TYPE = {
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
    "llama": "llama",
    "mistral": "llama",  # the same weights; only its attention is local
    "qwen3": "qwen3",
}


class UnknownArchitecture(ValueError):
    """A configuration is of a family whose parameters are not known here; the message names those that are."""


def bytes_of(dtype: str) -> int:
    """Bytes of one number. Raises ValueError for a format that is not known."""
    if dtype not in BYTES:
        raise ValueError(f"{dtype!r} is no number format known here; known: {', '.join(BYTES)}.")
    return BYTES[dtype]


@dataclass(frozen=True)
class Architecture:
    """Sizes of a decoder of gated-MLP blocks with grouped-query attention, its text part only.

    `width` is that of the residual stream, `intermediate` that of the MLP, `heads` the query heads and `kv_heads` the
    key-value heads, each `head_dim` wide. `tied` embeddings serve as the output matrix, too. In `local_blocks` of the
    blocks a token attends to the last `sliding_window` tokens only. `family` says how many norms a block has:
    gemma2, gemma3, llama or qwen3.
    """

    family: str
    blocks: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool
    sliding_window: int | None = None
    local_blocks: int = 0

    def __post_init__(self) -> None:
        if self.family not in _NORMS:
            raise UnknownArchitecture(f"{self.family!r} is no family known here; known: {', '.join(_NORMS)}.")
        if not 0 <= self.local_blocks <= self.blocks or (self.local_blocks > 0 and not self.sliding_window):
            raise ValueError(
                f"{self.local_blocks} of {self.blocks} blocks with a sliding window of {self.sliding_window} cannot be."
            )

    @property
    def block_matrices(self) -> int:
        """Parameters of one block's matrices: queries and output, keys and values, and the three of the gated MLP."""
        attention = 2 * self.width * self.head_dim * (self.heads + self.kv_heads)
        return attention + 3 * self.width * self.intermediate

    @property
    def parameters(self) -> int:
        """Parameters, norms included, each counted once: tied embeddings are one matrix."""
        wide, narrow = _NORMS[self.family]
        block = self.block_matrices + wide * self.width + narrow * self.head_dim
        embeddings = self.vocabulary * self.width * (1 if self.tied else 2)
        return embeddings + self.blocks * block + self.width

    def weight_bytes(self, dtype: str) -> int:
        """Bytes of the weights in one number format."""
        return self.parameters * bytes_of(dtype)

    def read_bytes(self, dtype: str) -> int:
        """Bytes of weights that one forward pass reads: all but an input embedding, of which it looks rows up."""
        looked_up = 0 if self.tied else self.vocabulary * self.width
        return (self.parameters - looked_up) * bytes_of(dtype)

    def cache_bytes(self, length: int, dtype: str) -> int:
        """Bytes of keys and values of one row of `length` tokens; a local block keeps no more than its window."""
        return self._attended(length) * self._kept(dtype)

    def flops_per_token(self, context: int, logits: bool = True) -> int:
        """Floating-point operations of one token that attends to `context` tokens, itself included.

        Two for each parameter of a matrix that is multiplied, and four for each query dimension and attended token
        (scores, then the sum of values); norms, rotations and softmax are left out (Kaplan et al., 2020, table 1).
        Without `logits` the output matrix is left out, as for all tokens of a prompt but its last.
        """
        matrices = self.blocks * self.block_matrices + (self.vocabulary * self.width if logits else 0)
        return 2 * matrices + 4 * self.heads * self.head_dim * self._attended(context)

    def _attended(self, length: int) -> int:
        """Tokens attended to, summed over blocks."""
        window = length if self.sliding_window is None else min(length, self.sliding_window)
        return (self.blocks - self.local_blocks) * length + self.local_blocks * window

    def _kept(self, dtype: str) -> int:
        """Bytes of one token's keys and values in one block."""
        return 2 * self.kv_heads * self.head_dim * bytes_of(dtype)


def from_config(config: Any) -> Architecture:
    """The architecture of a transformers configuration; of a multimodal one that of its text part.

    Raises UnknownArchitecture for a family whose parameters are not known here.
    """
    text = config.get_text_config()
    if text.model_type not in _FAMILY_OF_TYPE:
        raise UnknownArchitecture(
            f"the model type {text.model_type!r} is not known here, so its size and cost cannot be told; "
            f"known: {', '.join(_FAMILY_OF_TYPE)}."
        )
    blocks = int(text.num_hidden_layers)
    window: int | None = getattr(text, "sliding_window", None)
    kinds = getattr(text, "layer_types", None)
    local = 0
    if window is not None:
        local = blocks if kinds is None else sum(kind == "sliding_attention" for kind in kinds)
    return Architecture(
        family=_FAMILY_OF_TYPE[text.model_type],
        blocks=blocks,
        width=int(text.hidden_size),
        heads=int(text.num_attention_heads),
        kv_heads=int(text.num_key_value_heads),
        head_dim=int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads),
        intermediate=int(text.intermediate_size),
        vocabulary=int(text.vocab_size),
        tied=bool(text.tie_word_embeddings),
        sliding_window=window if local else None,
        local_blocks=local,
    )


# As in the configurations published with the weights; of Gemma 3 every sixth block is global, of Gemma 2 every second.
GEMMA3_4B = Architecture("gemma3", 34, 2560, 8, 4, 256, 10240, 262_208, True, sliding_window=1024, local_blocks=29)
GEMMA3_1B = Architecture("gemma3", 26, 1152, 4, 1, 256, 6912, 262_144, True, sliding_window=512, local_blocks=22)
GEMMA2_2B = Architecture("gemma2", 26, 2304, 8, 4, 256, 9216, 256_000, True, sliding_window=4096, local_blocks=13)
LLAMA3_8B = Architecture("llama", 32, 4096, 32, 8, 128, 14336, 128_256, False)
QWEN3_4B = Architecture("qwen3", 36, 2560, 32, 8, 128, 9728, 151_936, True)
SMOLLM2_135M = Architecture("llama", 30, 576, 9, 3, 64, 1536, 49_152, True)
