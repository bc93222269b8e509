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

    @property
    def device(self) -> torch.device:
        return next(iter([*self.supports.values(), *(self.membership.supports if self.membership else ())])).device

    @property
    def samples(self) -> int:
        """The number of samples of a disjoint union; 1 of others."""
        return 1 if self.membership is None else self.membership.number

    def takes(self, step: Step) -> bool:
        """Joins; in a union, whose parts `join` runs one by one, also a step that common indices do not connect."""
        return step.is_join or (self.is_union and not is_connected(step.tuples))

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

    def expand(self, compact: Tensor, result: Result, shape: Sequence[int]) -> Tensor:
        """The output from the compact result, whose values are gathered at the entries, or in a union at elements."""
        if result.is_sparse or result.compact == result.output:
            return compact
        return self._run((result.compact, result.output), (None, result.support), result.axes, [compact])

    def link(
        self, tuples: Sequence[Tuple], types: Sequence[Symmetry | None], axes: Mapping[str, str], sizes: Any
    ) -> Matches | None:
        """The matches of an einsum; None where neither supports nor samples join its tuples, and some have axes."""
        supports = self._supports(types)
        if len(tuples) == 2 and (links := self._link_directly(tuples, supports, axes, sizes)) is not None:
            return links
        if self.membership is not None and not is_connected(tuples):
            tuples, supports = self.membership.extend(tuples, axes, supports)
        return match(tuples[:-1], tuples[-1], supports) if any(s is not None for s in supports) else None

    def _link_directly(
        self, tuples: Sequence[Tuple], supports: Sequence[Support | None], axes: Mapping[str, str], sizes: Any
    ) -> Matches | None:
        """The same where one tuple has all indices and the other one of them or none; None elsewhere."""
        wide = int((len(tuples[1]), supports[1] is not None) > (len(tuples[0]), supports[0] is not None))
        (all_indices, some), support = (tuples[wide], tuples[1 - wide]), supports[wide]
        if len(some) > 1 or not set(some) <= set(all_indices) or supports[1 - wide] or (support and support.receivers):
            return None
        names, place = [axes[i] for i in all_indices], all_indices.index(some[0]) if some else None
        numbers = [sizes[axes[some[0]]] if some else self.samples] * 2
        numbers[wide] = support.entries if support else sizes[names[0]] if names else self.samples
        pattern, membership = tuple(map(all_indices.index, all_indices)), self.membership
        owner = support or (membership.by_axis[names[0]] if membership and names else None)
        key = ("link", wide, *names, pattern, place, *map(id, membership.supports if membership else ()))

        def make() -> tuple[Matches, Any]:
            own = torch.arange(numbers[wide], device=self.device)
            if place is not None:
                linked = own if support is None else support.index[place]
            elif membership is None or not names:
                linked = torch.zeros_like(own) if names else own
            else:
                linked = membership.samples_of(names, support)
            is_whole = len(set(pattern)) == len(pattern)
            if not is_whole and support is not None:
                own = support.find_diagonal(all_indices)
                linked = linked[own]
            positions = torch.stack([linked, own] if wide else [own, linked])
            guards = guard(key, [owner, *membership.supports]) if owner and membership else []
            return Matches(positions, numbers, wide if is_whole else None), guards

        return (owner.cache(key, make) if owner is not None else make())[0]

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


def in_semiring(backend: TorchBackend, name: str) -> TorchBackend:
    """The back end with the same supports, or blocks, for a semiring."""
    if isinstance(backend, SparseBackend):
        return SparseSemiringBackend(backend, name)
    return backend.in_semiring(name) if backend.is_sharded else SemiringBackend(name)  # type: ignore[attr-defined]


def make_backend(supports: Supports, membership: Membership | None = None) -> TorchBackend:
    """The back end for tensors with these supports, in a disjoint union with this membership."""
    return SparseBackend(supports, membership) if supports or membership is not None else TORCH
