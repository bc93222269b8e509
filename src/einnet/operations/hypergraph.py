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
    """Indices, each with a class and perhaps a parent index, and edges: sorted indices."""

    classes: tuple[str, ...]
    parents: tuple[int | None, ...]
    edges: tuple[tuple[int, ...], ...]

    def canonical(self) -> "Hypergraph":
        """The representative of all that differ by the order of indices and edges: the one with the smallest edges."""
        edges_of = [[k for k, e in enumerate(self.edges) if v in e] for v in range(len(self.classes))]

        def views(colours: Mapping[int, int]) -> dict[int, tuple]:
            edge_colours = [tuple(sorted(colours[v] for v in e)) for e in self.edges]
            above = [-1 if p is None else colours[p] for p in self.parents]
            return {v: (above[v], tuple(sorted(edge_colours[k] for k in own))) for v, own in enumerate(edges_of)}

        def form(order: Sequence[int]) -> tuple:
            ordered = self._with_order(order)
            return ordered.edges, [-1 if p is None else p for p in ordered.parents]

        keys = {v: (c, len(edges_of[v])) for v, c in enumerate(self.classes)}
        what = f"a term with {len(self.edges)} operands and output"
        return self._with_order(canonical_order(keys, views, form, what, self._twins))

    def _with_order(self, order: Sequence[int]) -> "Hypergraph":
        place = {v: k for k, v in enumerate(order)}
        parents = tuple(None if (p := self.parents[v]) is None else place[p] for v in order)
        edges = tuple(sorted(tuple(sorted(place[v] for v in e)) for e in self.edges))
        return Hypergraph(tuple(self.classes[v] for v in order), parents, edges)

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
        roots: dict[Hypergraph, int] = {}
        for k in range(len(self.edges)):
            roots.setdefault(self.with_output(k).canonical(), k)
        return list(roots.values())

    def counts(self, indices: Iterable[int]) -> Counter:
        """The number of these indices of each class."""
        return Counter(self.classes[v] for v in indices)

    def has_split(self, type_set: TypeSet) -> bool:
        """Whether the edges fall into two parts, of two or more, that share indices which fit into a tuple."""
        halves = split_edges(self.edges, range(2, len(self.edges) // 2 + 1))
        return any(type_set.fits(self.counts(shared)) for _, shared in halves)


def split_edges(
    edges: Sequence[Collection], sizes: Iterable[int], fixed: int = 0
) -> Iterator[tuple[tuple[int, ...], set]]:
    """The choices of this many edges, without the first `fixed` ones, and the indices they share with the rest."""
    numbers = range(len(edges))
    for size in sizes:
        for part in combinations(numbers[fixed:], size):
            inside = {v for k in part for v in edges[k]}
            yield part, inside & {v for k in numbers if k not in part for v in edges[k]}
