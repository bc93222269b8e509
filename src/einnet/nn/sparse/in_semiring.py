"""Sums over matches in a semiring, some matches at a time, without a tensor of all products."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.nn.looped import is_in_transform
from einnet.nn.semiring import Algebra
from einnet.nn.semiring.parts import Work, differentiate, run_in_parts
from einnet.nn.sparse.matches import Matches

__all__ = ["add_matches", "sum_columns"]

CHUNK = 2**18  # numbers of the products of a chunk


def add_matches(matches: Matches, rows: Sequence[Tensor], algebra: Algebra) -> Tensor:
    """(rows of the output, stacked..., features...), from (rows, stacked..., features...) of each operand."""
    operands = [x.movedim(0, algebra.stacked_axes) for x in rows]
    work = MatchSum(matches, algebra)
    if len(operands) == 1 or torch.compiler.is_compiling() or is_in_transform():  # with one, the matches are no more
        total = work.run_at_once(operands)
    else:
        total = PartedSum.apply(work, *operands)
    return total.movedim(algebra.stacked_axes, 0)


def sum_columns(y: Tensor, axes: tuple[int, ...], algebra: Algebra) -> Tensor:
    """The sums over axes that follow the features, of what `add_matches` gives."""
    y = y.movedim(0, algebra.stacked_axes)
    if any(y.shape[k] == 0 for k in axes):
        nothing = y.sum(axes)
        y = algebra.zeros(y, nothing.shape) + nothing
    else:
        y = algebra.sum(y, axes)
    return y.movedim(algebra.stacked_axes, 0)


class MatchSum(Work):
    """The sum over matches, see `contract.py`; a part is a chunk of matches in the order of the output's rows."""

    is_disjoint = False

    def __init__(self, matches: Matches, algebra: Algebra):
        self.matches, self.algebra, self.axis = matches, algebra, algebra.stacked_axes

    def empty(self, operands: Sequence[Tensor]) -> Tensor:
        lead = torch.broadcast_shapes(*(x[self._at(slice(0, 0))].shape for x in operands))
        return operands[0].new_empty([*lead[: self.axis], self.matches.rows[-1], *lead[self.axis + 1 :]])

    def parts(self, operands: Sequence[Tensor]) -> Iterable[Any]:
        width = max(x[self._at(slice(0, 1))].numel() for x in operands)
        self.order = self.matches.order(len(self.matches.rows) - 1)
        return self.order.chunks(max(1, CHUNK // max(1, width))) if len(self.matches) else ()

    def _at(self, part: Any) -> tuple:
        return (*[slice(None)] * self.axis, part)

    def take(self, k: int, x: Tensor, part: Any) -> Tensor:
        positions = self.order.positions[k]
        return x[self._at(part[0])] if positions is None else x.index_select(self.axis, positions[part[0]])

    def give(self, k: int, total: Tensor, part: Any, gradient: Tensor) -> None:
        positions = self.order.positions[k]
        if positions is None:
            total[self._at(part[0])].add_(gradient)
        else:
            total.index_add_(self.axis, positions[part[0]], gradient)

    def place(self, total: Tensor, part: Any) -> Tensor:
        return total[self._at(part[1])]

    def run(self, pieces: Sequence[Tensor], part: Any) -> Tensor:
        target = torch.repeat_interleave(part[2].diff().long())
        return self._sum(pieces, target, part[1].stop - part[1].start)

    def run_at_once(self, operands: Sequence[Tensor]) -> Tensor:
        *places, target = self.matches.positions
        pieces = [x.index_select(self.axis, p) for x, p in zip(operands, places, strict=True)]
        return self._sum(pieces, target, self.matches.rows[-1])

    def _sum(self, pieces: Sequence[Tensor], target: Tensor, number: int) -> Tensor:
        total, *rest = pieces
        for x in rest:
            total = self.algebra.multiply(total, x)
        return self.algebra.sum_rows(total, target, number)


class PartedSum(torch.autograd.Function):
    """`run_in_parts` with its derivatives."""

    @staticmethod
    def forward(ctx, work: MatchSum, *operands: Tensor) -> Tensor:
        ctx.work = work
        ctx.save_for_backward(*operands)
        return run_in_parts(work, operands)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        if not torch.is_grad_enabled():
            return None, *differentiate(ctx.work, gradients[0], ctx.saved_tensors)
        result = ctx.work.run_at_once(ctx.saved_tensors)
        sources = [x for x in ctx.saved_tensors if x.requires_grad]
        derived = iter(torch.autograd.grad(result, sources, gradients, create_graph=True))
        return None, *(next(derived) if x.requires_grad else None for x in ctx.saved_tensors)
