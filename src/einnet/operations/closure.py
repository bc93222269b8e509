"""`Closure`: whether a set of operations composes a term, and how.

Theorem 4 of docs/pooling.md. A term is in the closure of a set exactly if order-1 operations on the
operands and the output of a member give it, or if for some fitting split both the inner and the
outer term are in the closure. Both have lower order, so the recursion ends. Order-1 operations are
always included; so only the sketches of terms matter.
"""

from collections.abc import Iterable, Iterator
from itertools import count, islice

from einnet.errors import check_number
from einnet.operations.derivation import Derivation
from einnet.operations.embedding import Member
from einnet.operations.hypergraph import Hypergraph
from einnet.operations.sketch import Indices, Sketch, Work
from einnet.operations.tree import Leaf, Node, flattened
from einnet.terms.term import Term, as_terms
from einnet.terms.type_set import Types, TypeSet

__all__ = ["Closure", "generates"]

Tuple = tuple[str, ...]
Payloads = tuple[Leaf | Node, ...]
MOST_OPERANDS = 64  # of a term that is derived
MOST_FITS = 200  # ways in which a member gives a term that are compared for a short program


def generates(ops: Iterable[Term | str], term: Term | str, types: Types | TypeSet) -> Derivation | None:
    """How compositions of the operations compute a term, or None where they cannot.

    Order-1 operations (sums, broadcasts, diagonals, swaps) are always included.

    >>> print(generates(["ab,cb,cd->ad", "ab,ab->ab"], "ab,cb,cd,ed,ef->af", "ab"))
    ab,cb,cd,ed,ef->af
      y1 = ab,cb,cd->ad  (x1, x2, x3)
      y2 = ab,cb,cd->ad  (y1, x4, x5)
    >>> print(generates(["ab,ab->ab"], "ab,ac->ad", "ab"))
    ab,ac->ad
      y1 = ab->ac     (x2)
      y2 = ab,ab->ab  (x1, y1)
      y3 = ab->ac     (y2)
    >>> generates(["ab,ab->ab", "ab,bc->ac"], "ab,ac,bc,bd,cd->ad", "aa") is None
    True

    Args:
        ops: the operations, valid terms of the type set.
        term: what they are to compute; its operands are x1, x2, ...
        types: the type set: a type, or several such as ("ab", "aa", "bb").

    Raises `NotationError` for a term that cannot be read or is not one of the type set.

    Source: docs/pooling.md, theorem 4.
    """
    return Closure(ops, types).derivation(term)


class Closure:
    """All compositions of some operations; what was decided once is kept."""

    def __init__(self, ops: Iterable[Term | str], types: Types | TypeSet):
        self.type_set = TypeSet.of(types)
        self.members = [m for m in (Member.of(t, self.type_set) for t in as_terms(ops)) if m.term.order > 1]
        self._decided: dict[Hypergraph, bool] = {}

    def __contains__(self, term: Term | str) -> bool:
        term, indices = self._read(term)
        return self._has(Sketch.of(term, indices), indices, Work(str(term)))

    def derivation(self, term: Term | str) -> Derivation | None:
        """A program that computes the term, or None."""
        term, indices = self._read(term)
        sketch = Sketch.of(term, indices)
        work = Work(str(term))
        if not self._has(sketch, indices, work):
            return None
        types, _ = self.type_set.types_of(term)
        leaves = tuple(Leaf(k, tup, t) for k, (tup, t) in enumerate(zip(term.operands, types, strict=True)))
        return flattened(term, self._tree(sketch, leaves, indices, count(), work, term.output), self.type_set)

    def _read(self, term: Term | str) -> tuple[Term, Indices]:
        (term,) = as_terms([term])
        check_number(term.order, "a term has {} operands", "give one of fewer operands", MOST_OPERANDS)
        return term, Indices.of(term, self.type_set)

    def _has(self, sketch: Sketch, indices: Indices, work: Work) -> bool:
        if sketch.order == 1:
            return True
        key = sketch.structure(indices)
        if key not in self._decided:
            self._decided[key] = self._composed(sketch, indices, work)
        return self._decided[key]

    def _composed(self, sketch: Sketch, indices: Indices, work: Work) -> bool:
        if any(True for member in self._members(sketch) for _ in member.fits(sketch, indices, work)):
            return True
        parts = sketch.fitting_splits(indices, self.type_set, work)
        return any(self._has(inner, indices, work) and self._has(outer, indices, work) for _, inner, outer in parts)

    def _members(self, sketch: Sketch) -> Iterator[Member]:
        return (m for m in self.members if m.term.order == sketch.order)

    def _tree(
        self,
        sketch: Sketch,
        payloads: Payloads,
        indices: Indices,
        fresh: Iterator[int],
        work: Work,
        wanted: Tuple | None = None,
    ) -> Leaf | Node:
        """The composition that computes a sketch in the closure from what its operands stand for.

        Of the ways in which members give the sketch (the first MOST_FITS) one is taken with the fewest
        operations of order 1 and then the smallest factor; over the whole program there may be better ones.
        """
        if sketch.order == 1:
            return payloads[0]
        nodes = (m.node(fit, payloads, fresh) for m in self._members(sketch) for fit in m.fits(sketch, indices, work))
        if found := list(islice(nodes, MOST_FITS)):
            return min(found, key=lambda node: node.conversions(wanted))
        for chosen, inner, outer in sketch.fitting_splits(indices, self.type_set, work):
            if self._has(inner, indices, work) and self._has(outer, indices, work):
                part = self._tree(inner, tuple(payloads[k] for k in chosen), indices, fresh, work)
                rest = tuple(p for k, p in enumerate(payloads) if k not in chosen)
                return self._tree(outer, (*rest, part), indices, fresh, work, wanted)
        raise AssertionError("a sketch that was decided to be in the closure is a member or splits")
