"""`shard`: a network whose state is cut into blocks; `take_block` and `distribute` cut its inputs."""

from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from einnet.errors import EinNetError, ShapeError
from einnet.nn import ReferenceNet
from einnet.nn.networks.reference import ReferenceBlock
from einnet.nn.sharded.backend import ShardedBackend
from einnet.nn.sharded.call import as_dtensor, refuse
from einnet.nn.sharded.grid import Grid
from einnet.symmetry import Symmetry, as_symmetry

__all__ = ["distribute", "shard", "take_block"]


def shard(module: nn.Module, mesh: DeviceMesh) -> Any:
    """The module itself, which from now on takes and returns blocks of tensors, cut over the processes of a mesh.

    All processes start from the weights of the first one of the mesh, and the gradient of each weight is the sum over
    the processes, so that each of them takes the step that a single process would take. ::

        mesh = init_device_mesh("cuda", (2, 4))                    # 2 x 4 processes, which torchrun has started
        net = shard(EinNet("aaH -> aaH", 3, 1).cuda(), mesh)
        y = net(take_block(x, "aaH", mesh))                        # each process has its block of the input and output
        loss = (y - target).square().sum() / number_of_cells       # its part of the loss
        loss.backward()                                            # gradients are added up over the processes

    Args:
        module: a network, `EinLayer`, `EinLinear` or `EinPool`, with types that are not sparse.
        mesh: of one dimension, which cuts the first axis, or of two, which cut the first and the second. An only axis
            is cut along both. Axes are cut as `torch.chunk` cuts them; no size has to be a multiple of another.

    The inputs of a call are the blocks of each process, see `take_block`, or DTensors; the output is of the same kind.
    A mask of an axis is whole, that of a type is a block. An output without axes is the same at each process, and its
    gradient is counted once: all compute the same loss. Of other outputs the loss is a sum over the processes' parts;
    DTensors do that by themselves.

    A call is a collective operation: all processes of the mesh make it, in the same order, as they call `backward`.

    Raises `EinNetError` for sparse types and for what cannot be sharded, `ShapeError` for blocks that do not fit.
    """
    if not isinstance(mesh, DeviceMesh):
        raise TypeError(f"mesh must be a torch.distributed DeviceMesh, got {type(mesh).__name__}")
    grid = Grid.of(mesh)
    for name, part in module.named_modules():
        refuse(getattr(part, "types", ()))
        if type(part).__module__.startswith("einnet.nn.pairs"):
            raise EinNetError(f"a sharded {type(part).__name__} is not supported yet: shard an EinNet")
        if isinstance(part, ReferenceNet | ReferenceBlock):
            where = f" ({name})" * bool(name)
            raise EinNetError(
                f"a sharded {type(part).__name__}{where} is not supported yet: its softmax runs over all positions; "
                "shard an EinNet"
            )
    tensors = [*module.parameters(), *module.buffers()]
    if any(isinstance(x, DTensor) for x in tensors):
        raise EinNetError("a sharded state with weights that are sharded too (FSDP2) is not supported yet")
    for x in tensors:
        dist.broadcast(x.detach(), grid.rank_at[0, 0], group=grid.group)
    for p in module.parameters():
        if p.requires_grad:
            p.register_hook(lambda gradient: grid.sum(gradient, (0, 1)))
    module.device_mesh = mesh  # type: ignore[assignment]
    return module


def take_block(x: Tensor, symmetry: Symmetry | str, mesh: DeviceMesh) -> Tensor:
    """The block of this process of a tensor of a type, (batch..., axes..., features), a view."""
    symmetry = as_symmetry(symmetry).with_features
    refuse([symmetry])
    return _make_backend(x, symmetry, mesh).take_block(x.movedim(-1, 0), symmetry.axes).movedim(0, -1)


def distribute(x: Tensor, symmetry: Symmetry | str, mesh: DeviceMesh) -> DTensor:
    """The DTensor of a tensor of a type that every process has whole; nothing is sent."""
    symmetry = as_symmetry(symmetry).with_features
    return as_dtensor(take_block(x, symmetry, mesh), symmetry, _make_backend(x, symmetry, mesh))


def _make_backend(x: Tensor, symmetry: Symmetry, mesh: DeviceMesh) -> ShardedBackend:
    if not isinstance(x, Tensor):
        raise TypeError(f"expected a torch tensor, got {type(x).__name__}")
    if x.dim() < len(symmetry.axes) + 1:
        raise ShapeError(f"a tensor of type '{symmetry}' has shape (batch..., axes..., features), got {tuple(x.shape)}")
    return ShardedBackend(Grid.of(mesh), symmetry.sizes_of(x.shape))
