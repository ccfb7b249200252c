"""What every check of an engine on a model starts from: prompts, vectors, and a coefficient that changes answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import groupby
from typing import Literal

import numpy as np
import torch

from harness.engines.protocol import Engine, Prompts, Steering
from harness.engines.reference import Reference, copied
from harness.models.decoder import Decoder

TOKENS = 12  # of an answer at most
PROMPTS = 4
FEW = 2  # the shortest and the longest: those that faults show on, and that a check asks again and again
SMALLEST, RATIO, STEPS = 1 / 64, 2**0.5, 22  # coefficients to try, in units of the median norm of a token


class BlindCheck(RuntimeError):
    """No coefficient makes answers that a check could tell apart, so that it would agree with anything."""


def different_lengths(prompts: Prompts) -> list[list[int]]:
    """The shortest and the longest prompt, then some between them."""
    ordered = sorted(prompts, key=len)
    chosen = [list(ordered[place]) for place in np.linspace(0, len(ordered) - 1, PROMPTS).astype(int)]
    return [chosen[0], chosen[-1], *chosen[1:-1]]


def equal_lengths(prompts: Prompts) -> list[list[int]]:
    """Some prompts of one length, which most of them have."""
    groups = [list(group) for _, group in groupby(sorted(prompts, key=len), key=len)]
    return [list(prompt) for prompt in max(groups, key=len)[:PROMPTS]]


class Bench:
    """A model to check engines on, and questions that they are asked: four or more, of which two are equally long."""

    def __init__(self, decoder: Decoder, questions: Sequence[str]) -> None:
        self._questions = questions
        self.reference = Reference(decoder)
        asked = [decoder.encode_question(question) for question in questions]
        self.prompts, self.equal = different_lengths(asked), equal_lengths(asked)
        dice = np.random.default_rng(11)
        self.vectors = (dice.normal(size=(2, decoder.width)) / np.sqrt(decoder.width)).astype(np.float32)
        self.block = decoder.depth // 2
        self._tried = cache(self._try)

    @cached_property
    def bfloat16(self) -> Bench:
        """The same in bfloat16."""
        return Bench(copied(self.reference.decoder, torch.bfloat16), self._questions)

    @cached_property
    def stopping(self) -> Bench:
        """The same with one more stop token: one that stands in the middle of the first prompt's steered answer."""
        (answer,) = self.reference.answers(self.prompts[:1], self.steering, TOKENS)
        decoder = self.reference.decoder
        return Bench(replace(decoder, stop_ids=decoder.stop_ids | {answer[len(answer) // 2]}), self._questions)

    @cached_property
    def steering(self) -> Steering:
        """The middle block, so that the unsteered model says something else."""
        return self._chosen(self.block)

    @cached_property
    def of_coefficient(self) -> Steering:
        """The same, where twice the coefficient and its negative give other answers, too."""
        return self._chosen(
            self.block, lambda own: [replace(own, coefficient=factor * own.coefficient) for factor in (2, -1)]
        )

    @cached_property
    def of_vector(self) -> Steering:
        """The same, where the other vector does."""
        return self._chosen(self.block, lambda own: [replace(own, vector=self.vectors[1])])

    @cached_property
    def of_response(self) -> Steering:
        """The same at response positions, where steering the prompt, too, does."""
        return self._chosen(self.block, lambda own: [replace(own, positions="all")], "response")

    @cached_property
    def of_blocks(self) -> tuple[Steering, ...]:
        """The first, the middle and the last block, where their neighbours do."""
        return tuple(
            self._chosen(block, self._neighbours) for block in (0, self.block, self.reference.decoder.depth - 1)
        )

    def _neighbours(self, own: Steering) -> list[Steering]:
        blocks = [block for block in (own.block - 1, own.block + 1) if 0 <= block < self.reference.decoder.depth]
        return [replace(own, block=block) for block in blocks]

    def _chosen(
        self,
        block: int,
        instead: Callable[[Steering], list[Steering]] = lambda _own: [],
        positions: Literal["all", "response"] = "all",
    ) -> Steering:
        """A vector at a block, with the smallest coefficient that makes answers of its own.

        That is, the unsteered model gives another answer to one of the first prompts (to all, if nothing else is to be
        told apart), and so does every other steering `instead`. Raises BlindCheck if no coefficient does.
        """
        for step in range(STEPS):
            own, answers, seen = self._tried(block, positions, step)
            others = instead(own)
            if seen >= (1 if others else FEW) and all(any(self._objections(answers, other)) for other in others):
                return own
        raise BlindCheck(
            f"{self.reference.decoder.name}: no coefficient up to {own.coefficient:g} at block {block} gives answers "
            "that tell it apart from a fault; ask other questions."
        )

    def _try(
        self, block: int, positions: Literal["all", "response"], step: int
    ) -> tuple[Steering, list[list[int]], int]:
        """A steering, its answers to the first prompts, and how many of them the unsteered model does not give."""
        norms = [np.linalg.norm(self.reference.states(prompt, None)[block], axis=1) for prompt in self.prompts]
        norm = float(np.median(np.concatenate(norms)))
        own = Steering(self.vectors[0], block, round(norm * SMALLEST * RATIO**step, 3), positions)
        answers = self.reference.answers(self.prompts[:FEW], own, TOKENS)
        return own, answers, sum(map(bool, self._objections(answers, None)))

    def _objections(self, answers: Sequence[Sequence[int]], steering: Steering | None) -> Iterator[str]:
        for prompt, answer in zip(self.prompts[:FEW], answers, strict=True):
            yield self.reference.objection(prompt, answer, steering, TOKENS)


@dataclass(frozen=True)
class Trial:
    """An engine on a copy of the bench's model: whatever it leaves there meets no other check, and no reference."""

    engine: Engine
    decoder: Decoder
    bench: Bench

    @classmethod
    def of(cls, adapter: type[Engine], bench: Bench) -> Trial:
        """A fresh one."""
        decoder = copied(bench.reference.decoder)
        return cls(adapter(decoder), decoder, bench)
