"""An einsum of blocks: each process computes its part of the output, panel by panel.

Only the blocks are kept for the backward pass, which takes the panels again. The panels that come next are sent while
this one is computed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from einnet.nn.looped import upcast_dtype
from einnet.nn.sharded.cuts import Cut, split_range
from einnet.nn.sharded.grid import Coordinate, Grid, GridShape
from einnet.nn.sharded.moves import Block, narrow_block, without_graph

__all__ = ["Algorithm", "PanelExchange", "Panels", "contract_panels"]

Tuple = tuple[str, ...]
Compute = Callable[[Sequence[Tensor]], Tensor]
WIDTH = 256  # of a panel


class Panels:
    """The panels of an einsum that is cut: which piece of each operand they need, and which process has it."""

    def __init__(self, grid: GridShape, cut: Cut, operands: Sequence[Tuple], sizes: Mapping[str, int]):
        self.grid, self.cut, self.tuples, self.sizes = grid, cut, operands, sizes
        self.bounds = [grid.block([sizes[i] for i in t], p) for t, p in zip(operands, cut.operands, strict=True)]
        self.dims = [
            tuple(sorted(d for i, dims in zip(t, p, strict=True) if i in cut.panels for d in dims if grid.shape[d] > 1))
            for t, p in zip(operands, cut.operands, strict=True)
        ]
        self.ranges = []
        for index in cut.panels:
            edges = [0, sizes[index]]
            for t, p in zip(operands, cut.operands, strict=True):
                if index in t:
                    edges += grid.edges(sizes[index], p[t.index(index)])
            self.ranges.append(list(split_range(edges, WIDTH)))
        self.panels = [dict(zip(cut.panels, chosen, strict=True)) for chosen in product(*self.ranges)]

    def block(self, k: int, panel: Mapping[str, tuple[int, int]]) -> Block:
        """The ranges of an operand's axes that a panel needs."""
        return [panel.get(i, own) for i, own in zip(self.tuples[k], self.bounds[k], strict=True)]

    def owner(self, k: int, panel: Mapping[str, tuple[int, int]]) -> Coordinate:
        """The process whose block of an operand has the piece of a panel."""
        owner = list(self.grid.coordinate)
        for i, dims in zip(self.tuples[k], self.cut.operands[k], strict=True):
            if i in panel and dims:
                start, stop = panel[i]
                owner_of_range = next(
                    c
                    for c in self.grid.places
                    if (r := self.grid.range_of(self.sizes[i], dims, c))[0] <= start and stop <= r[1]
                )
                for d in dims:
                    owner[d] = owner_of_range[d]
        return owner[0], owner[1]


class PanelExchange(Panels):
    """How the pieces come to those that need them, and their gradients back."""

    grid: Grid

    def stream(self, operands: Sequence[Tensor]) -> Iterator[tuple[Mapping[str, tuple[int, int]], list[Tensor]]]:
        """Each panel with the pieces of the operands."""
        pieces: list[Any] = [None] * len(operands)
        coming = self._start(operands, None, self.panels[0]) if self.panels else {}
        for number, panel in enumerate(self.panels):
            for k, (piece, work) in coming.items():
                if work is not None:
                    work.wait()
                pieces[k] = piece
            if number + 1 < len(self.panels):
                coming = self._start(operands, panel, self.panels[number + 1])
            yield panel, list(pieces)

    def _start(self, operands: Sequence[Tensor], before: Any, panel: Mapping[str, tuple[int, int]]) -> dict[int, Any]:
        """Starts to send the pieces that the panel before did not have."""
        coming = {}
        for k, x in enumerate(operands):
            block = self.block(k, panel)
            if before is not None and block == self.block(k, before):
                continue
            if not self.dims[k]:
                coming[k] = narrow_block(x, self.bounds[k], block), None
                continue
            lead = x.shape[: x.dim() - len(block)]
            piece = x.new_empty(*lead, *(stop - start for start, stop in block))
            owner = self.owner(k, panel)
            if owner == self.grid.coordinate:
                piece.copy_(narrow_block(x, self.bounds[k], block))
            work = self.grid.copy_from(piece, owner, self.dims[k]) if piece.numel() else None
            coming[k] = piece, work
        return coming

    def give(self, k: int, total: Tensor, panel: Mapping[str, tuple[int, int]], gradient: Tensor) -> None:
        """Adds the gradients of a piece, of all processes that had it, to the total at its owner."""
        block, owner = self.block(k, panel), self.owner(k, panel)
        if self.dims[k] and gradient.numel():
            gradient = gradient.to(upcast_dtype(gradient.dtype), memory_format=torch.contiguous_format, copy=True)
            self.grid.sum_at(gradient, owner, self.dims[k]).wait()
        if not self.dims[k] or owner == self.grid.coordinate:
            narrow_block(total, self.bounds[k], block).add_(gradient)


