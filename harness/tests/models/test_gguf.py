"""A GGUF file becomes the decoder that it holds, made once, named by its content, and told as what it is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf as library
import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from harness.models import gguf
from harness.models.checkpoints import Checkpoint, NotAtHand, locate, weights_identity
from harness.models.decoder import load_decoder
from harness.models.gguf import ORIGIN, put, quantization_of, unpacked
from harness.models.loadable import ModelError
from harness.tests.models.checkpoints import change, write_checkpoint
from harness.tests.plugins import CONFTEST

Q8 = library.GGMLQuantizationType.Q8_0
VERSION = f"{gguf._CONVERTER}-{transformers.__version__}"
HEADS = {"q_proj": 4, "k_proj": 2}


def quantized(name: str, weights: np.ndarray) -> np.ndarray:
    """What is left of weights as a GGUF file keeps them: eight bits each, but for those of the norms."""
    return library.dequantize(library.quantize(weights, Q8), Q8) if weights.ndim == 2 else weights


def write_gguf(path: Path, source: Path, file_type: library.LlamaFileType | None) -> Path:
    """A small Llama as llama.cpp would write it: its tokenizer and template, and matrices in eight bits a weight."""
    config = json.loads((source / "config.json").read_bytes())
    tokenizer = json.loads((source / "tokenizer.json").read_bytes())
    special = {token["content"] for token in tokenizer["added_tokens"]}
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    vocabulary += [f"[unused {number}]" for number in range(config["vocab_size"] - len(vocabulary))]
    kinds = [library.TokenType.CONTROL if token in special else library.TokenType.NORMAL for token in vocabulary]
    names = library.get_tensor_name_map(library.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    writer = library.GGUFWriter(path, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if file_type is not None:
        writer.add_file_type(file_type)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)
    writer.add_chat_template((source / "chat_template.jinja").read_text())
    for name, weights in load_file(source / "model.safetensors").items():
        if heads := HEADS.get(name.split(".")[-2]):  # their rows are kept in the order of another rotary embedding
            weights = weights.reshape(heads, 2, -1, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)
        matrix = weights.ndim == 2
        kept = library.quantize(weights, Q8) if matrix else weights
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), kept, raw_dtype=Q8 if matrix else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The safetensors folder that the GGUF file is written from."""
    return write_checkpoint(tmp_path_factory.mktemp("source"), "llama", blocks=2, width=64)


@pytest.fixture(scope="module")
def file(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("files") / "Tiny.Q8_0.gguf", source, library.LlamaFileType.MOSTLY_Q8_0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, empty; so is the hub's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "cache" / "steering-claims"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_gguf_file_is_the_decoder_that_was_written_into_it(file: Path, source: Path) -> None:
    folder = locate(Checkpoint.parse(str(file)))
    written, read = load_file(source / "model.safetensors"), load_file(folder / "model.safetensors")
    assert set(read) == set(written)
    for name, weights in written.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], quantized(name, weights), err_msg=name)
    decoder, origin = load_decoder(folder, "mine"), load_decoder(source, "its source")
    ids = decoder.encode_question("Seven boats?")
    assert ids == origin.encode_question("Seven boats?")
    assert decoder.encode("Seven boats") == origin.encode("Seven boats")
    assert decoder.stop_ids == {origin.tokenizer.eos_token_id}
    one, other = (each.model(input_ids=torch.tensor([ids])).logits for each in (decoder, origin))
    assert 0 < (one - other).abs().max() < 0.2 * other.abs().max()


def test_it_is_made_once_by_its_content_and_says_where_it_came_from(
    file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(path: Path, folder: Path, really: Callable[[Path, Path], None] = gguf.dequantize) -> None:
        made.append(path.name)
        really(path, folder)

    monkeypatch.setattr(gguf, "dequantize", noted)
    shutil.copy(file, tmp_path / "moved.gguf")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = locate(Checkpoint(str(file)))
    assert locate(Checkpoint("~/moved.gguf")) == folder == cache / f"gguf-{VERSION}-{sha256(file)[:16]}"
    other = tmp_path / "other.gguf"
    other.write_bytes(file.read_bytes() + b"\0")
    assert locate(Checkpoint(str(other))) != folder
    assert made == ["Tiny.Q8_0.gguf", "other.gguf"]
    assert {entry.name for entry in cache.iterdir()} == {f"gguf-{VERSION}-{sha256(one)[:16]}" for one in (file, other)}
    origin = json.loads((folder / ORIGIN).read_bytes())
    assert origin == {"from": "Tiny.Q8_0.gguf", "sha256": sha256(file), "quantization": "Q8_0"}


def test_where_weights_came_from_is_no_part_of_what_they_are(file: Path) -> None:
    folder = unpacked(file, sha256(file))
    before = weights_identity(folder)
    change(folder / ORIGIN, **{"from": "renamed.gguf"})
    assert weights_identity(folder) == before
    change(folder / "config.json", rope_theta=7.0)
    assert weights_identity(folder) != before


def test_what_cannot_be_made_is_one_sentence_and_leaves_nothing_behind(
    file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, expected: str) -> None:
        with pytest.raises(ModelError, match=expected) as caught:
            locate(Checkpoint(str(path)))
        assert "\n" not in str(caught.value)
        assert not list(cache.iterdir())

    empty = tmp_path / "empty.gguf"
    empty.write_bytes(b"GGUF" + b"\0" * 60)
    fails(empty, r"^empty\.gguf could not be read: ")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[:-5000])
    fails(cut, r"^cut\.gguf could not be read: ")
    small = shutil._ntuple_diskusage(1, 1, 8 * file.stat().st_size)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: small)
    fails(file, r"^Tiny\.Q8_0\.gguf may take \d+ MiB as float32, and .* has \d+; make room")


