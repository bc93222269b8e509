"""The maps of a layer cell by cell, in blocks whose values stay in the cache: what precedes the pooling.

Nothing but the arguments and the norms is stored for the backward pass, which computes the rest again. `project_cells`
normalizes and projects; `update_cells` in cell_update.py does what follows. How cells lie in memory: see `Grid`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from einnet.nn.blocks import Grid
from einnet.nn.channels import EPSILON
from einnet.nn.sparse.rows import Totals, differentiate_twice, normalize

__all__ = [
    "Memory",
    "Normed",
    "Weights",
    "cast_sums",
    "map_rows",
    "project_cells",
    "upcast_half",
]

Weights = tuple[Tensor, Tensor | None]  # a matrix (out, in) and a bias
UNUSED = 4  # memories of one kind that are stored for later calls


def project_cells(x: Tensor, weights: Weights, number: int, is_normed: bool, blocks: Grid) -> Sequence[Tensor]:
    """`number` operands of equal width from a state: normalized, times a matrix; and the state, for `update_cells`.

    As the state is passed on, the gradient of its other use is added in the backward pass of this one.
    """
    return Projection.apply(blocks, number, is_normed, x, *weights)  # type: ignore[return-value]


def upcast_half(x: Any) -> Any:
    """Single precision for bfloat16, whose products are slower on processors without units for them."""
    return x.float() if x is not None and x.dtype == torch.bfloat16 else x


def cast_sums(totals: Totals, dtype: torch.dtype) -> list[Tensor | None]:
    """The sums in the precision of the weights."""
    return [None if x is None else x.to(dtype) for x in totals.sums]


def map_rows(x: Tensor, matrix: Tensor, bias: Tensor | None, output: Tensor) -> Tensor:
    """Sets the rows times a matrix."""
    torch.mm(x, matrix.T, out=output)
    return output if bias is None else output.add_(bias)


class Normed:
    """Memory for rows of a block divided by their root mean square."""

    def __init__(self, blocks: Grid, cells: int, width: int, is_normed: bool, like: Tensor):
        self.rows, self.width, self.is_normed = blocks.make(cells, width, like), width, is_normed
        if is_normed:
            self.spare, self.mean = blocks.make(cells, width, like), like.new_empty(cells, 1)
            self.epsilon = like.new_full((1, 1), EPSILON)

    def write(self, x: Tensor, scale: Tensor, is_known: bool) -> None:
        """Sets the rows, from the same memory or another, and what they are multiplied by, unless that is known."""
        if not self.is_normed:
            if x is not self.rows:
                self.rows.copy_(x)
            return
        if not is_known:
            torch.sum(torch.mul(x, x, out=self.spare), -1, True, out=scale)
            torch.add(self.epsilon, scale, alpha=1 / self.width, out=scale).rsqrt_()
        torch.mul(x, scale, out=self.rows)

    def undo(self, gradient: Tensor, scale: Tensor) -> Tensor:
        """The gradient of the rows from that of the normalized rows, which is overwritten."""
        if not self.is_normed:
            return gradient
        torch.sum(torch.mul(gradient, self.rows, out=self.spare), -1, True, out=self.mean)
        return gradient.addcmul_(self.rows, self.mean, value=-1 / self.width).mul_(scale)


class Memory:
    """Memory for the values of blocks: the same for all blocks of one size, and on processors for later calls too.

    To allocate it for each call costs time, as its pages are then new.
    """

    def __init__(self, make: Callable[..., Any], blocks: Grid, *arguments: Any):
        self.make, self.blocks, self.arguments = make, blocks, arguments
        self.by_size: dict[int, Any] = {}
        self.unused: list[Memory] = []

    @staticmethod
    def take(make: Callable[..., Any], blocks: Grid, like: Tensor, *arguments: Any) -> "Memory":
        """Memory that no other call uses until it is given back."""
        unused = _list_unused(make, blocks, like.dtype, *arguments) if like.device.type == "cpu" else []
        try:
            return unused.pop()
        except IndexError:
            memory = Memory(make, blocks, like.new_empty(0), *arguments)
            memory.unused = unused
            return memory

    def give_back(self) -> None:
        if len(self.unused) < UNUSED:
            self.unused.append(self)

    def of(self, block: int) -> Any:
        """The values of a block."""
        cells = self.blocks.sizes[block]
        if cells not in self.by_size:
            with torch.inference_mode(False):
                self.by_size[cells] = self.make(self.blocks, block, *self.arguments)
        return self.by_size[cells]


@lru_cache(maxsize=16)
def _list_unused(*_: Any) -> list[Memory]:
    return []


class ProjectionValues:
    """The values of a block in `Projection`."""

    def __init__(self, blocks: Grid, block: int, like: Tensor, width: int, total: int, number: int, is_normed: bool):
        cells = blocks.sizes[block]
        self.normed = Normed(blocks, cells, width, is_normed, like)
        self.operands, self.rows = blocks.make(cells, total, like), blocks.make(cells, width, like)
        self.columns = self.operands.split(total // number, 1)


class Projection(torch.autograd.Function):
    """See `project_cells`."""

    @staticmethod
    def forward(ctx, blocks: Grid, number: int, is_normed: bool, x: Tensor, weight: Tensor, bias: Tensor | None):
        ctx.blocks, ctx.number, ctx.is_normed = blocks, number, is_normed
        matrix, wide_bias = upcast_half(weight), upcast_half(bias)
        scale = matrix.new_empty(blocks.cells, 1)
        ctx.save_for_backward(x, weight, bias, scale)
        memory = Memory.take(ProjectionValues, blocks, matrix, x.shape[-1], len(weight), number, is_normed)
        operands, targets = blocks.make_operands(number, len(weight) // number, x)
        pairs = zip(*(blocks.split(y) for y in (blocks.rows(x), scale, targets)), strict=True)
        for k, (rows, s, target) in enumerate(pairs):
            m = memory.of(k)
            m.normed.write(upcast_half(rows), s, False)
            if matrix is weight:
                map_rows(m.normed.rows, matrix, wide_bias, target)
            else:
                target.copy_(map_rows(m.normed.rows, matrix, wide_bias, m.operands))
        memory.give_back()
        return x, *operands

    @staticmethod
    def backward(ctx, of_state: Tensor, *gradients: Tensor):  # type: ignore[override]
        (x, weight, bias, scale), blocks = ctx.saved_tensors, ctx.blocks
        if torch.is_grad_enabled():
            function, tensors = lambda: _project_all(ctx, x, weight, bias), (x, weight, bias)
            return None, None, None, *differentiate_twice(function, ctx, tensors, (of_state, *gradients), 3)
        matrix, totals = upcast_half(weight), Totals(weight, bias)
        memory = Memory.take(ProjectionValues, blocks, matrix, x.shape[-1], len(weight), ctx.number, ctx.is_normed)
        parts = [blocks.split(blocks.operand_rows(g)) for g in gradients]
        of_x = blocks.make(blocks.cells, x.shape[-1], x)
        states = (blocks.split(y) for y in (blocks.rows(x), blocks.rows(of_state), of_x, scale))
        for k, (rows, of_rows, target, s) in enumerate(zip(*states, strict=True)):
            m = memory.of(k)
            m.normed.write(upcast_half(rows), s, True)
            for columns, part in zip(m.columns, parts, strict=True):
                columns.copy_(part[k])
            totals.add(0, m.operands, m.normed.rows)
            m.normed.undo(torch.mm(m.operands, matrix, out=m.rows), s)
            torch.add(m.rows, of_rows, out=target)
        memory.give_back()
        return None, None, None, blocks.state(of_x), *cast_sums(totals, weight.dtype)


def _project_all(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Sequence[Tensor]:
    """The state and the operands, with a derivative."""
    rows = normalize(upcast_half(ctx.blocks.rows(x)), ctx.is_normed)[0]
    y = nn.functional.linear(rows, upcast_half(weight), upcast_half(bias)).to(x.dtype)
    return x.view_as(x), *(ctx.blocks.operand(part) for part in y.split(len(weight) // ctx.number, -1))
