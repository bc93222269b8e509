"""Independent jobs on all cores."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

__all__ = ["map_in_processes"]

T = TypeVar("T")
R = TypeVar("R")


def map_in_processes(
    work: Callable[[T], R], jobs: Sequence[T], processes: int | None, purpose: str, total: int | None = None
) -> list[R]:
    """The results of all jobs in their order, on one core each, with a progress bar that says `total purpose`.

    `total` counts jobs that were done before too.
    """
    total = len(jobs) if total is None else total
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"{total:,} {purpose}", total=total, completed=total - len(jobs))
        pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, get_context("spawn"), initializer=_use_one_core)
        try:
            futures = [pool.submit(work, job) for job in jobs]
            for future in as_completed(futures):
                future.result()
                progress.advance(bar)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # at once, after Ctrl-C too
    return [future.result() for future in futures]


def _use_one_core() -> None:
    """In a process of the pool: one thread, and Ctrl-C is left to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is imported later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
