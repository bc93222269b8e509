"""The executor of plans on blocks of tensors: every step of a plan, and the expansion of its results.

A value with several axes has the first cut along the rows of the grid and the second along its columns, one with one
axis along both; one without axes is the same everywhere. Each step takes its operands from there and leaves its output
there. What has no step in a plan is done cell by cell, and so by each process for its own block.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod

import torch
from torch import Tensor

from einnet.nn.backend import TORCH, TorchBackend
from einnet.nn.semiring import SemiringBackend
from einnet.nn.sharded.contract import Algorithm, PanelExchange, contract_panels
from einnet.nn.sharded.cuts import Cut, choose_cut
from einnet.nn.sharded.grid import Grid, Placement, default_placement
from einnet.nn.sharded.moves import gather, move, sum_over
from einnet.plan import Result, Step
from einnet.plan.kernel import Expansion, Kernel
from einnet.symmetry import Symmetry

__all__ = ["ShardedBackend"]

Tuple = tuple[str, ...]


class ShardedBackend(TorchBackend):
    """Blocks of tensors, channels first. `sizes` has the size of each axis of the tensors that they are cut from.

    `local` computes with blocks: sums, or another semiring.
    """

    is_sharded = True
    unsharded = TORCH  # of dense tensors that are not cut

    def __init__(self, grid: Grid, sizes: Mapping[str, int], local: TorchBackend = TORCH):
        super().__init__(torch)
        self.grid, self.sizes, self.local = grid, sizes, local
        self.algebra = local.algebra if isinstance(local, SemiringBackend) else None

    def in_semiring(self, name: str) -> "ShardedBackend":
        return ShardedBackend(self.grid, self.sizes, SemiringBackend(name))

    def block_shape(self, letters: Sequence[str]) -> list[int]:
        """The sizes of the block of a tensor with these axes."""
        return self.grid.block_shape([self.sizes[c] for c in letters], default_placement(len(letters)))

    def count_cells(self, symmetry: Symmetry) -> int:
        """The number of cells of a whole tensor of a type."""
        return prod(self.sizes[c] for c in symmetry.axes)

    def take_block(self, x: Tensor, letters: Sequence[str]) -> Tensor:
        placement = default_placement(len(letters))
        for k, (letter, dims) in enumerate(zip(letters, placement, strict=True)):
            axis = k - len(letters)
            if x.shape[axis] != 1 or self.sizes[letter] == 1:
                start, stop = self.grid.range_of(self.sizes[letter], dims)
                x = x.narrow(axis, start, stop - start)
        return x

    def takes(self, step: Step) -> bool:
        return True

    def join(self, step: Step, operands: Sequence[Tensor]) -> Tensor:
        axes = dict(step.axes)
        sizes = {i: self.sizes[axes[i]] for t in step.tuples for i in t}
        if len(operands) == 1:
            return self._reduce(operands[0], step.operands[0], step.output, sizes)
        cut = choose_cut(step.operands, step.output, tuple(sizes.items()), self.grid.shape)
        blocks = [
            move(x, self.grid, [sizes[i] for i in t], default_placement(len(t)), placement)
            for x, t, placement in zip(operands, step.operands, cut.operands, strict=True)
        ]
        total = self._contract(step, cut, blocks, sizes)
        return self._finish(total, step.output, sizes, cut.output, cut.summed)

    def _contract(self, step: Step, cut: Cut, blocks: Sequence[Tensor], sizes: Mapping[str, int]) -> Tensor:
        """The part of the output that this process computes from blocks that are placed as the cut says."""
        panels = _make_panels(self.grid, cut, step.operands, tuple(sizes.items()))
        if not any(panels.dims) or not panels.panels:
            return self._run(step, blocks)
        device, algebra = blocks[0].device.type, self.algebra
        if algebra is None and torch.is_autocast_enabled(device):
            blocks = [x.to(torch.get_autocast_dtype(device)) if x.dtype == torch.float32 else x for x in blocks]
        differentiate = None
        if algebra is None and step.kernel is not None:
            kernels = _gradient_kernels(step.operands, step.output)
            differentiate = lambda gradient, pieces: _differentiate(kernels, gradient, pieces, self.local)  # noqa: E731
        algorithm = Algorithm(lambda pieces: self._run(step, pieces), algebra, differentiate)
        return contract_panels(panels, algorithm, blocks)

    def _run(self, step: Step, blocks: Sequence[Tensor]) -> Tensor:
        if step.kernel is None:
            return self.local.contract_in_loop(blocks, step.operands, step.output, step.loop)
        return step.kernel.run(blocks, self.local)

    def _reduce(self, x: Tensor, operand: Tuple, output: Tuple, sizes: Mapping[str, int]) -> Tensor:
        """Diagonals and sums of one value, of which each process has a part."""
        placement, names, dims, summed = default_placement(len(operand)), operand, {}, []
        for index, cutting in zip(operand, placement, strict=True):
            summed += cutting if index in dims or index not in output else ()
            dims.setdefault(index, cutting)
        while repeated := [i for i in dict.fromkeys(names) if names.count(i) > 1]:
            x, names, placement = self._take_diagonal(x, names, placement, repeated[0], sizes)
        x = Kernel.of([names], output).run([x], self.local)
        return self._finish(x, output, sizes, tuple(dims[i] for i in output), summed)

    def _take_diagonal(
        self, x: Tensor, names: Tuple, placement: Placement, index: str, sizes: Mapping[str, int]
    ) -> tuple[Tensor, Tuple, Placement]:
        """The part of a diagonal of two axes that this process has, the rest zero, in place of the first axis."""
        first = names.index(index)
        second = names.index(index, first + 1)
        rows, columns = (self.grid.range_of(sizes[index], placement[k]) for k in (first, second))
        before, start, number = _overlap(rows, columns)
        axes = first - len(names), second - len(names)
        x = x.narrow(axes[0], before, number).narrow(axes[1], start, number)
        x = self.local.diagonal(x, *axes).movedim(-1, axes[0] + 1)
        x = self._pad(x, axes[0] + 1, before, rows[1] - rows[0] - before - number)
        rest = [k for k in range(len(names)) if k != second]
        return x, tuple(names[k] for k in rest), tuple(placement[k] for k in rest)

    def _pad(self, x: Tensor, axis: int, before: int, after: int) -> Tensor:
        """With the neutral value of sums before and after."""
        parts = [x]
        for number, place in ((before, 0), (after, 2)):
            if number:
                shape = [number if k == axis % x.dim() else n for k, n in enumerate(x.shape)]
                parts.insert(place, x.new_zeros(shape) if self.algebra is None else self.algebra.zeros(x, shape))
        return torch.cat(parts, axis) if before or after else x

    def _finish(
        self, x: Tensor, output: Tuple, sizes: Mapping[str, int], placement: Placement, summed: Sequence[int]
    ) -> Tensor:
        """The output where it belongs, from what each process has of it: a part of each sum along some dimensions."""
        if self.algebra is None:
            x = sum_over(x, self.grid, summed)
        elif any(self.grid.shape[d] > 1 for d in summed):
            x = self.algebra.sum(gather(x, self.grid, summed), (-1,))
        return move(x, self.grid, [sizes[i] for i in output], placement, default_placement(len(output)))

    def expand(self, compact: Tensor, result: Result, shape: Sequence[int]) -> Tensor:
        """The block of an output, of this shape, from that of a compact result."""
        axis_map, axes = result.axis_map, dict(result.axes)
        expansion = Expansion.of(axis_map)
        placement = default_placement(len(axis_map))
        target = tuple(placement[axis_map.index(k)] for k in range(len(result.compact)))
        sizes = [self.sizes[axes[i]] for i in result.compact]
        x = move(compact, self.grid, sizes, default_placement(len(sizes)), target)
        x = expansion.layout.apply(x, self)
        if expansion.broadcast_axes:
            x = self.broadcast(x, [shape[k] for k in expansion.broadcast_axes])
        pairs = [(axis_map.index(axis), k) for k, axis in enumerate(axis_map) if axis_map.index(axis) < k]
        for (first, second), places in zip(expansion.diagonals, pairs, strict=True):
            size = self.sizes[axes[result.output[places[0]]]]
            x = self._embed(x, first, second, *(self.grid.range_of(size, placement[k]) for k in places))
        return x

    def _embed(self, x: Tensor, first: int, second: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """`x` on the diagonal of two axes that have these ranges."""
        *before, number = _overlap(rows, columns)
        x = self.embed(x.narrow(first + 1, before[0], number), first, second)
        for axis, (low, high), missing in zip((first, second), (rows, columns), before, strict=True):
            x = self._pad(x, axis, missing, high - low - missing - number)
        return x


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int, int]:
    """Where the common part of two ranges begins in each of them, and its length.

    >>> _overlap((0, 4), (3, 8)), _overlap((0, 2), (2, 4))
    ((3, 0, 1), (0, 0, 0))
    """
    start = max(first[0], second[0])
    number = min(first[1], second[1]) - start
    return (start - first[0], start - second[0], number) if number > 0 else (0, 0, 0)


@lru_cache(maxsize=1024)
def _make_panels(
    grid: Grid, cut: Cut, operands: tuple[Tuple, ...], sizes: tuple[tuple[str, int], ...]
) -> PanelExchange:
    return PanelExchange(grid, cut, operands, dict(sizes))


@lru_cache(maxsize=1024)
def _gradient_kernels(operands: tuple[Tuple, ...], output: Tuple) -> list[Kernel]:
    """For each of two operands the einsum of the output's gradient and the other one."""
    left, right = operands
    return [Kernel.of([output, right], left), Kernel.of([output, left], right)]


def _differentiate(
    kernels: Sequence[Kernel], gradient: Tensor, pieces: Sequence[Tensor], backend: TorchBackend
) -> list[Tensor]:
    """The gradients of two pieces from that of the output of their einsum."""
    return [
        kernel.run([gradient, factor.conj()], backend).sum_to_size(x.shape)
        for kernel, x, factor in zip(kernels, pieces, reversed(pieces), strict=True)
    ]
