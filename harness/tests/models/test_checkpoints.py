"""A checkpoint is found on this machine without the network, or one command says how to get what is missing."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

from harness.models.checkpoints import Checkpoint, NotAtHand, locate, weights_identity
from harness.models.decoder import load_decoder
from harness.models.loadable import ModelError
from harness.tests.models.checkpoints import write_checkpoint

NAME = "someone/small-1b"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint in several shards."""
    return write_checkpoint(tmp_path / "whole", "llama", blocks=2, shard_size="30KB")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, no network, and a token that must never be shown."""

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep_in_cache(cache: Path, folder: Path, name: str = NAME, commit: str = COMMIT, ref: str = "main") -> Path:
    """Lay a folder out as the hub's cache does: links into blobs, large files named by sha256, others by git's sha1."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    (repository / "blobs").mkdir(parents=True, exist_ok=True)
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        data = path.read_bytes()
        large = path.suffix == ".safetensors"
        header = f"blob {len(data)}\0".encode()
        blob = hashlib.sha256(data).hexdigest() if large else hashlib.sha1(header + data).hexdigest()
        (repository / "blobs" / blob).write_bytes(data)
        (snapshot / path.name).symlink_to(Path("../../blobs") / blob)
    if ref:
        (repository / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / ref).write_text(commit)
    return snapshot


def refused(checkpoint: Checkpoint | str | Path) -> NotAtHand:
    """Why a checkpoint is not at hand; the reason is one sentence, and no token is shown."""
    with pytest.raises(NotAtHand) as raised:
        locate(checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.parse(str(checkpoint)))
    error = raised.value
    assert error.reason.endswith(".")
    assert "\n" not in error.reason
    assert "\n" not in str(error)
    assert error.command
    assert "secret" not in f"{error} {error.command}"
    return error


@pytest.mark.parametrize(
    ("text", "where", "revision"),
    [
        ("google/gemma-3-4b-pt", "google/gemma-3-4b-pt", None),
        ("gpt2", "gpt2", None),
        ("google/gemma-3-4b-pt@main", "google/gemma-3-4b-pt", "main"),
        ("a/b@refs/pr/3", "a/b", "refs/pr/3"),
        (f"a/b@{COMMIT}", "a/b", COMMIT),
    ],
)
def test_an_id_is_read_with_its_revision(text: str, where: str, revision: str | None) -> None:
    checkpoint = Checkpoint.parse(text)
    assert checkpoint == Checkpoint(where, revision)
    assert str(checkpoint) == text


def test_a_folder_that_exists_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("google/gemma", "name@part"):
        (tmp_path / name).mkdir(parents=True)
        checkpoint = Checkpoint.parse(name)
        assert checkpoint == Checkpoint(name)
        assert checkpoint.folder == Path(name)
    assert Checkpoint("google/gemma", "main").folder is None


@pytest.mark.parametrize(
    "text", ["", "/no/where", "./nowhere", "a/b/c", "a b", "a/b@", "a/b@../up", "a/b@x/../../y", "a/b@--flag", "@x"]
)
def test_what_is_neither_folder_nor_id_is_one_sentence(text: str) -> None:
    with pytest.raises(ModelError) as raised:
        Checkpoint.parse(text)
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_is_taken_as_it_is(folder: Path) -> None:
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert locate(Checkpoint.parse(str(folder))) == folder
    assert load_decoder(locate(Checkpoint(str(folder))), "mine").depth == 2


def test_an_id_is_found_in_the_cache_and_loads(cache: Path, folder: Path) -> None:
    snapshot = keep_in_cache(cache, folder)
    assert locate(Checkpoint(NAME)) == snapshot
    assert load_decoder(locate(Checkpoint(NAME)), "mine").depth == 2


def test_a_revision_is_respected(cache: Path, folder: Path) -> None:
    keep_in_cache(cache, folder)
    other = keep_in_cache(cache, folder, commit="f" * 40, ref="refs/pr/3")
    assert locate(Checkpoint(NAME, "refs/pr/3")) == other
    assert locate(Checkpoint(NAME, "f" * 40)) == other
    assert locate(Checkpoint(NAME)).name == COMMIT
    error = refused(Checkpoint(NAME, "v2"))
    assert "not at revision v2 but at" in error.reason
    assert f"hf download {NAME} --revision v2" in error.command


def test_a_cache_without_the_newest_revision_names_what_it_has(cache: Path, folder: Path) -> None:
    keep_in_cache(cache, folder, ref="")
    assert f"{NAME}@{COMMIT}" in refused(NAME).command
    assert locate(Checkpoint(NAME, COMMIT)).name == COMMIT


def test_an_unknown_id_is_to_be_checked_and_downloaded(cache: Path) -> None:
    error = refused(NAME)
    assert "is not in the local Hugging Face cache" in error.reason
    assert "check the spelling" in error.command
    assert error.command.splitlines()[-1] == f"hf download {NAME}"


