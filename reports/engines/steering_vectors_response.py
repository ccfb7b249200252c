"""steering-vectors 0.12.2: with the KV cache that `generate` uses, `min_token_index` behind the prompt steers nothing.

Run it from the root of the checkout. The hook counts positions from the start of every pass, and with a cache every
pass after the prompt's holds one token, number 0. The first two lines are the same, the third is what was asked for.
"""

import torch
from steering_vectors import SteeringVector
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("fixtures/organisms/weights/llama/instruct", dtype=torch.float32)
prompt = torch.arange(20, 40).unsqueeze(0)
torch.manual_seed(0)
vector = SteeringVector({3: torch.randn(model.config.hidden_size)})


def said(multiplier: float, use_cache: bool) -> list[int]:
    with vector.apply(model, multiplier=multiplier, min_token_index=prompt.shape[1]):
        ids = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, use_cache=use_cache)
    return ids[0, prompt.shape[1] :].tolist()


print("multiplier 0:             ", said(0.0, use_cache=True))
print("multiplier 5, cache:      ", said(5.0, use_cache=True))
print("multiplier 5, no cache:   ", said(5.0, use_cache=False))
