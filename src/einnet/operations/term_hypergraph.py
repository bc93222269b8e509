"""`TermHypergraph`: what is left of a term where order-1 operations do not count, with the term's own indices."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from einnet.checks import SearchBudget
from einnet.operations.hypergraph import Hypergraph, split_edges
from einnet.terms.index_map import IndexMap
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["TermHypergraph"]

Edge = frozenset[str]


@dataclass(frozen=True)
class TermHypergraph:
    """The indices of the output and of each operand, as sets, without those that only one of them has.

    >>> hypergraph = TermHypergraph.of(Term("ab,cb,de->aa"), TypeSet.of("aa"))
    >>> [sorted(edge) for edge in hypergraph.edges]
    [['a'], ['a', 'b'], ['b'], []]
    """

    edges: tuple[Edge, ...]  # output first
    index_map: IndexMap = field(compare=False, repr=False)

    @classmethod
    def of(cls, term: Term, type_set: TypeSet) -> "TermHypergraph":
        return cls(tuple(map(frozenset, (term.output, *term.operands))), type_set.index_map(term)).reduce()

    @property
    def order(self) -> int:
        return len(self.edges) - 1

    @cached_property
    def indices(self) -> Edge:
        return frozenset().union(*self.edges)

    def reduce(self) -> "TermHypergraph":
        """Drops the indices that only one edge has, unless another index of that edge depends on them."""
        edges = [set(e) for e in self.edges]
        for v in sorted(self.indices, key=self.index_map.depth, reverse=True):
            holders = [e for e in edges if v in e]
            if len(holders) == 1 and not any(self.index_map.parents.get(w) == v for w in holders[0]):
                holders[0].discard(v)
        return TermHypergraph(tuple(map(frozenset, edges)), self.index_map)

    def canonical(self) -> Hypergraph:
        """The same for all that differ by names and the order of operands."""
        names = sorted(self.indices)
        number = {v: k for k, v in enumerate(names)}
        parents = tuple(number.get(self.index_map.parents.get(v, "")) for v in names)
        edges = tuple(tuple(number[v] for v in e) for e in self.edges)
        classes = tuple(self.index_map.classes[v] for v in names)
        return Hypergraph(classes, parents, edges).with_output(0).canonical()

    def splits(
        self, type_set: TypeSet, budget: SearchBudget
    ) -> Iterator[tuple[tuple[int, ...], "TermHypergraph", "TermHypergraph"]]:
        """Operands that can be computed alone: their numbers, the inner term, and the outer one that reads it last.

        Theorem 1 of docs/pooling.md: two operands or more, but not all, that meet the rest in
        indices which fit into one tuple.
        """
        for numbers, shared in split_edges(self.edges, range(2, self.order), fixed=1):
            budget.spend()
            if type_set.fits(self.index_map.counts(shared)):
                meeting = frozenset(shared)
                inner = TermHypergraph((meeting, *(self.edges[k] for k in numbers)), self.index_map)
                rest = [e for k, e in enumerate(self.edges) if k not in numbers]
                outer = TermHypergraph((*rest, meeting), self.index_map)
                yield tuple(k - 1 for k in numbers), inner.reduce(), outer.reduce()
