"""Signals that ask a process to end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

__all__ = ["ENDINGS", "handle_signals"]

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
