"""Extraction and a fused sweep on a decoder of true size with random weights, beside what the machine could do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.bench.limits import measured_limits, peak_memory, public_limits, timed
from harness.bench.made_up import SHAPES, build, made_up_prompts
from harness.decoding.capture import window_means
from harness.decoding.generation import Generated, greedy, left_pad, position_ids
from harness.decoding.steering import Row, steer
from harness.lab import costs
from harness.lab.costs import Accelerator, Work
from harness.models.architecture import Architecture
from harness.models.decoder import Decoder
from harness.models.hooks import recorded_blocks
from harness.models.memory import in_batches

MOST_ROWS = 512  # of a batch whose size is not given


@dataclass(frozen=True)
class Amounts:
    """How much is measured: scenarios read at a window; `groups` of a direction and a coefficient, `questions` each.

    `prompt_tokens` is the mean length of a scenario and of a question in its template.
    """

    scenarios: int
    window: int
    groups: int
    questions: int
    new_tokens: int
    prompt_tokens: int = 40

    @property
    def rows(self) -> int:
        """Responses of the sweep."""
        return self.groups * self.questions

    def share(self, share: float) -> Amounts:
        """That share of the scenarios and rows, rounded up, of two groups at least where there are two.

        Raises ValueError for a share outside 0 (excluded) to 1.
        """
        if not 0.0 < share <= 1.0:
            raise ValueError(f"a share of {share} cannot be measured; it lies between 0 (excluded) and 1.")
        groups = min(self.groups, max(2, _part(share, self.groups)))
        questions = math.ceil(_part(share, self.rows) / groups)
        return replace(self, scenarios=_part(share, self.scenarios), groups=groups, questions=questions)


def _part(share: float, whole: int) -> int:
    return math.ceil(round(share * whole, 9))


def sweep_rows(decoder: Decoder, amounts: Amounts, coefficients: int, vocabulary: int) -> list[list[Row]]:
    """One list of rows for each direction and coefficient, blocks from 30 % to 60 % of depth in turn."""
    generator = np.random.default_rng(1)
    prompts = made_up_prompts(amounts.questions, vocabulary, seed=2, mean=amounts.prompt_tokens)
    low, high = math.ceil(0.3 * decoder.depth), math.floor(0.6 * decoder.depth)
    directions: list[np.ndarray[Any, Any]] = []
    groups = []
    for group in range(amounts.groups):
        number, place = divmod(group, coefficients)
        if number == len(directions):
            vector = generator.normal(size=decoder.width)
            directions.append((vector / np.linalg.norm(vector)).astype(np.float32))
        block = low + number % (high - low + 1)
        groups.append([Row(prompt, directions[number], 5.0 * (place + 1), block) for prompt in prompts])
    return groups


@dataclass(frozen=True)
class Bench:
    """A decoder on a device, the rows of its batches, and the limits its speed is set against."""

    decoder: Decoder
    architecture: Architecture
    dtype: str
    device: str
    batch_rows: int
    limits: tuple[Accelerator, ...]

    def reached(self, work: Work, seconds: float) -> dict[str, Any]:
        """Shares of the bandwidth and of the arithmetic that a stage reached, by each of the limits."""
        least = {one.name: costs.limits(self.architecture, self.dtype, one, work) for one in self.limits}
        return {
            name: {"bandwidth": one.bandwidth / seconds, "arithmetic": one.arithmetic / seconds}
            for name, one in least.items()
        }


def read_once(decoder: Decoder, prompts: Sequence[Sequence[int]], window: int) -> np.ndarray[Any, Any]:
    """Mean block outputs [rows, blocks, hidden] over a window, as the lab takes them: while it is generated."""
    labels = [f"scenario {row + 1} of its batch" for row in range(len(prompts))]
    return window_means(decoder, prompts, [window], labels)[0][window]


@torch.inference_mode()
def read_twice(decoder: Decoder, prompts: Sequence[Sequence[int]], window: int) -> np.ndarray[Any, Any]:
    """The same from prompts and responses read again after they were generated, for comparison."""
    responses = greedy(decoder, prompts, window, stop_ids=frozenset())
    whole = [[*prompt, *response.ids] for prompt, response in zip(prompts, responses, strict=True)]
    ids, real = left_pad(whole, decoder.pad_id, decoder.device)
    means = np.zeros((len(prompts), decoder.depth, decoder.width), np.float32)

    def record(block: int, stream: torch.Tensor) -> None:
        means[:, block] = stream[:, -window:].double().mean(dim=1).float().cpu().numpy()

    with recorded_blocks(decoder.blocks, record):
        decoder.model(
            input_ids=ids,
            attention_mask=real.long(),
            position_ids=position_ids(real),
            use_cache=False,
            logits_to_keep=1,
        )
    return means


def extraction(bench: Bench, amounts: Amounts, pairs: int) -> dict[str, Any]:
    """Read the scenarios' continuations once, as the lab does, and twice, in turn; activations must be finite."""
    prompts = made_up_prompts(amounts.scenarios, bench.architecture.vocabulary, seed=3, mean=amounts.prompt_tokens)
    halved: list[int] = []
    lengths = [len(prompt) for prompt in prompts]

    def run(read: Callable[..., np.ndarray[Any, Any]]) -> tuple[float, np.ndarray[Any, Any]]:
        means = np.zeros((len(prompts), bench.decoder.depth, bench.decoder.width), np.float32)

        def one(batch: list[int]) -> None:
            means[batch] = read(bench.decoder, [prompts[row] for row in batch], amounts.window)

        return timed(lambda: in_batches(lengths, bench.batch_rows, one, halved.append))[0], means

    once, twice, largest = [], [], 0.0
    for _ in range(pairs):
        seconds, found = run(read_once)
        once.append(seconds)
        seconds, again = run(read_twice)
        twice.append(seconds)
        largest = float((np.linalg.norm(found - again, axis=-1) / np.linalg.norm(again, axis=-1)).max())
    work = Work(len(prompts), round(np.mean(lengths)), amounts.window, bench.batch_rows, captured=True)
    median = float(np.median(once))
    return {
        **asdict(work),
        "halved_to": halved,
        "seconds": once,
        "read_twice_seconds": twice,
        "ratios": [one / other for one, other in zip(twice, once, strict=True)],
        "largest_difference": largest,
        "tokens_per_second": len(prompts) * amounts.window / median,
        "reached": bench.reached(work, median),
    }


