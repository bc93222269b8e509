"""Times of contestants that take turns in one process, and the memory that a step takes."""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from statistics import median

from torch.profiler import ProfilerActivity, profile

__all__ = ["allocated", "alternated", "ratio", "table"]


def alternated(
    steps: Sequence[Callable[[], object]], seconds: float, least: int = 3, most: int = 50
) -> list[list[float]]:
    """The seconds of each contestant, who take turns; so many rounds as fit, after one to warm up."""
    for step in steps:
        step()
    found: list[list[float]] = [[] for _ in steps]
    started = time.perf_counter()
    while len(found[0]) < least or (time.perf_counter() - started < seconds and len(found[0]) < most):
        for step, times in zip(steps, found, strict=True):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    return found


def ratio(others: Sequence[float], ours: Sequence[float]) -> float:
    """The median of the ratios of paired runs: how many times as long the other one takes."""
    return median(a / b for a, b in zip(others, ours, strict=True))


def allocated(step: Callable[[], object]) -> float:
    """The MiB that the tensors of a step take at most, beside those that were there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
    assert found.profiler is not None and found.profiler.kineto_results is not None
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()))) / 2**20


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
