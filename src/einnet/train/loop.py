"""The training loop: one plain loop on Lightning Fabric, which brings the devices, processes and precision."""

import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from einnet.errors import CheckpointError, EinNetError
from einnet.files import remove_leftovers
from einnet.signals import ENDINGS, handle_signals
from einnet.train.options import Options
from einnet.train.processes import end_together
from einnet.train.run import Run, forget_launchers, is_of_torchrun
from einnet.train.state import Checkpointer, read_state, write_state
from einnet.train.steps import Guard, Schedule, make_bar
from einnet.train.task import Task
from einnet.train.weights import AveragedNet, shard_module, shard_optimizer_state, to_full

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
    patience: int = 0,
    resume: bool = False,
) -> bool:
    """Trains a task and leaves its best network, its state and its log in the run's folder.

    Args:
        make_task: builds the task; called after the seed is set.
        steps: the task's number of optimiser steps, unless the options have one; rounded up to whole validations.
        validate_every: steps between validations.
        warmup: steps in which the learning rate rises to its peak.
        clip: largest norm of the gradient.
        patience: validations without improvement after which training ends, unless the options have it; 0 for never.
        resume: continue from the run's last state; from the beginning, if it was ended before the first one.

    Returns False if Ctrl-C, a SIGTERM or a SIGHUP ended the run early.
    """
    if resume:
        remove_leftovers(run.folder)
    total = -(-(options.steps or steps) // validate_every) * validate_every
    fabric = _make_fabric(options)
    with end_together(run, fabric), _deterministic(options.deterministic):
        with run.share():
            fabric.launch()
        torch.manual_seed(options.seed)
        state = read_state(run.last) if resume and (run.last.is_file() or run.count_rows() > 1) else None
        options = replace(options, patience=patience if options.patience is None else options.patience)
        schedule = Schedule(total, (options.minutes or math.inf) * 60, warmup)
        training = _Training(fabric, make_task(), run, options, schedule, state)
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
        self.mesh_shape = options.mesh_shape
        if self.mesh_shape is None:
            task.rank, task.world_size = fabric.global_rank, fabric.world_size
        self.average = AveragedNet(task.net, task.average)
        self.log = Checkpointer(run, task, options.patience or 0, fabric.is_global_zero)
        self.is_interrupted, self.step = False, 0
        self.guard = Guard(f"lower the learning rate, or use --precision 32; the last good state is in {run.folder}")
        if state is not None:
            with _name_file(run.last):
                self.load(state)
        self.average.net.to(fabric.device)
        self.model = fabric.setup_module(task.train())
        if self.mesh_shape is not None:
            task.shard(init_device_mesh(fabric.device.type, self.mesh_shape))
        self.optimizer = task.make_optimizer()
        if state is not None:
            with _name_file(run.last):
                self.optimizer.load_state_dict(state["optimizer"])
                shard_optimizer_state(self.optimizer)

    def train(self, validate_every: int, clip: float) -> bool:
        """Steps until the schedule, the patience or the user ends it; False for the user."""
        (time_share,), is_interrupted, steps = self.agree(self.schedule.time_share()), False, self.schedule.steps
        with make_bar(self.fabric.is_global_zero) as bar, handle_signals(self.note_signal, "SIGINT", *ENDINGS):
            row = bar.add_task("training", total=steps, completed=self.step, text="")
            while self.step < steps and time_share < 1 and not is_interrupted and not self.log.has_no_patience:
                self.schedule.set_rate(self.optimizer, self.step, time_share)
                time_share, is_interrupted = self.take_step(clip)
                bar.update(row, completed=self.step, text=self.log.summary())
                if self.step % validate_every == 0 or time_share >= 1:
                    self.validate()
                    self.save()
                    if self.fabric.is_global_zero and not bar.console.is_terminal:
                        summary = f"step {self.step}/{steps}  {self.schedule.duration:.0f} s  {self.log.summary()}"
                        print(summary, file=sys.stderr, flush=True)
                elif is_interrupted:  # a resumed run validates at the usual steps alone
                    self.save()
                    if not self.log.rows:
                        self.validate()  # so that there is a network; not in the state
        if self.fabric.is_global_zero and self.log.has_no_patience and self.step < steps:
            print(self.log.describe_end(steps), file=sys.stderr, flush=True)
        return not (is_interrupted or self.is_interrupted)

    def note_signal(self, number: int, _: Any) -> None:
        """The run ends after the step; with a second Ctrl-C at once."""
        self.is_interrupted = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def take_step(self, clip: float) -> tuple[float, bool]:
        """One optimiser step; the share of the time that is spent, and whether the user has ended the run.

        Where the loss or the gradient is not finite, the weights stay as they are.
        """
        loss = self.model(self.step)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        value = self.add_up(loss.detach())
        time_share, is_interrupted, is_broken = self.agree(
            self.schedule.time_share(), self.is_interrupted, not math.isfinite(value)
        )
        norm = self.fabric.clip_gradients(self.model, self.optimizer, max_norm=clip, error_if_nonfinite=False)
        if self.guard.passes(math.nan if is_broken else value, float(to_full(norm)), self.step):
            self.optimizer.step()
            self.average.update(self.task.net)
            self.log.losses.append(value)
        self.log.left_out = self.guard.left_out
        self.step += 1
        return time_share, bool(is_interrupted)

    def add_up(self, loss: Any) -> float:
        """The loss of a step, of which each process has a part where it has a part of each sample."""
        total: Any = loss if self.mesh_shape is None else self.fabric.all_reduce(loss.clone(), reduce_op="sum")
        return float(total)

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
        """Writes all that a resumed run starts from; all processes call it together."""
        extra = {
            name: self.fabric.all_gather(x) if self.fabric.world_size > 1 else x.unsqueeze(0)
            for name, x in self.task.extra_state().items()
        }
        state = {
            "step": self.step,
            "elapsed": self.schedule.duration,
            "net": self.task.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "log": self.log.state_dict(),
            "task": extra,
        }
        write_state(self.run.last, state, self.fabric.is_global_zero)

    def load(self, state: dict[str, Any]) -> None:
        """Continues from a state, all but the optimiser's, which needs the weights in their places."""
        self.step = int(state["step"])
        self.schedule.started -= state["elapsed"]
        self.task.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.log.load_state_dict(state["log"])
        rank = self.fabric.global_rank  # a process beyond those that saved has no part
        self.task.load_extra_state({name: x[rank] for name, x in state["task"].items() if rank < len(x)})


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Errors of a state that does not fit the task name its file."""
    try:
        yield
    except EinNetError:
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        problem = "its data or config may have changed since it was saved, or the file is damaged"
        raise CheckpointError(f"{path} is not a state of this run: {problem} ({reason})") from error


def _make_fabric(options: Options) -> Fabric:
    environment = _find_launcher(options)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)  # its banners
    processes, strategy = options.devices * options.nodes, "auto"
    if options.sharded:
        strategy = ModelParallelStrategy(shard_module, data_parallel_size=processes, tensor_parallel_size=1)
    elif options.mesh_shape is not None:
        strategy = BlockStrategy()
    elif processes > 1:
        strategy = DDPStrategy(broadcast_buffers=False)
    precision: Any = "bf16-mixed" if _use_bf16(options.precision) else "32-true"
    devices, nodes = options.devices, options.nodes
    return Fabric(devices=devices, num_nodes=nodes, strategy=strategy, precision=precision, plugins=environment)


class BlockStrategy(DDPStrategy):
    """Processes that have blocks of the same samples: the network itself adds up gradients."""

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]
        return module


def _find_launcher(options: Options) -> LightningEnvironment | TorchElasticEnvironment:
    """torchrun, or this process itself. Variables of a scheduler are ignored: every shell that it opens has them."""
    processes = options.devices * options.nodes
    if is_of_torchrun():
        if (number := os.environ.get("WORLD_SIZE")) != str(processes):
            demand = f"--devices {options.devices} and --nodes {options.nodes} ask for {processes}"
            raise EinNetError(f"torchrun started {number} processes, but {demand}: see docs/how-to/many-gpus.md")
        return TorchElasticEnvironment()
    if options.nodes > 1:
        raise EinNetError("--nodes is for processes that torchrun starts on each machine: see docs/how-to/many-gpus.md")
    forget_launchers()
    return LightningEnvironment()


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
