"""The files of a run: its log, its best network, and the training state to resume from, without pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from einnet.errors import CheckpointError
from einnet.io.tensors import read_tensors, write_tensors
from einnet.nn import Network
from einnet.train.run import Run
from einnet.train.shards import read_shards, remove_shards, write_shards
from einnet.train.task import Task
from einnet.train.weights import is_sharded

__all__ = ["Checkpointer", "read_state", "write_state"]

KIND, FORMAT = "training state", 3
PARTS = {"step", "elapsed", "net", "average", "optimizer", "log", "task"}


class Checkpointer:
    """The log of a run and its best network; counts the validations without improvement."""

    def __init__(self, run: Run, task: Task, patience: int, is_main: bool):
        self.run, self.patience, self.is_main = run, patience, is_main
        self.metric, self.higher_is_better = task.metric, task.higher_is_better
        self.rows: list[dict[str, float]] = []
        self.losses: list[float] = []  # since the last row
        self.left_out = 0  # steps whose loss or gradient was not finite
        self.best, self.stale = float("nan"), 0

    @property
    def has_no_patience(self) -> bool:
        """Whether the metric has not improved for as many validations as `patience` says; 0 is without end."""
        return bool(self.patience) and self.stale >= self.patience

    def describe_end(self, steps: float) -> str:
        """Why training ended before all steps."""
        reason = f"valid {self.metric} has not improved in {self.stale} validations (best {self.best:.4f})"
        return f"ended at step {self.rows[-1]['step']} of {steps}: {reason}; --patience 0 takes all steps"

    def record(self, step: int, seconds: float, metrics: Mapping[str, float], net: Network) -> None:
        """Adds a row to the log; saves the network if it is the best so far."""
        loss = sum(self.losses) / len(self.losses) if self.losses else float("nan")
        self.rows.append({"step": step, "seconds": round(seconds, 2), "loss": loss, **metrics})
        self.losses = []
        value = metrics[self.metric]
        is_better = value > self.best if self.higher_is_better else value < self.best
        self.stale = 0 if is_better or self.best != self.best else self.stale + 1
        if self.stale == 0:
            self.best = value
            if self.is_main:
                net.save(self.run.best)
        if self.is_main:
            self.run.write_log(self.rows)

    def summary(self) -> str:
        """The last loss and the metric, for the progress bar."""
        parts = [f"loss {loss:.3f}" for loss in (self.losses or [row["loss"] for row in self.rows])[-1:]]
        parts += [f"valid {self.metric} {row[self.metric]:.4f} (best {self.best:.4f})" for row in self.rows[-1:]]
        parts += [f"steps left out, as loss or gradient was not finite: {self.left_out}"] * bool(self.left_out)
        return "  ".join(parts)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "losses": self.losses, "best": self.best, "stale": self.stale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rows, self.losses, self.best, self.stale = (state[k] for k in ("rows", "losses", "best", "stale"))


def write_state(path: Path, state: Mapping[str, Any], is_main: bool = True) -> None:
    """Writes a training state: tensors as safetensors, everything around them as JSON in the file's metadata.

    Where tensors are cut over processes (DTensors), all of these call it together: each writes its part into a new
    folder next to the file, which the first process then writes with the folder's name, and with all the rest.
    """
    tensors: dict[str, Tensor] = {}
    tree = _pack(dict(state), tensors, "state")
    shards = {name: x for name, x in tensors.items() if is_sharded(x)}
    folder = write_shards(path.parent, shards) if shards else None
    if is_main:
        replicated = {name: x for name, x in tensors.items() if name not in shards}
        parts = {"folder": folder, "shapes": {name: list(x.shape) for name, x in shards.items()}}
        write_tensors(path, replicated, KIND, {"format": FORMAT, "state": tree} | ({"shards": parts} if shards else {}))
        remove_shards(path.parent, but=folder)


def read_state(path: Path) -> dict[str, Any]:
    """What `write_state` wrote; raises `CheckpointError` for any other file."""
    tensors, content, _ = read_tensors(path, KIND)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        hint = f"this one reads format {FORMAT}: train again, or resume with the version that wrote it"
        raise CheckpointError(f"{path} is a training state of another version of EinNet, {hint}")
    try:
        if parts := content.get("shards"):
            tensors |= read_shards(path.parent / Path(parts["folder"]).name, parts["shapes"])
        state = _unpack(content["state"], tensors)
        missing = sorted(PARTS - set(state))
    except CheckpointError as error:
        raise CheckpointError(f"the training state in {path} is damaged: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"the training state in {path} is damaged: {error!r}") from None
    if missing:
        raise CheckpointError(f"the training state in {path} lacks {', '.join(missing)}")
    return state


def _pack(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """A JSON value in which tensors, tuples and dicts are objects with one telling key.

    >>> import torch
    >>> tensors = {}
    >>> tree = _pack({"step": 3, 0: (torch.ones(2), None)}, tensors, "x")
    >>> tree
    {'dict': [['step', 3], [0, {'tuple': [{'tensor': 'x.0.0'}, None]}]]}
    >>> _unpack(tree, tensors)
    {'step': 3, 0: (tensor([1., 1.]), None)}
    """
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(v, tensors, f"{name}.{key}")] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_pack(v, tensors, f"{name}.{k}") for k, v in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    kind = type(value).__name__
    raise CheckpointError(f"the training state has a {kind} at {name}, which cannot be saved without pickle")


def _unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, list):
        return [_unpack(v, tensors) for v in tree]
    if isinstance(tree, dict):
        if "tensor" in tree:
            return torch.as_tensor(tensors[tree["tensor"]])
        if "tuple" in tree:
            return tuple(_unpack(v, tensors) for v in tree["tuple"])
        return {key: _unpack(v, tensors) for key, v in tree["dict"]}
    return tree
