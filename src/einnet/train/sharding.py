"""Weights cut over processes (FSDP): to shards for training, to full tensors for files."""

from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

__all__ = ["shard_like", "shard_module", "shard_optimizer_state", "to_full"]


def shard_module(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Each process keeps its part of the weights, of the gradients and so of the optimiser's state."""
    fully_shard(module, mesh=mesh["data_parallel"])
    return module


def shard_like(full: Tensor, pattern: Tensor) -> Tensor:
    """The tensor cut as `pattern` is; the tensor itself where `pattern` is not cut."""
    return distribute_tensor(full, pattern.device_mesh, pattern.placements) if isinstance(pattern, DTensor) else full


def shard_optimizer_state(optimizer: Optimizer) -> None:
    """Cuts the state of an optimiser, loaded from full tensors, as its parameters are."""
    for part in getattr(optimizer, "parts", [optimizer]):
        for parameter, state in part.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    state[name] = shard_like(value, parameter)


def to_full(value: Any) -> Any:
    """A state with full tensors instead of shards; all processes call it together."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: to_full(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(to_full, value))
    return value
