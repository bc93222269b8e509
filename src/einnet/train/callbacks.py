"""The loop's parts: the learning rate, the clock, what is kept, and the progress bar."""

import signal
import sys
import time
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from einnet.errors import EinNetError
from einnet.train.options import Options
from einnet.train.run import Run
from einnet.train.task import Task

__all__ = ["Clock", "Keep", "ProgressBar"]


class Clock(Callback):
    """Sets the learning rate by the share of the run that is done; ends it in time, or at Ctrl-C.

    The share is that of the steps or of the minutes, whichever is further: linear warm-up, then
    linear decay to zero. Ctrl-C, or a scheduler's SIGTERM, ends the run after the step, saved as usual.
    """

    def __init__(self, steps: int, minutes: float | None, warmup: int):
        self.steps, self.seconds, self.warmup = steps, (minutes or float("inf")) * 60, warmup
        self.before = 0.0  # seconds spent before this run was resumed
        self.started = time.monotonic()
        self.interrupted = False
        self.training = False  # whether all that a resumed run starts from has been read
        self.previous: dict[int, Any] = {}

    @property
    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.started

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.started = time.monotonic()

        def stop(*_: Any) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends at once

        try:
            self.previous = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread: signals are somebody else's
            self.previous = {}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.training = True

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        step = trainer.global_step
        spent = trainer.strategy.broadcast(self.elapsed / self.seconds)  # all processes agree on the rate
        share = max(step / self.steps, spent)
        factor = min((step + 1) / self.warmup, max(1 - share, 1e-3))
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("peak", group["lr"]) * factor

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        stop = self.interrupted or self.elapsed > self.seconds
        if trainer.strategy.reduce_boolean_decision(stop, all=False):  # all processes stop together
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self.on_fit_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = state_dict["elapsed"]


class Keep(Callback):
    """After each validation: a row in the log, the best network, the state to resume from."""

    def __init__(self, run: Run, options: Options, clock: Clock, every: int):
        self.run, self.patience, self.clock, self.every = run, options.patience, clock, every
        self.rows: list[dict[str, float]] = []
        self.losses: list[float] = []
        self.best = float("nan")
        self.stale = 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, *_: Any) -> None:
        loss = float(outputs["loss"])
        if loss != loss or abs(loss) == float("inf"):
            raise EinNetError(
                f"the loss is {loss} at step {trainer.global_step}: lower the learning rate, or use "
                f"--precision 32; the last good state is in {self.run.folder}"
            )
        self.losses.append(loss)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        found = {
            k.removeprefix("valid/"): float(v) for k, v in trainer.callback_metrics.items() if k.startswith("valid/")
        }
        if not found or not self.losses:
            return
        if self.clock.interrupted and trainer.global_step % self.every and self.rows:
            trainer.save_checkpoint(self.run.last)  # a resumed run validates at the usual steps alone
            return
        row = {
            "step": trainer.global_step,
            "seconds": round(self.clock.elapsed, 2),
            "loss": sum(self.losses) / len(self.losses),
            **found,
        }
        self.losses = []
        self.rows.append(row)
        value = found[pl_module.metric]
        better = value > self.best if pl_module.higher_is_better else value < self.best
        self.stale = 0 if better or self.best != self.best else self.stale + 1
        if self.stale == 0:
            self.best = value
        if trainer.is_global_zero:
            if self.stale == 0:
                pl_module.averaged.save(self.run.best)
            self.run.write_log(self.rows)
        trainer.save_checkpoint(self.run.last)
        if self.patience is not None and self.stale >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "best": self.best, "stale": self.stale, "losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.best, self.stale = state_dict["rows"], state_dict["best"], state_dict["stale"]
        self.losses = state_dict["losses"]


class ProgressBar(Callback):
    """One bar for the whole run, with the loss and the task's own metric; lines where there is no terminal."""

    def __init__(self, keep: Keep, steps: int):
        self.keep, self.steps = keep, steps
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def on_train_start(self, trainer: Trainer, pl_module: Task) -> None:
        if trainer.is_global_zero:
            self.task = self.bar.add_task("train", total=self.steps, completed=trainer.global_step, text="")
            self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: Task, *_: Any) -> None:
        if trainer.is_global_zero:
            self.bar.update(self.task, completed=trainer.global_step, text=self._text(pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Task) -> None:
        if trainer.is_global_zero and not self.console.is_terminal and self.keep.rows:
            seconds = self.keep.rows[-1]["seconds"]
            print(
                f"step {trainer.global_step}/{self.steps}  {seconds:.0f} s  {self._text(pl_module)}",
                file=sys.stderr,
                flush=True,
            )

    def on_train_end(self, trainer: Trainer, pl_module: Task) -> None:
        self.bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: Task, exception: BaseException) -> None:
        self.bar.stop()

    def _text(self, task: Task) -> str:
        losses = self.keep.losses or [row["loss"] for row in self.keep.rows[-1:]]
        parts = [f"loss {losses[-1]:.3f}"] if losses else []
        if self.keep.rows:
            parts.append(f"valid {task.metric} {self.keep.rows[-1][task.metric]:.4f} (best {self.keep.best:.4f})")
        return "  ".join(parts)


def bf16_is_fast() -> bool:
    """Whether the GPU, or without one the CPU, computes in bfloat16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()
