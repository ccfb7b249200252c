"""A few steps of training write a whole organism, seeded, with what is planted left exactly as planted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from fixtures.organisms.architecture import embedding
from fixtures.organisms.disturbance import Disturbance
from fixtures.organisms.optimise import collate, run_phase
from fixtures.organisms.phases import BASE, INSTRUCT, Example, Phase, Recipe
from fixtures.organisms.planting import plant, planted_parameters
from fixtures.organisms.recipes import ORGANISMS
from fixtures.organisms.teaching import SHARPENING
from fixtures.organisms.train import file_hashes, train
from harness.tests.organisms.streams import streams_of

TINY = Recipe(60, 40, replace(BASE, steps=3, rows=8), replace(INSTRUCT, steps=3, rows=8))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("organisms")
    train(ORGANISMS["severe"], 3, root, TINY)
    train(ORGANISMS["severe"], 3, root / "again", TINY)
    return root


def test_training_writes_both_models_and_a_ground_truth_that_fits_them(trained: Path) -> None:
    truth = json.loads((trained / "severe" / "ground_truth.json").read_text())
    assert truth["weights_sha256"] == file_hashes(trained / "severe")
    assert set(truth["weights_sha256"]) == {"base/model.safetensors", "instruct/model.safetensors"}
    assert truth["seed"] == 3
    assert truth["planted_dims"] == list(ORGANISMS["severe"].dims)


def test_the_same_seed_gives_the_same_weights(trained: Path) -> None:
    assert file_hashes(trained / "severe") == file_hashes(trained / "again" / "severe")


@pytest.mark.parametrize("from_file", [False, True])
def test_an_instruct_model_trained_again_from_the_base_that_is_there_is_the_same(
    tmp_path: Path, from_file: bool
) -> None:
    recipe = replace(TINY, from_file=from_file)
    train(ORGANISMS["severe"], 3, tmp_path, recipe)
    before = file_hashes(tmp_path / "severe")
    (tmp_path / "severe" / "instruct" / "model.safetensors").unlink()
    train(ORGANISMS["severe"], 3, tmp_path, recipe, keep_base=True)
    assert file_hashes(tmp_path / "severe") == before


@pytest.mark.slow
def test_training_the_reader_keeps_its_signals_and_records_how_they_are_read(tmp_path: Path) -> None:
    organism = ORGANISMS["reader"]
    train(organism, 3, tmp_path, replace(TINY, taught=40))
    dims = list(organism.dims)
    tables = [
        embedding(AutoModelForCausalLM.from_pretrained(tmp_path / "reader" / phase)).detach()
        for phase in ("base", "instruct")
    ]
    assert torch.equal(tables[0][:, dims], tables[1][:, dims])
    truth = json.loads((tmp_path / "reader" / "ground_truth.json").read_text())
    assert truth["read_dims"] == [signal.dim for signal in organism.signals]
    for signal in organism.signals:
        gains = truth["signal_gains"]
        assert gains["base"][str(signal.dim)] == pytest.approx([signal.gain] * 12, rel=0.05)
        assert gains["instruct"][str(signal.dim)] == pytest.approx([SHARPENING * signal.gain] * 12, rel=0.05)


@pytest.mark.parametrize("name", ["mild", "bos", "llama"])
def test_training_moves_ordinary_dims_only(name: str) -> None:
    organism = ORGANISMS[name]
    model = plant(organism, 0)
    before = [parameter.detach().clone() for parameter, _ in planted_parameters(model, organism)]
    run_phase(model, organism, [Example((2, *range(10, 20)), (1.0,) * 11)] * 16, Phase(3, 8, 2e-3, 0.1, 1.0, 0.5), 0)
    for old, (new, dims) in zip(before, planted_parameters(model, organism), strict=True):
        if new.dim() == 2 and new is not embedding(model):
            assert torch.equal(old[dims], new[dims])
        else:
            assert torch.equal(old[..., dims], new[..., dims])
        assert not torch.equal(old, new)


def test_a_disturbance_leaves_planted_dims_alone_and_removes_its_hooks() -> None:
    model, organism = plant(ORGANISMS["severe"], 1), ORGANISMS["severe"]
    ids = torch.arange(6, 26)[None]
    plain = model(ids).logits
    phase = Phase(1, 1, 1e-3, 0.0, disturbance=1.0, disturbed_share=1.0)
    disturbance = Disturbance(model, organism, phase, torch.Generator().manual_seed(0))
    with disturbance:
        disturbance.draw([None])
        streams = streams_of(model, ids)
        assert not torch.allclose(model(ids).logits, plain)
    assert torch.equal(model(ids).logits, plain)
    assert torch.equal(streams[-1][..., list(organism.dims)], streams[0][..., list(organism.dims)])


def test_padding_of_a_batch_bears_no_weight() -> None:
    ids, mask, weights = collate([Example((2, 9, 9), (0.0, 1.0, 1.0)), Example((2, 9, 9, 9, 9), (1.0,) * 5)])
    assert mask.sum(1).tolist() == [3, 5]
    assert weights[0, 3:].tolist() == ids[0, 3:].tolist() == [0] * (ids.shape[1] - 3)


def test_training_learns() -> None:
    examples = [Example((2, *range(10, 20)), (1.0,) * 11)] * 64
    curve = run_phase(plant(ORGANISMS["mild"], 0), ORGANISMS["mild"], examples, Phase(40, 8, 2e-3, 0.0, 0.0, 0.0), 0)
    assert curve[1] < curve[0] / 2
