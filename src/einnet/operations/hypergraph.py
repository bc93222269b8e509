"""Hypergraphs: a term as a graph whose edges are its operands and its output.

Summing or broadcasting an index that only one edge has, dropping an index from an edge and putting
two indices of an edge on a diagonal are order-1 operations. Where those do not count, a term is a
hypergraph: indices, each with a class and perhaps a parent, and edges that are *sets* of indices. A
hypergraph may be *closed* (any edge could be the output) or *rooted* (one edge is).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from einnet.terms.canonical import canonical_order
from einnet.terms.type_set import TypeSet

__all__ = ["OUTPUT", "Hypergraph", "split_edges"]

OUTPUT = "output"  # the class of a mark that only the output edge of a rooted hypergraph has


@dataclass(frozen=True)
class Hypergraph:
    """Indices, each with a class and perhaps a parent index, and edges: sorted indices.

    The order of indices and edges is canonical where `canonical` made it.
    """

    classes: tuple[str, ...]
    parents: tuple[int | None, ...]
    edges: tuple[tuple[int, ...], ...]

    def canonical(self) -> "Hypergraph":
        """The same hypergraph, with the smallest edges over all orders of its indices.

        A refinement by the edges that an index is in, and those of its parent, leaves few orders.
        """
        within = [[k for k, e in enumerate(self.edges) if v in e] for v in range(len(self.classes))]

        def views(colours: Mapping[int, int]) -> dict[int, tuple]:
            of_edge = [tuple(sorted(colours[v] for v in e)) for e in self.edges]
            above = [-1 if p is None else colours[p] for p in self.parents]
            return {v: (above[v], tuple(sorted(of_edge[k] for k in w))) for v, w in enumerate(within)}

        def form(order: Sequence[int]) -> tuple:
            return self._edges_in_order(order), [-1 if p is None else p for p in self._parents_in_order(order)]

        keys = {v: (c, len(within[v])) for v, c in enumerate(self.classes)}
        what = f"a term with {len(self.edges)} operands and output"
        return self._in_order(canonical_order(keys, views, form, what, self._twins))

    def _edges_in_order(self, order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        place = {v: k for k, v in enumerate(order)}
        return tuple(sorted(tuple(sorted(place[v] for v in e)) for e in self.edges))

    def _parents_in_order(self, order: Sequence[int]) -> tuple[int | None, ...]:
        place = {v: k for k, v in enumerate(order)}
        return tuple(None if (p := self.parents[v]) is None else place[p] for v in order)

    def _in_order(self, order: Sequence[int]) -> "Hypergraph":
        """The same hypergraph with its indices in this order."""
        classes = tuple(self.classes[v] for v in order)
        return Hypergraph(classes, self._parents_in_order(order), self._edges_in_order(order))

    def _twins(self, cell: list[int]) -> list[list[int]]:
        """The cell in groups of indices that may change places while all edges stay the same."""
        edges = Counter(map(frozenset, self.edges))
        groups: list[list[int]] = []
        for v in cell:
            for group in groups:
                swap = {v: group[0], group[0]: v}
                if (
                    self.parents[v] == self.parents[group[0]]
                    and edges == Counter(frozenset(swap.get(w, w) for w in e) for e in self.edges)
                    and not {v, group[0]} & set(self.parents)
                ):
                    group.append(v)
                    break
            else:
                groups.append([v])
        return groups

    def with_output(self, k: int) -> "Hypergraph":
        """The rooted hypergraph in which edge `k` is the output."""
        mark = len(self.classes)
        edges = tuple((*e, mark) if j == k else e for j, e in enumerate(self.edges))
        return Hypergraph((*self.classes, OUTPUT), (*self.parents, None), edges)

    def roots(self) -> list[int]:
        """One edge of each set that the symmetries of a closed hypergraph exchange."""
        found: dict[Hypergraph, int] = {}
        for k in range(len(self.edges)):
            found.setdefault(self.with_output(k).canonical(), k)
        return list(found.values())

    def counts(self, indices: Iterable[int]) -> Counter:
        """How many of these indices each class has; edges have the parents of all their indices."""
        return Counter(self.classes[v] for v in indices)

    def has_split(self, type_set: TypeSet) -> bool:
        """Whether the edges fall into two parts, of two or more, that meet in what fits into a tuple."""
        halves = split_edges(self.edges, range(2, len(self.edges) // 2 + 1))
        return any(type_set.fits(self.counts(meeting)) for _, meeting in halves)


def split_edges(
    edges: Sequence[Collection], sizes: Iterable[int], fixed: int = 0
) -> Iterator[tuple[tuple[int, ...], set]]:
    """Every choice of this many edges, without the first `fixed` ones, and the indices they share with the others."""
    everything = range(len(edges))
    for size in sizes:
        for chosen in combinations(everything[fixed:], size):
            inside = {v for k in chosen for v in edges[k]}
            yield chosen, inside & {v for k in everything if k not in chosen for v in edges[k]}
