"""The checks of an engine against this project's own; each raises Disagreement, a sentence on what came instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.engines.bench import FEW, TOKENS, Bench, BlindCheck, Trial
from harness.engines.protocol import Engine, NotSupported, Prompts, Steering
from harness.models.hooks import recorded_blocks
from harness.streams import first_line

AGREES, FAILS, NOT_SUPPORTED = "agrees", "fails", "not supported"
# Rounding of a value as a share of it, and of the median value where that is larger: in float32 after many sums in
# another order, in bfloat16 after a few operations on the same numbers.
ROUNDED = {torch.float32: 1e-4, torch.bfloat16: 2**-6}


class Disagreement(Exception):
    """An engine does something else than this project's own: what, in one sentence."""


class Interrupted(Exception):
    """The error that a check raises in the middle of a generation."""


def says(
    trial: Trial, steering: Steering | None, prompts: Prompts = (), *, together: bool = False, cache: bool = True
) -> None:
    """Require an engine's answers to prompts (all, one after the other), or to one batch of them."""
    prompts = prompts or trial.bench.prompts
    batches = [prompts] if together else [[prompt] for prompt in prompts]
    answers = [one for batch in batches for one in trial.engine.generate(batch, steering, TOKENS, cache=cache)]
    if len(answers) != len(prompts):
        raise Disagreement(f"{len(answers)} answers came to {len(prompts)} prompts.")
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if objection := trial.bench.reference.objection(prompt, answer, steering, TOKENS):
            raise Disagreement(f"with {in_words(steering)}, prompt {number}: {objection}.")


def shows(
    trial: Trial, block: int, steering: Steering | None, prompts: Prompts = (), *, together: bool = False
) -> None:
    """Require what an engine captures of a block, of prompts (all, one after the other) or of one batch of them."""
    prompts = prompts or trial.bench.prompts
    batches = [prompts] if together else [[prompt] for prompt in prompts]
    captured = [one for batch in batches for one in trial.engine.capture(batch, block, steering)]
    if len(captured) != len(prompts):
        raise Disagreement(f"states of {len(captured)} prompts came for {len(prompts)}.")
    for number, (prompt, came) in enumerate(zip(prompts, captured, strict=True)):
        expected, without = (trial.bench.reference.states(prompt, one)[block] for one in (steering, None))
        dtype = trial.decoder.model.dtype
        if steering is not None and steering.block == block and not other_states(without, expected, dtype):
            raise BlindCheck(f"{trial.decoder.name}: {in_words(steering)} is lost in the rounding of {dtype}.")
        if objection := other_states(came, expected, dtype):
            raise Disagreement(f"with {in_words(steering)}, prompt {number}, output of block {block}: {objection}.")


def other_states(came: np.ndarray, expected: np.ndarray, dtype: torch.dtype) -> str:
    """Where block outputs [positions, hidden] are not those expected; empty where they are, up to rounding."""
    if came.shape != expected.shape:
        return f"shape {came.shape} came and {expected.shape} was expected"
    allowed = ROUNDED[dtype] * np.maximum(np.abs(expected), np.median(np.abs(expected)))
    excess = np.abs(came - expected) / allowed
    if excess.max() <= 1:
        return ""
    position, dim = np.unravel_index(excess.argmax(), excess.shape)
    values = f"{came[position, dim]:.6g} came and {expected[position, dim]:.6g} was expected"
    return f"at position {position}, dim {dim}, {values}"


def in_words(steering: Steering | None) -> str:
    """A steering, in words."""
    if steering is None:
        return "no vector"
    where = " at the response" if steering.positions == "response" else ""
    return f"coefficient {steering.coefficient:g} at block {steering.block}{where}"


def unsteered(trial: Trial) -> None:
    """Without a vector it says what the model says."""
    says(trial, None)


def steered(trial: Trial) -> None:
    """A vector at the middle block, at prompt and response."""
    says(trial, trial.bench.steering)


def offset(trial: Trial) -> None:
    """Blocks are counted from 0, and their output is steered: the first, the middle and the last."""
    for steering in trial.bench.of_blocks:
        says(trial, steering)


def zero(trial: Trial) -> None:
    """Coefficient 0 changes nothing, however long the vector."""
    own = trial.bench.steering
    nothing = replace(own, vector=own.vector * np.float32(own.coefficient), coefficient=0.0)
    for prompt in trial.bench.prompts:
        came = trial.engine.generate([prompt], nothing, TOKENS)
        if objection := trial.bench.reference.objection(prompt, came[0], None, TOKENS):
            raise Disagreement(f"with coefficient 0: {objection}.")


def coefficient(trial: Trial) -> None:
    """The coefficient of every call takes effect, twice as large or negative, and that of an earlier call does not."""
    own = trial.bench.of_coefficient
    for factor in (1, 2, -1, 1):
        says(trial, replace(own, coefficient=factor * own.coefficient), trial.bench.prompts[:FEW])


def vector(trial: Trial) -> None:
    """So does the vector of every call."""
    for direction in trial.bench.vectors[[0, 1, 0]]:
        says(trial, replace(trial.bench.of_vector, vector=direction), trial.bench.prompts[:FEW])


def off(trial: Trial) -> None:
    """After a call nothing of it is left."""
    trial.engine.generate(trial.bench.prompts[:1], trial.bench.steering, TOKENS)
    untouched(trial)


