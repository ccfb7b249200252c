"""Whatever is dropped from a checkpoint, added to it or renamed in it: it is refused, or the logits are those given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf as library
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.models.checkpoints import Checkpoint, locate
from harness.models.decoder import Decoder, load_decoder
from harness.models.leftovers import why_harmless
from harness.models.loadable import ModelError
from harness.tests.models.checkpoints import change, write_checkpoint
from harness.tests.models.test_gguf import write_gguf

TEXT = "Seven large boats sailed across the sea"
Edit = Callable[[dict[str, Any]], None]
# Settings that no class has a place for: what would be computed is not what they say.
STRANGE = {"logit_scale": 0.5, "residual_multiplier_x": 2.0, "clamp_kqv": 8.0, "rope_factor": 4.0}


@dataclass(frozen=True)
class Variant:
    """A change of a checkpoint: of `part` of it; `strange` if nothing in the model can have a place for it."""

    part: str
    label: str
    edit: Edit
    strange: bool = False


def dropped(part: str, key: str) -> Variant:
    return Variant(part, f"{part} without {key}", lambda held: held.pop(key))


def renamed(part: str, key: str) -> Variant:
    def edit(held: dict[str, Any]) -> None:
        held[f"{key}_x"] = held.pop(key)

    return Variant(part, f"{part} with {key} renamed", edit)


def added(part: str, key: str, value: Any) -> Variant:
    return Variant(part, f"{part} with {key}", lambda held: held.update({key: value}), strange=True)


def variants(part: str, held: Mapping[str, Any], strange: Mapping[str, Any]) -> Iterator[Variant]:
    for key in held:
        yield dropped(part, key)
        yield renamed(part, key)
    for key, value in strange.items():
        yield added(part, key, value)


@dataclass(frozen=True)
class Seen:
    """What a decoder makes of a text."""

    ids: list[int]
    logits: torch.Tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and self.ids == other.ids and self.logits.allclose(other.logits, atol=1e-5)


@torch.inference_mode()
def seen(decoder: Decoder) -> Seen:
    ids = decoder.encode(TEXT)
    return Seen(ids, decoder.model(input_ids=torch.tensor([ids])).logits)


def faults(given: Seen, changed: Iterator[tuple[Variant, Callable[[], Decoder]]]) -> list[str]:
    """The variants that end in neither a refusal of one sentence nor in the logits given."""
    wrong = []
    for variant, load in changed:
        try:
            same = seen(load()) == given and not variant.strange
        except ModelError as error:
            same = "\n" not in str(error)
        if not same:
            wrong.append(variant.label)
    return wrong


def in_folder(source: Path, scratch: Path, chosen: list[Variant]) -> Iterator[tuple[Variant, Callable[[], Decoder]]]:
    for variant in chosen:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(source, scratch)
        file = scratch / variant.part
        held = load_file(file) if file.suffix == ".safetensors" else json.loads(file.read_bytes())
        variant.edit(held)
        if file.suffix == ".safetensors":
            save_file(held, file, {"format": "pt"})
        else:
            file.write_text(json.dumps(held))
        yield variant, lambda: load_decoder(locate(Checkpoint(str(scratch))), "mine")


def in_index(source: Path, scratch: Path, chosen: list[Variant]) -> Iterator[tuple[Variant, Callable[[], Decoder]]]:
    def inner(edit: Edit) -> Edit:
        return lambda index: edit(index["weight_map"])

    for variant in chosen:
        outer = Variant("model.safetensors.index.json", variant.label, inner(variant.edit), variant.strange)
        yield from in_folder(source, scratch, [outer])


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_a_folder_is_what_it_says_or_is_refused(architecture: str, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", architecture, blocks=1)
    change(source / "config.json", rms_norm_eps=0.01)
    config = json.loads((source / "config.json").read_bytes())
    rotary = config["rope_parameters"].get("sliding_attention", config["rope_parameters"])
    rotary["rope_theta"] = 77.0
    (source / "config.json").write_text(json.dumps(config))
    weights = load_file(source / "model.safetensors")
    head, frequencies = weights["model.embed_tokens.weight"] + 1, torch.ones(4)
    more = {"model.layers.1.mlp.up_proj.weight": head, "model.layers.0.self_attn.q_proj.bias": head[0].clone()}
    more |= {"lm_head.weight": head.clone()} if "lm_head.weight" not in weights else {}
    more |= {"model.layers.0.self_attn.rotary_emb.inv_freq": frequencies}
    chosen = [*variants("config.json", config, STRANGE), *variants("model.safetensors", weights, more)]
    chosen += [
        Variant("config.json", f"{word} {key} in a rotary embedding", nested(edit, architecture), word == "added")
        for key in rotary
        for word, edit in (("dropped", dropped("", key).edit), ("renamed", renamed("", key).edit))
    ]
    chosen += [
        Variant("config.json", "added a rotary setting", nested(lambda held: held.update(odd=2.0), architecture), True)
    ]
    chosen += [Variant("model.safetensors", "float8", eight_bits, strange=True)]
    given = seen(load_decoder(source, "given"))
    if architecture == "gemma3":  # a head of its own is taken where both are there and differ
        chosen = [one for one in chosen if one.label != "model.safetensors with lm_head.weight"]
        both = {**weights, "lm_head.weight": head.clone()}
        other = shutil.copytree(source, tmp_path / "other")
        save_file(both, other / "model.safetensors", {"format": "pt"})
        assert seen(load_decoder(other, "untied")).logits.sub(given.logits).abs().max() > 0.1
    assert faults(given, in_folder(source, tmp_path / "changed", chosen)) == []


def nested(edit: Edit, architecture: str) -> Edit:
    kind = ("rope_parameters", "sliding_attention") if architecture == "gemma3" else ("rope_parameters",)

    def inner(held: dict[str, Any]) -> None:
        for key in kind:
            held = held[key]
        edit(held)

    return inner


def eight_bits(held: dict[str, Any]) -> None:
    held["model.norm.weight"] = held["model.norm.weight"].to(torch.float8_e4m3fn)


def test_shards_are_what_they_say_or_are_refused(tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "source", "llama", blocks=1, shard_size="60KB")
    index = json.loads((source / "model.safetensors.index.json").read_bytes())["weight_map"]
    given = seen(load_decoder(source, "given"))
    last = sorted(set(index.values()))[-1]
    chosen = list(variants("weights", index, {}))
    assert faults(given, in_index(source, tmp_path / "changed", chosen)) == []
    twice = next(key for key in index if index[key] != last)
    shards = [
        added(last, twice, load_file(source / index[twice])[twice] + 1),
        *variants(last, load_file(source / last), {}),
    ]
    assert faults(given, in_folder(source, tmp_path / "changed", shards)) == []


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "adapter_model.safetensors", "more.safetensors", "hf_quant_config.json"]
)
def test_files_that_change_the_weights_are_refused(name: str, llama: Path) -> None:
    (llama / name).write_text("{}")
    with pytest.raises(ModelError, match=r"nothing here reads, first|says that the weights are quantized"):
        load_decoder(llama, "mine")


def rewritten(source: Path, path: Path, keys: Edit = lambda _held: None, tensors: Edit = lambda _held: None) -> Path:
    """A GGUF file again, with other keys or tensors."""
    reader = library.GGUFReader(source)
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    held = {name: (field.contents(), *field.types[:1], *field.types[-1:]) for name, field in fields.items()}
    keys(held)
    writer = library.GGUFWriter(path, "llama")
    writer.kv_data = [{}]  # it has put in the architecture of itself
    for name, entry in held.items():
        value, kind, inner = entry if isinstance(entry, tuple) else (entry, number_type(entry), None)
        writer.add_key_value(name, value, kind, inner if kind == library.GGUFValueType.ARRAY else None)
    kept = {tensor.name: (np.array(tensor.data), tensor.tensor_type) for tensor in reader.tensors}
    tensors(kept)
    for name, (data, kind) in kept.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def number_type(value: object) -> library.GGUFValueType:
    kinds = {bool: library.GGUFValueType.BOOL, float: library.GGUFValueType.FLOAT32, str: library.GGUFValueType.STRING}
    return kinds.get(type(value), library.GGUFValueType.UINT32)


# What converters write besides, and what no file of this architecture may say.
USUAL = {
    "general.type": "model",
    "general.name": "Tiny",
    "general.size_label": "1K",
    "general.license": "apache-2.0",
    "general.base_model.0.name": "Tiny",
    "general.quantization_version": 2,
    "quantize.imatrix.entries_count": 7,
    "llama.rope.dimension_count": 16,
    "llama.rope.freq_base": 77.0,
    "llama.attention.key_length": 16,
    "llama.attention.value_length": 16,
    "llama.attention.layer_norm_rms_epsilon": 0.01,
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.ggml.add_space_prefix": False,
}
ODD = {
    "llama.expert_count": 4,
    "llama.logit_scale": 0.5,
    "llama.attention.sliding_window": 4,
    "llama.attention.scale": 0.9,
    "llama.attn_logit_softcapping": 5.0,
    "llama.rope.scaling.type": "yarn",
    "llama.rope.scaling.factor": 8.0,
    "llama.rope.freq_base_swa": 9.0,
    "llama.odd": True,
    "split.count": 2,
    "split.tensors.count": 99,
    "general.type": "adapter",
    "tokenizer.ggml.add_space_prefix": True,
    "tokenizer.ggml.pre": "odd",
    "tokenizer.ggml.odd": 3,
}


# What a file cannot be seen to lack: the format gives each a meaning when it is left out.
UNTOLD = (
    "keys without llama.rope.freq_base",
    "keys without tokenizer.ggml.add_bos_token",
    "tensors without output.weight",
)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GGUF file with the keys that converters write; its settings are not those that a class would fill in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = write_checkpoint(tmp_path / "source", "llama", blocks=1, width=64)
    first = write_gguf(tmp_path / "first.gguf", source, library.LlamaFileType.MOSTLY_Q8_0)
    return rewritten(first, tmp_path / "tiny.gguf", lambda held: held.update(USUAL))


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_gguf_file_is_what_it_says_or_is_refused(slow: bool, tiny: Path, tmp_path: Path) -> None:
    given = seen(located(tiny))
    reader = library.GGUFReader(tiny)
    names = [name for name in reader.fields if not name.startswith("GGUF.")]
    f32 = library.GGMLQuantizationType.F32
    more = {
        "blk.1.attn_q.weight": (np.ones((64, 64), np.float32), f32),
        "rope_freqs.bias": (np.ones(4, np.float32), f32),
    }
    more |= {"blk.0.ffn_gate_exps.weight": more["blk.1.attn_q.weight"], "blk.0.attn_q.bias": more["rope_freqs.bias"]}
    chosen = [*variants("keys", dict.fromkeys(names), ODD)]
    chosen += variants("tensors", {tensor.name: None for tensor in reader.tensors}, more)

    chosen = [one for one in chosen if one.label not in UNTOLD]

    def changed() -> Iterator[tuple[Variant, Callable[[], Decoder]]]:
        for variant in chosen if slow else [one for place, one in enumerate(chosen) if one.strange or place % 5 == 0]:
            path = rewritten(tiny, tmp_path / "changed.gguf", **{variant.part: variant.edit})
            yield variant, lambda path=path: located(path)  # type: ignore[misc]

    assert faults(given, changed()) == []


def located(path: Path) -> Decoder:
    return load_decoder(locate(Checkpoint(str(path))), "mine")


def test_what_a_gguf_file_says_is_applied(tiny: Path, tmp_path: Path) -> None:
    given = seen(located(tiny))
    bos = located(tiny).tokenizer.bos_token_id
    silent = located(
        rewritten(tiny, tmp_path / "a.gguf", lambda held: held.update({"tokenizer.ggml.add_bos_token": False}))
    )
    assert (given.ids[0], silent.encode(TEXT)) == (bos, given.ids[1:])
    ended = located(rewritten(tiny, tmp_path / "b.gguf", lambda held: held.update({"tokenizer.ggml.eot_token_id": 9})))
    assert ended.stop_ids == located(tiny).stop_ids | {9}
    scaled = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    linear = located(rewritten(tiny, tmp_path / "c.gguf", lambda held: held.update(scaled)))
    fours = (np.full(8, 4.0, np.float32), library.GGMLQuantizationType.F32)
    factors = located(
        rewritten(tiny, tmp_path / "d.gguf", tensors=lambda held: held.update({"rope_freqs.weight": fours}))
    )
    assert seen(linear) == seen(factors) != given


def test_every_reason_is_given_for_a_pattern_that_matches_whole_names() -> None:
    assert why_harmless("tensors", "model.layers.0.self_attn.rotary_emb.inv_freq")
    assert not why_harmless("tensors", "model.layers.0.self_attn.q_proj.bias")


def write_gemma3(path: Path, source: Path) -> Path:
    """A Gemma 3 as llama.cpp's converter writes it: norms with one added, the scaling of global blocks in keys."""
    config = json.loads((source / "config.json").read_bytes())
    tokenizer = json.loads((source / "tokenizer.json").read_bytes())["model"]["vocab"]
    vocabulary = sorted(tokenizer, key=tokenizer.get)
    names = library.get_tensor_name_map(library.MODEL_ARCH.GEMMA3, config["num_hidden_layers"])
    writer = library.GGUFWriter(path, "gemma3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_sliding_window(config["sliding_window"])
    writer.add_rope_freq_base(config["rope_parameters"]["full_attention"]["rope_theta"])
    writer.add_rope_scaling_type(library.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(config["rope_parameters"]["full_attention"]["factor"])
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(
        vocabulary + [f"[unused {number}]" for number in range(config["vocab_size"] - len(vocabulary))]
    )
    writer.add_token_scores([0.0] * config["vocab_size"])
    writer.add_token_types([library.TokenType.NORMAL] * config["vocab_size"])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    for name, weights in load_file(source / "model.safetensors").items():
        array = weights.numpy() + 1 if name.endswith("norm.weight") else weights.numpy()
        writer.add_tensor(str(names.get_name(name, try_suffixes=(".weight",))), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gemma_3_file_has_the_scaling_that_it_states_and_the_one_that_goes_without_saying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = write_checkpoint(tmp_path / "source", "gemma3", blocks=6)
    full = {"rope_type": "linear", "factor": 8.0, "rope_theta": 77.0}
    rotary = json.loads((source / "config.json").read_bytes())["rope_parameters"] | {"full_attention": full}
    change(source / "config.json", query_pre_attn_scalar=8, rope_parameters=rotary)
    given, written = seen(load_decoder(source, "given")), located(write_gemma3(tmp_path / "g.gguf", source))
    with torch.inference_mode():
        logits = written.model(input_ids=torch.tensor([given.ids])).logits
    assert (logits - given.logits).abs().max() < 1e-4