class Algorithm:
    """What is computed from the pieces of a panel, how the parts are added up, and the gradients of the pieces.

    `add` and `share` are those of an algebra, see `nn/semiring`; None for sums. `differentiate` gives the gradients of
    the pieces, from that of their part and the pieces.
    """

    def __init__(self, compute: Compute, algebra: Any = None, differentiate: Callable | None = None):
        self.compute, self.algebra, self.differentiate = compute, algebra, differentiate

    def add(self, total: Tensor | None, part: Tensor) -> Tensor:
        if total is None:
            return part.to(upcast_dtype(part.dtype)) if self.algebra is None else part
        return total.add_(part) if self.algebra is None else self.algebra.add(total, part)

    def gradients(
        self, pieces: Sequence[Tensor], gradient: Tensor, total: Tensor | None
    ) -> tuple[Sequence[Tensor], Tensor]:
        """The gradient of each piece, and the gradient that is left for the panels that follow."""
        if self.differentiate is not None:
            return self.differentiate(gradient, pieces), gradient
        with torch.enable_grad():
            leaves = [x.detach().requires_grad_() for x in pieces]
            part = self.compute(leaves)
        own = gradient
        if self.algebra is not None and total is not None:
            own, gradient = self.algebra.share(gradient, part.detach(), total)
        parts = torch.autograd.grad(part, leaves, own.to(part.dtype), allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, parts, strict=True)], gradient


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx, panels: PanelExchange, algorithm: Algorithm, *operands: Tensor) -> Tensor:
        total = None
        with torch.autocast(operands[0].device.type, enabled=False):
            for _, pieces in panels.stream(operands):
                total = algorithm.add(total, algorithm.compute(pieces))
        assert total is not None, "an index of a panel has a size of one or more"
        ctx.panels, ctx.algorithm = panels, algorithm
        ctx.save_for_backward(*operands, *([] if algorithm.algebra is None else [total]))
        return total.to(operands[0].dtype) if algorithm.algebra is None else total

    @staticmethod
    @without_graph
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        panels, algorithm = ctx.panels, ctx.algorithm
        operands, total = ctx.saved_tensors, None
        if algorithm.algebra is not None:
            *operands, total = operands
        totals = [torch.zeros_like(x, dtype=upcast_dtype(x.dtype)) for x in operands]
        pending: list[Any] = [None] * len(operands)
        with torch.autocast(gradient.device.type, enabled=False):
            for panel, pieces in panels.stream(operands):
                parts, gradient = algorithm.gradients(pieces, gradient, total)
                for k, part in enumerate(parts):
                    if pending[k] is not None and panels.block(k, pending[k][0]) == panels.block(k, panel):
                        pending[k] = panel, pending[k][1] + part
                        continue
                    if pending[k] is not None:
                        panels.give(k, totals[k], *pending[k])
                    pending[k] = panel, part
        for k, last in enumerate(pending):
            if last is not None:
                panels.give(k, totals[k], *last)
        return None, None, *(t.to(x.dtype) for t, x in zip(totals, operands, strict=True))


def contract_panels(panels: PanelExchange, algorithm: Algorithm, operands: Sequence[Tensor]) -> Tensor:
    """The part of the output that this process computes."""
    return _Contract.apply(panels, algorithm, *operands)  # type: ignore[return-value]
