"""The cells of a dense state as the columns of a matrix, one row for each feature; cut into blocks of columns.

The values of a block stay in the cache while it is mapped. The features stand first in memory, as in all dense states,
so that each feature of a block is contiguous.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

__all__ = ["LENGTHS", "Grid"]

LENGTHS = {"cpu": 2**11}  # cells of a block, for each thread
LARGE_LENGTH = 2**18  # on other devices
SMALLEST_GRID, FEWEST_FEATURES = 2**14, 64  # from which on there are several blocks: narrow states lose


class Grid:
    """States (batch..., axes..., features), whose operands and results are (features, batch..., axes...).

    A block has all cells of some samples, or some elements of the first axis of one sample. Equal states have the same
    object.
    """

    def __init__(self, batch: tuple[int, ...], axes: tuple[int, ...], length: int):
        self.shape, self.axes, self.samples, inner = (*batch, *axes), axes, prod(batch), prod(axes[1:])
        self.samples_of_block = max(1, min(self.samples, length // max(axes[0] * inner, 1)))
        self.rows_of_block = max(1, min(axes[0], length // max(inner, 1)))
        samples = [min(self.samples_of_block, self.samples - k) for k in range(0, self.samples, self.samples_of_block)]
        rows = [min(self.rows_of_block, axes[0] - k) for k in range(0, axes[0], self.rows_of_block)]
        self.sizes = [s * r * inner for s in samples for r in rows] or [0]
        self.cells = prod(self.shape)
        self.is_one, self.has_rows = len(self.sizes) == 1, len(rows) > 1

    @staticmethod
    def of(x: Tensor, rank: int) -> "Grid":
        """The blocks of a state of `rank` axes."""
        shape, device = tuple(x.shape), x.device.type
        length = LENGTHS.get(device, LARGE_LENGTH) * (torch.get_num_threads() if device == "cpu" else 1)
        if prod(shape[:-1]) < SMALLEST_GRID or shape[-1] < FEWEST_FEATURES:
            length = prod(shape[:-1])
        return _make_grid(shape[: -1 - rank], shape[-1 - rank : -1], length)

    def matrix(self, x: Tensor) -> Tensor:
        """A state as (features, cells)."""
        return x.reshape(self.cells, x.shape[-1]).t()

    def state(self, y: Tensor) -> Tensor:
        """What `matrix` was given."""
        return y.t().view(*self.shape, y.shape[0])

    def split(self, matrix: Tensor) -> Sequence[Tensor]:
        """The columns of each block; parts of the matrix itself."""
        return (matrix,) if self.is_one else matrix.split(self.sizes, 1)

    def make(self, rows: int, like: Tensor) -> tuple[Any, Sequence[Tensor | None]]:
        """Memory for a matrix, and its columns of each block; none for a single block."""
        if self.is_one:
            return None, (None,)
        matrix = like.new_empty(rows, self.cells)
        return matrix, self.split(matrix)

    def operands(self, matrix: Tensor, number: int) -> Sequence[Tensor]:
        """Tensors whose features are the rows of a matrix."""
        return matrix.view(number, matrix.shape[0] // number, *self.shape).unbind()

    def blocks_of(self, y: Tensor) -> Sequence[Tensor]:
        """The part of each block of (features, batch..., axes... or 1): parts of the tensor itself, if it can be."""
        if self.is_one:
            return (y,)
        axes = y.shape[y.dim() - len(self.axes) :]
        y = y.reshape(y.shape[0], self.samples, *axes)
        samples = y.split(self.samples_of_block, 1)
        if not self.has_rows:
            return samples
        if axes[0] == 1 < self.axes[0]:
            return [part for part in samples for _ in range(0, self.axes[0], self.rows_of_block)]
        return [rows for part in samples for rows in part.split(self.rows_of_block, 2)]


@lru_cache(maxsize=256)
def _make_grid(batch: tuple[int, ...], axes: tuple[int, ...], length: int) -> Grid:
    return Grid(batch, axes, length)
