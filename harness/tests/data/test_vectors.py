"""A vector of a file is read as it is, and what is wrong with it is told in one sentence without anybody's colours."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.data.vectors import VectorError, parse

VALUES = torch.tensor([0.5, -2.0, 0.25])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_numbers_of_every_format_are_read_as_they_are(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file({"mine": VALUES.to(dtype)}, tmp_path / "v.safetensors")
    assert parse(f"v={tmp_path}/v.safetensors:3").values.tolist() == VALUES.tolist()


@pytest.mark.parametrize(
    ("entry", "value", "sentence"),
    [
        ("nan", 0.0, "the entry 'nan' is zero, so it points nowhere"),
        ("zero", float("nan"), "the entry 'zero' holds NaN or infinity, so"),
    ],
)
def test_an_entry_is_quoted_whatever_it_is_called(tmp_path: Path, entry: str, value: float, sentence: str) -> None:
    save_file({entry: torch.full((3,), value)}, tmp_path / "v.safetensors")
    with pytest.raises(VectorError, match=sentence):
        parse(f"v={tmp_path}/v.safetensors:3")


@pytest.mark.parametrize("name", ["v.pt", "v.npy", "v.safetensors", "v.gguf"])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_file_that_cannot_be_read_is_a_sentence_without_escape_sequences(
    tmp_path: Path, name: str, is_empty: bool
) -> None:
    if is_empty:
        (tmp_path / name).write_bytes(b"")
    else:
        torch.save(
            collections.deque([VALUES, np.random.default_rng(0)]), tmp_path / name
        )  # what no list of safe ones has
    with pytest.raises(VectorError) as caught:
        parse(f"v={tmp_path}/{name}:3")
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{tmp_path}/{name} cannot be read as ")
