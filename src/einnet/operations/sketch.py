"""`Sketch`: what is left of a term where order-1 operations do not count, with its indices named."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from einnet.errors import EinNetError
from einnet.operations.hypergraph import Hypergraph, parts
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Indices", "Sketch", "Work"]

MOST_WAYS = 20_000  # half a second

Edge = frozenset[str]


@dataclass
class Work:
    """How many ways a search has gone through: splits of operands, places for indices."""

    what: str
    ways: int = 0

    def add(self) -> None:
        """One more; raises `EinNetError` where there were too many."""
        self.ways += 1
        if self.ways > MOST_WAYS:
            raise EinNetError(
                f"{self.what}: more than {MOST_WAYS:,} ways to split its operands, or to place them in operations, are "
                "to be gone through: give a term of fewer operands, or fewer operations"
            )


@dataclass(frozen=True)
class Indices:
    """The class of each index, and the index that a dependent one comes with."""

    classes: Mapping[str, str]
    parents: Mapping[str, str]

    @classmethod
    def of(cls, term: Term, type_set: TypeSet) -> "Indices":
        """The indices of a term; raises `NotationError` where it is not valid."""
        operands, output = type_set.types_of(term)
        parents = {}
        for tup, symmetry in zip((*term.operands, term.output), (*operands, output), strict=True):
            at = dict(zip(symmetry.axes, tup, strict=True))
            parents |= {
                i: at[above] for i, c in zip(tup, symmetry.axes, strict=True) if (above := symmetry.parent_of(c))
            }
        return cls(term.classes(operands, output), parents)

    def depth(self, index: str) -> int:
        """How many indices it depends on."""
        depth = 0
        while index in self.parents:
            index, depth = self.parents[index], depth + 1
        return depth

    def counts(self, chosen: Iterable[str]) -> Counter:
        """How many of these indices each class has; they come with all that they depend on."""
        return Counter(self.classes[v] for v in chosen)


@dataclass(frozen=True)
class Sketch:
    """The indices of the output and of each operand, as sets, without those that only one of them has.

    >>> term, type_set = Term("ab,cb,de->aa"), TypeSet.of("aa")
    >>> sketch = Sketch.of(term, Indices.of(term, type_set))
    >>> [sorted(edge) for edge in sketch.edges]
    [['a'], ['a', 'b'], ['b'], []]
    """

    output: Edge
    operands: tuple[Edge, ...]

    @classmethod
    def of(cls, term: Term, indices: Indices) -> "Sketch":
        return cls(frozenset(term.output), tuple(map(frozenset, term.operands))).reduced(indices)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Output first."""
        return (self.output, *self.operands)

    @property
    def order(self) -> int:
        return len(self.operands)

    def reduced(self, indices: Indices) -> "Sketch":
        """Without the indices that only one edge has, unless another index there depends on them."""
        edges = [set(e) for e in self.edges]
        for v in sorted(set().union(*edges), key=indices.depth, reverse=True):
            holders = [e for e in edges if v in e]
            if len(holders) == 1 and not any(indices.parents.get(w) == v for w in holders[0]):
                holders[0].discard(v)
        output, *operands = map(frozenset, edges)
        return Sketch(output, tuple(operands))

    def structure(self, indices: Indices) -> Hypergraph:
        """The canonical rooted structure: equal for two sketches that differ by names and order."""
        names = sorted(set().union(*self.edges))
        place = {v: k for k, v in enumerate(names)}
        parents = tuple(place[p] if (p := indices.parents.get(v)) is not None else None for v in names)
        edges = tuple(tuple(place[v] for v in e) for e in self.edges)
        return Hypergraph(tuple(indices.classes[v] for v in names), parents, edges).with_output(0).canonical()

    def fitting_splits(
        self, indices: Indices, type_set: TypeSet, work: Work
    ) -> Iterator[tuple[tuple[int, ...], "Sketch", "Sketch"]]:
        """Operands that can be computed alone: their numbers, what they compute, what remains with it as last operand.

        Theorem 1 of docs/pooling.md: two operands or more, but not all, that meet the rest in
        indices which fit into one tuple.
        """
        for chosen, meeting in parts(self.edges, range(2, self.order), fixed=1):
            work.add()
            if type_set.fits(indices.counts(meeting)):
                inner = Sketch(frozenset(meeting), tuple(self.edges[k] for k in chosen))
                left = [e for k, e in enumerate(self.edges) if k not in chosen][1:]
                outer = Sketch(self.output, (*left, frozenset(meeting)))
                yield tuple(k - 1 for k in chosen), inner.reduced(indices), outer.reduced(indices)
