"""Blocks, widths and prompts are found for any decoder, and a bad chat template is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from harness.models import Decoder, ModelError, find_blocks, load_decoder
from harness.registry import find_model


def test_blocks_are_the_decoder_layers_in_order(decoder: Decoder) -> None:
    assert decoder.blocks is decoder.model.model.layers
    assert decoder.depth == 4
    assert decoder.width == 32


def test_a_model_without_blocks_is_named(decoder: Decoder) -> None:
    class Bare(nn.Module):
        config = decoder.model.config

    with pytest.raises(ModelError, match="Bare: no list of 4 decoder blocks"):
        find_blocks(Bare())


def test_plain_text_opens_with_one_bos(decoder: Decoder) -> None:
    assert decoder.encode("t9 t10") == [2, 9, 10]


def test_a_chat_template_that_doubles_bos_is_refused(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoder.encode_question("t9") == [2, 5, 9, 6]
    monkeypatch.setattr(
        decoder.tokenizer, "apply_chat_template", lambda *_args, **_kwargs: "<bos> <bos> t9", raising=False
    )
    with pytest.raises(ModelError, match="gives 2 <bos> tokens"):
        decoder.encode_question("t9")


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="mine: no model at"):
        load_decoder(tmp_path / "nowhere", "mine")


@pytest.mark.parametrize(("name", "attention"), [("severe", "sdpa"), ("mild", "eager")])
def test_attention_is_fused_unless_its_logits_are_capped(name: str, attention: str) -> None:
    decoder = load_decoder(find_model(name).instruct, name)
    assert decoder.model.config._attn_implementation == attention
    assert (getattr(decoder.model.config, "attn_logit_softcapping", None) is not None) == (attention == "eager")


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match=r"mine: .* could not be loaded: .+") as raised:
        load_decoder(tmp_path, "mine")
    assert "\n" not in str(raised.value)
