"""Runs of a benchmark that are trained once: a run in the output folder is used again."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from einnet.train import Options, Run, Task
from einnet.train.loop import fit

__all__ = ["train_once"]


def train_once(
    name: str, task: str, config: Any, minutes: float, out: Path, make: Callable[[Run], Callable[[], Task]], **how: Any
) -> Run:
    """The run of this name in `out`, trained for so many minutes if it does not exist.

    `make` gives, for the run, the function that makes its task; `how`: see `einnet.train.fit`. Ends the program
    for a run that was made with another config, and at Ctrl-C.
    """
    file = out / f"{name}.json"
    conditions = {"minutes": minutes, "threads": torch.get_num_threads(), "config": asdict(config)}
    if not file.exists():
        options = Options(minutes=minutes, precision="32", out=out)
        run = Run.create(out / name, task, {"config": asdict(config), "options": options.as_json()})
        if not fit(make(run), run, options, **how):
            raise SystemExit("interrupted")
        file.write_text(json.dumps(conditions | {"folder": str(run.folder)}), encoding="utf-8")
    stored = json.loads(file.read_text(encoding="utf-8"))
    folder = Path(stored.pop("folder"))
    if stored != conditions:
        raise SystemExit(f"{file} was made with {stored}, not with {conditions}: give another --out")
    return Run.open(folder, task)
