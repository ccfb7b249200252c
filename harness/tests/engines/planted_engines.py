"""Adapters with one fault each, and the check that must notice it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from harness.engines.batches import padded, unpadded
from harness.engines.plain_hooks import HooksEngine
from harness.engines.protocol import Engine, Prompts, States, Steering

Planted = Callable[[type[Engine]], type[Engine]]


def altered(alter: Callable[[Any, Steering], Steering]) -> Planted:
    """A fault in what an adapter makes of a steering, in any adapter."""

    def plant(adapter: type[Any]) -> type[Engine]:
        class Faulty(adapter):
            def generate(self, prompts: Prompts, steering: Steering | None, *rest: int, cache: bool = True) -> Any:
                return super().generate(prompts, steering and alter(self, steering), *rest, cache=cache)

            def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> Any:
                return super().capture(prompts, block, steering and alter(self, steering))

        return Faulty

    return plant


def first_of(engine: Any, steering: Steering) -> Steering:
    """The first steering that an engine was given."""
    return engine.__dict__.setdefault("first", steering)


def in_range(engine: Any, block: int) -> int:
    return min(max(block, 0), len(engine._decoder.blocks) - 1)


# By what is wrong: the fault, and the check that notices it.
OF_ANY_ADAPTER: dict[str, tuple[Planted, str]] = {
    "blocks are counted from 1": (altered(lambda e, s: replace(s, block=in_range(e, s.block - 1))), "offset"),
    "the block after the one asked for": (altered(lambda e, s: replace(s, block=in_range(e, s.block + 1))), "offset"),
    "a block that is not there is the last": (altered(lambda e, s: replace(s, block=in_range(e, s.block))), "misfits"),
    "the coefficient is ignored": (altered(lambda _e, s: replace(s, coefficient=1.0)), "steered"),
    "coefficient 0 is taken for none": (altered(lambda _e, s: replace(s, coefficient=s.coefficient or 1.0)), "zero"),
    "the first coefficient stays": (
        altered(lambda e, s: replace(s, coefficient=first_of(e, s).coefficient)),
        "coefficient",
    ),
    "the sign is lost": (altered(lambda _e, s: replace(s, coefficient=abs(s.coefficient))), "coefficient"),
    "the first vector stays": (altered(lambda e, s: replace(s, vector=first_of(e, s).vector)), "vector"),
}


class HookStays(HooksEngine):
    """Removes its hook after a call, but not after an error."""

    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        context = super()._steered(steering, length, cache)
        context.__enter__()
        self.kept = [*getattr(self, "kept", []), context]  # or the collector would close it
        yield
        context.__exit__(None, None, None)


class HookStaysAlways(HookStays):
    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        self.kept = [*getattr(self, "kept", []), HooksEngine._steered(self, steering, length, cache)]
        self.kept[-1].__enter__()
        yield


class ErrorIsLost(HooksEngine):
    """An error in the middle of a generation ends the answers."""

    def generate(self, prompts: Prompts, *rest: Any, cache: bool = True) -> list[list[int]]:
        try:
            return super().generate(prompts, *rest, cache=cache)
        except Exception:
            return [[] for _ in prompts]


class PromptIsSteeredToo(HooksEngine):
    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        with super()._steered(steering and replace(steering, positions="all"), length, cache):
            yield


class CacheIsForgotten(HooksEngine):
    """Counts positions within a pass, though with a cache a pass does not start at the first."""

    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:  # noqa: ARG002
        with super()._steered(steering, length, False):
            yield


class CacheIsAssumed(HooksEngine):
    """Steers the prompt at the first pass and what is new at every other, though without a cache all is read again."""

    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        with super()._steered(steering and replace(steering, positions="response"), length, cache):
            yield


class PromptIsSteeredAlone(HooksEngine):
    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        with super()._steered(steering, length, cache):
            if steering is not None:
                block = self._decoder.blocks[steering.block]
                block.register_forward_hook(lambda *_call: block._forward_hooks.clear())
            yield


class PaddingIsRead(HooksEngine):
    """Leaves out the attention mask."""

    def generate(self, prompts: Prompts, *rest: Any, cache: bool = True) -> list[list[int]]:
        ids = padded(self._decoder, prompts)["input_ids"].tolist()
        return super().generate(ids, *rest, cache=cache)


class PaddingIsCaptured(HooksEngine):
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        ids = padded(self._decoder, prompts)["input_ids"].tolist()
        return super().capture(ids, block, steering)


class FirstRowForAll(HooksEngine):
    def generate(self, prompts: Prompts, *rest: Any, cache: bool = True) -> list[list[int]]:
        return [super(FirstRowForAll, self).generate(prompts[:1], *rest, cache=cache)[0] for _ in prompts]


class StopTokenStays(HooksEngine):
    def generate(self, prompts: Prompts, *rest: Any, cache: bool = True) -> list[list[int]]:
        found = super().generate(prompts, *rest, cache=cache)
        stop = min(self._decoder.stop_ids)
        return [[*answer, stop] if len(answer) < rest[1] else answer for answer in found]


class FinalNormIsCaptured(HooksEngine):
    """Reads `hidden_states`, the last of which is behind the final norm."""

    @torch.inference_mode()
    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        batch = padded(self._decoder, prompts)
        with self._steered(steering, batch["input_ids"].shape[1], cache=False):
            states = self._decoder.model(**batch, use_cache=False, output_hidden_states=True).hidden_states
        return unpadded(states[block + 1], prompts)


class InputIsCaptured(HooksEngine):
    """Shows what a block is given: the output of the one before it."""

    def capture(self, prompts: Prompts, block: int, steering: Steering | None = None) -> States:
        return super().capture(prompts, max(block - 1, 0), steering)


class UnsteeredIsCaptured(HooksEngine):
    def capture(self, prompts: Prompts, block: int, _steering: Steering | None = None) -> States:
        return super().capture(prompts, block, None)


class OnlyFloat32IsSteered(HooksEngine):
    @contextmanager
    def _steered(self, steering: Steering | None, length: int, cache: bool) -> Iterator[None]:
        with super()._steered(steering if self._decoder.model.dtype == torch.float32 else None, length, cache):
            yield


OF_HOOKS: dict[type[HooksEngine], str] = {
    HookStays: "error",
    HookStaysAlways: "off",
    ErrorIsLost: "error",
    PromptIsSteeredToo: "response",
    CacheIsForgotten: "response",
    CacheIsAssumed: "no cache",
    PromptIsSteeredAlone: "steered",
    PaddingIsRead: "padding",
    PaddingIsCaptured: "capture padded",
    FirstRowForAll: "batch",
    StopTokenStays: "stop",
    FinalNormIsCaptured: "capture",
    InputIsCaptured: "capture",
    UnsteeredIsCaptured: "capture steered",
    OnlyFloat32IsSteered: "bfloat16",
}
