"""When a run ends and how its learning rate changes on the way."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim import Optimizer

__all__ = ["Interrupt", "Schedule"]

FLOOR = 1e-3  # of the learning rate, as a share of its peak


class Schedule:
    """Linear warm-up, then linear decay by the share of the steps or of the minutes, whichever is further."""

    def __init__(self, steps: int, minutes: float | None, warmup: int):
        self.steps, self.seconds, self.warmup = steps, (minutes or float("inf")) * 60, warmup
        self.started = time.monotonic()

    @property
    def duration(self) -> float:
        """Seconds of training, those before the run was resumed included."""
        return time.monotonic() - self.started

    def resume(self, seconds: float) -> None:
        """Starts the clock at so many seconds."""
        self.started = time.monotonic() - seconds

    def time_share(self) -> float:
        """The share of the minutes that is spent; 1 or more at the end."""
        return self.duration / self.seconds

    def set_rate(self, optimizer: Optimizer, step: int, time_share: float) -> None:
        """Sets the learning rate of a step."""
        share = max(step / self.steps, time_share)
        factor = min((step + 1) / self.warmup, max(1 - share, FLOOR))
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak", group["lr"]) * factor


class Interrupt:
    """Notes Ctrl-C and a scheduler's SIGTERM, so that the run ends after the step; a second Ctrl-C ends it at once."""

    def __init__(self) -> None:
        self.is_set = False

    def _note(self, *_: Any) -> None:
        self.is_set = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def listen(self) -> Iterator["Interrupt"]:
        try:
            previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread, which alone receives signals
            previous = {}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
