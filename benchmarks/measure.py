"""Times of candidates that take turns in one process, and the memory that a call takes; on a GPU if it is in use."""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

__all__ = ["compute_ratio", "measure_allocated_mib", "measure_growth_mib", "measure_seconds", "time_in_turns"]


def time_in_turns(
    calls: Sequence[Callable[[], object]], seconds: float = 0, min_rounds: int = 3, max_rounds: int = 50
) -> list[list[float]]:
    """The seconds of each candidate, in rounds of one call of each, after one round to warm up.

    Rounds are added until `seconds` have passed.
    """
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    start = time.perf_counter()
    while len(times[0]) < min_rounds or (time.perf_counter() - start < seconds and len(times[0]) < max_rounds):
        for call, of_call in zip(calls, times, strict=True):
            of_call.append(measure_seconds(call)[0])
    return times


def measure_seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The median time of a call, and its result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return median(times), result


def compute_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """The median of the ratios of paired times: how many times as long the first candidate takes."""
    return median(a / b for a, b in zip(numerators, denominators, strict=True))


def measure_allocated_mib(call: Callable[[], object]) -> float:
    """The largest memory of the tensors that a call allocates, without those from before."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        call()
    assert profiled.profiler is not None and profiled.profiler.kineto_results is not None
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()))) / 2**20


def measure_growth_mib(call: Callable[[], object]) -> float:
    """The growth of this process's resident set from before a call to its peak, on Linux."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _read_status("VmRSS")
    call()
    return (_read_status("VmHWM") - before) / 1024


def _read_status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
