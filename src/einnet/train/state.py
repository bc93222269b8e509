"""Training state without pickle: Lightning's checkpoint as one safetensors file.

Tensors are stored as tensors, everything around them as JSON in the file's metadata.
"""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import CheckpointIO
from torch import Tensor

from einnet.errors import CheckpointError
from einnet.io.tensors import read_tensors, write_tensors

__all__ = ["SafetensorsIO"]

KIND = "training state"


class SafetensorsIO(CheckpointIO):
    """Saves and loads Lightning checkpoints as safetensors."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        tensors: dict[str, Tensor] = {}
        tree = _pack(checkpoint, tensors, "state")
        write_tensors(path, tensors, KIND, tree)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        tensors, tree = read_tensors(path, KIND)
        try:
            state = _unpack(tree, tensors)
            missing = {"state_dict", "optimizer_states", "loops", "callbacks", "global_step"} - set(state)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"the training state in {path} is damaged: {error!r}") from None
        if missing:
            raise CheckpointError(f"the training state in {path} lacks {', '.join(sorted(missing))}")
        return state

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


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
    raise CheckpointError(
        f"the training state has a {type(value).__name__} at {name}, which cannot be saved without pickle"
    )


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
