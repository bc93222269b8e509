"""The training loop: one plain loop on Lightning Fabric, which brings the devices, processes and precision."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy

from einnet.errors import CheckpointError, EinNetError
from einnet.files import remove_leftovers
from einnet.train.average import AveragedNet
from einnet.train.checkpoint import Checkpointer, read_state, write_state
from einnet.train.options import Options
from einnet.train.progress import ProgressBar
from einnet.train.run import Run
from einnet.train.schedule import Interrupt, Schedule
from einnet.train.sharding import shard_module, shard_optimizer_state, to_full
from einnet.train.task import Task

__all__ = ["fit"]


def fit(
    make_task: Callable[[], Task],
    run: Run,
    options: Options,
    *,
    steps: int,
    validate_every: int,
    warmup: int = 30,
    clip: float = 1.0,
    resume: bool = False,
) -> bool:
    """Trains a task and leaves its best network, its state and its log in the run's folder.

    Args:
        make_task: builds the task; called after the seed is set.
        steps: the task's number of optimiser steps, unless the options have one; rounded up to whole validations.
        validate_every: steps between validations.
        warmup: steps in which the learning rate rises to its peak.
        clip: largest norm of the gradient.
        resume: continue from the run's last state.

    Returns False if Ctrl-C, or a SIGTERM, ended the run early.
    """
    if resume:
        if not run.last.is_file():
            raise CheckpointError(f"no state to resume from in {run.folder}: {run.last.name} is missing")
        remove_leftovers(run.folder)
    total = -(-(options.steps or steps) // validate_every) * validate_every
    fabric = _make_fabric(options)
    with run.share():
        fabric.launch()
    torch.manual_seed(options.seed)
    with _deterministic(options.deterministic):
        state = read_state(run.last) if resume else None
        training = _Training(fabric, make_task(), run, options, Schedule(total, options.minutes, warmup), state)
        is_finished = training.train(validate_every, clip)
    if not fabric.is_global_zero:
        raise SystemExit(0)  # the first process alone measures and reports
    return is_finished


class _Training:
    """A task on its devices with all that changes while it learns."""

    def __init__(
        self, fabric: Fabric, task: Task, run: Run, options: Options, schedule: Schedule, state: dict[str, Any] | None
    ):
        self.fabric, self.task, self.run, self.schedule = fabric, task, run, schedule
        task.rank, task.world_size = fabric.global_rank, fabric.world_size
        self.average = AveragedNet(task.net, task.average)
        self.log = Checkpointer(run, task, options.patience, fabric.is_global_zero)
        self.interrupt = Interrupt()
        self.step = 0
        if state is not None:
            with _name_file(run.last):
                self.load(state)
        self.average.net.to(fabric.device)
        self.model = fabric.setup_module(task.train())
        self.optimizer = task.make_optimizer()
        if state is not None:
            with _name_file(run.last):
                self.optimizer.load_state_dict(state["optimizer"])
                shard_optimizer_state(self.optimizer)

    def train(self, validate_every: int, clip: float) -> bool:
        """Steps until the schedule, the patience or the user ends it; False for the user."""
        (time_share,), is_interrupted = self.agree(self.schedule.time_share()), False
        with ProgressBar(self.schedule.steps, self.step, self.fabric.is_global_zero) as bar, self.interrupt.listen():
            while self.step < self.schedule.steps and time_share < 1 and not self.log.has_no_patience:
                self.schedule.set_rate(self.optimizer, self.step, time_share)
                time_share, is_interrupted = self.take_step(clip)
                bar.update(self.step, self.log.summary())
                is_validated = self.step % validate_every == 0
                if is_validated or time_share >= 1 or (is_interrupted and not self.log.rows):
                    self.validate()
                    bar.print_line(self.step, self.schedule.duration, self.log.summary())
                    self.save()
                elif is_interrupted:  # a resumed run validates at the usual steps alone
                    self.save()
                if is_interrupted:
                    break
        return not is_interrupted

    def take_step(self, clip: float) -> tuple[float, bool]:
        """One optimiser step; the share of the time that is spent, and whether the user has ended the run."""
        loss = self.model(self.step)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        value = float(loss.detach())
        time_share, is_interrupted, is_broken = self.agree(
            self.schedule.time_share(), self.interrupt.is_set, not isfinite(value)
        )
        if is_broken:
            raise EinNetError(
                f"the loss is {value} at step {self.step + 1}: lower the learning rate, or use --precision 32; the "
                f"last good state is in {self.run.folder}"
            )
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.average.update(self.task.net)
        self.log.losses.append(value)
        self.step += 1
        return time_share, bool(is_interrupted)

    def agree(self, *values: float) -> list[float]:
        """The largest of each value over all processes: they stop together."""
        if self.fabric.world_size == 1:
            return list(values)
        largest: Any = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        self.fabric.all_reduce(largest, reduce_op="max")  # in place
        return largest.tolist()

    def validate(self) -> None:
        """Measures the averaged network, with a row in the log; saves it if it is the best so far."""
        with torch.no_grad(), self.fabric.autocast():
            net = self.average.gather()
            metrics = self.fabric.broadcast(self.task.validate(net))
        self.log.record(self.step, self.schedule.duration, metrics, net)

    def save(self) -> None:
        """Writes all that a resumed run starts from."""
        extra = {
            name: self.fabric.all_gather(x) if self.fabric.world_size > 1 else x.unsqueeze(0)
            for name, x in self.task.extra_state().items()
        }
        state = {
            "step": self.step,
            "elapsed": self.schedule.duration,
            "net": to_full(self.task.net.state_dict()),
            "average": self.average.state_dict(),
            "optimizer": to_full(self.optimizer.state_dict()),
            "log": self.log.state_dict(),
            "task": extra,
        }
        if self.fabric.is_global_zero:
            write_state(self.run.last, state)

    def load(self, state: dict[str, Any]) -> None:
        """Continues from a state, all but the optimiser's, which needs the weights in their places."""
        self.step = int(state["step"])
        self.schedule.resume(state["elapsed"])
        self.task.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.log.load_state_dict(state["log"])
        self.task.load_extra_state(_of_rank(state["task"], self.fabric.global_rank))


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Errors of a state that does not fit the task name its file."""
    try:
        yield
    except EinNetError:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path} is not a state of this run: its data or config may have changed since it was saved, or the "
            f"file is damaged ({reason})"
        ) from error


def _of_rank(extra: dict[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
    """The part of one process; none where there were fewer processes."""
    return {name: x[rank] for name, x in extra.items() if rank < len(x)}


def _make_fabric(options: Options) -> Fabric:
    if options.nodes > 1 and "RANK" not in os.environ:
        raise EinNetError("--nodes is for processes that torchrun starts on each machine: see docs/how-to/many-gpus.md")
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)  # its banners
    processes, strategy = options.devices * options.nodes, "auto"
    if options.sharded:
        strategy = ModelParallelStrategy(shard_module, data_parallel_size=processes, tensor_parallel_size=1)
    elif processes > 1:
        strategy = DDPStrategy(broadcast_buffers=False)
    precision: Any = "bf16-mixed" if _use_bf16(options.precision) else "32-true"
    return Fabric(
        accelerator="auto",
        devices=options.devices,
        num_nodes=options.nodes,
        strategy=strategy,
        precision=precision,
    )


def _use_bf16(precision: str) -> bool:
    """Whether to compute in bfloat16: where it is asked for, or by default where the hardware is fast at it."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


@contextmanager
def _deterministic(is_asked: bool) -> Iterator[None]:
    """Deterministic algorithms only, within the block."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if is_asked:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
