"""The one training loop, on Lightning."""

import logging
import os
import warnings
from collections.abc import Callable

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from einnet.errors import CheckpointError, EinNetError
from einnet.files import remove_leftovers
from einnet.train.callbacks import Clock, Keep, ProgressBar, bf16_is_fast
from einnet.train.options import Options
from einnet.train.run import Run
from einnet.train.state import SafetensorsIO
from einnet.train.task import Task

__all__ = ["fit"]


def fit(
    make_task: Callable[[], Task],
    run: Run,
    options: Options,
    *,
    steps: int,
    every: int,
    warmup: int = 30,
    clip: float = 1.0,
    resume: bool = False,
) -> bool:
    """Trains a task and leaves its best network, its state and its log in the run's folder.

    Args:
        make_task: builds the task; called after the seed is set.
        steps: the task's number of optimiser steps, unless the options have one.
        every: steps between validations.
        resume: go on from the run's last state.

    Returns False if Ctrl-C ended the run early.
    """
    _quiet()
    total = options.steps or steps
    total = -(-total // every) * every  # whole epochs: the last step is validated
    clock = Clock(total, options.minutes, warmup)
    keep = Keep(run, options, clock, every)
    torch.manual_seed(options.seed)
    task = make_task()
    if resume:
        if not run.last.is_file():
            raise CheckpointError(f"no state to resume from in {run.folder}: {run.last.name} is missing")
        remove_leftovers(run.folder)
    processes = options.devices * options.nodes
    if options.nodes > 1 and "RANK" not in os.environ:
        raise EinNetError("--nodes is for processes that torchrun starts on each machine: see docs/how-to/many-gpus.md")
    trainer = Trainer(
        max_steps=total,
        accelerator="auto",
        devices=options.devices,
        num_nodes=options.nodes,
        strategy="ddp" if processes > 1 else "auto",
        precision="bf16-mixed" if _use_bf16(options.precision) else "32-true",
        deterministic=options.deterministic,
        gradient_clip_val=clip,
        callbacks=[clock, keep, ProgressBar(keep, total)],
        plugins=[SafetensorsIO()],
        default_root_dir=run.folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    one_epoch: DataLoader = DataLoader(range(every * processes), batch_size=1)  # type: ignore[arg-type]
    once: DataLoader = DataLoader(range(processes), batch_size=1)  # type: ignore[arg-type]
    with run.shared():
        try:
            trainer.fit(task, one_epoch, once, ckpt_path=run.last if resume else None)
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            raise KeyboardInterrupt from None
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, EinNetError) or clock.training or not resume:
                raise
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"{run.last} is not a state of this run: its data or settings may have changed since it was saved, or "
                f"the file is damaged ({reason})"
            ) from error
    if not trainer.is_global_zero:
        raise SystemExit(0)  # the first process alone measures and reports
    return not clock.interrupted


def _use_bf16(precision: str) -> bool:
    return precision == "bf16" or (precision == "auto" and bf16_is_fast())


def _quiet() -> None:
    """Lightning's banners and hints about data loading say nothing here: batches are drawn in memory."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*is smaller than the logging interval.*",
        ".*litlogger.*",
        ".*resuming from a checkpoint that ended before the epoch ended.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", message=message)
