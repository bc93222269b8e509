"""The back end of plans with sparse types."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.nn.backend import TORCH, TorchBackend
from einnet.nn.semiring import ALGEBRAS, SemiringBackend
from einnet.nn.sparse.join import join, match
from einnet.nn.sparse.matches import Matches
from einnet.nn.sparse.membership import Membership
from einnet.nn.sparse.support import Support, guard
from einnet.plan import Plan, Result, Step
from einnet.plan.step import is_connected
from einnet.symmetry import Symmetry

__all__ = ["SparseBackend", "in_semiring", "make_backend"]

Tuple = tuple[str, ...]
Supports = Mapping[Tuple, Support]


class SparseBackend(TorchBackend):
    """Tensors of torch: dense ones channels first, those of sparse types (batch..., entries, features).

    `supports` are known by the axes of their types. In a disjoint union `membership` has the sample of each element;
    values without index are (batch..., samples, features).
    """

    contract = staticmethod(join)

    def __init__(
        self,
        supports: Supports,
        membership: Membership | None = None,
        matches: dict[tuple, Matches] | None = None,
    ):
        TorchBackend.__init__(self, torch)
        self.supports, self.membership = supports, membership
        self.is_union = membership is not None
        self.matches = {} if matches is None else matches  # of joins in compiled programs, which cannot find them

    def find_matches(self, plan: Plan) -> None:
        """Finds the matches of all joins of a plan, for programs that are compiled."""
        joins = [(s.tuples, s.supports) for s in plan.steps if s.is_join]
        joins += [((r.compact, r.output), (None, r.support)) for r in plan.results if r.support and not r.is_sparse]
        for tuples, types in joins:
            if self.membership is None or is_connected(tuples):
                self.matches[tuples, types] = match(tuples[:-1], tuples[-1], self._supports(types))

    def join(self, step: Step, operands: Sequence[Tensor]) -> Tensor:
        supports = step.supports or (None,) * len(step.tuples)
        return self._run(step.tuples, supports, step.axes, operands)

    def expand(self, compact: Tensor, result: Result) -> Tensor:
        """The output from the compact result, whose values are gathered at the entries, or in a union at elements."""
        if result.is_sparse or result.compact == result.output:
            return compact
        return self._run((result.compact, result.output), (None, result.support), result.axes, [compact])

    def _run(self, tuples: Sequence[Tuple], types: Sequence[Symmetry | None], axes: Any, operands: Any) -> Tensor:
        """The value of an einsum; the output is the last tuple."""
        supports = self._supports(types)
        if self.membership is None or is_connected(tuples):
            matches = self.matches.get((tuple(tuples), tuple(types)))
            return self.contract(tuples[:-1], tuples[-1], supports, operands, matches)
        return self.membership.run(self.contract, tuples, dict(axes), supports, operands)

    def _supports(self, types: Sequence[Symmetry | None]) -> list[Support | None]:
        return [None if t is None else self.supports[t.axes] for t in types]

    def cache(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, computed once for these supports."""
        names = (*self.supports, *(self.membership.by_axis if self.membership else ()))
        supports = [*self.supports.values(), *(self.membership.supports if self.membership else ())]
        key = (key, names, *map(id, supports))
        return supports[0].cache(key, lambda: (make(), guard(key, supports)))[0]


class SparseSemiringBackend(SparseBackend, SemiringBackend):
    """The same in a semiring, by its name."""

    def __init__(self, sums: SparseBackend, name: str):
        super().__init__(sums.supports, sums.membership, sums.matches)
        self.name, self.algebra = name, ALGEBRAS[name]

    def contract(self, *arguments: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return join(*arguments, algebra=self.algebra)


def in_semiring(backend: TorchBackend, name: str) -> SemiringBackend:
    """The back end with the same supports for a semiring."""
    return SparseSemiringBackend(backend, name) if isinstance(backend, SparseBackend) else SemiringBackend(name)


def make_backend(supports: Supports, membership: Membership | None = None) -> TorchBackend:
    """The back end for tensors with these supports, in a disjoint union with this membership."""
    return SparseBackend(supports, membership) if supports or membership is not None else TORCH