def sweep(bench: Bench, amounts: Amounts, coefficients: int, pairs: int) -> dict[str, Any]:
    """The sweep fused and one coefficient at a time, in turn. Raises RuntimeError when a row is cut short."""
    groups = sweep_rows(bench.decoder, amounts, coefficients, bench.architecture.vocabulary)
    everything = [row for group in groups for row in group]
    halved: list[int] = []

    def run(rows: list[Row]) -> list[Generated]:
        steered = steer(bench.decoder, rows, amounts.new_tokens, batch_rows=bench.batch_rows, on_halved=halved.append)
        return steered.responses

    fused, apart, differing = [], [], 0
    for _ in range(pairs):
        seconds, together = timed(lambda: run(everything))
        fused.append(seconds)
        seconds, alone = timed(lambda: [one for group in groups for one in run(group)])
        apart.append(seconds)
        if {len(row.ids) for row in [*together, *alone]} != {amounts.new_tokens}:
            raise RuntimeError(f"{bench.decoder.name}: a row ended before {amounts.new_tokens} tokens; measure again.")
        differing = sum(one.ids != other.ids for one, other in zip(together, alone, strict=True))
    prompt = round(np.mean([len(row.prompt) for row in everything]))
    work = Work(len(everything), prompt, amounts.new_tokens, bench.batch_rows)
    tokens = work.rows * work.new_tokens
    return {
        **asdict(work),
        "groups": len(groups),
        "halved_to": halved,
        "fused_seconds": fused,
        "apart_seconds": apart,
        "fused_tokens_per_second": tokens / float(np.median(fused)),
        "apart_tokens_per_second": tokens / float(np.median(apart)),
        "ratios": [one / other for one, other in zip(apart, fused, strict=True)],
        "differing_rows": differing,
        "reached": bench.reached(work, float(np.median(fused))),
    }


