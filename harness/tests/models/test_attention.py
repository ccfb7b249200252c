"""Grouped attention computes what the library's eager attention of Gemma 2 does."""

from __future__ import annotations

import pytest
import torch
import transformers

from harness.models.attention import register
from harness.models.decoder import cache_name


@pytest.mark.parametrize(("heads", "key_heads"), [(4, 2), (4, 4), (8, 1)])
@torch.inference_mode()
def test_grouped_attention_is_the_librarys_with_padding_windows_and_a_cache(heads: int, key_heads: int) -> None:
    config = transformers.Gemma2Config(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=heads,
        num_key_value_heads=key_heads, head_dim=16, sliding_window=6, attn_logit_softcapping=2.0,
        query_pre_attn_scalar=1, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.Gemma2ForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.mul_(8.0)  # logits that the cap bends
    ids, mask = torch.randint(1, 50, (3, 9)), torch.ones(3, 9, dtype=torch.long)
    mask[1, :4] = 0
    found, named = {}, cache_name(model)
    for attention in ("eager", register()):
        model.set_attn_implementation(attention)
        first = model(input_ids=ids, attention_mask=mask, use_cache=True)
        longer = torch.cat([mask, mask.new_ones(3, 1)], dim=1)
        then = model(input_ids=ids[:, :1], attention_mask=longer, **{named: first[named]})
        found[attention] = torch.cat([first.logits[mask.bool()], then.logits[:, 0]])
    eager, grouped = found.values()
    torch.testing.assert_close(grouped, eager, rtol=1e-4, atol=1e-5)
    config.attn_logit_softcapping = None  # the cap mattered
    uncapped = transformers.Gemma2ForCausalLM(config).eval()
    uncapped.load_state_dict(model.state_dict())
    assert not torch.allclose(uncapped(input_ids=ids, attention_mask=mask).logits[0], eager[:9], atol=1e-2)
