"""Steers a fused batch: every row has its own prompt, direction, coefficient and block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from harness.decoding.generation import REMEDY, BadActivations, Generated, greedy
from harness.models.decoder import Decoder
from harness.models.hooks import residual
from harness.models.memory import in_batches


@dataclass(frozen=True)
class Row:
    """One response to generate: prompt token ids, and coefficient x direction added to one block's output.

    `direction` is float32 [hidden]; None steers nothing.
    """

    prompt: tuple[int, ...]
    direction: Float[np.ndarray, " hidden"] | None = None
    coefficient: float = 0.0
    block: int = 0


class RowSteering:
    """Adds each row's own vector at its own block; follows the rows of a batch as they finish.

    `positions` "all" steers every real position, the prompt's included, never padding;
    "response" steers only the generated tokens that are fed back, never the prompt.
    """

    def __init__(self, rows: Sequence[Row], decoder: Decoder, positions: Literal["all", "response"] = "all") -> None:
        self._where = positions
        self._active: Tensor | None = None
        self._rows = torch.arange(len(rows), device=decoder.device)  # those still in the batch, by number
        self._overflowed = torch.zeros(len(rows), dtype=torch.bool, device=decoder.device)
        self._added: dict[int, Tensor] = {}  # block -> [rows, hidden]
        for index, row in enumerate(rows):
            if row.direction is None or row.coefficient == 0.0:
                continue
            if not 0 <= row.block < decoder.depth:
                raise ValueError(f"row {index}: block {row.block} is outside 0..{decoder.depth - 1} of {decoder.name}.")
            if row.direction.shape != (decoder.width,):
                raise ValueError(f"row {index}: direction of shape {row.direction.shape}, width is {decoder.width}.")
            if row.block not in self._added:
                self._added[row.block] = torch.zeros(len(rows), decoder.width)
            self._added[row.block][index] = torch.from_numpy(
                np.asarray(row.direction, np.float64) * row.coefficient
            ).float()
        self._added = {block: added.to(decoder.device) for block, added in self._added.items()}

    def positions(self, active: Bool[Tensor, "rows positions"], prompt: bool) -> None:
        """Set which positions the next forward pass steers."""
        self._active = torch.zeros_like(active) if prompt and self._where == "response" else active

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Go on with only these rows."""
        self._rows = self._rows[rows]
        self._added = {block: added[rows] for block, added in self._added.items()}

    @property
    def overflowed(self) -> set[int]:
        """The rows that were NaN or infinite at their own block when their direction was added."""
        return {*self._overflowed.nonzero().squeeze(-1).tolist()}

    @contextmanager
    def on(self, blocks: nn.ModuleList) -> Iterator[None]:
        """Steer while the context lasts; removes its own hooks, also after an error."""
        handles = []
        try:
            for block in sorted(self._added):
                handles.append(blocks[block].register_forward_hook(self._hook(block)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, block: int) -> Callable[..., Any]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            assert self._active is not None, "positions() comes before every forward pass"
            stream = residual(output)
            added = self._added[block].to(stream).unsqueeze(1) * self._active.to(stream.device).unsqueeze(-1)
            steered = stream + added
            # Some models clamp what overflowed in float16, and would answer as if nothing had.
            lost = ~steered[:, -1].isfinite().all(dim=-1).to(self._rows.device) & self._active[:, -1]
            self._overflowed[self._rows] |= lost
            return (steered, *output[1:]) if isinstance(output, tuple | list) else steered

        return hook


@dataclass(frozen=True)
class Steered:
    """Responses in the order of the rows, and the number of generate calls they took."""

    responses: list[Generated]
    calls: int


def steer(
    decoder: Decoder,
    rows: Sequence[Row],
    max_new_tokens: int,
    *,
    batch_rows: int,
    positions: Literal["all", "response"] = "all",
    known: Mapping[int, Generated] = MappingProxyType({}),
    on_batch: Callable[[list[int], list[Generated]], None] | None = None,
    on_halved: Callable[[int], None] | None = None,
) -> Steered:
    """Generate every row greedily in as few fused batches as `batch_rows` allows.

    Rows of different directions, coefficients, blocks and prompts share a batch; padding and finished rows never
    change another row (up to floating-point order). Rows that are `known` already are not generated again;
    `on_batch` is told the indices and responses of every finished batch.
    Raises ValueError for a block or direction that does not fit, and, when all other rows are finished, BadActivations
    for rows whose activations or logits are NaN or infinite.
    """
    responses, bad = dict(known), set[int]()
    pending = [index for index in range(len(rows)) if index not in responses]

    def run(batch: list[int]) -> None:
        indices = [pending[place] for place in batch]
        chosen = [rows[index] for index in indices]
        steering = RowSteering(chosen, decoder, positions)
        prompts = [row.prompt for row in chosen]
        with steering.on(decoder.blocks):
            try:
                made = dict(enumerate(greedy(decoder, prompts, max_new_tokens, watcher=steering)))
            except BadActivations as error:
                made = dict(error.responses)
        results = {indices[place]: made[place] for place in made.keys() - steering.overflowed}
        responses.update(results)
        bad.update({*indices} - {*results})
        if on_batch is not None and results:
            on_batch([*results], [*results.values()])

    lengths = [len(rows[index].prompt) for index in pending]
    calls = in_batches(lengths, decoder.together(batch_rows), run, on_halved)
    if bad:
        raise bad_rows(decoder.name, rows, sorted(bad), responses)
    return Steered([responses[index] for index in range(len(rows))], calls)


def bad_rows(
    name: str, rows: Sequence[Row], bad: Sequence[int], responses: Mapping[int, Generated] = MappingProxyType({})
) -> BadActivations:
    """The error of the `bad` ones among rows, which names the first of them; the others have `responses`."""
    first = rows[bad[0]]
    steered = first.direction is not None and first.coefficient != 0.0
    how = f"steered at block {first.block} with coefficient {first.coefficient:g}" if steered else "not steered"
    return BadActivations(
        f"{name}: NaN or infinite activations in {len(bad)} of {len(rows)} rows, first row {bad[0]}, {how}; {REMEDY}"
        f"{', or steer with smaller coefficients' if steered else ''}.",
        bad,
        responses,
    )