def test_a_gated_id_needs_its_licence_and_a_token(cache: Path) -> None:
    error = refused(Checkpoint(NAME, "v1", gated=True))
    assert error.command.splitlines() == [
        f"# accept the licence at https://huggingface.co/{NAME}",
        "export HF_TOKEN=...  # a read token of your account",
        f"hf download {NAME} --revision v1",
    ]


def test_missing_shards_are_named(cache: Path, folder: Path) -> None:
    snapshot = keep_in_cache(cache, folder)
    shards = sorted(path.name for path in snapshot.glob("*.safetensors"))
    (snapshot / shards[0]).resolve().unlink()
    (snapshot / shards[-1]).unlink()
    error = refused(NAME)
    assert f"2 of {len(shards)} weight files are missing" in error.reason
    assert f"{shards[0]}, {shards[-1]}" in error.reason
    assert error.command == f"hf download {NAME}"


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\n", b"", None])
def test_weights_that_are_cut_off_or_stand_ins_are_named(folder: Path, content: bytes | None) -> None:
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-1] if content is None else content)
    assert f"cut off or stand-ins for the real ones ({shard.name})" in refused(folder).reason


def test_an_index_that_leads_elsewhere_is_refused(folder: Path) -> None:
    for name in ("../outside.safetensors", "pytorch_model-1.bin"):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        assert "which is no safetensors file beside it" in refused(folder).reason
    (folder / "model.safetensors.index.json").write_text("[]")
    assert "is no index of weight files" in refused(folder).reason


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt"])
def test_pickled_weights_are_named_and_never_opened(cache: Path, tmp_path: Path, folder: Path, name: str) -> None:
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    torch.save(Trap(tmp_path / "opened"), folder / name)
    error = refused(folder)
    assert f"only pickled weights ({name}), which can run code and are never loaded" in error.reason
    assert "only if you trust" in error.command
    assert "save_pretrained" in error.command
    keep_in_cache(cache, folder)
    error = refused(NAME)
    assert "can run code" in error.reason
    assert f"hf download {NAME} --revision refs/pr/NUMBER" in error.command
    assert not (tmp_path / "opened").exists()


def test_pickles_beside_safetensors_do_not_matter(folder: Path) -> None:
    before = weights_identity(folder)
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "README.md").write_text("A model.")
    assert locate(Checkpoint(str(folder))) == folder
    assert weights_identity(folder) == before


def test_what_else_is_missing_is_named(folder: Path) -> None:
    hidden = {path.name: path.read_bytes() for path in folder.glob("tokenizer*")}
    for name in hidden:
        (folder / name).unlink()
    error = refused(folder)
    assert "has a configuration but no tokenizer" in error.reason
    assert "hf download ID_ON_THE_HUB --include 'tokenizer*' --local-dir" in error.command
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    assert "has no safetensors weights" in refused(folder).reason
    (folder / "config.json").rename(folder / "adapter_config.json")
    assert "is an adapter without the model that it adapts" in refused(folder).reason
    (folder / "adapter_config.json").unlink()
    assert "has no config.json" in refused(folder).reason
    (folder / "config.json").write_text("{")
    assert "is not JSON" in refused(folder).reason


def test_an_encoder_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    assert "bert is an encoder" in refused(folder).reason


def test_a_folder_that_is_gone_is_one_sentence(cache: Path) -> None:
    assert "is neither a folder that exists nor an id of the hub" in refused(Checkpoint("/no/where")).reason


def test_every_file_that_matters_changes_the_identity(folder: Path) -> None:
    seen = {weights_identity(folder)}
    for name in ("config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        seen.add(weights_identity(folder))
    shard = sorted(folder.glob("*.safetensors"))[0]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    seen.add(weights_identity(folder))
    (folder / "chat_template.jinja").rename(folder / "chat_template2.jinja")  # in the same place of the order
    seen.add(weights_identity(folder))
    assert len(seen) == 7


def test_a_snapshot_and_its_copy_are_one_and_large_blobs_are_not_read(
    cache: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = keep_in_cache(cache, folder)
    copy = shutil.copytree(snapshot, tmp_path / "copy", symlinks=False)
    expected = weights_identity(copy)
    for path in snapshot.glob("*.safetensors"):
        path.resolve().write_bytes(b"would be gigabytes")
    assert weights_identity(snapshot) == expected
    # A blob that git named by sha1 is read: that name is not the hash of the contents alone.
    (snapshot / "config.json").resolve().write_text("{}")
    assert weights_identity(snapshot) != expected


def test_a_link_that_is_not_into_the_cache_is_read(folder: Path, tmp_path: Path) -> None:
    before = weights_identity(folder)
    shard = sorted(folder.glob("*.safetensors"))[0]
    elsewhere = tmp_path / ("0" * 64)
    shutil.move(shard, elsewhere)
    shard.symlink_to(elsewhere)
    assert weights_identity(folder) == before


def test_the_identity_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no file of a model"):
        weights_identity(tmp_path)
