"""The part of a layer that belongs to one type of its state, where some types are sparse.

Nearly all of a layer maps each cell by itself: norms, projections, and the terms whose tuples are all that of the
output, such as `[ab],[ab]->[ab]`, which are called local here. These are done for some cells at a time, see `map_rows`.
Only the operands and the results of the other terms are held for all cells at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from einnet.nn.backend import feature_axis, rank_of, run_upcast
from einnet.nn.channels import HeadLinear
from einnet.nn.context import Context
from einnet.nn.pool import Pooling
from einnet.nn.sparse.rows import map_rows
from einnet.plan import Result
from einnet.symmetry import Symmetry
from einnet.terms import Term

__all__ = ["PartModules", "TypePart", "is_row_type"]


class PartModules(NamedTuple):
    """The submodules of a layer that are called for one type."""

    norm: nn.Module
    in_proj: nn.Module
    pool_proj: nn.Module
    activation: Callable[[Tensor], Tensor]
    out_proj: nn.Module
    dropout: nn.Module


def is_row_type(symmetry: Symmetry) -> bool:
    """Whether tensors of the type are rows of features: the entries of a support, the elements of an axis."""
    return symmetry.is_sparse or len(symmetry.axes) == 1


def is_local(term: Term) -> bool:
    """Whether each value of the output depends on the operands' values at the same index tuple alone."""
    return all(span[:2] == (term.output, term.brackets[-1]) for span in term.spans())


@dataclass(frozen=True)
class TypePart:
    """What a layer does for the `number`-th type of its pooling: its terms, which of them are local."""

    symmetry: Symmetry
    number: int
    has_rows: bool
    results: list[Result]
    local: list[Term | None]  # the term of each result if it is local
    own: list[int]  # of the operands of this type those of local terms
    shared: list[int]  # and of other terms

    @staticmethod
    def of(pool: Pooling, number: int) -> "TypePart":
        symmetry = pool.types[number]
        has_rows, results = is_row_type(symmetry), pool.select(number, pool.plan.results)
        owners = [t if is_local(t) else None for t in pool.plan.terms for _ in t.operands]
        owners = [t for t, k in zip(owners, pool.reads, strict=True) if k == number]
        local = [t if has_rows and is_local(t) else None for t in pool.select(number, pool.plan.terms)]
        if has_rows:
            results = [replace(r, support=symmetry, is_sparse=True) for r in results]
        own = [k for k, t in enumerate(owners) if t is not None and has_rows]
        shared = [k for k in range(len(owners)) if k not in own]
        return TypePart(symmetry, number, has_rows, results, local, own, shared)

    @property
    def rank(self) -> int | None:
        return None if self.has_rows else rank_of(self.symmetry)

    def share(self, modules: PartModules, x: Tensor, context: Context) -> Sequence[Tensor]:
        """The operands of the terms that are not local, features first."""

        def project(x: Tensor, cells: Tensor | None = None) -> Sequence[Tensor]:
            return self._project(modules, x, self.shared, cells)

        if not self.shared:
            return []
        values = self._map(project, [x, *self._cells(context)], modules[:2])
        return [y.movedim(-1, feature_axis(self.symmetry)) for y in values]

    def update(self, modules: PartModules, x: Tensor, results: Sequence[Tensor], context: Context) -> Tensor:
        """The state after the layer, given the results of the terms that are not local."""
        cells, masks = self._cells(context), self._diagonals(context)

        def run(x: Tensor, *rows: Tensor) -> list[Tensor]:
            rest = iter(rows)
            mask = next(rest) if cells else None
            diagonals = {t: next(rest) for t in masks}
            own = iter(self._project(modules, x, self.own, mask)) if self.own else iter(())
            pooled = [
                next(rest) if t is None else run_upcast(_multiply, [next(own) for _ in t.operands], diagonals.get(t))
                for t in self.local
            ]
            shape = context.shape(self.symmetry)
            y = modules.pool_proj(lambda heads: pooled, shape, context.backend)
            y = x + modules.dropout(modules.out_proj(modules.activation(y)))
            return [y if mask is None else y.masked_fill(~mask, 0)]

        modules_of_rows = [m for m in modules if isinstance(m, nn.Module)]
        (y,) = self._map(run, [x, *cells, *masks.values(), *results], modules_of_rows)
        return y

    def _map(self, function: Callable, rows: Sequence[Tensor], modules: Sequence[nn.Module]) -> Sequence[Tensor]:
        return map_rows(function, rows, modules) if self.has_rows else function(*rows)

    def _project(
        self, modules: PartModules, x: Tensor, operands: Sequence[int], cells: Tensor | None
    ) -> Sequence[Tensor]:
        module, number = modules.in_proj, len(self.own) + len(self.shared)
        x = modules.norm(x)
        if len(operands) == number:
            y = module(x)
        elif isinstance(module, HeadLinear):
            y = module(x, operands=_as_index(tuple(operands), x.device))
        else:  # another module
            y = module(x).unflatten(-1, (number, -1))[..., operands, :].flatten(-2)
        y = y if cells is None else y.masked_fill(~cells, 0)
        return y.split(y.shape[-1] // len(operands), -1)

    def _cells(self, context: Context) -> list[Tensor]:
        """Which cells have no padding, if any has."""
        cells = context.cells(self.symmetry)
        return [] if cells is None else [cells.unsqueeze(-1)]

    def _diagonals(self, context: Context) -> dict[Term, Tensor]:
        """For each local term with repeated indices, the entries at which these agree."""
        return {
            t: context.backend.supports[self.symmetry.axes].diagonal(t.output)
            for t in self.local
            if t is not None and len(set(t.output)) < len(t.output)
        }


def _multiply(operands: Sequence[Tensor], diagonal: Tensor | None) -> Tensor:
    product, *rest = operands
    for x in rest:
        product = product * x
    return product if diagonal is None else product.masked_fill(~diagonal, 0)


def _as_index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device) if torch.compiler.is_compiling() else _make_index(numbers, device)


@lru_cache
def _make_index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device)
