"""A network's weights while it is trained: cut over processes (FSDP), full for files, averaged for use."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from einnet.nn import Network
from einnet.train.task import Task

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["AveragedNet", "is_sharded", "shard_module", "shard_optimizer_state", "to_full"]


class AveragedNet:
    """An exponential average whose memory grows with the run: the first weights are soon forgotten.

    `net` has the full weights; while the trained network is sharded they are those of the last `gather`.
    """

    def __init__(self, net: Network, decay: float):
        self.net = deepcopy(net).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0
        self.weights: list[Tensor] = []  # sharded as those of the trained network are

    @torch.no_grad()
    def update(self, net: Network) -> None:
        """Moves the average towards the weights of `net`."""
        if not self.weights:
            self.weights = list(map(_shard_like, self.net.parameters(), net.parameters()))
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 1.0
        for average, parameter in zip(self.weights, net.parameters(), strict=True):
            average.lerp_(parameter, weight)
        for average, buffer in zip(self.net.buffers(), net.buffers(), strict=True):
            average.copy_(buffer)
        self.updates += 1

    @torch.no_grad()
    def gather(self) -> Network:
        """The network with its full weights; all processes call it together."""
        for full, average in zip(self.net.parameters(), self.weights, strict=False):
            if average is not full:
                full.copy_(to_full(average))
        return self.net

    def state_dict(self) -> dict[str, Tensor | int]:
        """The weights, sharded as those of the trained network are."""
        names = (name for name, _ in self.net.named_parameters())
        weights = dict(zip(names, self.weights, strict=False))  # none before the first update
        return {"updates": self.updates, **self.net.state_dict(), **weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = int(state["updates"])
        self.net.load_state_dict({name: value for name, value in state.items() if name != "updates"})


def shard_module(task: Task, mesh: "DeviceMesh") -> Task:
    """Cuts the weights, the gradients and so the optimiser's state; gathers one layer's weights at a time."""
    from torch.distributed.fsdp import fully_shard  # slow to import, as DTensor is

    for part in (*getattr(task.net, "layers", ()), task):
        fully_shard(part, mesh=mesh["data_parallel"])
    return task


def _shard_like(full: Tensor, pattern: Tensor) -> Tensor:
    """The tensor cut as `pattern` is; the tensor itself where `pattern` is not cut."""
    if not is_sharded(pattern):
        return full
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(full, pattern.device_mesh, pattern.placements)  # type: ignore[attr-defined]


def is_sharded(value: Any) -> bool:
    """Whether each process has a part of a tensor."""
    return hasattr(value, "full_tensor")


def shard_optimizer_state(optimizer: Optimizer) -> None:
    """Cuts the state of an optimiser, loaded from full tensors, as its parameters are."""
    for part in getattr(optimizer, "parts", [optimizer]):
        for parameter, state in part.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    state[name] = _shard_like(value, parameter)


def to_full(value: Any) -> Any:
    """The whole tensor of its shards; all processes call it together."""
    return value.full_tensor() if is_sharded(value) else value
