"""A direction that is taken out of a store steers other libraries, and comes back, token for token the same."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.data.datasets import ROOT, load_trait, trait_folder
from harness.data.vectors import VectorError, parse, read
from harness.decoding.steering import Row, steer
from harness.lab.packing import readable
from harness.ledger.rows import read_ledger
from harness.models.decoder import Decoder, load_decoder
from harness.models.registry import EMBEDDED
from harness.report.__main__ import main
from harness.report.export import Exported, export, write
from harness.stats.resampling import Estimate

SMOLLM2 = ROOT / "reports" / "smollm2"
INSTALL = "pip install --no-deps steering-vectors==0.12.2 repeng==0.4.0"
BLOCK, TOKENS = 2, 12


def exported(direction: np.ndarray, coefficient: float, block: int = BLOCK) -> Exported:
    estimate = Estimate(coefficient, coefficient - 1, coefficient + 1, 60, "coefficient")
    return Exported("severe", "refusal", "probe", block, direction, "0" * 64, "grammar", 60, estimate, None, None)


def test_what_is_exported_is_what_the_ledger_says_of_that_direction(tmp_path: Path) -> None:
    with readable(SMOLLM2 / "store.sqlite.xz") as store:
        found = export(store, "smollm2", "refusal", "mean_diff, by instructions")
    (row,) = (
        row
        for row in read_ledger(SMOLLM2 / "ledger.jsonl").rows
        if (row.claim, row.test, row.trait) == ("C2", "test_mean_diff", "refusal")
    )
    (entry,) = row.estimates  # the best lies near the base coefficient, so both have found the same
    assert found.gain is not None
    assert found.coherence is not None
    assert found.gain.value == pytest.approx(entry["estimate"]["value"], abs=1e-9)
    assert found.coherence.value == pytest.approx(70, abs=1e-6)  # it gains until the gate ends it
    assert np.linalg.norm(found.direction) == pytest.approx(1, abs=1e-6)


@pytest.fixture(scope="module")
def severe() -> Decoder:
    folder = EMBEDDED["severe"].instruct
    assert isinstance(folder, Path)
    return load_decoder(folder, "severe")


@torch.inference_mode()
def said_by(model: object, prompt: list[int]) -> tuple[int, ...]:
    ids = torch.tensor([prompt])
    made = model.generate(  # type: ignore[attr-defined]
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False
    )
    return tuple(made[0, len(prompt) :].tolist())


@pytest.mark.parametrize("ending", [".safetensors", ".gguf", ".pt"])
def test_it_steers_peers_by_its_own_three_lines_and_comes_back_the_same(
    severe: Decoder, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "float_", np.float64, raising=False)  # repeng annotates with a name of NumPy 1
    names = {"steering_vectors": pytest.importorskip("steering_vectors", reason=INSTALL)}
    names |= {"repeng": pytest.importorskip("repeng", reason=INSTALL), "safetensors": safetensors}

    direction = np.random.default_rng(3).normal(size=severe.width).astype(np.float32)
    direction /= np.linalg.norm(direction)
    path = tmp_path / f"refusal{ending}"
    original = exported(direction, 30.0)
    write(original, path)

    again = parse(f"mine={path}")
    assert again.block == BLOCK
    unit = (again.values / np.linalg.norm(again.values)).astype(np.float32)
    np.testing.assert_allclose(unit, direction, atol=1e-7)

    questions = load_trait(trait_folder("templated", "refusal")).questions[:4]
    prompts = [severe.encode_question(question.text) for question in questions]
    ours = steer(
        severe, [Row(tuple(prompt), unit, 30.0, again.block) for prompt in prompts], TOKENS, batch_rows=4
    ).responses
    unsteered = steer(severe, [Row(tuple(prompt)) for prompt in prompts], TOKENS, batch_rows=4).responses
    assert ours != unsteered
    model = copy.deepcopy(severe.model)
    if ending == ".pt":  # what lm_eval makes of the file, by a plain hook
        ((name, one),) = torch.load(path, weights_only=True).items()
        added = one["steering_coefficient"] * one["steering_vector"]
        block = dict(model.base_model.named_modules())[name]
        block.register_forward_hook(
            lambda _module, _args, out: (out[0] + added, *out[1:]) if isinstance(out, tuple) else out + added
        )
    else:
        names["model"] = model
        exec(original.use(path), names)  # what is printed beside it
        model = names["model"]
    for prompt, response in zip(prompts, ours, strict=True):
        assert said_by(model, prompt)[: len(response.ids)] == response.ids


def test_a_file_states_what_was_measured_and_the_command_prints_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "refusal.safetensors"
    packed = str(SMOLLM2 / "store.sqlite.xz")
    assert main(["--store", packed, "--export", "smollm2/refusal/probe", str(path)]) == 0
    printed = capsys.readouterr().out
    _, stated = read(path)
    assert {"block", "coefficient", "coherence", "positions", "model sha256", "coefficient, 95 % interval"} <= {*stated}
    assert all(f"{name}: {text}" in printed for name, text in stated.items() if name != "use")
    assert str(tmp_path) not in json.dumps(stated)  # no folder of this machine
    assert main(["--store", packed, "--export", "smollm2/refusal/nope", str(path)]) == 2
    assert "0 directions called 'nope' of smollm2 and refusal; it has: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "block", "first"),
    [
        ("mine={}/rows.npy[1]:4", 4, 10.0),
        ("severe/refusal/mine={}/rows.pt[0]:3", 3, 0.0),
        ("mine={}/named.pt[layer7]:7", 7, 1.0),
        ("mine={}/steered.pt", 5, 2.0),
        ("mine={}/steered.pt:5", 5, 2.0),
        ("mine={}/matrices.pt[b.1]:5", 5, 20.0),
    ],
)
def test_a_vector_is_the_entry_and_the_block_that_are_named_or_stated(
    tmp_path: Path, written: str, block: int, first: float
) -> None:
    rows = np.arange(20, dtype=np.float32).reshape(2, 10)
    np.save(tmp_path / "rows.npy", rows)
    torch.save(torch.from_numpy(rows), tmp_path / "rows.pt")
    torch.save({"a": torch.from_numpy(rows), "b": torch.from_numpy(2 * rows)}, tmp_path / "matrices.pt")
    torch.save({"layer7": torch.ones(10), "layer8": torch.zeros(10)}, tmp_path / "named.pt")
    one = {"steering_vector": torch.ones(10), "steering_coefficient": 2.0, "action": "add", "bias": None}
    torch.save({"model.layers.5": one}, tmp_path / "steered.pt")
    vector = parse(written.format(tmp_path))
    assert (vector.block, vector.values[0], vector.name) == (block, first, "mine")
    assert vector.only == (("severe", "refusal") if "severe" in written else ())


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("mine={}/rows.npy:1", "holds 2 vectors ('0', '1')"),
        ("mine={}/two.pt[1]:1", "has no entry '1', it has 'a.0', 'a.1', 'b.0', 'b.1'"),
        ("mine={}/rows.npy[1]", "does not say at which block"),
        ("mine={}/rows.npy[7]:1", "has no entry '7'"),
        ("mine={}/rows.npy[0]:1", "the entry '0' is zero"),
        ("mine={}/stated.safetensors:3", "says that it belongs to block 2, not 3"),
        ("mine={}/nothing.npy:3", "does not exist"),
        ("mine={}/code.pt:3", "cannot be read as .pt"),
        ("mine={}/deep.npy:3", "a vector has one axis"),
        ("{}/rows.npy", "write NAME=FILE"),
        ("mine={}/rows.txt:1", "a vector is read from"),
    ],
)
def test_what_is_not_said_is_asked_for_and_never_guessed(tmp_path: Path, written: str, why: str) -> None:
    np.save(tmp_path / "rows.npy", np.stack([np.zeros(4), np.ones(4)]))
    torch.save({"a": torch.ones(2, 4), "b": torch.ones(2, 4)}, tmp_path / "two.pt")
    np.save(tmp_path / "deep.npy", np.ones((2, 2, 2)))
    write(exported(np.full(4, 0.5, np.float32), 1.0), tmp_path / "stated.safetensors")
    torch.save(Path("a pickle of a class"), tmp_path / "code.pt")
    with pytest.raises(VectorError) as raised:
        parse(written.format(tmp_path))
    assert why in str(raised.value)


@given(st.lists(st.floats(-1e3, 1e3, width=32).filter(bool), min_size=2, max_size=8), st.integers(0, 40))
def test_the_same_vector_has_one_key_whatever_file_it_lies_in(values: list[float], block: int) -> None:
    direction = np.asarray(values, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"v{ending}" for ending in (".safetensors", ".gguf")]
        for path in paths:
            write(exported(direction, 1.0, block), path)
        np.save(Path(folder) / "v.npy", direction)
        found = [*(parse(f"a={path}") for path in paths), parse(f"b={folder}/v.npy:{block}")]
        assert len({one.sha256 for one in found}) == 1
        assert parse(f"b={folder}/v.npy:{block + 1}").sha256 != found[0].sha256
