"""Estimates how long a piece of work takes on an accelerator and how much memory it needs, before it is run.

A roofline (Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52, 2009): work of F operations that moves B bytes takes at least
max(F / peak, B / bandwidth) seconds. Real kernels reach a share of that, which is stated here as an efficiency; and
eager PyTorch launches its kernels one by one, which sets a floor under the time of a pass however few its rows.
Every figure is an estimate; `python -m harness.bench --shape` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.models.architecture import Architecture, bytes_of

PREFILL_EFFICIENCY = 0.5  # assumed share of the roofline that reading a prompt reaches
DECODE_EFFICIENCY = 0.5  # assumed share that a step of generation reaches
LAUNCH_SECONDS = 0.6e-3  # assumed per block and pass: some 40 to 90 kernels, at 7 to 15 microseconds of the host each
JUDGE_PROMPT_TOKENS = 250  # a rubric, a question and a response of 64 tokens
JUDGE_BATCH_ROWS = 32


@dataclass(frozen=True)
class Accelerator:
    """Published limits: memory bandwidth in bytes/s, peak operations/s of dense matrices, memory in bytes.

    `launch_seconds` is the time that the host takes to launch one block's kernels.
    """

    name: str
    bandwidth: float
    bfloat16_flops: float
    float32_flops: float
    memory: float
    launch_seconds: float = LAUNCH_SECONDS

    def peak(self, dtype: str) -> float:
        """Operations a second in a number format; float32 does not use the tensor cores, float64 is not known here."""
        if bytes_of(dtype) > 4:
            raise ValueError(f"{self.name}: no peak is known for {dtype}; use float32, bfloat16 or float16.")
        return self.float32_flops if dtype == "float32" else self.bfloat16_flops


# Peaks are for dense matrices (NVIDIA's sheets print twice as much, "with sparsity") summed in float32.
H100 = Accelerator("H100 SXM", 3.35e12, 989e12, 67e12, 80e9)  # NVIDIA H100 Tensor Core GPU data sheet, 2023
H200 = Accelerator("H200 SXM", 4.8e12, 989e12, 67e12, 141e9)  # NVIDIA H200 Tensor Core GPU data sheet, 2023
A100 = Accelerator("A100 SXM 80GB", 2.039e12, 312e12, 19.5e12, 80e9)  # NVIDIA A100 80GB data sheet, 2021
L4 = Accelerator("L4", 300e9, 121e12, 30.3e12, 24e9)  # NVIDIA L4 Tensor Core GPU data sheet, 2023
RTX4090 = Accelerator("RTX 4090", 1008e9, 165.2e12, 82.6e12, 24e9)  # NVIDIA Ada GPU architecture white paper, 2022
# A reference for no machine in particular: one channel of DDR4-3200 (8 bytes x 3.2e9/s, JEDEC JESD79-4), two cores at
# 2.5 GHz with two 256-bit fused multiply-adds a cycle (32 operations in float32); bfloat16 has no unit of its own.
CPU = Accelerator("cpu", 25.6e9, 160e9, 160e9, 16e9, launch_seconds=0.0)
ACCELERATORS = (H100, H200, A100, L4, RTX4090, CPU)
REFERENCE = H100
_WORDS_OF_NAME = {"H100": H100, "H200": H200, "A100": A100, "L4": L4, "4090": RTX4090}


def named(device_name: str) -> Accelerator | None:
    """The accelerator that a name such as "NVIDIA H100 80GB HBM3" is of; None if its limits are not known here."""
    words = device_name.upper().replace("-", " ").split()
    return next((one for word, one in _WORDS_OF_NAME.items() if word in words), None)


def accelerator_here() -> Accelerator:
    """The GPU of this machine where its limits are known here, else the H100 as the stated reference."""
    import torch

    if torch.cuda.is_available():
        return named(torch.cuda.get_device_name()) or REFERENCE
    return REFERENCE


@dataclass(frozen=True)
class Work:
    """Rows to generate in batches of at most `batch_rows`: so many prompt tokens and new tokens a row.

    `captured`: the last new token is fed back, too, as activations are captured at every one.
    """

    rows: int
    prompt_tokens: int
    new_tokens: int
    batch_rows: int
    captured: bool = False

    def __post_init__(self) -> None:
        if min(self.rows, self.new_tokens) < 0 or min(self.prompt_tokens, self.batch_rows) < 1:
            raise ValueError(f"{self} cannot be: a prompt has at least one token and a batch one row.")

    @property
    def batches(self) -> tuple[int, ...]:
        """Rows of each batch: full ones, then what is left."""
        full, left = divmod(self.rows, self.batch_rows)
        return (self.batch_rows,) * full + ((left,) if left else ())


@dataclass(frozen=True)
class Limits:
    """Seconds that the bytes take at full bandwidth and that the operations take at peak."""

    bandwidth: float
    arithmetic: float

    @property
    def seconds(self) -> float:
        """The roofline: the longer of the two."""
        return max(self.bandwidth, self.arithmetic)

    @property
    def bound(self) -> Literal["bandwidth", "arithmetic"]:
        """Which of the two it is."""
        return "bandwidth" if self.bandwidth >= self.arithmetic else "arithmetic"

    def __add__(self, other: Limits) -> Limits:
        return Limits(self.bandwidth + other.bandwidth, self.arithmetic + other.arithmetic)


def prefill(architecture: Architecture, dtype: str, accelerator: Accelerator, rows: int, tokens: int) -> Limits:
    """Reading a batch of prompts: weights read and keys and values written once; each token attends to those before it.

    Attention to a growing context is counted at its mean, (tokens + 1) / 2; logits are made of the last token only.
    """
    moved = architecture.read_bytes(dtype) + rows * architecture.cache_bytes(tokens, dtype)
    flops = rows * tokens * architecture.flops_per_token((tokens + 1) // 2, logits=False)
    flops += rows * 2 * architecture.vocabulary * architecture.width
    return Limits(moved / accelerator.bandwidth, flops / accelerator.peak(dtype))


def decode_step(architecture: Architecture, dtype: str, accelerator: Accelerator, rows: int, context: int) -> Limits:
    """One more token of every row: weights and the batch's keys and values are read once."""
    moved = architecture.read_bytes(dtype) + rows * architecture.cache_bytes(context, dtype)
    flops = rows * architecture.flops_per_token(context)
    return Limits(moved / accelerator.bandwidth, flops / accelerator.peak(dtype))


