"""Independent jobs on all cores, each leaving a file, so that a benchmark that was ended can be continued."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import Progress

from einnet.errors import CheckpointError, DataError
from einnet.files import write_whole
from einnet.tasks.console import read_json

__all__ = ["check_conditions", "map_in_processes", "read_result"]

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


def check_conditions(folder: Path, conditions: dict[str, Any]) -> None:
    """Saves the conditions in a new folder; raises `CheckpointError` if the folder was begun with different ones."""
    file = folder / "conditions.json"
    if not file.exists():
        with write_whole(file) as temporary:
            temporary.write_text(json.dumps(conditions))
    saved = read_result(file) or {}
    if different := [k for k in {**conditions, **saved} if saved.get(k) != conditions.get(k)]:
        before, now = (", ".join(f"{k} {d.get(k)}" for k in different) for d in (saved, conditions))
        raise CheckpointError(f"{folder} was begun with {before}, not with {now}: give another folder")


def read_result(file: Path) -> dict[str, Any] | None:
    """The JSON object that a job left in its file; None if there is no file."""
    if not file.is_file():
        return None
    if not isinstance(content := read_json(file), dict):
        raise DataError(f"{file} must hold a JSON object: delete it, and its job is done again")
    return content


def _use_one_core() -> None:
    """In a process of the pool: one thread, and Ctrl-C is left to the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is imported later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
