"""The registry names models once, its grids are geometric, and what it points to is there."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from fixtures.grid import FAMILIES
from fixtures.subjects import NAME
from harness.data.datasets import TRAITS, known_traits, load_trait, trait_folder
from harness.lab.costs import H100
from harness.models.checkpoints import Checkpoint
from harness.models.registry import EMBEDDED, MODELS, PAIRS, find_model, geometric_grid, swept_blocks
from harness.sources.published import load_published


def test_a_grid_is_geometric_between_its_ends() -> None:
    grid = geometric_grid(0.5, 2.5, 1.15)
    assert grid[0] == 0.5
    assert 2.5 / 1.15 < grid[-1] <= 2.5
    assert all(high / low == pytest.approx(1.15, rel=1e-3) for low, high in pairwise(grid))
    assert geometric_grid(1.0, 1.15**3, 1.15)[-1] == pytest.approx(1.15**3, rel=1e-3)


def test_an_unknown_model_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="'sever' is no registered model; known: severe, mild, clean"):
        find_model("sever")


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_model_has_its_files_and_traits(name: str) -> None:
    spec = find_model(name)
    for folder in (spec.base, spec.instruct):
        assert isinstance(folder, Path)
        assert (folder / "config.json").is_file()
        assert (folder / "model.safetensors").stat().st_size <= 4_000_000
    assert set(spec.blocks) <= set(known_traits(spec.language)) & set(TRAITS)


REAL = {name: spec for name, spec in MODELS.items() if not spec.embedded}


@pytest.mark.parametrize("name", REAL)
def test_every_real_model_is_asked_all_questions_unless_two_cores_are_to_do_and_says_what_it_would_cost(
    name: str,
) -> None:
    spec = REAL[name]
    assert isinstance(spec.base, Checkpoint)
    assert set(spec.blocks) == set(TRAITS) == set(known_traits(spec.language))
    for trait in TRAITS:
        written = len(load_trait(trait_folder(spec.language, trait)).questions)
        assert (
            spec.questions <= written if spec.usual_traits else spec.questions == written
        )  # few: what two cores can do
    assert spec.architecture is not None
    assert spec.depth == spec.architecture.blocks
    assert all(block < spec.depth for blocks in spec.blocks.values() for block in blocks)
    assert spec.architecture.weight_bytes("bfloat16") < H100.memory
    assert spec.base.gated == bool(spec.licence)


@pytest.mark.parametrize("name", ["gemma3", "gemma2"])
def test_published_dims_blocks_and_coefficients_are_those_of_the_table_of_published_values(name: str) -> None:
    """Each is written twice, because the registry must not need the table; here they are held together."""
    spec = find_model(name)
    first = [one for one in load_published().values.values() if one.model == name and one.edition == "2026-01-29"]
    (dims,) = {one.values for one in first if one.unit == "dims" and len(one.values) > 5}
    assert spec.massive_dims == dims
    for trait in ("refusal", "sycophancy"):
        swept = {
            float(one.value)
            for one in first
            if one.trait == trait and ".sweep." in one.id and one.unit == "coefficient"
        }
        run = {float(one.coefficient) for one in first if one.trait == trait and one.coefficient is not None}
        assert set(spec.coefficients.get(trait, ())) == swept | run
        blocks = {one.block for one in first if one.trait == trait and one.unit == "trait points" and one.block}
        if blocks:
            assert set(spec.blocks[trait]) == blocks


def test_the_severity_of_a_real_model_is_the_published_one_or_not_stated() -> None:
    published = load_published().values
    for name in MODELS.keys() - EMBEDDED.keys():
        stated = published.get(f"{name}.severity")
        assert find_model(name).severity == pytest.approx(stated.value if stated else math.nan, nan_ok=True)


def test_the_published_sweep_runs_from_thirty_to_sixty_percent_of_depth() -> None:
    assert swept_blocks(34) == tuple(range(11, 21))
    assert swept_blocks(10) == (3, 4, 5, 6)


def test_names_are_told_apart_from_pairs_and_from_every_other_marker() -> None:
    for name in MODELS:
        assert NAME.fullmatch(name)
        assert "+" not in name  # which joins a pair
        assert name not in {*TRAITS, *FAMILIES}


def test_pairs_are_of_registered_models_the_severer_first() -> None:
    for severer, milder in PAIRS:
        assert find_model(severer).severity > find_model(milder).severity
