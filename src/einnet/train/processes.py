"""The processes of one training end together, and the first says which other one has ended."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from lightning.fabric import Fabric
from rich.console import Console

from einnet.train.run import Run

__all__ = ["end_together"]

SECONDS = 1.0  # in which a process that fails as the others do says so itself
PATIENCE = 5.0  # seconds until an error of torch is more than a sign that another process has ended


@contextmanager
def end_together(run: Run, fabric: Fabric) -> Iterator[None]:
    """Ends this process, also during a step, when another one ends that it would wait for.

    Those that torchrun starts are left to it.
    """
    children = getattr(fabric.strategy.launcher, "procs", None)  # none yet
    if Run.of_main_process():
        thread = Thread(target=_end_with_parent, daemon=True)
    elif children is not None:
        thread = Thread(target=_end_with_children, args=(children, run), daemon=True)
    else:
        yield
        return
    thread.start()
    try:
        yield
    except RuntimeError:  # such as a connection that is closed: the thread knows why
        thread.join(PATIENCE)
        raise


def _end_with_parent() -> None:
    """Not on Windows, which does not tell."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(SECONDS)
    if os.environ.get("LOCAL_RANK") == "1":  # one of those that remain says it
        print("einnet: the first process has ended, and so do the others", file=sys.stderr, flush=True)
    os._exit(1)


def _end_with_children(started: list[Any], run: Run) -> None:
    """Takes the processes from Lightning: it would kill this one silently."""
    children: list[Any] = []
    while not (ended := [(rank, child.returncode) for rank, child in enumerate(children, 1) if child.poll()]):
        time.sleep(SECONDS / 5)
        while started:
            children.append(started.pop(0))
    time.sleep(SECONDS)
    for child in children:
        child.kill()
    rank, code = ended[0]
    how = f"was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with exit code {code}"
    Console(stderr=True).show_cursor()  # which a progress bar hides
    message = f"process {rank} of 0 to {len(children)} {how}; the last state to --resume from is in {run.folder}"
    print(f"einnet: {message}", file=sys.stderr, flush=True)
    os._exit(2)
