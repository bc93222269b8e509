"""`Closure`: whether a set of operations composes a term, and how.

Theorem 4 of docs/pooling.md. A term is in the closure of a set exactly if order-1 operations on the
operands and the output of a member give it, or if for some fitting split both the inner and the
outer term are in the closure. Both have lower order, so the recursion ends. Order-1 operations are
always included; so only the sketches of terms matter.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, count

from einnet.symmetry import Symmetry
from einnet.terms.derivation import Derivation, Leaf, Node, flattened
from einnet.terms.sketch import Indices, Sketch
from einnet.terms.state import State, Types
from einnet.terms.structures import Structure
from einnet.terms.term import Term

__all__ = ["Closure", "generates"]

Tuple = tuple[str, ...]
Payloads = tuple[Leaf | Node, ...]


def generates(ops: Iterable[Term | str], term: Term | str, types: Types | State) -> Derivation | None:
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
        ops: the operations, valid terms of the state.
        term: what they are to compute; its operands are x1, x2, ...
        types: the state: a type, or several such as ("ab", "aa", "bb").

    Source: docs/pooling.md, theorem 4.
    """
    return Closure(ops, types).derivation(term)


class Closure:
    """All compositions of some operations; what was decided once is kept."""

    def __init__(self, ops: Iterable[Term | str], types: Types | State):
        self.state = State.of(types)
        parsed = [Term(t) if isinstance(t, str) else t for t in ops]
        self.members = [m for m in (_Member.of(t, self.state) for t in parsed) if m.term.order > 1]
        self._decided: dict[Structure, bool] = {}

    def __contains__(self, term: Term | str) -> bool:
        term = Term(term) if isinstance(term, str) else term
        indices = Indices.of(term, self.state)
        return self._has(Sketch.of(term, indices), indices)

    def derivation(self, term: Term | str) -> Derivation | None:
        """A program that computes the term, or None."""
        term = Term(term) if isinstance(term, str) else term
        indices = Indices.of(term, self.state)
        sketch = Sketch.of(term, indices)
        if not self._has(sketch, indices):
            return None
        types, _ = self.state.types_of(term)
        leaves = tuple(Leaf(k, tup, t) for k, (tup, t) in enumerate(zip(term.operands, types, strict=True)))
        return flattened(term, self._tree(sketch, leaves, indices, count()), self.state)

    def _has(self, sketch: Sketch, indices: Indices) -> bool:
        if sketch.order == 1:
            return True
        key = sketch.structure(indices)
        if key not in self._decided:
            self._decided[key] = self._composed(sketch, indices)
        return self._decided[key]

    def _composed(self, sketch: Sketch, indices: Indices) -> bool:
        if self._match(sketch, indices) is not None:
            return True
        parts = sketch.fitting_splits(indices, self.state)
        return any(self._has(inner, indices) and self._has(outer, indices) for _, inner, outer in parts)

    def _match(self, sketch: Sketch, indices: Indices) -> "tuple[_Member, _Fit] | None":
        """The member of which order-1 operations make the sketch."""
        for member in self.members:
            if member.term.order == sketch.order and (fit := member.fit(sketch, indices)) is not None:
                return member, fit
        return None

    def _tree(self, sketch: Sketch, payloads: Payloads, indices: Indices, fresh: Iterator[int]) -> Leaf | Node:
        """The composition that computes a sketch in the closure from what its operands stand for."""
        if sketch.order == 1:
            return payloads[0]
        if (found := self._match(sketch, indices)) is not None:
            member, fit = found
            return member.node(fit, payloads, fresh)
        for chosen, inner, outer in sketch.fitting_splits(indices, self.state):
            if self._has(inner, indices) and self._has(outer, indices):
                part = self._tree(inner, tuple(payloads[k] for k in chosen), indices, fresh)
                rest = tuple(p for k, p in enumerate(payloads) if k not in chosen)
                return self._tree(outer, (*rest, part), indices, fresh)
        raise AssertionError("a sketch that was decided to be in the closure is a member or splits")


@dataclass(frozen=True)
class _Fit:
    """Where a sketch sits in a member whose indices were put together: its indices, and each operand's slot."""

    together: dict[str, str]  # for each index of the member, the one that stands for it
    at: dict[str, str]  # for each index of the sketch, the member's
    slots: tuple[int, ...]


