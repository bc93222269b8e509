"""One progress bar for a run; lines where there is no terminal."""

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["ProgressBar"]


class ProgressBar:
    """The step, the loss and the task's metric, on standard error; a context manager."""

    def __init__(self, steps: int, start: int, is_shown: bool):
        console = Console(stderr=True)
        self.steps, self.has_lines = steps, is_shown and not console.is_terminal
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not is_shown or self.has_lines,
        )
        self.row = self.bar.add_task("train", total=steps, completed=start, text="")

    def __enter__(self) -> "ProgressBar":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, step: int, text: str) -> None:
        self.bar.update(self.row, completed=step, text=text)

    def print_line(self, step: int, seconds: float, text: str) -> None:
        """A line after a validation, where there is no bar."""
        if self.has_lines:
            print(f"step {step}/{self.steps}  {seconds:.0f} s  {text}", file=sys.stderr, flush=True)
