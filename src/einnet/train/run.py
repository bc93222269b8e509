"""A run's folder: what was asked, what happened, the weights, the result.

runs/kg/2026-11-23T19-28-21/
    config.json            task, config, options, fingerprint of data and config, versions
    log.csv                a row for each validation
    best.safetensors       the network that was best on the validation set
    last.safetensors       the state from which training can be resumed
    shards-.../            its tensors that are cut over processes (--sharded)
    metrics.json           the evaluation
    curve.png              the learning curve
    index.html             a report to look at, with the task's pictures
"""

import csv
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import CheckpointError
from einnet.files import cannot_write, write_text, write_whole

__all__ = ["Run", "compute_fingerprint", "forget_launchers", "is_first_process", "is_of_torchrun"]

LAUNCHER_VARIABLES = (
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "LT_ACCELERATOR", "LT_CLI_USED", "LT_DEVICES", "LT_NUM_NODES", "LT_PRECISION", "LT_STRATEGY",
)  # fmt: skip
_SHARED = "EINNET_RUN"  # the environment variable that names the main process's run


def is_of_torchrun() -> bool:
    """Whether torchrun has started this process; without it, RANK and its like are of another program."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def forget_launchers() -> None:
    """Removes the variables of other programs that Lightning would follow, unless this process is one of several."""
    if not (is_of_torchrun() or Run.of_main_process()):
        for name in LAUNCHER_VARIABLES:
            os.environ.pop(name, None)


def is_first_process() -> bool:
    """Whether this process alone writes the files of its run; the others of the training leave that to it."""
    return Run.of_main_process() is None and not (is_of_torchrun() and os.environ.get("RANK", "0") != "0")


@dataclass(frozen=True)
class Run:
    """The folder of one run."""

    folder: Path

    @classmethod
    def create(cls, out: Path, task: str, config: Mapping[str, Any]) -> "Run":
        """A new folder `out/task/time/` with a config; never one that is there already.

        Of the processes of one training the first alone writes. Those that it starts have its folder; those that
        torchrun starts, which cannot know it, have one that does not exist.
        """
        if not is_first_process():
            return cls.of_main_process() or cls(out / task / "of the first process")
        stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        for suffix in ["", *(f"-{k}" for k in range(2, 1000))]:
            folder = out / task / f"{stamp}{suffix}"
            try:
                folder.mkdir(parents=True, exist_ok=False)
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(folder, error) from None
            break
        else:
            raise CheckpointError(f"cannot make a new folder in {out / task}")
        versions = {"einnet": version("einnet"), "torch": version("torch"), "python": platform.python_version()}
        cls(folder).write_json("config.json", {"task": task, **config, "versions": versions})
        return cls(folder)

    @classmethod
    def of_main_process(cls) -> "Run | None":
        """The run of the process that started this one to train with it; None in any other process.

        The variable may have been inherited, by a shell that a run started: it has the number of the process it is of.
        """
        parent, _, folder = os.environ.get(_SHARED, "").partition(" ")
        is_child = parent == str(os.getppid()) or sys.platform == "win32"  # where a launcher can stand between them
        return cls(Path(folder)) if folder and is_child and os.environ.get("LOCAL_RANK", "0") != "0" else None

    @classmethod
    def open(cls, folder: Path | str, task: str) -> "Run":
        """A folder that `create` made for this task."""
        run = cls(Path(folder))
        if not (run.folder / "config.json").is_file():
            hint = f"runs are made by 'einnet train {task}', in runs/{task}/"
            raise CheckpointError(f"{folder} is not a run's folder: it has no config.json ({hint})")
        name = run.read_config().get("task")
        if name != task:
            raise CheckpointError(f"{folder} is a run of the task {name!r}, expected {task!r}")
        return run

    @classmethod
    def latest(cls, out: Path, task: str) -> "Run":
        """The newest run of a task that has a network."""
        networks = sorted((out / task).glob("*/best.safetensors"), key=lambda p: p.stat().st_mtime)
        if not networks:
            hint = f"train one with 'einnet train {task}' or name one with --checkpoint RUN"
            raise CheckpointError(f"no trained run in {out / task}: {hint}")
        return cls.open(networks[-1].parent, task)

    @contextmanager
    def share(self) -> Iterator[None]:
        """Processes that are started within the block get this folder from `create`."""
        os.environ[_SHARED] = f"{os.getpid()} {self.folder.resolve()}"
        try:
            yield
        finally:
            del os.environ[_SHARED]

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.folder / "last.safetensors"

    def count_rows(self) -> int:
        """The number of validations in the log."""
        log = self.folder / "log.csv"
        return len(log.read_text(encoding="utf-8").splitlines()) - 1 if log.is_file() else 0

    def read_config(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read as JSON: {error}") from None
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} must hold a JSON object, got {type(content).__name__}")
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_text(self.folder / name, json.dumps(content, indent=2) + "\n")

    def write_log(self, rows: Sequence[Mapping[str, float]]) -> None:
        with write_whole(self.folder / "log.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def compute_fingerprint(value: Any) -> str:
    """The SHA-256 of a value: a text, a number, an array, a tensor, a list or an object of such values.

    >>> compute_fingerprint(["a", np.zeros(2)]) == compute_fingerprint(("a", np.zeros(2)))
    True
    >>> compute_fingerprint(np.zeros(2)) == compute_fingerprint(np.zeros((2, 1)))
    False
    """
    if isinstance(value, list | tuple):
        content = " ".join(map(compute_fingerprint, value)).encode()
    elif hasattr(value, "__array__"):
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.dtype.hasobject:  # its bytes are addresses
            return compute_fingerprint(array.tolist())
        if array.dtype.kind in "iu":  # the width depends on the platform
            array = array.astype(np.int64)
        content = f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()
    elif isinstance(value, Mapping) or hasattr(value, "__dict__"):
        return compute_fingerprint(list((value if isinstance(value, Mapping) else vars(value)).items()))
    else:
        content = repr(value).encode()
    return sha256(content).hexdigest()
