"""Moves of blocks between placements, as autograd functions.

What each process holds is a tensor of its own for autograd, and the loss is the sum of what the processes compute. So
the backward pass of a move returns the gradient of each piece to the process that sent it, which adds up what comes;
that of a sum over processes is the sum of their gradients. Nothing else is needed for gradients to be exact.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn.sharded.grid import Grid, Placement

__all__ = ["gather", "move", "narrow_block", "refuse_create_graph", "run_step", "sum_over", "without_graph"]

Block = Sequence[tuple[int, int]]


def refuse_create_graph() -> None:
    """Raises in a backward pass that is recorded: the sums over processes in it would be missing in the second one."""
    if torch.is_grad_enabled():
        raise EinNetError(
            "second derivatives of a sharded network are not supported: call backward and torch.autograd.grad without "
            "create_graph=True, or differentiate the network in one process"
        )


def without_graph(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The backward pass of an autograd function whose gradients cannot be differentiated again."""

    @wraps(backward)
    def differentiate(ctx: Any, *gradients: Any) -> Any:
        refuse_create_graph()
        return backward(ctx, *gradients)

    return differentiate


class Move:
    """From one placement of the last axes of a tensor to another.

    A process receives from those that agree with it on the dimensions that do not cut the source: these have together
    all of the tensor, and each has a part of its own.
    """

    def __init__(self, grid: Grid, sizes: Sequence[int], source: Placement, target: Placement):
        self.grid, me = grid, grid.coordinate
        self.own, self.need = grid.block(sizes, source), grid.block(sizes, target)
        cutting = {d for dims in source for d in dims}
        free = [d for d in (0, 1) if d not in cutting]
        self.is_local = all(t[: len(s)] == s for s, t in zip(source, target, strict=True))
        self.is_same = source == target
        self.to_send: list[Block | None] = []
        self.to_receive: list[Block | None] = []
        for place in grid.coordinates:
            is_partner = all(place[d] == me[d] for d in free)
            need = grid.block(sizes, target, place)
            self.to_send.append(_intersect(self.own, need) if is_partner and not self.is_local else None)
            owner = grid.block(sizes, source, place)
            self.to_receive.append(_intersect(owner, self.need) if is_partner and not self.is_local else None)

    def forward(self, x: Tensor) -> Tensor:
        if self.is_same:
            return x
        if self.is_local:
            return narrow_block(x, self.own, self.need)
        lead = x.shape[: x.dim() - len(self.own)]
        y = x.new_empty(*lead, *(stop - start for start, stop in self.need))
        for piece, block in self._send_pieces(x, self.own, self.to_send, self.to_receive):
            narrow_block(y, self.need, block).copy_(piece)
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        if self.is_same:
            return gradient
        lead = gradient.shape[: gradient.dim() - len(self.own)]
        x = gradient.new_zeros(*lead, *(stop - start for start, stop in self.own))
        if self.is_local:
            narrow_block(x, self.own, self.need).copy_(gradient)
            return x
        for piece, block in self._send_pieces(gradient, self.need, self.to_receive, self.to_send):
            narrow_block(x, self.own, block).add_(piece)
        return x

    def _send_pieces(self, x: Tensor, bounds: Block, to_send: Sequence[Any], to_receive: Sequence[Any]) -> Any:
        """The received pieces with their blocks; that of this process itself is not sent."""
        lead = x.shape[: x.dim() - len(bounds)]
        me = self.grid.coordinates.index(self.grid.coordinate)
        parts = [
            x.new_empty(0) if block is None or k == me else narrow_block(x, bounds, block).reshape(-1)
            for k, block in enumerate(to_send)
        ]
        shapes = [None if b is None else [*lead, *(stop - start for start, stop in b)] for b in to_receive]
        counts = [0 if s is None or k == me else torch.Size(s).numel() for k, s in enumerate(shapes)]
        received = self.grid.send_parts(parts, counts)
        for k, (block, shape, flat) in enumerate(zip(to_receive, shapes, received, strict=True)):
            if block is not None and shape is not None:
                yield (narrow_block(x, bounds, block) if k == me else flat.view(shape)), block


def _intersect(first: Block, second: Block) -> Block | None:
    """The common part of two blocks; None where it is empty."""
    block = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(first, second, strict=True)]
    return None if any(start >= stop for start, stop in block) else block


def narrow_block(x: Tensor, bounds: Block, block: Block) -> Tensor:
    """The part of a tensor whose last axes have the ranges `bounds`, a view."""
    rank = len(bounds)
    for k, ((first, last), (start, stop)) in enumerate(zip(bounds, block, strict=True)):
        if (first, last) != (start, stop):
            x = x.narrow(k - rank, start - first, stop - start)
    return x


class _RunStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, step: Any) -> Tensor:
        ctx.step = step
        return step.forward(x)

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        return ctx.step.backward(gradient), None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, grid: Grid, dims: Sequence[int]) -> Tensor:
        ctx.grid, ctx.dims = grid, dims
        return grid.sum(x, dims)

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        return ctx.grid.sum(gradient, ctx.dims), None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, grid: Grid, dims: Sequence[int]) -> Tensor:
        ctx.grid, ctx.dims = grid, dims
        return torch.stack(grid.gather(x, dims), -1)

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        place = dist.get_rank(ctx.grid.group_of(ctx.dims))
        return ctx.grid.sum(gradient, ctx.dims)[..., place], None, None


def move(x: Tensor, grid: Grid, sizes: Sequence[int], source: Placement, target: Placement) -> Tensor:
    """The block of the target placement, from that of the source; the last axes have these sizes."""
    source, target = grid.used(source), grid.used(target)
    if source == target:
        return x
    return run_step(x, _make_move(grid, tuple(sizes), source, target))


def run_step(x: Tensor, step: Any) -> Tensor:
    """What the `forward` of an object gives, whose `backward` gives the gradient of `x`."""
    return _RunStep.apply(x, step)  # type: ignore[return-value]


@lru_cache(maxsize=1024)
def _make_move(grid: Grid, sizes: tuple[int, ...], source: Placement, target: Placement) -> Move:
    return Move(grid, sizes, source, target)


def sum_over(x: Tensor, grid: Grid, dims: Sequence[int]) -> Tensor:
    """The sum over the processes along some dimensions, at each of them."""
    dims = [d for d in dims if grid.shape[d] > 1]
    return _Sum.apply(x, grid, dims) if dims else x  # type: ignore[return-value]


def gather(x: Tensor, grid: Grid, dims: Sequence[int]) -> Tensor:
    """The tensors of all processes along some dimensions, side by side on a new last axis."""
    dims = sorted(d for d in dims if grid.shape[d] > 1)
    return _Gather.apply(x, grid, dims) if dims else x.unsqueeze(-1)  # type: ignore[return-value]