def batch(trial: Trial) -> None:
    """Prompts of one length in a batch get the answers that each gets alone."""
    says(trial, trial.bench.steering, trial.bench.equal, together=True)


def padding(trial: Trial) -> None:
    """So do prompts of different lengths, which are padded."""
    says(trial, trial.bench.steering, together=True)


def stop(trial: Trial) -> None:
    """An answer ends before its stop token, and the others of the batch go on."""
    says(Trial.of(type(trial.engine), trial.bench.stopping), trial.bench.steering, together=True)


def no_cache(trial: Trial) -> None:
    """Without the KV cache answers are the same."""
    says(trial, trial.bench.steering, trial.bench.prompts[:FEW], cache=False)


def response(trial: Trial) -> None:
    """The response alone is steered, with the KV cache that `generate` uses by default."""
    says(trial, trial.bench.of_response)


def response_padded(trial: Trial) -> None:
    """So it is in a padded batch."""
    says(trial, trial.bench.of_response, together=True)


def response_no_cache(trial: Trial) -> None:
    """The response alone is steered, without the KV cache."""
    says(trial, trial.bench.of_response, trial.bench.prompts[:FEW], cache=False)


def error(trial: Trial) -> None:
    """After an error in the middle of a generation, which reaches the caller, nothing is left."""
    calls = 0

    def interrupt(_module: nn.Module, _inputs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Interrupted("made by a check")

    handle = trial.decoder.blocks[-1].register_forward_pre_hook(interrupt)
    try:
        must_raise(trial, trial.bench.steering, "an error in the middle of a generation")
    finally:
        handle.remove()
    untouched(trial)


def misfits(trial: Trial) -> None:
    """A vector that is too long and a block that is not there are errors, and nothing is left."""
    own = trial.bench.steering
    must_raise(trial, replace(own, vector=np.append(own.vector, np.float32(1))), "a vector that is too long")
    untouched(trial)
    must_raise(trial, replace(own, block=len(trial.decoder.blocks)), "a block that is not there")
    untouched(trial)


def capture(trial: Trial) -> None:
    """What it captures is what blocks pass on, of the first to the last, before the final norm."""
    for block in range(len(trial.decoder.blocks)):
        shows(trial, block, None, trial.bench.prompts[:1])


def capture_padded(trial: Trial) -> None:
    """So it is in a padded batch, where the padding is left out."""
    shows(trial, trial.bench.block, None, together=True)


def capture_steered(trial: Trial) -> None:
    """Where it steers, coefficient x vector is added once to the block's output, and to nothing before it."""
    own = trial.bench.steering
    shows(trial, own.block, own)
    shows(trial, own.block - 1, own)


def bfloat16(trial: Trial) -> None:
    """A model in bfloat16 is steered by a float32 vector."""
    says(in_bfloat16(trial), trial.bench.bfloat16.steering)


def capture_bfloat16(trial: Trial) -> None:
    """There, too, coefficient x vector is added once to the block's output."""
    own = trial.bench.bfloat16.steering
    shows(in_bfloat16(trial), own.block, own)


def in_bfloat16(trial: Trial) -> Trial:
    """The same engine on the model in bfloat16."""
    return Trial.of(type(trial.engine), trial.bench.bfloat16)


def must_raise(trial: Trial, steering: Steering, what: str) -> None:
    """Require that an engine says of something that it cannot be done."""
    try:
        trial.engine.generate(trial.bench.prompts[:1], steering, TOKENS)
    except NotSupported:
        raise
    except Exception:  # every library has its own
        return
    raise Disagreement(f"{what} raised nothing.")


def untouched(trial: Trial) -> None:
    """Require that the model passes on, bit for bit, what it did before, and that the engine says what it said."""
    (prompt,) = trial.bench.prompts[:1]
    states: list[np.ndarray] = []
    ids = torch.tensor([prompt], device=trial.decoder.device)
    with (
        torch.inference_mode(),
        recorded_blocks(trial.decoder.blocks, lambda _, stream: states.append(stream[0].float().cpu().numpy())),
    ):
        trial.decoder.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    for block, (came, expected) in enumerate(zip(states, trial.bench.reference.states(prompt, None), strict=True)):
        if not np.array_equal(came, expected):
            raise Disagreement(f"afterwards the model passes on something else, from block {block} on.")
    says(trial, None, [prompt])


CHECKS: Mapping[str, Callable[[Trial], None]] = {
    check.__name__.replace("_", " "): check
    for check in (
        unsteered, steered, offset, zero, coefficient, vector, off, batch, padding, stop, no_cache, response,
        response_padded, response_no_cache, error, misfits, capture, capture_padded, capture_steered, bfloat16,
        capture_bfloat16,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of a check: `word` is AGREES, FAILS or NOT_SUPPORTED; `sentence` says why it does not agree."""

    word: str
    sentence: str = ""


def outcome_of(check: str, adapter: type[Engine], bench: Bench) -> Outcome:
    """Run a check of CHECKS on a fresh copy of the bench's model. Raises BlindCheck where it could not have failed."""
    try:
        CHECKS[check](Trial.of(adapter, bench))
    except BlindCheck:
        raise
    except NotSupported as reason:
        return Outcome(NOT_SUPPORTED, str(reason))
    except Disagreement as found:
        return Outcome(FAILS, str(found))
    except Exception as found:  # of any library
        return Outcome(FAILS, f"{type(found).__name__}: {first_line(found)}")
    return Outcome(AGREES)
