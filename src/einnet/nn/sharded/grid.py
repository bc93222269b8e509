"""`Grid`: a mesh of processes as rows and columns, and which block of a tensor each process has.

The axes of a tensor are cut as `torch.chunk` and DTensor cut them. A placement says for each axis which dimensions of
the mesh cut it, one after the other; along the others all processes have the same. By default the first of several axes
is cut along the rows of the mesh and the second along its columns, and an only axis along both.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from einnet.errors import EinNetError

__all__ = ["Coordinate", "Grid", "GridShape", "Placement", "cut", "default_placement"]

Placement = tuple[tuple[int, ...], ...]
Coordinate = tuple[int, int]


def default_placement(rank: int) -> Placement:
    """That of a tensor of so many axes.

    >>> default_placement(1), default_placement(3)
    (((0, 1),), ((0,), (1,), ()))
    """
    return ((0, 1),) if rank == 1 else ((0,), (1,), *[()] * (rank - 2)) if rank else ()


def cut(start: int, stop: int, parts: int, k: int) -> tuple[int, int]:
    """The k-th part of a range; the last ones are smaller, or empty.

    >>> [cut(0, 5, 4, k) for k in range(4)]
    [(0, 2), (2, 4), (4, 5), (5, 5)]
    """
    step = -(-(stop - start) // parts)
    return min(start + k * step, stop), min(start + (k + 1) * step, stop)


class GridShape:
    """The rows and columns of a grid, and what the process at a place has."""

    def __init__(self, shape: Coordinate, coordinate: Coordinate = (0, 0)):
        self.shape, self.coordinate = shape, coordinate
        self.places: list[Coordinate] = list(product(range(shape[0]), range(shape[1])))

    def used(self, placement: Placement) -> Placement:
        """Without dimensions of one process."""
        return tuple(tuple(d for d in dims if self.shape[d] > 1) for dims in placement)

    def range_of(self, size: int, dims: Sequence[int], coordinate: Coordinate | None = None) -> tuple[int, int]:
        """The part of an axis, cut along these dimensions, that the process at a place has; this one by default."""
        start, stop = 0, size
        for d in dims:
            start, stop = cut(start, stop, self.shape[d], (coordinate or self.coordinate)[d])
        return start, stop

    def block(
        self, sizes: Sequence[int], placement: Placement, coordinate: Coordinate | None = None
    ) -> list[tuple[int, int]]:
        """The ranges of the axes."""
        return [self.range_of(n, dims, coordinate) for n, dims in zip(sizes, placement, strict=True)]

    def block_shape(self, sizes: Sequence[int], placement: Placement) -> list[int]:
        return [stop - start for start, stop in self.block(sizes, placement)]

    def edges(self, size: int, dims: Sequence[int]) -> Iterator[int]:
        """Where the parts of an axis begin and end."""
        for coordinate in self.places:
            yield from self.range_of(size, dims, coordinate)

    def size_of(self, dims: Sequence[int]) -> int:
        number = 1
        for d in dims:
            number *= self.shape[d]
        return number


class Grid(GridShape):
    """The processes of a mesh of one or two dimensions, the place of this one, and their sums and copies.

    `sent` counts the bytes that this process has sent: of a sum over m processes 2 (m - 1) / m times its size, as a
    ring sends them, of a copy from one to all or a sum at one (m - 1) / m times on average.
    """

    def __init__(self, mesh: DeviceMesh):
        if mesh.ndim not in (1, 2):
            raise EinNetError(f"a state is sharded over a mesh of one or two dimensions, got {mesh.ndim}: {mesh}")
        if mesh.get_coordinate() is None:
            raise EinNetError(f"process {dist.get_rank()} is not in the mesh {mesh}")
        rows, columns, *_ = (*mesh.shape, 1)
        row, column, *_ = (*mesh.get_coordinate(), 0)  # type: ignore[misc]
        super().__init__((rows, columns), (row, column))
        self.mesh, self.sent = mesh, 0
        self.group = mesh.get_group() if mesh.ndim == 1 else _whole_group(mesh)
        self.groups = [mesh.get_group(d) if d < mesh.ndim else None for d in range(2)]
        self.ranks = dist.get_process_group_ranks(self.group)
        table = mesh.mesh.view(self.shape).tolist()
        self.rank_at = {(i, j): table[i][j] for i, j in self.places}
        coordinate_of = {rank: c for c, rank in self.rank_at.items()}
        self.coordinates = [coordinate_of[rank] for rank in self.ranks]  # in the order of the group

    @staticmethod
    def of(mesh: DeviceMesh) -> "Grid":
        """The grid of a mesh, which keeps it."""
        if not isinstance(mesh, DeviceMesh):
            raise TypeError(f"mesh must be a torch.distributed DeviceMesh, got {type(mesh).__name__}")
        grid = vars(mesh).get("_einnet_grid")
        if not isinstance(grid, Grid):  # also of a mesh from a file
            grid = mesh._einnet_grid = Grid(mesh)  # type: ignore[attr-defined]
        return grid

    def group_of(self, dims: Sequence[int]) -> Any:
        """The processes along one or both dimensions."""
        return self.group if self.size_of(dims) == len(self.ranks) else self.groups[dims[0]]

    def sum(self, x: Tensor, dims: Sequence[int]) -> Tensor:
        """The sum over the processes along some dimensions, at each of them; in single precision or better."""
        if not (dims := [d for d in dims if self.shape[d] > 1]):
            return x
        total = _as_sendable(x)
        number = self.size_of(dims)
        self.sent += 2 * (number - 1) * total.numel() * total.element_size() // number
        dist.all_reduce(total, group=self.group_of(dims))
        return total.to(x.dtype)

    def gather(self, x: Tensor, dims: Sequence[int]) -> list[Tensor]:
        """The tensors of all processes along some dimensions, which have one shape."""
        if not (dims := [d for d in dims if self.shape[d] > 1]):
            return [x]
        number, x = self.size_of(dims), x.contiguous()
        self.sent += (number - 1) * x.numel() * x.element_size()
        parts = [torch.empty_like(x) for _ in range(number)]
        dist.all_gather(parts, x, group=self.group_of(dims))
        return parts

    def copy_from(self, x: Tensor, owner: Coordinate, dims: Sequence[int]) -> Any:
        """Starts to fill `x` at all processes along some dimensions with what the owner has; has a method `wait`."""
        self.sent += (self.size_of(dims) - 1) * x.numel() * x.element_size() // self.size_of(dims)
        return dist.broadcast(x, self.rank_at[owner], group=self.group_of(dims), async_op=True)

    def sum_at(self, x: Tensor, owner: Coordinate, dims: Sequence[int]) -> Any:
        """Starts to add up at the owner what the processes along some dimensions have; has a method `wait`."""
        self.sent += (self.size_of(dims) - 1) * x.numel() * x.element_size() // self.size_of(dims)
        return dist.reduce(x, self.rank_at[owner], group=self.group_of(dims), async_op=True)

    def send_parts(self, parts: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Sends a flat tensor to each process of the group, and receives so many numbers from each."""
        like = parts[0]
        self.sent += sum(x.numel() for x in parts) * like.element_size()
        received = like.new_empty(sum(counts))
        sent = torch.cat(list(parts))
        number = like.element_size()
        as_bytes = [x.view(torch.uint8) if x.numel() else x.new_empty(0, dtype=torch.uint8) for x in (received, sent)]
        numbers = [n * number for n in counts], [x.numel() * number for x in parts]
        dist.all_to_all_single(as_bytes[0], as_bytes[1], *numbers, group=self.group)
        return list(received.split(list(counts)))

    def __deepcopy__(self, memo: Any) -> "Grid":
        """Itself, as a copy of a network runs on the same processes."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Nothing, so that DTensors can be written with their mesh; read without pickle, too."""
        return OrderedDict, ()

    def __repr__(self) -> str:
        return f"Grid({self.shape[0]} x {self.shape[1]}, at {self.coordinate})"


def _as_sendable(x: Tensor) -> Tensor:
    """A copy to add to, in memory as the processes send it."""
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return x.clone(memory_format=torch.contiguous_format)


def _whole_group(mesh: DeviceMesh) -> Any:
    """The group of all processes of a mesh of two dimensions."""
    ranks = sorted(mesh.mesh.flatten().tolist())
    if ranks == list(range(dist.get_world_size())):
        return dist.group.WORLD
    return dist.new_group(ranks, use_local_synchronization=True)
