"""What cannot be loaded is refused in one sentence, and nothing is run, unpickled or downloaded in the attempt."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.models import decoder
from harness.models.decoder import load_decoder
from harness.models.loadable import ModelError, why_no_decoder
from harness.tests.models.checkpoints import change, write_checkpoint


def refusal(*arguments: Any, **named: Any) -> str:
    """The one sentence with which loading is refused."""
    with pytest.raises(ModelError) as raised:
        load_decoder(*arguments, **named)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    assert "mine: no model at" in refusal(tmp_path / "nowhere", "mine")


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert "could not be loaded: " in refusal(tmp_path, "mine")
    (tmp_path / "config.json").write_text('{"model_type": ')
    assert "it is not JSON" in refusal(tmp_path, "mine")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "llama"}, ""),
        ({"model_type": "gemma3"}, ""),
        ({"model_type": "mistral3"}, ""),
        ({"model_type": "phi3", "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"}}, ""),
        ({"model_type": "bert"}, "bert is an encoder, which fills in masked words"),
        ({"model_type": "bert", "is_decoder": True}, ""),
        ({"model_type": "t5", "is_encoder_decoder": True}, "t5 is an encoder with a decoder"),
        ({"model_type": "bart"}, "bart is an encoder with a decoder"),
        ({"model_type": "vit"}, "vit is no decoder that generates text"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "mine.Mine"}}, "mine needs code that comes with its"),
        ({"model_type": "mine"}, "knows no model of type mine"),
        ({}, "names no model_type"),
    ],
)
def test_only_decoders_without_code_of_their_own_are_loaded(config: dict[str, Any], reason: str) -> None:
    assert reason in why_no_decoder(config)
    assert bool(reason) == bool(why_no_decoder(config))


def test_code_of_a_checkpoint_is_never_run(llama: Path) -> None:
    for name in ("configuration_mine", "modeling_mine", "tokenization_mine"):
        (llama / f"{name}.py").write_text(f"open({str(llama / 'ran')!r}, 'w')\nclass Mine: pass\n")
    change(llama / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_mine.Mine", None]})
    code = {"AutoConfig": "configuration_mine.Mine", "AutoModelForCausalLM": "modeling_mine.Mine"}
    change(llama / "config.json", auto_map=code)
    # transformers has code of its own for this type, and takes that.
    assert type(load_decoder(llama, "mine").model).__module__.startswith("transformers.")
    change(llama / "config.json", model_type="mine")
    assert "needs code that comes with its checkpoint, and such code is never run" in refusal(llama, "mine")
    assert not (llama / "ran").exists()


def test_pickled_weights_are_not_loaded(llama: Path) -> None:
    torch.save(load_file(llama / "model.safetensors"), llama / "pytorch_model.bin")
    (llama / "model.safetensors").unlink()
    assert "model.safetensors" in refusal(llama, "mine")


def test_missing_weights_are_not_made_up(llama: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    gone = "model.layers.1.mlp.up_proj.weight"
    save_file({name: tensor for name, tensor in weights.items() if name != gone}, llama / "model.safetensors")
    assert f"1 weights in {llama} are missing, first {gone}; get the checkpoint again" in refusal(llama, "mine")


def test_weights_of_another_shape_are_one_sentence(llama: Path) -> None:
    change(llama / "config.json", intermediate_size=40)
    assert f"6 weights in {llama} are not of the shape of config.json, first model." in refusal(llama, "mine")


def test_nan_weights_are_refused(llama: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(weights, llama / "model.safetensors")
    assert "one token gives NaN or infinite logits" in refusal(llama, "mine")


def test_a_quantization_without_its_package_is_one_sentence(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.quantizers.quantizer_bnb_4bit.is_bitsandbytes_available", lambda **_named: False)
    change(llama / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    assert "bitsandbytes" in refusal(llama, "mine")


@pytest.mark.parametrize("method", ["fp8", "mxfp4", "of-my-own"])
def test_a_quantization_that_fetches_kernels_or_would_be_passed_over_is_refused(llama: Path, method: str) -> None:
    change(llama / "config.json", quantization_config={"quant_method": method})
    assert f"mine: weights quantized by {method} are not loaded here" in refusal(llama, "mine")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"dtype": "int8"}, "'int8' is no number format to run in; choose one of float32, bfloat16, float16"),
        ({"attention": "kernels-community/any"}, "'kernels-community/any' is no attention kernel known here"),
        ({"attention": "flash_attention_2"}, "flash_attention_2 computes in bfloat16 or float16 only"),
        ({"attention": "flash_attention_2", "dtype": "bfloat16"}, "flash_attention_2 is not installed here"),
        ({"device_map": "everywhere"}, "'everywhere' is no device map"),
        ({"device": "graphics"}, "'graphics' is no device; choose cpu, cuda or cuda:NUMBER"),
        ({"device": "cuda"}, "there is no device cuda here, torch sees 0 CUDA devices"),
        ({"device": "xpu"}, "there is no device xpu here"),
    ],
)
def test_what_cannot_be_done_here_is_one_sentence(
    llama: Path, arguments: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: False)
    assert refusal(llama, "mine", **arguments).startswith(f"mine: {reason}")


def test_a_gpu_beyond_the_last_is_named(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert "no device cuda:2 here, torch sees 2 CUDA devices" in refusal(llama, "mine", device="cuda:2")


@pytest.mark.parametrize("architecture", ["gemma3", "gemma3_multimodal"])
def test_gemma_3_is_refused_in_float16_and_others_are_not(tmp_path: Path, architecture: str, llama: Path) -> None:
    folder = write_checkpoint(tmp_path / "gemma", architecture, blocks=2)
    assert "Gemma 3 overflows in float16" in refusal(folder, "mine", "float16")
    assert load_decoder(folder, "mine", "bfloat16").model.dtype == torch.bfloat16
    assert load_decoder(llama, "mine", "float16").model.dtype == torch.float16


def test_a_kernel_that_leaves_out_the_cap_is_refused(tmp_path: Path, llama: Path) -> None:
    folder = write_checkpoint(tmp_path / "gemma2", "gemma2", blocks=2)
    assert "sdpa leaves out the cap on attention logits" in refusal(folder, "mine", attention="sdpa")
    assert load_decoder(llama, "mine", attention="eager").model.config._attn_implementation == "eager"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_memory_that_runs_out_is_one_sentence_with_a_way_out(
    llama: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr(decoder, "_load_model", fail)
    with pytest.raises(ModelError, match=r"memory ran out while .* in float32 on cpu; take bfloat16, spread") as raised:
        load_decoder(llama, "mine")
    # The error would keep alive what was loaded by then.
    assert raised.value.__context__ is None


def test_loading_never_touches_the_network(gemma: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(*arguments: Any, **_named: Any) -> None:
        tried.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    change(gemma / "tokenizer_config.json", name_or_path="google/gemma-3-4b-it")
    change(llama / "config.json", _name_or_path="meta-llama/Llama-3.1-8B-Instruct")
    load_decoder(gemma, "mine").encode_question("Seven?")
    load_decoder(llama, "mine").encode_question("Seven?")
    refusal(gemma.parent / "google" / "gemma-3-4b-it", "mine")
    assert tried == []


def test_a_tokenizer_whose_package_is_missing_names_it(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (llama / "tokenizer.json").unlink()
    (llama / "tokenizer.model").write_bytes(b"\n\x0e")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "sentencepiece" else name)
    assert "not read without sentencepiece; run `pip install sentencepiece`." in refusal(llama, "mine")
