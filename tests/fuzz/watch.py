"""The property of every target: a call returns or raises `EinNetError`, soon and without much memory."""

import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from hypothesis.strategies import SearchStrategy

import einnet
from einnet import EinNetError

__all__ = ["Target", "Watch"]

SECONDS = 1.0  # of processor time for a call
PATIENCE = 5.0  # after which a call is ended
MEGABYTES = 500  # that a call may add to what the process has used at most


class Hang(BaseException):
    """A call that took too long and was ended; no `except Exception` keeps it."""


class SlowError(AssertionError):
    """A call that took too long."""

    def __init__(self, seconds: float):
        super().__init__(f"{seconds:.2f} seconds, more than {SECONDS}")
        self.seconds = seconds


class LargeError(AssertionError):
    """A call that took too much memory."""


@dataclass(frozen=True)
class Target:
    """What is called with hostile inputs, which are literals of Python: texts, bytes, numbers, tuples of them."""

    name: str
    call: Callable[[Any], object]
    inputs: SearchStrategy[Any]
    valid: Any  # an input that is right; with it everything that is imported late is there

    def check(self, value: Any) -> float:
        """Raises where the property does not hold; the seconds that it took."""
        before, started = _megabytes(), time.process_time()
        with _end_after(PATIENCE):
            try:
                self.call(value)
            except EinNetError as error:
                if not str(error):
                    raise AssertionError("an error without a message") from error
        seconds = time.process_time() - started
        if seconds > SECONDS:
            raise SlowError(seconds)
        if (grown := _megabytes() - before) > MEGABYTES:
            raise LargeError(f"{grown} MB more than before, more than {MEGABYTES}")
        return seconds


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@contextmanager
def _end_after(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise Hang(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1)  # again where something swallows the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@dataclass
class Watch:
    """Calls a target again and again: how often, the slowest call, and the smallest input of each failure."""

    target: Target
    last: TextIO  # has the input while it is in use
    executions: int = 0
    slowest: float = 0.0
    findings: dict[str, tuple[str, str]] = field(default_factory=dict)  # place: input, traceback

    def __call__(self, value: Any) -> None:
        self.executions += 1
        self.last.seek(0)
        self.last.truncate()
        self.last.write(repr(value))
        self.last.flush()
        try:
            self.slowest = max(self.slowest, self.target.check(value))
        except (Exception, Hang) as error:
            self.slowest = max(self.slowest, getattr(error, "seconds", PATIENCE if isinstance(error, Hang) else 0.0))
            place, text = _place(error), repr(value)
            if place not in self.findings or len(text) < len(self.findings[place][0]):
                self.findings[place] = text, "".join(traceback.format_exception(error))


def _place(error: BaseException) -> str:
    """What kind of error it is, and the innermost line of einnet that it came through."""
    package = str(Path(einnet.__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(package)]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the end"
    return f"{type(error).__name__} at {where}"
