"""What every training loop needs: the learning rate of a step, whether to take it, and a progress bar."""

import math
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.optim import Optimizer

from einnet.errors import EinNetError

__all__ = ["Guard", "Schedule", "make_bar"]

FLOOR = 1e-3  # of the learning rate, as a share of its peak
PATIENCE = 10  # steps in a row that may have no finite loss or gradient


class Schedule:
    """Linear warm-up, then linear decay by the share of the steps or of the seconds, whichever is further."""

    def __init__(self, steps: float, seconds: float, warmup: int, clock: Callable[[], float] = time.monotonic):
        self.steps, self.seconds, self.warmup, self.clock = steps, seconds, warmup, clock
        self.started = clock()

    @property
    def duration(self) -> float:
        """Seconds of training, those before the run was resumed included."""
        return self.clock() - self.started

    def time_share(self) -> float:
        """The share of the seconds that is spent; 1 or more at the end."""
        return self.duration / self.seconds

    def set_rate(self, optimizer: Optimizer, step: int, time_share: float) -> None:
        """Sets the learning rate of a step."""
        factor = min((step + 1) / self.warmup, max(1 - max(step / self.steps, time_share), FLOOR))
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak", group["lr"]) * factor


class Guard:
    """Leaves out steps whose loss or gradient is not finite, so that the weights stay; raises after many in a row."""

    def __init__(self, hint: str):
        self.hint, self.left_out, self.in_a_row = hint, 0, 0

    def passes(self, loss: float, norm: float, step: int) -> bool:
        """Whether to take a step with this loss and this norm of the gradient."""
        if math.isfinite(loss) and math.isfinite(norm):
            self.in_a_row = 0
            return True
        self.left_out += 1
        self.in_a_row += 1
        if self.in_a_row > PATIENCE:
            raise EinNetError(f"the loss is {loss} at step {step + 1} and at {PATIENCE} steps before: {self.hint}")
        return False


def make_bar(is_main: bool) -> Progress:
    """The step, the loss and the metric, on standard error where that is a terminal."""
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}")]
    columns += [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
    return Progress(*columns, console=console, disable=not (is_main and console.is_terminal))
