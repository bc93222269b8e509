"""The cells of dense tensors as rows of features, some at a time: their order in memory, and which form a block.

The values of a block stay in the cache while it is mapped. The features stand first in memory, as in all dense states,
so that each feature of a block is contiguous.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from einnet.nn.backend import TORCH
from einnet.plan.execute import Expansion

__all__ = ["LENGTHS", "Grid"]

LENGTHS = {"cpu": 2**10}  # cells of a block
LARGE_LENGTH = 2**18  # on other devices
AxisMap = tuple[int, ...]  # see `Result.axis_map`


class Grid:
    """States (batch..., axes..., features), cut into blocks.

    Operands and results are (features, batch..., axes...); results are compact, with an axis map for each. A block has
    all cells of some samples, or some elements of the first axis of one sample. Equal states have the same object.
    """

    def __init__(self, batch: tuple[int, ...], axes: tuple[int, ...], axis_maps: tuple[AxisMap, ...], length: int):
        self.batch, self.axes, self.axis_maps, self.samples = batch, axes, axis_maps, prod(batch)
        inner = prod(axes[1:])
        self.sample_count = max(1, min(self.samples, length // max(axes[0] * inner, 1)))  # of a block
        self.row_count = max(1, min(axes[0], length // max(inner, 1)))
        samples = [min(self.sample_count, self.samples - k) for k in range(0, self.samples, self.sample_count)]
        rows = [min(self.row_count, axes[0] - k) for k in range(0, axes[0], self.row_count)]
        self.counts = [(s, r) for s in samples for r in rows]  # samples and elements of the first axis
        self.blocks_of_sample = len(rows)
        self.sizes = [s * r * inner for s, r in self.counts]
        self.cells = sum(self.sizes)
        self.names = [list(dict.fromkeys(m)) for m in axis_maps]
        self.expansions = [Expansion.of(m) for m in axis_maps]
        self._places: dict[tuple[int, int, int], tuple[tuple[int, ...], tuple[int, ...], int]] = {}

    @staticmethod
    def of(x: Tensor, rank: int, axis_maps: tuple[AxisMap, ...]) -> "Grid":
        """The blocks of a state of `rank` axes with such results."""
        shape, length = tuple(x.shape), LENGTHS.get(x.device.type, LARGE_LENGTH)
        return _make_grid(shape[: -1 - rank], shape[-1 - rank : -1], axis_maps, length)

    def split(self, rows: Tensor) -> Sequence[Tensor]:
        """The rows of each block; parts of `rows` itself."""
        return (rows,) if len(self.sizes) == 1 else rows.split(self.sizes)

    def rows(self, x: Tensor) -> Tensor:
        """A state as (cells, features)."""
        return x.reshape(self.cells, x.shape[-1])

    def state(self, rows: Tensor) -> Tensor:
        """What `rows` was given."""
        return rows.view(*self.batch, *self.axes, rows.shape[1])

    def make(self, cells: int, width: int, like: Tensor) -> Tensor:
        """Memory for (cells, features)."""
        return torch.empty(width, cells, dtype=like.dtype, device=like.device).T

    def make_operands(self, number: int, width: int, like: Tensor) -> tuple[Sequence[Tensor], Tensor]:
        """Operands, and their cells as rows with the features of all of them."""
        rows = self.make(self.cells, number * width, like)
        return rows.T.view(number, width, *self.batch, *self.axes).unbind(), rows

    def operand_rows(self, x: Tensor) -> Tensor:
        """An operand as (cells, features)."""
        return x.reshape(len(x), self.cells).T

    def operand(self, rows: Tensor) -> Tensor:
        """What `operand_rows` was given."""
        return rows.T.reshape(rows.shape[1], *self.batch, *self.axes)

    def split_result(self, k: int, y: Tensor) -> Sequence[Tensor]:
        """The part of the k-th result that each block reads; parts of `y` itself."""
        flat = y if len(self.batch) == 1 else y.reshape(len(y), self.samples, *y.shape[len(self.batch) + 1 :])
        aligned = self.expansions[k].layout.apply(flat, TORCH)
        samples = (aligned,) if self.sample_count == self.samples else aligned.split(self.sample_count, 1)
        if self.blocks_of_sample == 1:
            return samples
        if not self.has_own_parts(k):
            return [part for part in samples for _ in range(self.blocks_of_sample)]
        return [rows for part in samples for rows in part.split(self.row_count, 2)]

    def place(self, k: int, columns: Tensor, block: int) -> Tensor:
        """The columns of a block where the k-th result has a value, in the shape to which its part is broadcast."""
        key = (k, *self.counts[block])
        if key not in self._places:
            self._places[key] = self._make_place(*key)
        sizes, strides, row_stride = self._places[key]
        offset = columns.storage_offset() + row_stride * (block % self.blocks_of_sample) * self.row_count
        return columns.as_strided((columns.shape[1], *sizes), (columns.stride(1), *strides), offset)

    def _make_place(self, k: int, samples: int, rows: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Sizes and strides of the compact axes in a block, and what an offset along the first axis adds."""
        axis_map, names, sizes = self.axis_maps[k], self.names[k], (rows, *self.axes[1:])
        strides = [prod(sizes[j + 1 :]) for j in range(len(sizes))]
        own_sizes = [sizes[axis_map.index(name)] for name in names]
        own_strides = [sum(s for s, n in zip(strides, axis_map, strict=True) if n == name) for name in names]
        row_stride = sum(s for s, n in zip(strides[1:], axis_map[1:], strict=True) if n == axis_map[0])
        return (samples, *own_sizes), (prod(sizes), *own_strides), row_stride

    def sum_axes(self, k: int) -> list[int]:
        """The axes along which a part of the k-th result is broadcast."""
        return [j + 2 for j, name in enumerate(self.names[k]) if name < 0]

    def has_zeros(self, k: int) -> bool:
        """Whether the k-th result leaves some cells at zero."""
        return len(self.names[k]) < len(self.axes)

    def has_own_parts(self, k: int) -> bool:
        """Whether no two blocks read the same values of the k-th result."""
        return self.axis_maps[k][0] >= 0 or self.blocks_of_sample == 1

    def expand(self, k: int, y: Tensor) -> Tensor:
        """The k-th result as (cells, features), with a derivative."""
        return self.operand_rows(self.expansions[k].apply(y, self.axes, TORCH))


@lru_cache(maxsize=256)
def _make_grid(batch: tuple[int, ...], axes: tuple[int, ...], axis_maps: tuple[AxisMap, ...], length: int) -> Grid:
    return Grid(batch, axes, axis_maps, length)
