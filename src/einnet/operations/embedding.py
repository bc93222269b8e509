"""`Operation`: an operation of a set, and the ways in which order-1 operations make another term of it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from einnet.checks import SearchBudget, check_limit
from einnet.operations.derivation import Leaf, Node
from einnet.operations.term_hypergraph import TermHypergraph
from einnet.symmetry import Symmetry
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Embedding", "Operation"]

Tuple = tuple[str, ...]
QuotientMap = Mapping[str, str]  # for each index of an operation, its representative


@dataclass(frozen=True)
class Embedding:
    """Where a term's hypergraph lies in an operation some of whose indices are identified."""

    quotient_map: QuotientMap
    images: Mapping[str, str]  # for each index of the hypergraph, the operation's
    operands: tuple[int, ...]  # for each operand of the hypergraph, the operation's


@dataclass(frozen=True)
class Operation:
    """An operation of a set."""

    term: Term
    type_set: TypeSet
    hypergraph: TermHypergraph

    @classmethod
    def of(cls, term: Term, type_set: TypeSet) -> "Operation":
        return cls(term, type_set, TermHypergraph.of(term, type_set))

    @cached_property
    def quotients(self) -> list[tuple[QuotientMap, TermHypergraph]]:
        """All ways to identify indices of one operand, or of the output, and the hypergraph that is left."""
        maps = [{v: v for v in self.term.indices}]
        known = {tuple(maps[0].values())}
        for quotient_map in maps:  # which grows
            for coarser in (m for edge in self.hypergraph.edges for m in self._identify(quotient_map, edge)):
                if (key := tuple(coarser.values())) not in known:
                    known.add(key)
                    maps.append(coarser)
            what = f"'{self.term}' has {{}} diagonals"
            check_limit(len(maps), "diagonals", what, "use an operation of fewer indices")
        return [(m, self._quotient(m)) for m in maps]

    def _identify(self, quotient_map: QuotientMap, edge: frozenset[str]) -> Iterator[dict[str, str]]:
        """The maps that identify two more indices of the edge, of the same class and below the same parent."""
        index_map = self.hypergraph.index_map
        for u, v in combinations(sorted({quotient_map[v] for v in edge}), 2):
            parents = [quotient_map[index_map.parents[w]] if w in index_map.parents else None for w in (u, v)]
            if index_map.classes[u] == index_map.classes[v] and parents[0] == parents[1]:
                yield {w: u if x == v else x for w, x in quotient_map.items()}

    def _quotient(self, quotient_map: QuotientMap) -> TermHypergraph:
        edges = tuple(frozenset(quotient_map[v] for v in e) for e in self.hypergraph.edges)
        return TermHypergraph(edges, self.hypergraph.index_map)

    def embeddings(self, target: TermHypergraph, budget: SearchBudget) -> Iterator[Embedding]:
        """The ways in which order-1 operations on operands and output make the target of this operation."""
        counts = target.index_map.counts(target.indices)
        order = [0, *sorted(range(1, len(target.edges)), key=lambda k: -len(target.edges[k]))]
        edges = [sorted(target.edges[k], key=lambda v: (target.index_map.depth(v), v)) for k in order]
        for quotient_map, quotient in self.quotients:
            if counts <= quotient.index_map.counts(quotient.indices):
                search = _Search(target, quotient, quotient_map, edges, budget)
                for images, places in search.place_edges({}, ()):
                    operands = dict(zip(order, places, strict=True))
                    yield Embedding(quotient_map, images, tuple(operands[k] - 1 for k in range(1, len(order))))

    def apply(self, embedding: Embedding, operand_trees: Sequence[Leaf | Node], fresh: Iterator[int]) -> Node:
        """The operation applied to these operands, its indices named as in the hypergraph.

        An index that the hypergraph does not need takes the name of one that only the operand in this
        place has, which is then summed later; else a fresh name.
        """
        types, output = self.type_set.types_of(self.term)
        tuples = [tuple(embedding.quotient_map[i] for i in t) for t in self.term.operands]
        by_operand = dict(zip(embedding.operands, operand_trees, strict=True))
        children = tuple(by_operand[k] for k in range(self.term.order))
        names = {w: v for v, w in embedding.images.items()}
        for tup, symmetry, child in zip(tuples, types, children, strict=True):
            _take_names(tup, symmetry, child, names, embedding.images)
        for index in embedding.quotient_map.values():
            if index not in names:
                names[index] = f"{self.hypergraph.index_map.classes[index]} {next(fresh)}"
        operands = tuple(tuple(names[i] for i in tup) for tup in tuples)
        result = tuple(names[embedding.quotient_map[i]] for i in self.term.output)
        return Node(self.term, operands, types, result, output, children)


@dataclass(frozen=True)
class _Search:
    """The search for the places of one hypergraph in a quotient of an operation."""

    target: TermHypergraph
    quotient: TermHypergraph
    quotient_map: QuotientMap
    edges: Sequence[Sequence[str]]  # of the target, in the order in which they are placed, the output first
    budget: SearchBudget

    def place_edges(
        self, images: dict[str, str], places: tuple[int, ...]
    ) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """The ways to place the edges that have no place yet, different indices on different ones."""
        self.budget.spend()
        if len(places) == len(self.edges):
            yield images, places
            return
        for k in range(1, len(self.quotient.edges)) if places else (0,):
            if k not in places:
                for more in self._place_indices(self.edges[len(places)], self.quotient.edges[k], images):
                    yield from self.place_edges(more, (*places, k))

    def _place_indices(
        self, indices: Sequence[str], edge: frozenset[str], images: dict[str, str]
    ) -> Iterator[dict[str, str]]:
        if not indices:
            yield images
            return
        v, *rest = indices
        for w in [images[v]] if v in images else sorted(edge - set(images.values())):
            if w in edge and self._can_place(v, w, images):
                yield from self._place_indices(rest, edge, {**images, v: w})

    def _can_place(self, v: str, w: str, images: Mapping[str, str]) -> bool:
        """Whether two indices have the same class and corresponding parents."""
        target, quotient = self.target.index_map, self.quotient.index_map
        if target.classes[v] != quotient.classes[w]:
            return False
        parent = target.parents.get(v)
        return parent is None or images.get(parent) == self.quotient_map[quotient.parents[w]]


def _take_names(tup: Tuple, symmetry: Symmetry, child: Leaf | Node, names: dict[str, str], needed: Container) -> None:
    """Names the indices of an operand that have no name after those that the child has and nothing needs."""
    for k in sorted(range(len(tup)), key=lambda k: len(symmetry.ancestors(symmetry.axes[k]))):
        if tup[k] in names:
            continue
        letter = symmetry.parent_of(symmetry.axes[k])
        parent = None if letter is None else names.get(tup[symmetry.axes.index(letter)])
        for place in sorted(range(len(child.output)), key=lambda j: j != k):  # the same place if it can be
            if child.type.axes[place] != symmetry.axes[k]:
                continue
            name = child.output[place]
            child_parent = None if letter is None else child.output[child.type.axes.index(letter)]
            if name not in needed and name not in names.values() and child_parent == parent:
                names[tup[k]] = name
                break
