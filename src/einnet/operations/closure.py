"""`Closure`: whether a set of operations composes a term, and how.

A term is in the closure of a set exactly if order-1 operations on the operands and the output of an operation give it,
or if for some split both the inner and the outer term, which have lower order, are in the closure (theorem 4 of
docs/pooling.md). Order-1 operations are always included; so only the hypergraphs of terms matter.
"""

from collections.abc import Iterable, Iterator
from itertools import count, islice

from einnet.checks import SearchBudget, check_limit
from einnet.operations.derivation import Derivation, Leaf, Tree, Tuple, to_derivation
from einnet.operations.embedding import Embedding, Operation
from einnet.operations.hypergraph import Hypergraph, number_indices
from einnet.terms.term import Term, as_terms
from einnet.terms.type_set import Types, TypeSet

__all__ = ["Closure", "generates"]

COMPARED = 200  # embeddings that are compared for a short program


def generates(
    ops: Iterable[Term | str], term: Term | str, types: Types | TypeSet, *, directed: bool = False
) -> Derivation | None:
    """How compositions of the operations compute a term, or None if they cannot.

    Order-1 operations (sums, broadcasts, diagonals, swaps) are always included. `types` is a type, or several such as
    ("ab", "aa", "bb"). The supports of sparse types are symmetric unless `directed`.

    >>> print(generates(["ab,cb,cd->ad", "ab,ab->ab"], "ab,cb,cd,ed,ef->af", "ab"))
    ab,cb,cd,ed,ef->af
      y1 = ab,cb,cd->ad  (x1, x2, x3)
      y2 = ab,cb,cd->ad  (y1, x4, x5)
    >>> generates(["ab,ab->ab", "ab,bc->ac"], "ab,ac,bc,bd,cd->ad", "aa") is None
    True
    >>> print(generates(["[ab],[ab]->[ab]"], "a,[ba]->b", ("a", "[aa]")))        # messages along edges
    a,[ba]->b
      y1 = a0->[a1a0]       (x1)
      y2 = [ab],[ab]->[ab]  (x2, y1)
      y3 = [a0a1]->a0       (y2)

    Raises `NotationError` for a term that cannot be read or is not valid for the types.

    Source: docs/pooling.md, theorem 4.
    """
    return Closure(ops, TypeSet.of(types, directed=directed)).derivation(term)


class Closure:
    """All compositions of some operations; decisions are stored by canonical hypergraph."""

    def __init__(self, ops: Iterable[Term | str], types: Types | TypeSet):
        self.type_set = TypeSet.of(types)
        operations = [Operation(t, Hypergraph.of(t, self.type_set)) for t in as_terms(ops)]
        self.operations = [op for op in operations if op.term.order > 1]
        self._decided: dict[Hypergraph, bool] = {}

    def __contains__(self, term: Term | str) -> bool:
        _, hypergraph, budget = self._read(term)
        return self._has(hypergraph, budget)

    def derivation(self, term: Term | str) -> Derivation | None:
        """A program that computes the term, or None."""
        term, hypergraph, budget = self._read(term)
        if not self._has(hypergraph, budget):
            return None
        tuples = [tuple(map(hypergraph.name, t)) for t in number_indices(term)]
        leaves: list[Tree] = list(map(Leaf, count(), tuples[1:], term.brackets))
        tree = self._tree(hypergraph, leaves, count(len(term.indices)), budget, tuples[0])
        return to_derivation(term, tuples, tree, self.type_set)

    def _read(self, term: Term | str) -> tuple[Term, Hypergraph, SearchBudget]:
        (term,) = as_terms([term])
        check_limit(term.order, "derived_operands", "a term has {} operands", "give one of fewer operands")
        budget = SearchBudget(f"{term}", "search_steps", "give a term of fewer operands, or fewer operations")
        return term, Hypergraph.of(term, self.type_set), budget

    def _has(self, hypergraph: Hypergraph, budget: SearchBudget) -> bool:
        if hypergraph.order == 1:
            return True
        key = hypergraph.with_output(0).canonical()
        if key not in self._decided:
            splits = hypergraph.splits(self.type_set, budget)
            self._decided[key] = next(self._embeddings(hypergraph, budget), None) is not None or any(
                self._has(inner, budget) and self._has(outer, budget) for _, inner, outer in splits
            )
        return self._decided[key]

    def _embeddings(self, hypergraph: Hypergraph, budget: SearchBudget) -> Iterator[tuple[Operation, Embedding]]:
        for op in self.operations:
            if op.term.order == hypergraph.order:
                yield from ((op, embedding) for embedding in op.embeddings(hypergraph, budget))

    def _tree(
        self, h: Hypergraph, trees: list[Tree], fresh: Iterator[int], budget: SearchBudget, output: Tuple | None = None
    ) -> Tree:
        """The composition that computes a hypergraph in the closure from the trees of its operands.

        Of the first embeddings into operations one is taken with the fewest operations of order 1 and then the
        smallest factor; over the whole program there may be better ones.
        """
        if h.order == 1:
            return trees[0]
        nodes = (op.apply(e, h, trees, fresh) for op, e in self._embeddings(h, budget))
        if first_nodes := list(islice(nodes, COMPARED)):
            return min(first_nodes, key=lambda node: node.count_conversions(output))
        for numbers, inner, outer in h.splits(self.type_set, budget):
            if self._has(inner, budget) and self._has(outer, budget):
                inner_tree = self._tree(inner, [trees[k] for k in numbers], fresh, budget)
                rest = [tree for k, tree in enumerate(trees) if k not in numbers]
                return self._tree(outer, [*rest, inner_tree], fresh, budget, output)
        raise AssertionError("a hypergraph in the closure has an embedding or a split")
