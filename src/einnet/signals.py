"""Signals that ask a process to end, and processes that end with the one that started them."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import rmtree
from threading import Thread, current_thread, main_thread
from typing import Any

__all__ = ["ENDINGS", "block_interrupts", "follow_parent", "handle_signals"]

ENDINGS = ("SIGTERM", "SIGHUP")  # besides Ctrl-C: a scheduler's, and that of a terminal that is closed


@contextmanager
def handle_signals(handler: Callable[[int, Any], Any], *names: str) -> Iterator[None]:
    """Within the block these signals call the handler, but those that are ignored stay ignored, as nohup wants.

    >>> received = []
    >>> with handle_signals(lambda number, _: received.append(number), "SIGTERM", "SIGNONE"):
    ...     signal.raise_signal(signal.SIGTERM)
    >>> received == [signal.SIGTERM]
    True

    Names that the system does not have are left out. Only the main thread receives signals: in another one the
    block changes nothing.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    previous = {k: signal.getsignal(k) for k in numbers} if current_thread() is main_thread() else {}
    previous = {k: old for k, old in previous.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in previous:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Processes that are started within the block never see Ctrl-C; this one sees it at the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def follow_parent(end: Any, *folders: str) -> None:
    """Ends this process, also during work, when its parent ends or closes `end`; leaves Ctrl-C to the parent.

    `end` is the sentinel of the parent, or a connection to it; the folders are removed, as a killed parent cannot.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_exit_after, args=(end, *folders), daemon=True).start()


def _exit_after(end: Any, *folders: str) -> None:
    from multiprocessing.connection import wait  # slow to import

    wait([end])
    for folder in folders:
        rmtree(folder, ignore_errors=True)
    os._exit(1)
