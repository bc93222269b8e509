"""Linear maps between types whose tensors are rows: sparse matrices before and after a dense one.

The sums of all terms of an input are one sparse matrix times its rows, and so is the way from compact results to the
rows of the output. Both are found once for the supports of a call and kept with them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from einnet.nn.channels import add_all
from einnet.nn.sparse.backend import SparseBackend
from einnet.nn.sparse.matches import Matches
from einnet.nn.sparse.row_sums import RowMaxima, RowSums
from einnet.plan import Result, Step

__all__ = ["Summand", "map_rows"]


@dataclass(frozen=True)
class Summand:
    """What some columns of the matrix are multiplied with, at each row of a compact result.

    An operand, of which a step adds up rows and multiplies them by a power of their number, or takes the largest;
    without an operand the logarithm of 1 + the number of rows, and without a step too a 1.
    """

    result: Result
    width: int
    operand: int | None = None
    step: Step | None = None
    power: float = 0.0
    is_maximum: bool = False


class Block(NamedTuple):
    """Some columns of a group: an operand as it is, a part of its scaled sums, or its largest values."""

    operand: int
    width: int
    sums: int | None = None  # the row at which they begin
    maxima: int | None = None  # the number of a `RowMaxima`


@dataclass
class Sums:
    """All sums of an operand, and what each is multiplied with, (rows, 1)."""

    links: list[Matches] = field(default_factory=list)
    scales: list[Tensor] = field(default_factory=list)
    height: int = 0

    def add(self, links: Matches, scale: Tensor) -> int:
        """The row at which the sums over these links begin."""
        self.links.append(links)
        self.scales.append(scale)
        self.height += links.rows[1]
        return self.height - links.rows[1]

    def build(self) -> None:
        self.rows = RowSums(self.links, 1)
        self.scale = torch.cat(self.scales)[:, None]

    def run(self, x: Tensor) -> Tensor:
        return self.rows.run(x) * self.scale

    def differentiate(self, gradient: Tensor) -> Tensor:
        return self.rows.run(gradient * self.scale, 0)


@dataclass
class Group:
    """Summands whose compact results have the same rows; their columns of the matrix."""

    rows: slice
    columns: slice
    blocks: list[Block]
    known: list[Tensor]  # what does not depend on the operands, side by side, or nothing


class Program:
    """The map for the supports of a call. What has nothing to sum there is left out."""

    def __init__(self, summands: Sequence[Summand], backend: SparseBackend, sizes: Mapping[str, int], like: Tensor):
        self.backend, self.sizes, self.like = backend, sizes, like
        ranges = [range(*bounds) for bounds in pairwise(accumulate((s.width for s in summands), initial=0))]
        steps = {id(s.step): s.step for s in summands if s.step is not None}
        links = {k: self._link(step.tuples, step.supports, step) for k, step in steps.items()}
        by_map: dict[Any, list[int]] = defaultdict(list)
        for k, s in enumerate(summands):
            if s.step is None or len(links[id(s.step)]):
                by_map[s.result.axis_map].append(k)
        self.groups: list[Group] = []
        self.sums: dict[int, Sums] = defaultdict(Sums)
        self.maxima: list[RowMaxima] = []
        spreads, first, columns, height = [], [], [], 0
        for numbers in by_map.values():
            spread = self._spread(summands[numbers[0]].result)
            if not len(spread):
                continue
            spreads.append(spread)
            first.append(numbers[0])
            numbers = sorted(numbers, key=lambda k: summands[k].operand is None)
            own = [(summands[k], links.get(id(summands[k].step))) for k in numbers]
            start = len(columns)
            columns += [c for k in numbers for c in ranges[k]]
            blocks = [self._add_block(s, x) for s, x in own if s.operand is not None]
            known = [self._find_known(x, spread.rows[0]) for s, x in own if s.operand is None]
            rows = slice(height, height := height + spread.rows[0])
            known = [torch.stack(known, 1)] if known else []
            self.groups.append(Group(rows, slice(start, len(columns)), blocks, known))
        for sums in self.sums.values():
            sums.build()
        self.output_rows = self._spread(summands[0].result).rows[1]
        is_spread = len(spreads) > 1 or any(not is_whole(summands[k].result) for k in first)
        self.spread = RowSums(spreads, 0) if spreads and is_spread else None
        self.columns = torch.tensor(columns, dtype=torch.long, device=like.device)
        del self.backend, self.sizes, self.like

    def _spread(self, result: Result) -> Matches:
        """The rows of the compact result and of the output that belong together."""
        if is_whole(result):
            if result.is_sparse and result.support is not None:
                rows = self.backend.supports[result.support.axes].entries
            else:
                rows = self.sizes[dict(result.axes)[result.compact[0]]] if result.compact else self.backend.samples
            own = torch.arange(rows, device=self.like.device)
            return Matches(torch.stack([own, own]), (rows, rows), 1)
        return self._link((result.compact, result.output), (None, result.support), result)

    def _link(self, tuples: Any, types: Any, owner: Step | Result) -> Matches:
        links = self.backend.link(tuples, types or (None, None), dict(owner.axes), self.sizes)
        assert links is not None  # of two tuples
        return links

    def _add_block(self, summand: Summand, links: Matches | None) -> Block:
        operand, width = summand.operand, summand.width
        assert operand is not None
        if links is None:
            return Block(operand, width)
        if summand.is_maximum:
            self.maxima.append(RowMaxima(links))
            return Block(operand, width, maxima=len(self.maxima) - 1)
        scale = self._count(links).clamp_(min=1).pow_(summand.power)
        return Block(operand, width, self.sums[operand].add(links, scale))

    def _find_known(self, links: Matches | None, rows: int) -> Tensor:
        return self.like.new_ones(rows) if links is None else self._count(links).log1p_()

    def _count(self, links: Matches) -> Tensor:
        """The number of rows that are added up at each row."""
        return links.order(1).pointers.diff().to(self.like.dtype)

    def run(self, weights: tuple[Tensor, ...], inputs: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """The output, and what its derivative needs: the matrix, what it is multiplied with, rows of largest values.

        `weights` are the matrix and, if there is one, the bias; the columns of each group are put side by side.
        """
        matrix = (weights[0] if len(weights) == 1 else torch.cat(weights, 1)).index_select(1, self.columns)
        sums = {operand: s.run(inputs[operand]) for operand, s in self.sums.items()}
        places, sides, parts = [], [], []
        for g in self.groups:
            blocks, rows = [], g.rows.stop - g.rows.start
            for b in g.blocks:
                if b.maxima is not None:
                    values, place = self.maxima[b.maxima].run(inputs[b.operand])
                    blocks.append(values)
                    places.append(place)
                else:
                    blocks.append(inputs[b.operand] if b.sums is None else sums[b.operand].narrow(0, b.sums, rows))
            blocks += g.known
            sides.append(blocks[0] if len(blocks) == 1 else torch.cat(blocks, 1))
            parts.append(sides[-1] @ matrix[:, g.columns].T)
        if not parts:
            return matrix.new_zeros(self.output_rows, len(matrix)), (matrix, sides, places)
        y = parts[0] if len(parts) == 1 else torch.cat(parts)
        return (y if self.spread is None else self.spread.run(y)), (matrix, sides, places)

    def differentiate(
        self, gradient: Tensor, computed: Any, is_needed: Sequence[bool]
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The gradients of the matrix, its columns side by side, and of the inputs."""
        matrix, sides, places = computed
        gradient = gradient if self.spread is None else self.spread.run(gradient, 0)
        of_matrix = torch.empty_like(matrix)
        of_inputs: list[list[Tensor]] = [[] for _ in is_needed]
        of_sums: dict[int, list[Tensor]] = defaultdict(list)
        for g, side in zip(self.groups, sides, strict=True):
            part = gradient[g.rows]
            torch.mm(part.T, side, out=of_matrix[:, g.columns])
            if not any(is_needed[b.operand] for b in g.blocks):
                continue
            pieces = (part @ matrix[:, g.columns]).split(
                [*(b.width for b in g.blocks), *(x.shape[1] for x in g.known)], 1
            )
            for b, piece in zip(g.blocks, pieces, strict=False):
                if b.maxima is not None:
                    of_inputs[b.operand].append(self.maxima[b.maxima].differentiate(piece, places[b.maxima]))
                elif b.sums is not None:
                    of_sums[b.operand].append(piece)
                else:
                    of_inputs[b.operand].append(piece)
        for operand, pieces in of_sums.items():
            if is_needed[operand]:
                total = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
                of_inputs[operand].append(self.sums[operand].differentiate(total))
        return of_matrix, [add_all(pieces) if pieces else None for pieces in of_inputs]


