"""Times of contestants that take turns in one process, and the memory that one needs in a process of its own."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

__all__ = ["alternated", "grown", "growth", "ratio", "resident", "table"]


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


def resident(name: str) -> int:
    """A number of KiB from what Linux says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def growth(step: Callable[[], object]) -> float:
    """By how many MiB this process grows at most while it runs the step."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before = resident("VmRSS")
    step()
    return (resident("VmHWM") - before) / 1024


def grown(script: str, *arguments: object) -> float:
    """The number that a script prints when it is run with these arguments in a process of its own."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table in Markdown."""
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
