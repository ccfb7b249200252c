"""Blocks, widths and prompts are found for any decoder that transformers loads."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from harness.models.decoder import Decoder, check_blocks, find_blocks, has_template, load_decoder
from harness.models.loadable import ModelError
from harness.models.registry import find_model
from harness.tests.models.checkpoints import change, write_checkpoint


def test_blocks_are_the_decoder_layers_in_order(decoder: Decoder) -> None:
    assert decoder.blocks is decoder.model.model.layers
    assert decoder.depth == 4
    assert decoder.width == 32


def test_a_model_without_blocks_is_named(decoder: Decoder) -> None:
    class Bare(nn.Module):
        config = decoder.model.config

    with pytest.raises(ModelError, match="Bare: no list of 4 decoder blocks"):
        find_blocks(Bare())


def test_blocks_that_do_not_run_once_in_order_are_refused(llama: Path) -> None:
    decoder = load_decoder(llama, "mine")
    first, second = decoder.blocks

    def refuse(*blocks: nn.Module) -> None:
        wrong = Decoder("mine", decoder.model, decoder.tokenizer, nn.ModuleList(blocks), 32, 0, frozenset())
        with pytest.raises(ModelError, match="mine: LlamaForCausalLM does not pass one residual stream of width 32"):
            check_blocks(wrong)

    refuse(second, first)
    refuse(first.mlp.up_proj, second.mlp.up_proj)  # wider than the residual stream
    decoder.model.model.layers = nn.ModuleList([first, first])  # a model that runs one block twice
    refuse(first)


def test_plain_text_opens_with_one_bos(decoder: Decoder) -> None:
    assert decoder.encode("t9 t10") == [2, 9, 10]


def test_a_chat_template_that_doubles_bos_is_refused(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoder.encode_question("t9") == [2, 5, 9, 6]
    monkeypatch.setattr(
        decoder.tokenizer, "apply_chat_template", lambda *_args, **_kwargs: "<bos> <bos> t9", raising=False
    )
    with pytest.raises(ModelError, match="opens a prompt with two <bos> tokens"):
        decoder.encode_question("t9")


def test_control_tokens_of_a_text_are_letters_wherever_it_stands(gemma: Path) -> None:
    decoder = load_decoder(gemma, "mine")
    texts = ("What does no mean?", "What does <bos> mean?<end_of_turn>\n<start_of_turn>model\n<eos>")
    special = {*decoder.tokenizer.all_special_ids}
    for encode in (
        decoder.encode,
        decoder.encode_question,
        decoder.encode_response,
        partial(decoder.encode_question, "Why?"),
    ):
        plain, spelled = ([one for one in encode(text) if one in special] for text in texts)
        assert spelled == plain
    assert decoder.tokenizer.decode(decoder.encode_response(texts[1])).replace("< ", "<") == texts[1]


def test_nothing_opens_a_text_that_the_tokenizer_does_not_open(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, "qwen2", blocks=2)
    change(folder / "tokenizer_config.json", bos_token="<|endoftext|>", add_bos_token=True)
    decoder = load_decoder(folder, "mine")
    plain = decoder.tokenizer("Seven boats", add_special_tokens=False)["input_ids"]
    assert decoder.encode("Seven boats") == plain
    assert decoder.tokenizer.bos_token_id not in decoder.encode_question("Seven?")
    assert decoder.findings == (
        "tokenizer_config.json says add_bos_token true, but the tokenizer opens a text without a <bos>",
    )


def test_a_token_that_is_bos_and_opens_every_turn_is_let_be(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, "qwen2", blocks=2)
    change(folder / "tokenizer_config.json", bos_token="<|im_start|>")
    decoder = load_decoder(folder, "mine")
    assert decoder.encode_question("Seven?").count(decoder.tokenizer.bos_token_id) == 2


def test_a_base_model_given_as_instruct_is_named(tmp_path: Path) -> None:
    decoder = load_decoder(write_checkpoint(tmp_path, "gemma2", blocks=2, chat=False), "mine (instruct)")
    with pytest.raises(ModelError, match=r"mine \(instruct\): the tokenizer has no chat template, so this is a base"):
        decoder.encode_question("Seven?")


def test_a_template_of_a_processor_is_read(llama: Path) -> None:
    own = load_decoder(llama, "mine").encode_question("Seven?")
    template = (llama / "chat_template.jinja").read_text()
    (llama / "chat_template.jinja").unlink()
    assert not has_template(llama)
    (llama / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    assert has_template(llama)
    assert load_decoder(llama, "mine").encode_question("Seven?") == own


def test_a_stop_token_that_is_no_id_is_one_sentence(llama: Path) -> None:
    change(llama / "generation_config.json", eos_token_id=["2"])
    with pytest.raises(ModelError, match="names '2' as the token that ends a text, which is no id"):
        load_decoder(llama, "mine")


def test_a_template_that_refuses_is_one_sentence(llama: Path) -> None:
    (llama / "chat_template.jinja").write_text("{{ raise_exception('No, never.') }}")
    decoder = load_decoder(llama, "mine")
    with pytest.raises(ModelError, match=r"^mine: the chat template refuses a user's turn: No, never\.$"):
        decoder.encode_question("Seven?")


def test_thinking_is_switched_off_or_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, "qwen3", blocks=2)
    decoder = load_decoder(folder, "mine")
    text = decoder.tokenizer.decode(decoder.encode_question("Seven?"))
    assert text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(template.replace("enable_thinking is false", "false"))
    with pytest.raises(ModelError, match="opens a thinking block that cannot be switched off"):
        load_decoder(folder, "mine").encode_question("Seven?")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("%d %b %Y", "26 Jul 2024"),
        ("%Y-%m-%d", "2024-07-26"),
        ("%B %d, %Y", "July 26, 2024"),
    ],
)
def test_a_prompt_does_not_change_with_the_date(llama: Path, written: str, expected: str) -> None:
    template = (llama / "chat_template.jinja").read_text()
    assert "%d %b %Y" in template
    (llama / "chat_template.jinja").write_text(template.replace("%d %b %Y", written))
    decoder = load_decoder(llama, "mine")
    assert f"Today Date: {expected}\n" in decoder.tokenizer.decode(decoder.encode_question("Seven?"))


@pytest.mark.parametrize(
    ("architecture", "ending"), [("gemma3", "<end_of_turn>"), ("llama", "<|eot_id|>"), ("qwen2", "<|im_end|>")]
)
def test_what_ends_a_turn_stops_a_response_though_no_configuration_says_so(
    tmp_path: Path, architecture: str, ending: str
) -> None:
    for chat in (True, False):
        folder = write_checkpoint(tmp_path / str(chat), architecture, blocks=2, chat=chat)
        change(folder / "generation_config.json", eos_token_id=7)
        decoder = load_decoder(folder, "mine")
        turn = {decoder.tokenizer.convert_tokens_to_ids(ending)}
        assert decoder.stop_ids == (turn | {7} if chat else {7})


def test_the_end_of_text_stops_a_response_when_nothing_else_is_named(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, "gemma2", blocks=2, chat=False)
    change(folder / "generation_config.json", eos_token_id=None)
    change(folder / "config.json", eos_token_id=None)
    decoder = load_decoder(folder, "mine")
    assert decoder.stop_ids == {decoder.tokenizer.eos_token_id}


def test_a_padding_token_without_an_embedding_is_not_used(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, "mistral", blocks=2)
    change(folder / "tokenizer_config.json", pad_token="<added later>")
    decoder = load_decoder(folder, "mine")
    assert decoder.tokenizer.pad_token_id == decoder.model.config.vocab_size
    assert decoder.pad_id == min(decoder.stop_ids)


@pytest.mark.parametrize(("name", "attention"), [("severe", "sdpa"), ("mild", "grouped")])
def test_attention_is_fused_unless_its_logits_are_capped(
    name: str, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    load = AutoModelForCausalLM.from_pretrained

    def watched(*arguments: Any, **named: Any) -> Any:
        asked.append(named["attn_implementation"])
        return load(*arguments, **named)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", watched)
    folder = find_model(name).instruct
    assert isinstance(folder, Path)
    decoder = load_decoder(folder, name)
    assert asked == ["grouped" if attention == "grouped" else None]
    assert decoder.model.config._attn_implementation == attention
    assert (getattr(decoder.model.config, "attn_logit_softcapping", None) is not None) == (attention == "grouped")


def test_device_map_auto_gives_the_same_decoder(llama: Path) -> None:
    spread = load_decoder(llama, "mine", device_map="auto")
    plain = load_decoder(llama, "mine")
    assert spread.device == torch.device("cpu")
    ids = torch.tensor([plain.encode("Seven boats")])
    assert torch.equal(spread.model(input_ids=ids).logits, plain.model(input_ids=ids).logits)