def estimates(bench: Bench, amounts: Amounts) -> dict[str, Any]:
    """What `harness.lab.costs` estimates for these amounts, on this machine as measured and on the reference."""
    reading = Work(amounts.scenarios, amounts.prompt_tokens, amounts.window, bench.batch_rows, captured=True)
    steering = Work(amounts.rows, amounts.prompt_tokens, amounts.new_tokens, bench.batch_rows)
    found: dict[str, Any] = {"amounts": asdict(amounts), "batch_rows": bench.batch_rows, "on": {}}
    for one in (bench.limits[-1], costs.REFERENCE):
        found["on"][one.name] = {
            "estimated_extraction_seconds": costs.estimated_seconds(bench.architecture, bench.dtype, one, reading),
            "estimated_sweep_seconds": costs.estimated_seconds(bench.architecture, bench.dtype, one, steering),
        }
    return found


def measure(
    shape: str,
    whole: Amounts,
    *,
    coefficients: int,
    share: float = 1.0,
    dtype: str = "bfloat16",
    device: str = "cpu",
    batch_rows: int | None = None,
    pairs: int = 3,
    tell: Callable[[str], None] = lambda _stage: None,
) -> dict[str, Any]:
    """Everything about one shape; `whole` are the amounts of which a share is run, `coefficients` those a direction.

    `tell` hears of every stage as it begins.
    """
    architecture, amounts = SHAPES[shape], whole.share(share)
    tell("limits of this machine")
    limits = (public_limits(device), measured_limits(dtype, device))
    largest = Work(
        max(amounts.rows, amounts.scenarios), 2 * amounts.prompt_tokens, amounts.new_tokens, MOST_ROWS, captured=True
    )
    rows = batch_rows or max(1, costs.rows_that_fit(architecture, dtype, limits[-1], largest))
    tell(f"{shape}: {architecture.parameters:,} random weights")
    seconds, decoder = timed(lambda: build(shape, architecture, dtype, device))
    greedy(decoder, [(1, 2)], 2)  # the first call of everything is slower
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    bench = Bench(decoder, architecture, dtype, device, rows, limits)
    stages: dict[str, Any] = {}
    tell(f"extraction of {amounts.scenarios} scenarios, read once and twice")
    stages["extraction"] = extraction(bench, amounts, pairs)
    tell(f"sweep of {amounts.rows} rows, fused and one coefficient at a time")
    stages["sweep"] = sweep(bench, amounts, coefficients, pairs)
    found: dict[str, Any] = {
        "shape": shape,
        "architecture": asdict(architecture) | {"parameters": architecture.parameters},
        "dtype": dtype,
        "device": device,
        "limits": {one.name: asdict(one) for one in limits},
        "share": share,
        "measured_amounts": asdict(amounts),
        "build_seconds": seconds,
        "weight_bytes": architecture.weight_bytes(dtype),
        **stages,
    }
    work = Work(amounts.rows, stages["sweep"]["prompt_tokens"], amounts.new_tokens, rows)
    found["peak_memory_bytes"] = peak_memory(device)
    found["peak_memory_of"] = "allocated on the GPU" if device == "cuda" else "resident, of the whole process"
    found["estimated_peak_memory_bytes"] = costs.peak_bytes(architecture, dtype, work)
    found["estimated_whole"] = estimates(bench, whole)
    return found
