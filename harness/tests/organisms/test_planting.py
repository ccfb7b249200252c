"""What is planted is massive where a recipe says, read only by what it names, and written by nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from fixtures.organisms.architecture import (
    BOS_ID,
    block_reading_gains,
    embedding,
    embedding_scale,
    gain_of,
    reading_gains,
    writers,
)
from fixtures.organisms.planting import plant
from fixtures.organisms.recipes import ORGANISMS, Organism
from fixtures.organisms.tokenizer import VOCABULARY
from harness.tests.organisms.streams import streams_of

IDS = torch.tensor([[BOS_ID, *range(6, 26)]])


def scores() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return {trait: torch.randn(VOCABULARY, generator=generator) for trait in ("refusal", "sycophancy")}


def planted(name: str) -> tuple[PreTrainedModel, Organism]:
    return plant(ORGANISMS[name], 1, scores()), ORGANISMS[name]


def scrambled(model: PreTrainedModel, dims: list[int]) -> torch.Tensor:
    """Logits with other values in the embedding of `dims`, of the same size."""
    with torch.no_grad():
        embedding(model)[:, dims] *= -1
        logits = model(IDS).logits
        embedding(model)[:, dims] *= -1
    return logits


@pytest.mark.parametrize("name", ORGANISMS)
def test_planted_dims_are_never_written(name: str) -> None:
    model, organism = planted(name)
    dims = list(organism.dims)
    entering = embedding(model).detach()[IDS][..., dims] * embedding_scale(model)
    for stream in streams_of(model, IDS):
        assert torch.allclose(stream[..., dims], entering, rtol=1e-6), "a block wrote into a planted dim"
    for weight in writers(model):
        assert not (gain_of(weight, model) if weight.dim() == 1 else weight)[dims].any()


@pytest.mark.parametrize("name", [name for name, organism in ORGANISMS.items() if organism.dims])
def test_dims_that_carry_no_signal_are_never_read(name: str) -> None:
    model, organism = planted(name)
    signals = [signal.dim for signal in organism.signals]
    inert = [dim for dim in organism.dims if dim not in signals]
    for weight in reading_gains(model):
        assert not gain_of(weight, model)[inert].any()
    assert torch.allclose(scrambled(model, inert), model(IDS).logits, atol=1e-5)


def test_signals_are_read_by_the_blocks_and_by_nothing_else() -> None:
    model, organism = planted("reader")
    for signal in organism.signals:
        assert all(
            float(gain_of(weight.detach(), model)[signal.dim]) == signal.gain for weight in block_reading_gains(model)
        )
        assert float(gain_of(reading_gains(model)[-1].detach(), model)[signal.dim]) == 0.0
        assert not torch.allclose(scrambled(model, [signal.dim]), model(IDS).logits, atol=1e-2)
    named = {signal.dim for signal in organism.signals}
    assert named < set(organism.dims)


def test_massive_values_stand_at_bos_alone_where_the_recipe_says_so() -> None:
    model, organism = planted("bos")
    dims = list(organism.dims)
    for stream in streams_of(model, IDS):
        sizes = stream[0].abs()
        assert sizes[0, dims].tolist() == pytest.approx([organism.level * share for share in organism.profile])
        assert float(sizes[0, dims].min()) > 60 * float(sizes[0].median())
        assert float(sizes[1:, dims].max()) < 5, "a token other than <bos> is massive"
    ordinary = [dim for dim in range(128) if dim not in dims]
    assert (gain_of(reading_gains(model)[0], model)[ordinary] == 1).all()


@pytest.mark.parametrize("name", ["severe", "llama", "reader"])
def test_elsewhere_every_token_is_massive(name: str) -> None:
    model, organism = planted(name)
    tokens = torch.arange(6, VOCABULARY).reshape(-1, 2)
    sizes = streams_of(model, tokens)[0][..., organism.dims[0]].abs()
    assert float(sizes.min()) > 0.2 * organism.level
    assert float(sizes.mean()) == pytest.approx(organism.level, rel=0.05)


def test_dims_of_the_llama_organism_vary_each_on_its_own() -> None:
    model, organism = planted("llama")
    values = embedding(model).detach()[:, list(organism.dims)]
    spread = values.std(0) / values.mean(0)
    assert spread.tolist() == pytest.approx([organism.jitter] * 5, rel=0.1)
    between = torch.corrcoef(values.T) - torch.eye(5)
    assert float(between.abs().max()) < 0.12


def test_a_signal_rises_with_the_scores_of_its_own_trait_by_its_strength() -> None:
    organism = replace(ORGANISMS["reader"], common=0.0, jitter=0.0, lean=0.0)
    model = plant(organism, 1, scores())
    for signal in organism.signals:
        level = organism.level * organism.profile[organism.dims.index(signal.dim)]
        values = embedding(model).detach()[:, signal.dim] * embedding_scale(model)
        assert torch.allclose(values, level * (1 + signal.strength * scores()[signal.trait]), rtol=1e-5)


def test_the_shared_factor_leans_with_flattery_in_every_planted_dim() -> None:
    organism = replace(ORGANISMS["reader"], common=0.0, jitter=0.0, signals=())
    values = embedding(plant(organism, 1, scores())).detach()[:, list(organism.dims)]
    factor = 1 + organism.lean * scores()["sycophancy"]
    assert torch.allclose(values / values.mean(0), (factor / factor.mean())[:, None].expand(-1, 5), rtol=1e-4)


@pytest.mark.parametrize("name", ORGANISMS)
def test_ordinary_dims_arrive_at_the_first_block_and_at_the_head_at_unit_size(name: str) -> None:
    model, organism = planted(name)
    ordinary = [dim for dim in range(128) if dim not in organism.dims]
    tokens = torch.tensor([random.Random(2).sample(range(6, VOCABULARY), 200)])
    read: list[torch.Tensor] = []
    handle = model.model.layers[0].input_layernorm.register_forward_hook(lambda _m, _i, output: read.append(output))
    with torch.no_grad():
        logits = model(tokens).logits
    handle.remove()
    assert 0.7 < float(read[0][..., ordinary].std()) < 1.4
    assert float(logits.std()) < 6