def test_of_two_that_make_the_same_at_once_the_first_is_kept(
    file: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache / f"gguf-{VERSION}-{sha256(file)[:16]}"

    def slowly(_path: Path, made: Path) -> None:
        for one, text in ((made, "second"), (folder, "first")):
            one.mkdir()
            (one / "config.json").write_text(text)

    monkeypatch.setattr(gguf, "dequantize", slowly)
    assert locate(Checkpoint(str(file))) == folder
    assert (folder / "config.json").read_text() == "first"
    assert list(cache.iterdir()) == [folder]
    with pytest.raises(FileNotFoundError):  # what is no race is not passed over
        put(tmp_path / "nothing", tmp_path / "new")


def test_a_file_that_does_not_say_how_it_was_quantised_is_told_as_nothing(source: Path, tmp_path: Path) -> None:
    folder = locate(Checkpoint(str(write_gguf(tmp_path / "silent.gguf", source, None))))
    assert quantization_of(folder) == ""
    plain = write_gguf(tmp_path / "plain.gguf", source, library.LlamaFileType.ALL_F32)
    assert quantization_of(locate(Checkpoint(str(plain)))) == "ALL_F32, as float32"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, ""),
        ({"quantization_config": None}, ""),
        ({"quantization_config": {"load_in_4bit": True}}, "bitsandbytes 4 bit"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "bitsandbytes 8 bit"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq 4 bit"),
        ({"quantization_config": {"quant_method": "torchao"}}, "torchao"),
    ],
)
def test_the_quantization_of_other_checkpoints_is_read_from_their_configuration(
    tmp_path: Path, config: dict[str, object], told: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert quantization_of(tmp_path) == told


REFUSED = {
    "org/repo:/etc/model.gguf": "names no file of a repository after its colon",
    "org/repo:../model.gguf": "names no file of a repository after its colon",
    "org/repo:model.gguf@a b": "names no revision after its @",
    "no such:model.gguf": "is neither a folder that exists nor an id",
    "/no/such/model.gguf": "is no file that exists",
}


def test_a_text_names_a_file_of_this_machine_or_one_of_a_repository(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "org:odd@1.gguf"  # what exists here wins, whatever its name could mean
    odd.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (str(file), str(odd), "~/org:odd@1.gguf"):
        assert Checkpoint.parse(path) == Checkpoint(path)
    assert Checkpoint.parse("org/repo:deep/m.gguf") == Checkpoint("org/repo", file="deep/m.gguf")
    assert Checkpoint.parse("org/repo:m.gguf@v1") == Checkpoint("org/repo", "v1", file="m.gguf")
    for text in ("org/repo:deep/m.gguf", "org/repo:m.gguf@v1"):
        assert str(Checkpoint.parse(text)) == text
    for text, sentence in REFUSED.items():
        with pytest.raises(ModelError, match=sentence):
            Checkpoint.parse(text)


def test_a_file_of_a_repository_is_found_in_the_hubs_cache_or_the_command_brings_it(
    file: Path, cache: Path, tmp_path: Path
) -> None:
    wanted = Checkpoint.parse("org/repo:deep/m.gguf@v1")
    with pytest.raises(NotAtHand) as caught:
        locate(wanted)
    assert caught.value.command.splitlines()[-1] == "hf download org/repo deep/m.gguf --revision v1"
    snapshot = tmp_path / "hub" / "models--org--repo" / "snapshots" / "v1"
    blob = snapshot.parents[1] / "blobs" / ("ab" * 32)
    (snapshot / "deep").mkdir(parents=True)
    with pytest.raises(NotAtHand, match=r"org/repo:deep/m\.gguf@v1 is not in the local Hugging Face cache") as caught:
        locate(wanted)  # another file of the repository was downloaded
    assert caught.value.command == "hf download org/repo deep/m.gguf --revision v1"
    blob.parent.mkdir()
    shutil.copy(file, blob)
    (snapshot / "deep" / "m.gguf").symlink_to(blob)
    assert locate(wanted) == cache / f"gguf-{VERSION}-abababababababab"  # the name of a blob is its hash


CLAIM = """
from fixtures.vocabulary import claim, norm_outside

NORM = norm_outside()
pytestmark = claim("G0", "a norm remains", "geometry", [NORM])


def test_it(expect):
    expect(NORM, "norm").at_least(0.0)
"""


def test_a_file_of_the_command_line_is_tested_and_the_ledger_says_how_it_was_quantised(
    pytester: pytest.Pytester, file: Path, cache: Path
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    pytester.makepyfile(test_claim=CLAIM)
    asked = ("--model", f"mine={file}", "--language", "templated", "-k", "refusal", "--blocks", "1")
    result = pytester.runpytest_subprocess("--store", "store", "--ledger", "told", *asked)
    result.assert_outcomes(passed=1, deselected=1)
    about = json.loads(Path("told", "ledger.jsonl").read_text().splitlines()[0])["models"]["mine"]
    assert (about["origin"], about["quantization"]) == (str(file), "Q8_0, as float32")
    assert [entry.name for entry in cache.iterdir()] == [f"gguf-{VERSION}-{sha256(file)[:16]}"]
