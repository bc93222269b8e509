"""From the inputs of a call, DTensors or the blocks of each process, to blocks, and back."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard

from einnet.errors import EinNetError, ShapeError
from einnet.nn.sharded.backend import ShardedBackend
from einnet.nn.sharded.grid import Grid, default_placement
from einnet.nn.sharded.moves import without_graph
from einnet.symmetry import Symmetry

__all__ = ["Input", "as_dtensor", "bind_mask", "number_of", "placements_of", "read_blocks", "refuse", "write_block"]

Input = tuple[int, Symmetry, Any]  # of a call: its number from 1, its type, what is passed


def refuse(types: Sequence[Symmetry]) -> None:
    """Raises for types that cannot be sharded together."""
    sparse = [t for t in types if t.is_sparse]
    if sparse and (dense := [t for t in types if len(t.axes) > 1 and not t.is_sparse]):
        raise EinNetError(
            f"sharded states of the types '{sparse[0]}' and '{dense[0]}' side by side are not supported yet: the first "
            "is cut by rows, the second by rows and columns"
        )


def placements_of(symmetry: Symmetry, mesh: DeviceMesh, ndim: int) -> list[Any]:
    """The placements, as DTensor has them, of a tensor of a type with so many axes, batch and features included.

    >>> from types import SimpleNamespace
    >>> placements_of(Symmetry("aaH"), SimpleNamespace(ndim=2), 4)                # one batch axis
    [Shard(dim=1), Shard(dim=2)]
    """
    rank = len(symmetry.axes)
    by_axis = default_placement(rank)
    placements: list[Any] = [Replicate()] * mesh.ndim
    for k, dims in enumerate(by_axis):
        for d in dims:
            if d < mesh.ndim:
                placements[d] = Shard(ndim - 1 - rank + k)
    return placements


def read_blocks(inputs: Sequence[Input], mesh: DeviceMesh) -> tuple[list[Tensor], list[tuple[int, ...]]]:
    """The blocks of this process of dense inputs, and the shapes of the whole tensors."""
    grid = Grid.of(mesh)
    for k, t, x in inputs:
        if not isinstance(x, Tensor) or x.dim() < len(t.axes) + 1:
            received = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeError(f"input {k} of type '{t}' must be a block (batch..., axes..., features), got {received}")
        if isinstance(x, DTensor) and Grid.of(x.device_mesh) is not grid:
            raise EinNetError(f"input {k} lies on another mesh, {x.device_mesh}, than {mesh}")
    shapes = _find_shapes(inputs, grid)
    blocks = []
    for _, t, x in inputs:
        if isinstance(x, DTensor):
            placements = placements_of(t, mesh, x.dim())
            x = x.redistribute(mesh, placements) if list(x.placements) != placements else x
            x = x.to_local()
        blocks.append(_AddCopies.apply(x, grid, _free_dims(t, grid)))
    return blocks, shapes


def _find_shapes(inputs: Sequence[Input], grid: Grid) -> list[tuple[int, ...]]:
    """The shapes of whole tensors; of blocks by adding up those of the processes, in one message."""
    own = [(t, x) for _, t, x in inputs if not isinstance(x, DTensor)]
    if not own:
        return [tuple(x.shape) for _, _, x in inputs]
    numbers = [n for t, x in own for n in (*_axes_of(x, t), number_of([_rest_of(x, t)]))]
    device = own[0][1].device
    table = torch.stack(grid.gather(torch.tensor(numbers, dtype=torch.long, device=device), (0, 1))).tolist()
    by_place = dict(zip(grid.coordinates if len(table) > 1 else [(0, 0)], table, strict=True))
    shapes, column = [], 0
    for k, t, x in inputs:
        if isinstance(x, DTensor):
            shapes.append(tuple(x.shape))
            continue
        rank = len(t.axes)
        sizes = []
        for axis, dims in zip(range(column, column + rank), default_placement(rank), strict=True):
            along = [c for c in by_place if all(c[d] == 0 for d in (0, 1) if d not in dims)]
            sizes.append(sum(by_place[c][axis] for c in along))
        placement = default_placement(rank)
        for c, row in by_place.items():
            expected = [stop - start for start, stop in grid.block(sizes, placement, c)]
            if row[column : column + rank] != expected:
                raise ShapeError(
                    f"input {k} of type '{t}' has, of axes of sizes {tuple(sizes)}, the block {tuple(expected)} at "
                    f"process {c} of the mesh {grid.shape}, got {tuple(row[column : column + rank])}: cut it by "
                    "einnet.distributed.take_block, or pass a DTensor"
                )
        column += rank
        if len({row[column] for row in table}) > 1:
            raise ShapeError(
                f"input {k} of type '{t}' has other batch axes, features or another dtype at other processes, here the "
                f"block has shape {tuple(x.shape)}, {x.dtype}: every process needs its block of the same samples"
            )
        column += 1
        lead = tuple(x.shape[: x.dim() - rank - 1])
        shapes.append((*lead, *sizes, x.shape[-1]))
    return shapes


def _axes_of(x: Tensor, symmetry: Symmetry) -> list[int]:
    return list(x.shape[x.dim() - 1 - len(symmetry.axes) : x.dim() - 1])


def _rest_of(x: Tensor, symmetry: Symmetry) -> tuple[Any, ...]:
    """What does not depend on the process."""
    return (*x.shape[: x.dim() - 1 - len(symmetry.axes)], x.shape[-1], str(x.dtype))


def number_of(values: Sequence[Any]) -> int:
    """A number that stands for some values, so that processes can compare them."""
    return crc32(repr(list(values)).encode())


def bind_mask(mask: Any, mesh: DeviceMesh) -> Any:
    """Masks of types as blocks; those of axes are whole at each process."""
    if isinstance(mask, DTensor):
        return mask.full_tensor()
    if not isinstance(mask, Mapping):
        return mask
    masks = {}
    for key, m in mask.items():
        if isinstance(m, DTensor) and len(key) > 1:
            placements = placements_of(Symmetry(key + "H"), mesh, m.dim() + 1)
            m = m.redistribute(mesh, placements).to_local()
        elif isinstance(m, DTensor):
            m = m.full_tensor()
        masks[key] = m
    return masks


def write_block(y: Tensor, symmetry: Symmetry, backend: ShardedBackend, inputs: Sequence[Any]) -> Tensor:
    """The output of a call: a DTensor if an input is one, else the block of this process.

    Processes that have the same block share its gradient, so that the loss of each is counted once.
    """
    grid = backend.grid
    if free := _free_dims(symmetry, grid):
        y = _ShareGradient.apply(y, grid.size_of(free))  # type: ignore[assignment]
    return as_dtensor(y, symmetry, backend) if any(isinstance(x, DTensor) for x in inputs) else y


def as_dtensor(y: Tensor, symmetry: Symmetry, backend: ShardedBackend) -> DTensor:
    mesh, rank = backend.grid.mesh, len(symmetry.axes)
    shape = torch.Size([*y.shape[: y.dim() - 1 - rank], *(backend.sizes[c] for c in symmetry.axes), y.shape[-1]])
    stride = torch.empty(shape, device="meta").stride()
    placements = placements_of(symmetry, mesh, y.dim())
    return DTensor.from_local(y, mesh, placements, run_check=False, shape=shape, stride=stride)


def _free_dims(symmetry: Symmetry, grid: Grid) -> tuple[int, ...]:
    """The dimensions of the grid along which processes have the same block."""
    cutting = {d for dims in default_placement(len(symmetry.axes)) for d in dims}
    return tuple(d for d in (0, 1) if d not in cutting and grid.shape[d] > 1)


class _AddCopies(torch.autograd.Function):
    """An input that several processes have: its gradient is the sum of the gradients of the copies."""

    @staticmethod
    def forward(ctx, x: Tensor, grid: Grid, dims: Sequence[int]) -> Tensor:
        ctx.grid, ctx.dims = grid, dims
        return x.view_as(x)

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        return ctx.grid.sum(gradient, ctx.dims), None, None


class _ShareGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y: Tensor, number: int) -> Tensor:
        ctx.number = number
        return y.view_as(y)

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        return gradient / ctx.number, None
