"""Calls in other processes: a call is ended when its result is not wanted any more."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.util import get_temp_dir
from queue import Empty, LifoQueue
from tempfile import gettempdir
from threading import BoundedSemaphore
from typing import Any

from einnet.signals import block_interrupts, follow_parent

__all__ = ["BusyError", "EndedError", "Workers"]

SECONDS = 1.0  # between two questions whether a result is still wanted
LONGEST = 70  # letters of the folder for a socket's file, whose path may have 107
HAS_FORKSERVER = sys.platform == "linux" and len(gettempdir()) < LONGEST
CONTEXT: Any = get_context("forkserver" if HAS_FORKSERVER else "spawn")  # the former imports once, for all processes


class BusyError(RuntimeError):
    """As many calls wait as may wait."""


class EndedError(RuntimeError):
    """The process ended before its call: there was not enough memory, or a user ended it."""


class Workers:
    """A number of processes that call a function, and a limited queue of calls that wait for one.

    The function is one that another process can import; arguments and result are values of JSON. `modules` are
    imported before the first call.
    """

    def __init__(self, function: Callable[..., Any], processes: int, places: int, modules: Sequence[str] = ()):
        CONTEXT.set_forkserver_preload(["__main__", __name__, function.__module__, *modules])
        self._workers = [Worker(function) for _ in range(processes)]
        self._idle: LifoQueue[Worker] = LifoQueue()  # the one that worked last knows most about the question
        self._places = BoundedSemaphore(places)
        self._is_open = True
        for worker in self._workers:
            self._idle.put(worker)

    def call(self, is_wanted: Callable[[], bool], *arguments: Any) -> Any:
        """The function's result; None if it is not wanted any more."""
        if not self._places.acquire(blocking=False):
            raise BusyError
        try:
            if (worker := self._wait(is_wanted)) is None:
                return None
            try:
                return worker.call(is_wanted, arguments)
            finally:
                self._idle.put(worker)
        finally:
            self._places.release()

    def _wait(self, is_wanted: Callable[[], bool]) -> "Worker | None":
        while self._is_open:
            with suppress(Empty):
                return self._idle.get(timeout=SECONDS)
            if not is_wanted():
                break
        return None

    def close(self) -> None:
        """Ends the processes, those at work too."""
        self._is_open = False
        for worker in self._workers:
            worker.end()


class Worker:
    """A process that answers one call after the other, and is started again if it has ended."""

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self._start()

    def _start(self) -> None:
        self._connection, end = CONTEXT.Pipe()
        folders = [get_temp_dir()] * HAS_FORKSERVER  # of the socket's file
        self._process = CONTEXT.Process(target=_answer_calls, args=(self._function, end, *folders), daemon=True)
        with block_interrupts():
            self._process.start()
        end.close()

    def call(self, is_wanted: Callable[[], bool], arguments: Any) -> Any:
        if not self._process.is_alive():
            self._start()
        try:
            self._connection.send_bytes(json.dumps(arguments).encode())
            while not self._connection.poll(SECONDS):
                if not is_wanted():
                    self.end()
                    return None
            return json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            self.end()
            raise EndedError from None

    def end(self) -> None:
        self._process.kill()
        self._process.join(5)


def _answer_calls(function: Callable[..., Any], connection: Connection, *folders: str) -> None:
    """The life of a process."""
    if (parent := parent_process()) is not None:
        follow_parent(parent.sentinel, *folders)
    with suppress(EOFError, OSError):
        while True:
            arguments = json.loads(connection.recv_bytes())
            connection.send_bytes(json.dumps(function(*arguments)).encode())
