"""The registry names models once, its grids are geometric, and what it points to is there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fixtures.grid import FAMILIES
from harness.datasets import known_traits
from harness.registry import MODELS, PAIRS, TRAITS, find_model, geometric_grid


def test_a_grid_is_geometric_between_its_ends() -> None:
    grid = geometric_grid(0.5, 2.5, 1.15)
    assert grid[0] == 0.5
    assert 2.5 / 1.15 < grid[-1] <= 2.5
    assert all(high / low == pytest.approx(1.15, rel=1e-3) for low, high in pairwise(grid))
    assert geometric_grid(1.0, 1.15**3, 1.15)[-1] == pytest.approx(1.15**3, rel=1e-3)


def test_an_unknown_model_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="'sever' is no registered model; known: severe, mild, clean"):
        find_model("sever")


@pytest.mark.parametrize("name", MODELS)
def test_every_registered_model_has_its_files_and_traits(name: str) -> None:
    spec = find_model(name)
    for folder in (spec.base, spec.instruct):
        assert (folder / "config.json").is_file()
        assert (folder / "model.safetensors").stat().st_size <= 4_000_000
    assert set(TRAITS) <= set(known_traits(spec.language))
    assert set(spec.blocks) <= set(TRAITS)


def test_names_are_told_apart_from_pairs_and_from_every_other_marker() -> None:
    for name in MODELS:
        assert name.isidentifier()  # no "+", which joins a pair, and no "-", which ends a name in a test's id
        assert name not in {*TRAITS, *FAMILIES}


def test_pairs_are_of_registered_models_the_severer_first() -> None:
    for severer, milder in PAIRS:
        assert find_model(severer).severity > find_model(milder).severity