def is_whole(result: Result) -> bool:
    """Whether the compact result has the rows of the output."""
    return result.is_sparse or result.compact == result.output


class RowMap(torch.autograd.Function):
    """See `map_rows`."""

    @staticmethod
    def forward(ctx, program: Program, number: int, *tensors: Tensor) -> Tensor:
        ctx.program, ctx.number = program, number
        y, (matrix, sides, places) = program.run(tensors[:number], tensors[number:])
        ctx.save_for_backward(*tensors, matrix, *sides, *places)
        return y

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        program, number, is_needed = ctx.program, ctx.number, ctx.needs_input_grad[2:]
        tensors, (matrix, *rest) = ctx.saved_tensors[: len(is_needed)], ctx.saved_tensors[len(is_needed) :]
        if torch.is_grad_enabled():
            y, _ = program.run(tensors[:number], tensors[number:])
            sources = [x for x, n in zip(tensors, is_needed, strict=True) if n]
            derived = iter(torch.autograd.grad(y, sources, gradients, create_graph=True, allow_unused=True))
            return None, None, *(next(derived) if n else None for n in is_needed)
        computed = matrix, rest[: len(program.groups)], rest[len(program.groups) :]
        of_matrix, of_inputs = program.differentiate(gradients[0], computed, is_needed[number:])
        widths = [w.shape[1] for w in tensors[:number]]
        pairs = zip(of_inputs, tensors[number:], is_needed[number:], strict=True)
        of_inputs = [torch.zeros_like(x) if g is None and n else g for g, x, n in pairs]
        of_weights = of_matrix.new_zeros(len(of_matrix), sum(widths)).index_copy_(1, program.columns, of_matrix)
        return None, None, *of_weights.split(widths, 1), *of_inputs


def map_rows(
    summands: Sequence[Summand],
    weights: Sequence[Tensor],
    inputs: Sequence[Tensor],
    backend: SparseBackend,
    sizes: Mapping[str, int],
) -> Tensor:
    """The sum of the summands, each times its columns of the matrices `weights`, which stand side by side.

    Inputs and output are rows of features: the elements of an axis, the entries of a support, the samples of a union.
    """
    key = ("rows", id(summands), weights[0].dtype)

    def make() -> tuple[Program, Any]:
        return Program(summands, backend, sizes, weights[0].detach()), summands

    return RowMap.apply(backend.cache(key, make)[0], len(weights), *weights, *inputs)  # type: ignore[return-value]
