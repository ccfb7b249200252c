"""Tiny decoders with random weights, shared by the tests of everything that touches a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.models.decoder import Decoder, wrap
from harness.tests.lab.tiny_lab import bench  # noqa: F401  (a fixture)
from harness.tests.models.checkpoints import write_checkpoint


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out of a whole run, unless `-m` names them: they run whole ledgers or simulations."""
    if "slow" in (config.getoption("markexpr") or "") or any("::" in arg for arg in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


VOCABULARY = 97
WIDTH = 32


class WordTokenizer:
    """A tokenizer for tests: a word `t17` is token 17; 0 pads, 1 ends, 2 is `<bos>`."""

    pad_token_id, eos_token_id, bos_token_id = 0, 1, 2

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = [2 if word == "<bos>" else int(word[1:]) for word in text.split()]
        return {"input_ids": [2, *ids] if add_special_tokens else ids}

    def apply_chat_template(self, messages: list[dict[str, str]], **_options: bool) -> str:
        return f"<bos> t5 {messages[0]['content']} t6"

    def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
        return " ".join(f"t{token}" for token in ids if not (skip_special_tokens and token < 3))


def tiny_config(architecture: str) -> tuple[type, object]:
    """Model class and configuration of a four-block random decoder of a real architecture."""
    import transformers as hf

    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 128,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    if architecture == "gemma3":
        return hf.Gemma3ForCausalLM, hf.Gemma3TextConfig(**common, head_dim=16, sliding_window=6)
    if architecture == "gemma2":
        return hf.Gemma2ForCausalLM, hf.Gemma2Config(**common, head_dim=16, sliding_window=6)
    if architecture == "llama":
        return hf.LlamaForCausalLM, hf.LlamaConfig(**common)
    raise ValueError(architecture)


@pytest.fixture(scope="session")
def tiny_decoder() -> Callable[[str], Decoder]:
    """`tiny_decoder("gemma3")`: a random decoder whose weights are large enough that its text varies."""
    made: dict[str, Decoder] = {}

    def make(architecture: str = "gemma3") -> Decoder:
        if architecture not in made:
            model_class, config = tiny_config(architecture)
            torch.manual_seed(7)
            config._attn_implementation = "eager"
            model = model_class(config).eval().requires_grad_(False)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if parameter.ndim > 1:
                        parameter.normal_(0.0, 1.0 if "embed" in name else 0.35)
            made[architecture] = wrap(f"tiny {architecture}", model, WordTokenizer())
        return made[architecture]

    return make


@pytest.fixture(params=["gemma3", "gemma2", "llama"])
def decoder(request: pytest.FixtureRequest, tiny_decoder: Callable[[str], Decoder]) -> Decoder:
    """A tiny random decoder of each architecture in turn."""
    return tiny_decoder(request.param)


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """The folder of a small Llama."""
    return write_checkpoint(tmp_path / "llama", "llama", blocks=2)


@pytest.fixture
def gemma(tmp_path: Path) -> Path:
    """The folder of a small Gemma 3."""
    return write_checkpoint(tmp_path / "gemma", "gemma3", blocks=2)
