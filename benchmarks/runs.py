"""Runs of a benchmark that are trained once: what is there already is used again."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from einnet.train import Options, Run, Task
from einnet.train.loop import fit


def trained_once(
    name: str,
    task: str,
    settings: Any,
    minutes: float,
    out: Path,
    make: Callable[[Run], Callable[[], Task]],
    **how: Any,
) -> Run:
    """The run of this name in `out`, trained for so many minutes if it is not there.

    `make` gives, for the run, what makes its task; `how`: see `einnet.train.fit`. Ends the program where the
    run that is there was made with other settings, and at Ctrl-C.
    """
    done = out / f"{name}.json"
    conditions = {"minutes": minutes, "threads": torch.get_num_threads(), "settings": asdict(settings)}
    if not done.exists():
        options = Options(minutes=minutes, precision="32", out=out)
        run = Run.create(out / name, task, {"config": asdict(settings), "options": options.as_json()})
        if not fit(make(run), run, options, **how):
            raise SystemExit("interrupted")
        done.write_text(json.dumps(conditions | {"folder": str(run.folder)}))
    stored = json.loads(done.read_text())
    folder = Path(stored.pop("folder"))
    if stored != conditions:
        raise SystemExit(f"{done} was made with {stored}, not with {conditions}: give another --out")
    return Run.open(folder, task)
