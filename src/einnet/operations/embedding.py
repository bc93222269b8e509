"""`Operation`: an operation of a set, and the ways in which order-1 operations make another term of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from einnet.checks import SearchBudget, check_limit
from einnet.operations.derivation import Node, Tree
from einnet.operations.hypergraph import Hypergraph, number_indices
from einnet.terms.term import Term

__all__ = ["Embedding", "Operation"]

QuotientMap = tuple[int, ...]  # for each index of an operation, its representative


@dataclass(frozen=True)
class Embedding:
    """Where a term's hypergraph lies in an operation some of whose indices are identified."""

    quotient_map: QuotientMap
    images: Mapping[int, int]  # for each index of the hypergraph, the operation's
    places: Mapping[int, int]  # for each edge of the hypergraph, the operation's


@dataclass(frozen=True)
class Operation:
    """An operation of a set."""

    term: Term
    hypergraph: Hypergraph

    @cached_property
    def quotients(self) -> list[tuple[QuotientMap, Hypergraph]]:
        """All ways to identify indices of one operand, or of the output, and the hypergraph that is left."""
        maps = [tuple(range(len(self.hypergraph.classes)))]
        known, quotients = set(maps), []
        for quotient_map in maps:  # which grows
            h = self._quotient(quotient_map)
            quotients.append((quotient_map, h))
            for u, v in (pair for edge in h.edges for pair in combinations(edge, 2)):
                coarser = tuple(u if x == v else x for x in quotient_map)
                if h.kind(u) == h.kind(v) and coarser not in known:
                    known.add(coarser)
                    maps.append(coarser)
            what = f"'{self.term}' has {{}} diagonals"
            check_limit(len(maps), "diagonals", what, "use an operation of fewer indices")
        return quotients

    def _quotient(self, quotient_map: QuotientMap) -> Hypergraph:
        parents = tuple(-1 if p < 0 else quotient_map[p] for p in self.hypergraph.parents)
        edges = tuple(tuple(sorted({quotient_map[v] for v in e})) for e in self.hypergraph.edges)
        support = tuple((s, tuple(quotient_map[v] for v in t)) for s, t in self.hypergraph.support)
        return Hypergraph(edges, self.hypergraph.classes, parents, support)

    def embeddings(self, target: Hypergraph, budget: SearchBudget) -> Iterator[Embedding]:
        """The ways in which order-1 operations on operands and output make the target of this operation."""
        shared = replace(target, support=()).reduce() if target.support else target
        counts = shared.counts(shared.indices)
        for quotient_map, quotient in self.quotients:
            if counts <= quotient.counts(quotient.indices):
                for images, places in _Search(shared, quotient, budget).place_edges({}, {}):
                    for more in _place_support(target, quotient, images, places):
                        yield Embedding(quotient_map, more, places)

    def apply(self, embedding: Embedding, target: Hypergraph, trees: Sequence[Tree], fresh: Iterator[int]) -> Node:
        """The operation applied to these operands, its indices named as in the target.

        An index that the target does not need takes the name of one that only the operand in this place has, which is
        then summed later; else a fresh name.
        """
        tuples = [tuple(embedding.quotient_map[i] for i in t) for t in number_indices(self.term)]
        child_at = {embedding.places[k]: tree for k, tree in enumerate(trees, start=1)}
        children = tuple(child_at[k] for k in range(1, self.term.order + 1))
        names = {w: target.name(v) for v, w in embedding.images.items()}
        for tup, child in zip(tuples[1:], children, strict=True):
            self._take_names(tup, embedding.quotient_map, child, names)
        for index in embedding.quotient_map:
            if index not in names:
                names[index] = f"{self.hypergraph.classes[index]} {next(fresh)}"
        result, *operands = (tuple(names[i] for i in tup) for tup in tuples)
        return Node(self.term, tuple(operands), result, children)

    def _take_names(self, tup: tuple[int, ...], quotient_map: QuotientMap, child: Tree, names: dict[int, str]) -> None:
        """Names the indices of an operand that have no name yet after those of the child that nothing needs."""
        for index in sorted(set(tup) - set(names), key=lambda v: (self.hypergraph.depth(v), tup.index(v))):
            letter, parent = self.hypergraph.classes[index], self.hypergraph.parents[index]
            free = [k for k, name in enumerate(child.output) if name[0] == letter and name not in names.values()]
            if free and (parent < 0 or names.get(quotient_map[parent]) in child.output):
                place = tup.index(index)  # the same if it is free
                names[index] = child.output[place if place in free else free[0]]


@dataclass(frozen=True)
class _Search:
    """The search for the places of one hypergraph in a quotient of an operation."""

    target: Hypergraph
    quotient: Hypergraph
    budget: SearchBudget

    @cached_property
    def edges(self) -> list[tuple[int, list[int]]]:
        """The edges of the target in the order in which they are placed: the output, then the largest first."""
        edges = [(k, sorted(e, key=lambda v: (self.target.depth(v), v))) for k, e in enumerate(self.target.edges)]
        return sorted(edges, key=lambda edge: (edge[0] > 0, -len(edge[1])))

    def place_edges(
        self, images: dict[int, int], places: dict[int, int]
    ) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
        """The ways to place the edges that have no place yet, different indices on different ones."""
        self.budget.spend()
        if len(places) == len(self.edges):
            yield images, places
            return
        edge, indices = self.edges[len(places)]
        for k in range(1, len(self.quotient.edges)) if edge else (0,):
            if k not in places.values():
                for more in self._place_indices(indices, self.quotient.edges[k], images):
                    yield from self.place_edges(more, {**places, edge: k})

    def _place_indices(
        self, indices: Sequence[int], edge: tuple[int, ...], images: dict[int, int]
    ) -> Iterator[dict[int, int]]:
        """The ways to place indices in an edge, by class and below the image of their parent."""
        if not indices:
            yield images
            return
        v, *rest = indices
        kind = self.target.classes[v], images.get(self.target.parents[v], -1)
        for w in [images[v]] if v in images else sorted(set(edge) - set(images.values())):
            if w in edge and self.quotient.kind(w) == kind:
                yield from self._place_indices(rest, edge, {**images, v: w})


def _place_support(
    target: Hypergraph, quotient: Hypergraph, images: dict[int, int], places: Mapping[int, int]
) -> Iterator[dict[int, int]]:
    """The ways in which all sparse tuples of an operation lie on the target's support, with its images.

    An index of such a tuple that is no image yet must be that of an index which only one edge has; the operation then
    must have it in this edge's place, as it is summed, or broadcast, only once.
    """
    index_at = {v: w for w, v in images.items()}
    placed = ((s, tuple(index_at[v] for v in t)) for s, t in quotient.support if index_at.keys() >= set(t))
    if any(pair not in target.support for pair in placed):
        return
    unused = sorted({v for _, t in quotient.support for v in t} - set(index_at), key=quotient.depth)
    if not unused:
        yield images
        return
    for k, edge in enumerate(target.edges):
        for w in edge if unused[0] in quotient.edges[places[k]] else ():
            is_alone = sum(w in e for e in target.edges) == 1 and w not in images
            if is_alone and quotient.kind(unused[0]) == (target.classes[w], images.get(target.parents[w], -1)):
                yield from _place_support(target, quotient, {**images, w: unused[0]}, places)
