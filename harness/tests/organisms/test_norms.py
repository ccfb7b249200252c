"""The committed page of norms is what its command writes on these weights and grids."""

from __future__ import annotations

import pytest

from fixtures.organisms.norms import REPORTS, markdown, measure, read
from harness.models.registry import EMBEDDED, find_model

AGAIN = "run python -m fixtures.organisms.norms --write again"


def test_the_page_is_written_from_its_numbers_and_covers_every_steered_cell() -> None:
    rows = read()
    cells = [(spec.name, trait, block) for spec in EMBEDDED.values() for trait, (block,) in spec.blocks.items()]
    assert [(row.organism, row.trait, row.block) for row in rows] == cells, AGAIN
    assert (REPORTS / "norms.md").read_text(encoding="utf-8") == markdown(rows), AGAIN


def test_a_window_mean_is_shorter_than_its_tokens_and_doses_are_in_steered_tokens() -> None:
    for row in read():
        assert row.window_mean < row.base_token
        assert row.dose_1 / row.dose_1_in_window_means == pytest.approx(row.ratio, rel=1e-3)


def test_one_organism_measured_again_is_as_the_page_says() -> None:
    (again,) = measure([find_model("bos")])
    (kept,) = (row for row in read() if row.organism == "bos")
    numbers = [name for name, value in vars(kept).items() if isinstance(value, float)]
    assert [getattr(again, name) for name in numbers] == pytest.approx(
        [getattr(kept, name) for name in numbers], rel=1e-3
    ), AGAIN
