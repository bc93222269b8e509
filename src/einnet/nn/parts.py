"""The part of a layer that belongs to one type of its state, where some types are sparse.

Nearly all of a layer maps each cell by itself: norms, projections, and the terms whose tuples are all that of the
output, such as `[ab],[ab]->[ab]`, which are called local here. These are done for some cells at a time, see
`sparse/rows.py`; only the operands and the results of the other terms are held for all cells at once. With modules of
the user's own, hooks, dropout, masks, batch axes or autocast the submodules are called on all cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from einnet.nn.backend import feature_axis, rank_of, run_upcast
from einnet.nn.channels import ACTIVATIONS, Dropout, HeadLinear, Linear, RMSNorm, RowRMSNorm
from einnet.nn.context import Context
from einnet.nn.looped import is_in_transform
from einnet.nn.pool import Pooling
from einnet.nn.pooled import PooledLinear
from einnet.nn.sparse.row_layer import TypeRows
from einnet.nn.sparse.rows import Update, Weights, is_short, project_rows, update_rows
from einnet.plan import Result
from einnet.symmetry import Symmetry
from einnet.terms import Term

__all__ = ["PartModules", "TypePart", "is_row_type"]

KINDS = (  # of the modules that a layer makes
    {RMSNorm, RowRMSNorm, nn.Identity},
    {HeadLinear},
    {PooledLinear},
    {*ACTIVATIONS.values()},
    {Linear},
    {Dropout, nn.Identity},
)


class PartModules(NamedTuple):
    """The submodules of a layer that are called for one type."""

    norm: Any
    in_proj: Any
    pool_proj: Any
    activation: Callable[[Tensor], Tensor]
    out_proj: Any
    dropout: nn.Module

    @property
    def norm_is_rms(self) -> bool:
        return isinstance(self.norm, RMSNorm)

    @property
    def is_plain(self) -> bool:
        """Whether they are those that a layer makes, without hooks, and nothing is dropped."""
        if self.dropout.training and not isinstance(self.dropout, nn.Identity):
            return False
        modules: Any = self
        for module, kinds in zip(modules, KINDS, strict=True):
            if type(module) not in kinds or module._forward_hooks or module._forward_pre_hooks:
                return False
            if module._backward_hooks or module._backward_pre_hooks:
                return False
        return self.pool_proj.norm is self.norm_is_rms and not _has_any_global_hook()

    @property
    def maps_cells(self) -> bool:
        """Whether all pooled results of a dense type are mapped together, at all cells."""
        maps = self.pool_proj.maps
        return len(maps) == 1 and maps[0].is_full

    def list_tensors(self, x: Tensor) -> list[Any]:
        """A state and the weights, for `update_cells`."""
        pool, into, out = self.pool_proj, self.in_proj, self.out_proj
        gain = self.norm.weight if self.norm_is_rms else None
        return [x, gain, pool.gain, into.weight, into.bias, pool.weight, pool.bias, out.weight, out.bias]


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

    def rows_of(self, modules: PartModules, context: Context) -> tuple[TypeRows, list[Tensor | None]]:
        """How `update_types` updates the rows, and the weights."""
        weight, bias = modules.in_proj.weights
        weight = weight * modules.norm.weight if modules.norm_is_rms else weight
        weights = [weight, bias, *modules.pool_proj.weights, *modules.out_proj.weights]
        return TypeRows(self._make_update(modules, context), self.own, self.shared), weights

    def has_few_rows(self, modules: PartModules, x: Tensor, context: Context) -> bool:
        """Whether `update_types` can update the rows."""
        return context.cells(self.symmetry) is None and self._is_plain(modules, [x]) and is_short(x)

    def share(self, modules: PartModules, x: Tensor, context: Context) -> Sequence[Tensor]:
        """The operands of the terms that are not local, features first."""
        cells = context.cells(self.symmetry)
        if not self.shared:
            return []
        if cells is None and self._is_plain(modules, [x]):
            weights = self._fold_norm(modules, self.shared, x.device)
            values = project_rows(x, weights, len(self.shared), modules.norm_is_rms)
        else:
            values = self._project(modules, x, self.shared, cells)
        return [y.movedim(-1, feature_axis(self.symmetry)) for y in values]

    def update(self, modules: PartModules, x: Tensor, results: Sequence[Tensor], context: Context) -> Tensor:
        """The state after the layer, given the results of the terms that are not local."""
        cells = context.cells(self.symmetry)
        if cells is None and self._is_plain(modules, [x, *results]):
            weights = [
                self._fold_norm(modules, self.own, x.device),
                modules.pool_proj.weights,
                modules.out_proj.weights,
            ]
            return update_rows(x, results, self._make_update(modules, context), weights)
        y = modules.pool_proj(
            lambda heads: self._pool(modules, x, results, context), context.shape(self.symmetry), context.backend
        )
        y = x + modules.dropout(modules.out_proj(modules.activation(y)))
        return y if cells is None else y.masked_fill(~cells.unsqueeze(-1), 0)

    def _make_update(self, modules: PartModules, context: Context) -> Update:
        operands = tuple(t.order if t is not None else 0 for t in self.local)
        return Update(operands, self._diagonals(context), modules.norm_is_rms, modules.activation)

    def _pool(self, modules: PartModules, x: Tensor, results: Sequence[Tensor], context: Context) -> list[Tensor]:
        """All results, of which those that are not local are given."""
        own, rest = iter(self._project(modules, x, self.own, context.cells(self.symmetry))), iter(results)
        return [
            next(rest) if t is None else run_upcast(_multiply, [next(own) for _ in t.operands], diagonal)
            for t, diagonal in zip(self.local, self._diagonals(context), strict=True)
        ]

    def _is_plain(self, modules: PartModules, rows: Sequence[Tensor]) -> bool:
        """Whether the rows are mapped by modules of this library as they are, in the precision of the weights."""
        if not self.has_rows or torch.compiler.is_compiling() or is_in_transform():
            return False
        x = rows[0]
        if x.dtype not in (torch.float32, torch.float64) or torch.is_autocast_enabled(x.device.type):
            return False
        return modules.is_plain and all(y.dim() == 2 and y.dtype == x.dtype for y in rows)

    def _fold_norm(self, modules: PartModules, operands: Sequence[int], device: torch.device) -> Weights:
        """The projection to some operands, with the gain of the norm as a factor of its columns."""
        weight, bias = modules.in_proj.select(_as_index(tuple(operands), device))
        return (weight * modules.norm.weight if modules.norm_is_rms else weight), bias

    def _project(
        self, modules: PartModules, x: Tensor, operands: Sequence[int], cells: Tensor | None
    ) -> Sequence[Tensor]:
        if not operands:
            return []
        module, number = modules.in_proj, len(self.own) + len(self.shared)
        x = modules.norm(x)
        if len(operands) == number:
            y = module(x)
        elif isinstance(module, HeadLinear):
            y = module(x, operands=_make_index(tuple(operands), x.device))
        else:  # another module
            y = module(x).unflatten(-1, (number, -1))[..., operands, :].flatten(-2)
        y = y if cells is None else y.masked_fill(~cells.unsqueeze(-1), 0)
        return y.split(y.shape[-1] // len(operands), -1)

    def _diagonals(self, context: Context) -> tuple[Tensor | None, ...]:
        """For each local term with repeated indices, the entries at which these agree."""
        return tuple(
            context.backend.supports[self.symmetry.axes].diagonal(t.output)
            if t is not None and len(set(t.output)) < len(t.output)
            else None
            for t in self.local
        )


def _multiply(operands: Sequence[Tensor], diagonal: Tensor | None) -> Tensor:
    product, *rest = operands
    for x in rest:
        product = product * x
    return product if diagonal is None else product.masked_fill(~diagonal, 0)


def _make_index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long, device=device)


@lru_cache
def _as_index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return _make_index(numbers, device)
