"""Sizes of a decoder agree with the library's own models and with the published counts of parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from harness.models.architecture import (
    BYTES,
    GEMMA2_2B,
    GEMMA3_1B,
    GEMMA3_4B,
    LLAMA3_8B,
    QWEN3_4B,
    Architecture,
    UnknownArchitecture,
    bytes_of,
    from_config,
)

# Sizes as published with each model, in the library's words.
PUBLISHED: dict[str, tuple[Architecture, Any]] = {
    "gemma3-4b": (
        GEMMA3_4B,
        transformers.Gemma3TextConfig(
            vocab_size=262_208, hidden_size=2560, intermediate_size=10240, num_hidden_layers=34,
            num_attention_heads=8, num_key_value_heads=4, head_dim=256, sliding_window=1024,
        ),
    ),
    "gemma3-1b": (
        GEMMA3_1B,
        transformers.Gemma3TextConfig(
            vocab_size=262_144, hidden_size=1152, intermediate_size=6912, num_hidden_layers=26,
            num_attention_heads=4, num_key_value_heads=1, head_dim=256, sliding_window=512,
        ),
    ),
    "gemma2-2b": (GEMMA2_2B, transformers.Gemma2Config()),  # the library's default is this model
    "llama3-8b": (
        LLAMA3_8B,
        transformers.LlamaConfig(
            vocab_size=128_256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
            num_attention_heads=32, num_key_value_heads=8, tie_word_embeddings=False,
        ),
    ),
    "qwen3-4b": (
        QWEN3_4B,
        transformers.Qwen3Config(
            vocab_size=151_936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36,
            num_attention_heads=32, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True,
        ),
    ),
}  # fmt: skip
# Counted in the published weights. Gemma 3 4B has 4,300,079,472 in all; 419,816,304 are its vision tower and projector.
COUNTED = {
    "gemma3-4b": 4_300_079_472 - 419_816_304,
    "gemma3-1b": 999_885_952,
    "gemma2-2b": 2_614_341_888,
    "llama3-8b": 8_030_261_248,
    "qwen3-4b": 4_022_468_096,
}
SIZES = st.builds(
    Architecture,
    family=st.sampled_from(["gemma2", "gemma3", "llama", "qwen3"]),
    blocks=st.integers(2, 40),
    width=st.integers(8, 4096),
    heads=st.integers(1, 32),
    kv_heads=st.integers(1, 8),
    head_dim=st.integers(8, 256),
    intermediate=st.integers(8, 16384),
    vocabulary=st.integers(10, 300_000),
    tied=st.booleans(),
    sliding_window=st.integers(1, 2000),
    local_blocks=st.integers(0, 2),
)


def on_meta(config: Any) -> Any:
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_agree_exactly_with_the_library_and_with_the_published_count(name: str) -> None:
    architecture, config = PUBLISHED[name]
    assert architecture.parameters == COUNTED[name]
    assert architecture.parameters == sum(parameter.numel() for parameter in on_meta(config).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_configuration_is_read_as_the_published_sizes(name: str) -> None:
    architecture, config = PUBLISHED[name]
    assert from_config(config) == architecture


def test_of_a_multimodal_configuration_the_text_part_is_read() -> None:
    assert from_config(transformers.Gemma3Config(text_config=PUBLISHED["gemma3-4b"][1])) == GEMMA3_4B


def test_an_attention_that_is_local_in_every_block_is_read_so() -> None:
    found = from_config(transformers.MistralConfig(sliding_window=4096))
    assert (found.family, found.local_blocks, found.sliding_window) == ("llama", found.blocks, 4096)
    assert from_config(transformers.MistralConfig(sliding_window=None)).local_blocks == 0


def test_a_family_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(UnknownArchitecture, match="gpt2"):
        from_config(transformers.GPT2Config())
    with pytest.raises(UnknownArchitecture, match="gpt2"):
        replace(LLAMA3_8B, family="gpt2")


def test_local_blocks_need_a_window() -> None:
    with pytest.raises(ValueError, match="sliding window of None"):
        replace(GEMMA3_4B, sliding_window=None)


def test_five_of_six_blocks_of_gemma_3_and_every_second_of_gemma_2_are_local() -> None:
    assert [blocks - blocks // 6 for blocks in (34, 26)] == [GEMMA3_4B.local_blocks, GEMMA3_1B.local_blocks]
    assert 2 * GEMMA2_2B.local_blocks == GEMMA2_2B.blocks


@given(SIZES, st.integers(1, 5000), st.sampled_from(sorted(BYTES)))
def test_the_cache_grows_by_every_token_in_global_blocks_and_up_to_the_window_in_local_ones(
    sizes: Architecture, length: int, dtype: str
) -> None:
    one = 2 * sizes.kv_heads * sizes.head_dim * bytes_of(dtype)
    grown = sizes.cache_bytes(length + 1, dtype) - sizes.cache_bytes(length, dtype)
    assert sizes.sliding_window is not None
    inside = length < sizes.sliding_window
    assert grown == one * (sizes.blocks if inside else sizes.blocks - sizes.local_blocks)


def test_the_cache_holds_what_the_library_keeps() -> None:
    config = transformers.Gemma2Config(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=6, attn_implementation="eager", pad_token_id=0,
    )  # fmt: skip
    model = transformers.Gemma2ForCausalLM(config).eval()
    for length in (3, 5, 12):
        cache = model(input_ids=torch.ones(1, length, dtype=torch.long), use_cache=True).past_key_values
        kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
        # A local block keeps one token less than its window: the next one completes it.
        spare = 2 * 2 * 16 * 4 if length >= 6 else 0
        assert from_config(config).cache_bytes(length, "float32") - kept == spare, length


@given(SIZES, st.integers(1, 5000))
def test_arithmetic_is_twice_the_matrices_and_grows_by_what_is_attended(sizes: Architecture, context: int) -> None:
    wide, narrow = {"gemma2": (4, 0), "gemma3": (4, 2), "llama": (2, 0), "qwen3": (2, 2)}[sizes.family]
    norms = sizes.blocks * (wide * sizes.width + narrow * sizes.head_dim) + sizes.width
    embeddings = 0 if sizes.tied else sizes.vocabulary * sizes.width
    assert sizes.flops_per_token(0) == 2 * (sizes.parameters - norms - embeddings)
    assert sizes.flops_per_token(0) - sizes.flops_per_token(0, logits=False) == 2 * sizes.vocabulary * sizes.width
    everywhere = replace(sizes, local_blocks=0, sliding_window=None)
    attention = everywhere.flops_per_token(context) - everywhere.flops_per_token(0)
    assert attention == 4 * sizes.heads * sizes.head_dim * sizes.blocks * context
    assert sizes.flops_per_token(context) <= everywhere.flops_per_token(context)


def test_a_forward_pass_does_the_arithmetic_that_is_counted() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = transformers.Qwen3Config(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, tie_word_embeddings=True, attn_implementation="eager", pad_token_id=0,
    )  # fmt: skip
    model, length = transformers.Qwen3ForCausalLM(config).eval(), 7
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.ones(1, length, dtype=torch.long), use_cache=False)
    # Eager attention multiplies with masked positions, too, so that every token meets all of them.
    assert counter.get_total_flops() == length * from_config(config).flops_per_token(length)


def test_weights_take_the_bytes_of_their_format() -> None:
    assert GEMMA2_2B.weight_bytes("float32") == 2 * GEMMA2_2B.weight_bytes("bfloat16") == 4 * GEMMA2_2B.parameters
    assert GEMMA2_2B.read_bytes("bfloat16") == GEMMA2_2B.weight_bytes("bfloat16")  # tied: the output matrix is read
    looked_up = LLAMA3_8B.weight_bytes("bfloat16") - LLAMA3_8B.read_bytes("bfloat16")
    assert looked_up == 2 * LLAMA3_8B.vocabulary * LLAMA3_8B.width
    with pytest.raises(ValueError, match="int3"):
        bytes_of("int3")
