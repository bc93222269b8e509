"""`shard`: a network whose state is cut into blocks; `take_block` and `distribute` cut its inputs."""

from collections.abc import Callable, Mapping
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from einnet.errors import EinNetError, ShapeError
from einnet.nn import EinLayer, EinLinear, EinPool, Network, ReferenceNet
from einnet.nn.networks.reference import ReferenceBlock
from einnet.nn.sharded.backend import ShardedBackend
from einnet.nn.sharded.call import as_dtensor, refuse
from einnet.nn.sharded.grid import Grid
from einnet.nn.sharded.moves import refuse_create_graph
from einnet.nn.sparse.cut import take_entries
from einnet.symmetry import Symmetry, as_symmetry

__all__ = ["distribute", "shard", "take_block"]

TAKES_BLOCKS = Network, EinLayer, EinLinear, EinPool


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
        module: a network, `EinLayer`, `EinLinear` or `EinPool`. Other modules would take a block for the whole
            tensor, and are refused: shard what they have of these.
        mesh: of one dimension, which cuts the first axis, or of two, which cut the first and the second. An only axis
            is cut along both, and so is the first axis of a sparse type with its entries. Axes are cut as `torch.chunk`
            cuts them; no size has to be a multiple of another.

    The inputs of a call are the blocks of each process, see `take_block`, or DTensors; the output is of the same kind.
    A mask of an axis is whole, that of a type is a block. An output without axes is the same at each process, and its
    gradient is counted once: all compute the same loss. Of other outputs the loss is a sum over the processes' parts;
    DTensors do that by themselves.

    A call is a collective operation: all processes of the mesh make it, in the same order, as they call `backward`.

    `torch.distributed.fsdp.fully_shard` cuts the weights too, before or after, over the same processes, over others, or
    over both: it takes means of gradients that are added up over the processes of the state. Weights that are cut
    already stay as they are.

    Raises `EinNetError` for what cannot be sharded, such as a sparse type together with a dense one of two axes, and
    `ShapeError` for blocks that do not fit.
    """
    grid = Grid.of(mesh)
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a network, EinLayer, EinLinear or EinPool, got {type(module).__name__}")
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
    if not isinstance(module, TAKES_BLOCKS):
        raise EinNetError(_explain_refusal(module))
    for x in (*module.parameters(), *module.buffers()):
        if not isinstance(x, DTensor):
            dist.broadcast(x.detach(), grid.rank_at[0, 0], group=grid.group)
    _sum_gradients(module, grid)
    module.device_mesh = mesh  # type: ignore[assignment]
    return module


def _explain_refusal(module: nn.Module) -> str:
    """Why a module that is none of this package, and whose calls see blocks as if they were whole, is not sharded."""
    inner = (
        f"'{name}', of type {type(p).__name__}" for name, p in module.named_modules() if isinstance(p, TAKES_BLOCKS)
    )
    hint = f": shard what it has of these, {first}" if (first := next(inner, "")) else ""
    return f"a network, EinLayer, EinLinear or EinPool can be sharded, got {type(module).__name__}{hint}"


def _sum_gradients(module: nn.Module, grid: Grid) -> None:
    """Has the gradient of each weight added up over the processes; again when the module is called, for new weights.

    Those that FSDP has cut are whole when the module is called that has them, in tensors which FSDP keeps.
    """
    for part in module.modules():
        weights = list(part.parameters(recurse=False))
        for p in weights:
            if p.requires_grad and not isinstance(p, DTensor):
                _hook_once(p, grid, lambda p=p: p.register_hook(lambda gradient: _add_up(gradient, grid)))
        if part is module or any(isinstance(p, DTensor) for p in weights):
            _hook_once(part, grid, lambda part=part: part.register_forward_pre_hook(lambda x, _: _enter(x, grid)))


def _add_up(gradient: Tensor, grid: Grid) -> Tensor:
    refuse_create_graph()
    return grid.sum(gradient, (0, 1))


def _enter(module: nn.Module, grid: Grid) -> None:
    _sum_gradients(module, grid)
    for name, p in module.named_parameters(recurse=False):
        if isinstance(p, DTensor):
            raise EinNetError(
                f"{name} of a sharded {type(module).__name__} is a DTensor: weights of a sharded state are cut by "
                "torch.distributed.fsdp.fully_shard only"
            )


def _hook_once(x: nn.Module | Tensor, grid: Grid, register: Callable[[], Any]) -> None:
    """Registers a hook in place of that for another grid."""
    known, hook = vars(x).get("_sum_hook", (None, None))
    if known != id(grid):
        if hook is not None:
            hook.remove()
        x._sum_hook = id(grid), register()  # type: ignore[assignment]


def take_block(x: Any, symmetry: Symmetry | str, mesh: DeviceMesh, sizes: Mapping[str, int] | None = None) -> Any:
    """The block of this process of a tensor of a type, (batch..., axes..., features), a view.

    Of a sparse tensor, in any form of `einnet.nn.sparse.as_sparse`, a tuple (`Support`, values) of the entries whose
    first index is in the rows of this process; `sizes` are those of axes whose size the form does not say.
    """
    symmetry = as_symmetry(symmetry).with_features
    if symmetry.is_sparse:
        return take_entries(x, symmetry, Grid.of(mesh), sizes)
    return _make_backend(x, symmetry, mesh).take_block(x.movedim(-1, 0), symmetry.axes).movedim(0, -1)


def distribute(x: Tensor, symmetry: Symmetry | str, mesh: DeviceMesh) -> DTensor:
    """The DTensor of a tensor of a type that every process has whole; nothing is sent."""
    symmetry = as_symmetry(symmetry).with_features
    if symmetry.is_sparse:
        raise EinNetError(f"a tensor of the sparse type '{symmetry}' is no DTensor: cut it by take_block")
    return as_dtensor(take_block(x, symmetry, mesh), symmetry, _make_backend(x, symmetry, mesh))


def _make_backend(x: Tensor, symmetry: Symmetry, mesh: DeviceMesh) -> ShardedBackend:
    if not isinstance(x, Tensor):
        raise TypeError(f"expected a torch tensor, got {type(x).__name__}")
    if isinstance(x, DTensor):
        raise TypeError(
            "expected a tensor that every process has whole, got a DTensor, which is cut already: pass it to the "
            "network as it is, or x.full_tensor() here"
        )
    if x.dim() < len(symmetry.axes) + 1:
        raise ShapeError(f"a tensor of type '{symmetry}' has shape (batch..., axes..., features), got {tuple(x.shape)}")
    return ShardedBackend(Grid.of(mesh), symmetry.sizes_of(x.shape))