def passes(
    architecture: Architecture, dtype: str, accelerator: Accelerator, work: Work
) -> list[tuple[Limits, float, int]]:
    """Every kind of forward pass of the work: its limits, its efficiency, and how often it happens."""
    found: list[tuple[Limits, float, int]] = []
    for rows in sorted({*work.batches}):
        count = work.batches.count(rows)
        # The prompt's pass gives the first new token, each step one more.
        found.append((prefill(architecture, dtype, accelerator, rows, work.prompt_tokens), PREFILL_EFFICIENCY, count))
        for step in range(1, work.new_tokens + work.captured):
            step_limits = decode_step(architecture, dtype, accelerator, rows, work.prompt_tokens + step)
            found.append((step_limits, DECODE_EFFICIENCY, count))
    return found


def limits(architecture: Architecture, dtype: str, accelerator: Accelerator, work: Work) -> Limits:
    """Seconds of the whole work at full bandwidth and at peak, summed over its passes; nothing is assumed of either."""
    total = Limits(0.0, 0.0)
    for one, _, count in passes(architecture, dtype, accelerator, work):
        total += Limits(count * one.bandwidth, count * one.arithmetic)
    return total


def estimated_seconds(architecture: Architecture, dtype: str, accelerator: Accelerator, work: Work) -> float:
    """Seconds of the work: of every pass its roofline over the efficiency, and no less than its kernels' launches."""
    launches = architecture.blocks * accelerator.launch_seconds
    return sum(
        count * max(one.seconds / efficiency, launches)
        for one, efficiency, count in passes(architecture, dtype, accelerator, work)
    )


def peak_bytes(architecture: Architecture, dtype: str, work: Work) -> int:
    """Most bytes held at once: weights of one model (base or instruct), and what its largest batch needs.

    Whichever is larger of the end of generation (keys and values of the whole rows, and logits) and of reading (keys
    and values of the prompt, activations of one block, logits): activations are three of the MLP's width, two of the
    residual stream's and one of it in float32; eager attention (Gemma 2) adds its scores in float32 and once more in
    the weights' format, and logits are counted twice (the library's copies). What is captured is summed in float64.
    """
    rows, size = min(work.rows, work.batch_rows), bytes_of(dtype)
    whole = work.prompt_tokens + work.new_tokens
    logits = 2 * rows * architecture.vocabulary * size

    def reading(tokens: int) -> int:
        activations = rows * tokens * (size * (3 * architecture.intermediate + 2 * architecture.width))
        activations += rows * tokens * 4 * architecture.width
        if architecture.family == "gemma2":
            activations += rows * architecture.heads * tokens**2 * (4 + size)
        return activations

    generated = rows * architecture.cache_bytes(whole, dtype) + logits + reading(1)
    prompt = rows * architecture.cache_bytes(work.prompt_tokens, dtype) + logits + reading(work.prompt_tokens)
    sums = rows * architecture.blocks * architecture.width * 8 if work.captured else 0
    return architecture.weight_bytes(dtype) + max(generated + sums, prompt)


def rows_that_fit(architecture: Architecture, dtype: str, accelerator: Accelerator, work: Work) -> int:
    """Rows of the largest batch, up to the work's own, estimated to fit into nine tenths of the memory; 0 if none."""

    def fits(rows: int) -> bool:
        tried = Work(rows, work.prompt_tokens, work.new_tokens, rows, work.captured)
        return peak_bytes(architecture, dtype, tried) <= 0.9 * accelerator.memory

    low, high = 0, min(max(work.rows, 1), work.batch_rows)
    while low < high:  # the need grows with the rows, so halving finds the last that fit
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def judge_calls(responses: int, relevance: bool = False) -> int:
    """Calls that judge so many distinct responses: trait and coherence of each, and relevance where it is asked."""
    return responses * (3 if relevance else 2)


@dataclass(frozen=True)
class Judging:
    """Calls of a judge, and the seconds they are estimated to take; None for an API, whose speed is not ours."""

    calls: int
    seconds: float | None


def judging(
    kind: Literal["local", "api"],
    responses: int,
    architecture: Architecture | None = None,
    dtype: str = "bfloat16",
    accelerator: Accelerator = REFERENCE,
    *,
    relevance: bool = False,
) -> Judging:
    """What it costs to judge so many distinct responses: a local judge reads each call's prompt once, an API is asked.

    Raises ValueError for a local judge without its architecture.
    """
    calls = judge_calls(responses, relevance)
    if kind == "api":
        return Judging(calls, None)
    if architecture is None:
        raise ValueError("the time of a local judge cannot be estimated without its architecture; pass it.")
    work = Work(calls, JUDGE_PROMPT_TOKENS, 1, JUDGE_BATCH_ROWS)
    return Judging(calls, estimated_seconds(architecture, dtype, accelerator, work))