@dataclass(frozen=True)
class _Member:
    """An operation of the set."""

    term: Term
    state: State
    indices: Indices
    sketch: Sketch

    @classmethod
    def of(cls, term: Term, state: State) -> "_Member":
        indices = Indices.of(term, state)
        return cls(term, state, indices, Sketch.of(term, indices))

    @cached_property
    def quotients(self) -> list[tuple[dict[str, str], Sketch]]:
        """Every way to put indices of one operand, or of the output, on a diagonal, and what remains then."""
        start = {v: v for v in self.term.indices}
        found, queue = [start], [start]
        while queue:
            together = queue.pop()
            for edge in self.sketch.edges:
                for longer in self._merged(together, edge):
                    if longer not in found:
                        found.append(longer)
                        queue.append(longer)
        return [(m, Sketch(*_renamed(self.sketch, m))) for m in found]

    def _merged(self, together: dict[str, str], edge: frozenset[str]) -> Iterator[dict[str, str]]:
        """With two indices of the edge put together, of the same class and below the same index."""
        parents = self.indices.parents
        for u, v in combinations(sorted({together[v] for v in edge}), 2):
            above = [together[parents[w]] if w in parents else None for w in (u, v)]
            if self.indices.classes[u] == self.indices.classes[v] and above[0] == above[1]:
                yield {w: u if x == v else x for w, x in together.items()}

    def fit(self, sketch: Sketch, indices: Indices) -> _Fit | None:
        """How order-1 operations on operands and output make the sketch of this operation, or None."""
        wanted = indices.counts(frozenset().union(*sketch.edges))
        for together, quotient in self.quotients:
            if wanted <= self.indices.counts(frozenset().union(*quotient.edges)):
                places = self._places(sketch, quotient, indices, together)
                if places is not None:
                    return _Fit(together, *places)
        return None

    def _places(
        self, sketch: Sketch, quotient: Sketch, indices: Indices, together: dict[str, str]
    ) -> tuple[dict[str, str], tuple[int, ...]] | None:
        """Different indices of the quotient for those of the sketch, and slots, so that each edge lies in its slot."""
        order = sorted(range(sketch.order), key=lambda k: -len(sketch.operands[k]))
        todo = [(sketch.output, (0,)), *((sketch.operands[k], range(1, sketch.order + 1)) for k in order)]
        parents = self.indices.parents

        def may_stand(v: str, w: str, at: dict[str, str]) -> bool:
            if indices.classes[v] != self.indices.classes[w] or w in at.values():
                return False
            above = indices.parents.get(v)
            return above is None or at.get(above) == together[parents[w]]

        def placed(number: int, at: dict[str, str], used: tuple[int, ...]):
            if number == len(todo):
                return at, used
            edge, slots = todo[number]
            for slot in slots:
                if slot in used:
                    continue
                for longer in within(sorted(edge, key=indices.depth), quotient.edges[slot], at):
                    if (found := placed(number + 1, longer, (*used, slot))) is not None:
                        return found
            return None

        def within(edge: list[str], slot: frozenset[str], at: dict[str, str]) -> Iterator[dict[str, str]]:
            if not edge:
                yield at
            elif edge[0] in at:
                if at[edge[0]] in slot:
                    yield from within(edge[1:], slot, at)
            else:
                for w in sorted(slot):
                    if may_stand(edge[0], w, at):
                        yield from within(edge[1:], slot, {**at, edge[0]: w})

        found = placed(0, {}, ())
        if found is None:
            return None
        at, used = found
        slots = dict(zip(order, used[1:], strict=True))
        return at, tuple(slots[k] - 1 for k in range(sketch.order))

    def node(self, fit: _Fit, payloads: Payloads, fresh: Iterator[int]) -> Node:
        """The operation applied to these operands, its indices named as in the sketch.

        An index that the sketch does not need takes the name of one that only the operand in this
        place has, which is then summed later; else a fresh name.
        """
        types, output = self.state.types_of(self.term)
        slots = [tuple(fit.together[i] for i in t) for t in self.term.operands]
        by_slot = dict(zip(fit.slots, payloads, strict=True))
        children = tuple(by_slot[k] for k in range(self.term.order))
        names = {w: v for v, w in fit.at.items()}
        for slot, symmetry, child in zip(slots, types, children, strict=True):
            if child.type.axes == symmetry.axes:
                _take_names(slot, child.output, symmetry, names, fit.at)
        for stands in fit.together.values():
            if stands not in names:
                names[stands] = f"{self.indices.classes[stands]} {next(fresh)}"
        operands = tuple(tuple(names[i] for i in slot) for slot in slots)
        return Node(
            self.term, operands, types, tuple(names[fit.together[i]] for i in self.term.output), output, children
        )


def _take_names(slot: Tuple, given: Tuple, symmetry: Symmetry, names: dict[str, str], needed: Container[str]) -> None:
    """Names for the indices of a slot that have none, from what the operand given there has of no use."""
    for k in sorted(range(len(slot)), key=lambda k: len(symmetry.ancestors(symmetry.axes[k]))):
        above = symmetry.parent_of(symmetry.axes[k])
        below_the_same = above is None or names.get(slot[j := symmetry.axes.index(above)]) == given[j]
        if slot[k] not in names and given[k] not in needed and given[k] not in names.values() and below_the_same:
            names[slot[k]] = given[k]


def _renamed(sketch: Sketch, names: dict[str, str]) -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    return frozenset(names[v] for v in sketch.output), tuple(frozenset(names[v] for v in e) for e in sketch.operands)
