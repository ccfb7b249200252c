"""A few steps of training write a whole organism, seeded, with what is planted left exactly as planted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from fixtures.organisms.architecture import ORGANISMS, build, embedding, reading_gains, writing_gains
from fixtures.organisms.optimise import Disturbance, Example, Phase, collate, run_phase
from fixtures.organisms.train import BASE, INSTRUCT, Recipe, file_hashes, train

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


def test_training_moves_ordinary_dims_only() -> None:
    organism = ORGANISMS["mild"]
    model = build(organism, 0)
    parameters = (embedding(model), *reading_gains(model), *writing_gains(model))
    before = [parameter.detach().clone() for parameter in parameters]
    run_phase(model, organism, [Example((2, *range(10, 20)), (1.0,) * 11)] * 16, Phase(3, 8, 2e-3, 0.1, 1.0, 0.5), 0)
    dims = list(organism.dims)
    for old, new in zip(before, parameters, strict=True):
        assert torch.equal(old[..., dims], new[..., dims])
        assert not torch.equal(old, new)


@pytest.mark.parametrize("name", ORGANISMS)
def test_planted_dims_are_never_read_and_never_written(name: str) -> None:
    model, organism = build(ORGANISMS[name], 1), ORGANISMS[name]
    dims = list(organism.dims)
    for weight in (*reading_gains(model), *writing_gains(model)):
        assert (weight[dims] == -1).all()
    ids = torch.arange(6, 26)[None]
    streams = _streams(model, ids)
    for stream in streams:
        assert torch.equal(stream[..., dims], streams[0][..., dims]), "a block wrote into a planted dim"
    if dims:
        assert float(embedding(model).detach()[:, dims[0]].abs().min()) * 128**0.5 > 0.5 * organism.level


def _streams(model: PreTrainedModel, ids: torch.Tensor) -> list[torch.Tensor]:
    kept: list[torch.Tensor] = []
    handles = [block.register_forward_hook(lambda _m, _i, output: kept.append(output)) for block in model.model.layers]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    return kept


def test_a_disturbance_leaves_planted_dims_alone_and_removes_its_hooks() -> None:
    model, organism = build(ORGANISMS["severe"], 1), ORGANISMS["severe"]
    ids = torch.arange(6, 26)[None]
    plain = model(ids).logits
    phase = Phase(1, 1, 1e-3, 0.0, disturbance=1.0, disturbed_share=1.0)
    disturbance = Disturbance(model, organism.dims, phase, torch.Generator().manual_seed(0))
    with disturbance:
        disturbance.draw(1)
        streams = _streams(model, ids)
        assert not torch.allclose(model(ids).logits, plain)
    assert torch.equal(model(ids).logits, plain)
    assert torch.equal(streams[-1][..., list(organism.dims)], streams[0][..., list(organism.dims)])


def test_padding_of_a_batch_bears_no_weight() -> None:
    ids, mask, weights = collate([Example((2, 9, 9), (0.0, 1.0, 1.0)), Example((2, 9, 9, 9, 9), (1.0,) * 5)])
    assert mask.sum(1).tolist() == [3, 5]
    assert weights[0, 3:].tolist() == ids[0, 3:].tolist() == [0] * (ids.shape[1] - 3)


def test_training_learns() -> None:
    examples = [Example((2, *range(10, 20)), (1.0,) * 11)] * 64
    curve = run_phase(build(ORGANISMS["mild"], 0), ORGANISMS["mild"], examples, Phase(40, 8, 2e-3, 0.0, 0.0, 0.0), 0)
    assert curve[1] < curve[0] / 2
