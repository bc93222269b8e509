"""Many independent jobs on all cores, each leaving a file, so that a benchmark that was ended can be gone on with."""

import json
import os
import signal
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

__all__ = ["check_conditions", "in_processes", "kept"]

T = TypeVar("T")


def in_processes(work: Callable[[T], Any], todo: Sequence[T], processes: int | None, what: str, total: int) -> None:
    """Does the work for each, on one core each, with a progress bar of so many `what` in all."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(f"{total:,} {what}", total=total, completed=total - len(todo))
        pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, get_context("spawn"), initializer=_one_thread)
        try:
            for done in as_completed([pool.submit(work, item) for item in todo]):
                done.result()
                progress.advance(bar)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_conditions(folder: Path, conditions: dict[str, Any]) -> None:
    """Raises `CheckpointError` where the folder was begun under others; makes it where there is none."""
    file = folder / "conditions.json"
    if not file.exists():
        with write_whole(file) as temporary:
            temporary.write_text(json.dumps(conditions))
    found = kept(file) or {}
    if other := [k for k in {**conditions, **found} if found.get(k) != conditions.get(k)]:
        began, now = (", ".join(f"{k} {d.get(k)}" for k in other) for d in (found, conditions))
        raise CheckpointError(f"{folder} was begun with {began}, not with {now}: give another folder")


def kept(file: Path) -> dict[str, Any] | None:
    """What a job left in its file; None where there is none."""
    if not file.is_file():
        return None
    if not isinstance(found := read_json(file), dict):
        raise DataError(f"{file} must hold a JSON object: delete it, and what it is about is done again")
    return found


def _one_thread() -> None:
    """Each process has a core; Ctrl-C is for the one that waits for them."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
