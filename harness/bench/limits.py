"""What this machine could do at best: measured by simple calls, or as published; and what a process took of it."""

from __future__ import annotations

import functools
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import torch

from harness.lab import costs
from harness.lab.costs import Accelerator


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of a call whose result lies on the host (so the device is done), and that result."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def measured_limits(dtype: str, device: str) -> Accelerator:
    """What simple calls reach here at best: copying 128 MiB, and a linear layer on matrices of a few sizes.

    A reference, no bound: a stage whose weights stay in a cache can be faster.
    """
    kind, sizes = getattr(torch, dtype), (4096, 8192) if device == "cuda" else (256, 1024)
    source, target = (torch.ones(2**27, dtype=torch.uint8, device=device) for _ in range(2))

    def fastest(run: Callable[[], Any]) -> float:
        def finished() -> None:
            run()
            if device == "cuda":
                torch.cuda.synchronize()

        finished()
        return min(timed(finished)[0] for _ in range(3))

    flops = 0.0
    for size in sizes:
        rows, weight = (torch.ones(size, size, dtype=kind, device=device) for _ in range(2))
        seconds = fastest(functools.partial(torch.nn.functional.linear, rows, weight))
        flops = max(flops, 2 * size**3 / seconds)
    bandwidth = 2 * 2**27 / fastest(functools.partial(target.copy_, source))
    launches = costs.LAUNCH_SECONDS if device == "cuda" else 0.0
    return Accelerator("this machine as measured", bandwidth, flops, flops, memory_of(device), launches)


def memory_of(device: str) -> float:
    """Bytes of memory of the device, or of the machine for a CPU."""
    if device == "cuda":
        return float(torch.cuda.get_device_properties(0).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def public_limits(device: str) -> Accelerator:
    """Published limits of the GPU here (of the H100, by name, where it is not known), or of a nominal CPU."""
    return costs.accelerator_here() if device == "cuda" else costs.CPU


def peak_memory(device: str) -> int:
    """Most bytes held: allocated on the GPU since the last reset, or resident for this process since it began."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
