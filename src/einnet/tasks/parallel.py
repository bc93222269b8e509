"""Independent jobs on all cores."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from einnet.errors import EinNetError
from einnet.signals import ENDINGS, block_interrupts, follow_parent, handle_signals

__all__ = ["map_in_processes", "peak_memory"]

T = TypeVar("T")
R = TypeVar("R")
MAX_PROCESSES = 61 if sys.platform == "win32" else sys.maxsize  # that the system lets a pool wait for


def map_in_processes(
    work: Callable[[T], R],
    jobs: Sequence[T],
    processes: int | None,
    purpose: str,
    total: int | None = None,
    save: Callable[[T, R], None] = lambda job, result: None,
) -> list[R]:
    """The results of all jobs in their order, on one core each, with a progress bar that says `total purpose`.

    `save` is called in this process for each job as soon as it is done; `total` counts jobs that were done before too.
    No process is left behind, whether this one returns, is interrupted or is killed. Raises `EinNetError` if the
    system has ended a process, as it does where memory runs out.
    """
    total = len(jobs) if total is None else total
    processes = min(processes or os.cpu_count() or 1, max(len(jobs), 1), MAX_PROCESSES)
    with Progress(console=Console(stderr=True), transient=True) as progress, _open_pool(processes) as pool:
        bar = progress.add_task(f"{total:,} {purpose}", total=total, completed=total - len(jobs))
        with block_interrupts():
            futures = {pool.submit(work, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                save(futures[future], future.result())
                progress.advance(bar)
        except BrokenProcessPool:
            raise EinNetError(
                f"one of {processes} processes for the {purpose} was ended from outside, as the system does when "
                "memory runs out: free memory, or give a benchmark fewer --processes, and repeat the command"
            ) from None
    return [future.result() for future in futures]


@contextmanager
def _open_pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with the block, or with this process, also during a job."""
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(processes, context, initializer=_prepare_process, initargs=(reader,))
    try:
        with handle_signals(_interrupt, "SIGINT", *ENDINGS):
            try:
                yield pool
            finally:
                writer.close()  # before another signal is answered: tells the processes, as the system does for a kill
    finally:
        pool.shutdown(cancel_futures=True)
        reader.close()


def _interrupt(number: int, _: Any) -> None:
    """Once: the processes are ended before the next signal counts."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _prepare_process(reader: Connection) -> None:
    """In a process of the pool: it ends with the pool, and computes in one thread."""
    follow_parent(reader)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is imported later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def peak_memory() -> int | None:
    """The most memory that this process has had, in MiB; None on Windows."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ModuleNotFoundError:
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)
