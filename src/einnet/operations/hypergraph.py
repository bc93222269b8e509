"""Hypergraphs: a term as a graph whose edges are its operands and its output.

Summing or broadcasting an index that only one edge has, dropping an index from an edge and putting two indices of an
edge on a diagonal are order-1 operations. Where those do not count, a term is a hypergraph: indices, each with a class
and perhaps a parent, and edges that are *sets* of indices. A hypergraph may be *closed* (any edge could be the output)
or *rooted* (one edge is). With sparse types the index tuples of the term at which they have values, its *support*, are
a part of it, with all their indices: a result can be stored there only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from einnet.checks import SearchBudget
from einnet.terms.canonical import canonical_order
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Hypergraph", "number_indices", "split_edges"]

OUTPUT = "output"  # the class of a mark that only the output edge of a rooted hypergraph has


@dataclass(frozen=True, order=True)
class Hypergraph:
    """Edges, sorted indices, and for each index its class and its parent index, or -1; the support.

    An element of the support is the number of a sparse type and an index tuple.
    """

    edges: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    parents: tuple[int, ...]
    support: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @classmethod
    def of(cls, term: Term, type_set: TypeSet) -> "Hypergraph":
        """The hypergraph of a term: the output and the operands as edges, reduced; indices as in `number_indices`.

        >>> Hypergraph.of(Term("ab,cb,de->aa"), TypeSet.of("aa")).edges
        ((0,), (0, 1), (1,), ())
        """
        index_map, indices = type_set.index_map(term), sorted(term.indices)
        parents = tuple(indices.index(index_map.parents[i]) if i in index_map.parents else -1 for i in indices)
        tuples, (operands, output) = number_indices(term), type_set.types_of(term)
        pairs = [(s, t) for s, t in zip((output, *operands), tuples, strict=True) if s.is_sparse]
        support = {(type_set.types.index(s), more) for s, t in pairs for more in type_set.support_with(s, t)}
        edges = tuple(tuple(sorted(set(t))) for t in tuples)
        classes = tuple(index_map.classes[i] for i in indices)
        return cls(edges, classes, parents, tuple(sorted(support))).reduce()

    def reduce(self) -> "Hypergraph":
        """Drops the indices that only one edge has, unless the support or another index of that edge needs them."""
        edges, support = [set(e) for e in self.edges], {v for _, t in self.support for v in t}
        for v in sorted(set(range(len(self.classes))) - support, key=self.depth, reverse=True):
            holders = [e for e in edges if v in e]
            if len(holders) == 1 and not any(self.parents[w] == v for w in holders[0]):
                holders[0].discard(v)
        return replace(self, edges=tuple(tuple(sorted(e)) for e in edges))

    @property
    def order(self) -> int:
        """The number of operands of a hypergraph whose first edge is the output."""
        return len(self.edges) - 1

    @property
    def indices(self) -> set[int]:
        """The indices that edges have."""
        return {v for e in self.edges for v in e}

    def depth(self, index: int) -> int:
        """The number of indices that it depends on."""
        return 0 if self.parents[index] < 0 else 1 + self.depth(self.parents[index])

    def kind(self, index: int) -> tuple[str, int]:
        """The class and the parent of an index."""
        return self.classes[index], self.parents[index]

    def name(self, index: int) -> str:
        """The class and the number of an index."""
        return f"{self.classes[index]} {index}"

    def canonical(self) -> "Hypergraph":
        """The smallest of all that differ by the order of indices and edges, without indices that no edge has."""
        edges_of = {v: [e for e in self.edges if v in e] for v in range(len(self.classes))}
        places_of = {v: [(s, t, k) for s, t in self.support for k, w in enumerate(t) if w == v] for v in edges_of}

        def views(colours: Mapping[int, int]) -> dict[int, tuple]:
            view = {e: tuple(sorted(colours[v] for v in e)) for e in self.edges}
            places = {v: sorted((s, k, [colours[w] for w in t]) for s, t, k in places_of[v]) for v in colours}
            parents = {v: colours.get(self.parents[v], -1) for v in colours}
            return {v: (parents[v], sorted(view[e] for e in edges_of[v]), places[v]) for v in colours}

        keys = {v: (self.classes[v], len(edges)) for v, edges in edges_of.items() if edges}
        what = f"a term with {len(self.edges)} operands and output"
        return self._with_order(canonical_order(keys, views, self._with_order, what, self.twins))

    def _with_order(self, order: Sequence[int]) -> "Hypergraph":
        place = {-1: -1, **{v: k for k, v in enumerate(order)}}
        edges = tuple(sorted(tuple(sorted(place[v] for v in e)) for e in self.edges))
        support = tuple(sorted((s, tuple(place[v] for v in t)) for s, t in self.support))
        classes, parents = (self.classes[v] for v in order), (place[self.parents[v]] for v in order)
        return Hypergraph(edges, tuple(classes), tuple(parents), support)

    def twins(self, indices: Iterable[int]) -> list[list[int]]:
        """The indices in groups that may change places while all edges stay the same."""
        edges, support = Counter(map(frozenset, self.edges)), set(self.support)

        def are_twins(v: int, w: int) -> bool:
            if self.parents[v] != self.parents[w] or v in self.parents or w in self.parents:
                return False
            swap = {v: w, w: v}
            swapped = {(s, tuple(swap.get(u, u) for u in t)) for s, t in support}
            return support == swapped and edges == Counter(frozenset(swap.get(u, u) for u in e) for e in self.edges)

        groups: list[list[int]] = []
        for v in indices:
            if group := next((g for g in groups if are_twins(v, g[0])), None):
                group.append(v)
            else:
                groups.append([v])
        return groups

    def with_output(self, k: int) -> "Hypergraph":
        """The rooted hypergraph in which edge `k` is the output."""
        mark = len(self.classes)
        edges = tuple((*e, mark) if j == k else e for j, e in enumerate(self.edges))
        return replace(self, edges=edges, classes=(*self.classes, OUTPUT), parents=(*self.parents, -1))

    def roots(self) -> list[int]:
        """One edge of each set that the symmetries of a closed hypergraph exchange."""
        return sorted({self.with_output(k).canonical(): k for k in reversed(range(len(self.edges)))}.values())

    def counts(self, indices: Iterable[int]) -> Counter:
        """The number of these indices of each class."""
        return Counter(self.classes[v] for v in indices)

    def can_store(self, indices: set[int], type_set: TypeSet) -> bool:
        """Whether indices fit: into a tuple of a dense type, or into an edge."""
        return type_set.fits(self.counts(indices)) or any(indices.issubset(e) for e in self.edges)

    def has_split(self, type_set: TypeSet) -> bool:
        """Whether the edges fall into two parts, of two or more, that share indices which fit."""
        halves = split_edges(self.edges, range(2, len(self.edges) // 2 + 1))
        return any(self.can_store(shared, type_set) for _, shared in halves)

    def splits(
        self, type_set: TypeSet, budget: SearchBudget
    ) -> Iterator[tuple[tuple[int, ...], "Hypergraph", "Hypergraph"]]:
        """Operands that can be computed alone: their numbers, the inner hypergraph, and the outer that reads it last.

        Theorem 1 of docs/pooling.md: two operands or more, but not all, that meet the rest in indices which fit. The
        first edge is the output. The inner result is stored at these indices of a dense tuple, or on the support.
        """
        for part, shared in split_edges(self.edges, range(2, self.order), fixed=1):
            budget.spend()
            stored = {tuple(sorted(shared)): None} if type_set.fits(self.counts(shared)) else {}
            stored |= dict.fromkeys(tuple(sorted(set(t))) for _, t in self.support if shared.issubset(t))
            for meeting in stored:
                inner = self._with_edges([meeting, *(self.edges[k] for k in part)])
                outer = self._with_edges([*(e for k, e in enumerate(self.edges) if k not in part), meeting])
                yield tuple(k - 1 for k in part), inner, outer

    def _with_edges(self, edges: Sequence[tuple[int, ...]]) -> "Hypergraph":
        """The part with these edges, reduced, with what lies on them of the support."""
        indices = {v for e in edges for v in e}
        support = tuple((s, t) for s, t in self.support if indices.issuperset(t))
        return replace(self, edges=tuple(edges), support=support).reduce()


def split_edges(
    edges: Sequence[Collection], sizes: Iterable[int], fixed: int = 0
) -> Iterator[tuple[tuple[int, ...], set]]:
    """The choices of this many edges, without the first `fixed` ones, and the indices they share with the rest."""
    numbers = range(len(edges))
    for size in sizes:
        for part in combinations(numbers[fixed:], size):
            inside = {v for k in part for v in edges[k]}
            yield part, inside & {v for k in numbers if k not in part for v in edges[k]}


def number_indices(term: Term) -> list[tuple[int, ...]]:
    """The output and the operands of a term with numbers for its indices, in alphabetic order."""
    number = {index: k for k, index in enumerate(sorted(term.indices))}
    return [tuple(number[i] for i in t) for t in (term.output, *term.operands)]
