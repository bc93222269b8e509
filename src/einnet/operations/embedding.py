"""`Member`: an operation of a set, and the ways in which order-1 operations make another term of it."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from einnet.errors import check_number
from einnet.operations.sketch import Indices, Sketch, Work
from einnet.operations.tree import Leaf, Node
from einnet.symmetry import Symmetry
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Fit", "Member"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Fit:
    """Where a sketch sits in a member whose indices were put together."""

    together: Mapping[str, str]  # for each index of the member, the one that stands for it
    at: Mapping[str, str]  # for each index of the sketch, the member's
    slots: tuple[int, ...]  # for each operand of the sketch, the member's


@dataclass(frozen=True)
class Member:
    """An operation of a set."""

    term: Term
    type_set: TypeSet
    indices: Indices
    sketch: Sketch

    @classmethod
    def of(cls, term: Term, type_set: TypeSet) -> "Member":
        indices = Indices.of(term, type_set)
        return cls(term, type_set, indices, Sketch.of(term, indices))

    @cached_property
    def quotients(self) -> list[tuple[dict[str, str], Sketch]]:
        """Every way to put indices of one operand, or of the output, on a diagonal, and what remains then."""
        start = {v: v for v in self.term.indices}
        found, known = [start], {tuple(start.values())}
        for together in found:  # which grows
            for longer in (longer for edge in self.sketch.edges for longer in self._merged(together, edge)):
                if (key := tuple(longer.values())) not in known:
                    known.add(key)
                    found.append(longer)
            check_number(len(found), f"'{self.term}' has {{}} diagonals", "use an operation of fewer indices")
        return [(m, self._quotient(m)) for m in found]

    def _merged(self, together: dict[str, str], edge: frozenset[str]) -> Iterator[dict[str, str]]:
        """With two indices of the edge put together, of the same class and below the same index."""
        parents = self.indices.parents
        for u, v in combinations(sorted({together[v] for v in edge}), 2):
            above = [together[parents[w]] if w in parents else None for w in (u, v)]
            if self.indices.classes[u] == self.indices.classes[v] and above[0] == above[1]:
                yield {w: u if x == v else x for w, x in together.items()}

    def _quotient(self, together: Mapping[str, str]) -> Sketch:
        output, *operands = (frozenset(together[v] for v in e) for e in self.sketch.edges)
        return Sketch(output, tuple(operands))

    def fits(self, sketch: Sketch, indices: Indices, work: Work) -> Iterator[Fit]:
        """The ways in which order-1 operations on operands and output make the sketch of this operation."""
        wanted = indices.counts(frozenset().union(*sketch.edges))
        order = sorted(range(sketch.order), key=lambda k: -len(sketch.operands[k]))
        edges = [sketch.output, *(sketch.operands[k] for k in order)]
        todo = [sorted(e, key=lambda v: (indices.depth(v), v)) for e in edges]
        for together, quotient in self.quotients:
            if wanted <= self.indices.counts(frozenset().union(*quotient.edges)):
                for at, used in self._places(todo, quotient, indices, together, {}, (), work):
                    slots = dict(zip(order, used[1:], strict=True))
                    yield Fit(together, at, tuple(slots[k] - 1 for k in range(sketch.order)))

    def _places(
        self,
        todo: Sequence[Sequence[str]],
        quotient: Sketch,
        indices: Indices,
        together: Mapping[str, str],
        at: dict[str, str],
        used: tuple[int, ...],
        work: Work,
    ) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """Different indices of the quotient for those of the edges to do, the output first, and a slot for each."""
        work.add()
        if len(used) == len(todo):
            yield at, used
            return
        edge = todo[len(used)]
        for slot in range(1, len(quotient.edges)) if used else (0,):
            if slot not in used:
                for longer in self._within(edge, quotient.edges[slot], indices, together, at):
                    yield from self._places(todo, quotient, indices, together, longer, (*used, slot), work)

    def _within(
        self,
        edge: Sequence[str],
        slot: frozenset[str],
        indices: Indices,
        together: Mapping[str, str],
        at: dict[str, str],
    ) -> Iterator[dict[str, str]]:
        """The ways to place the indices of one edge in a slot."""
        if not edge:
            yield at
            return
        v, *rest = edge
        for w in [at[v]] if v in at else sorted(slot - set(at.values())):
            same_class = indices.classes[v] == self.indices.classes[w]
            above = indices.parents.get(v)
            below_the_same = above is None or (same_class and at.get(above) == together[self.indices.parents[w]])
            if w in slot and same_class and below_the_same:
                yield from self._within(rest, slot, indices, together, {**at, v: w})

    def node(self, fit: Fit, payloads: Sequence[Leaf | Node], fresh: Iterator[int]) -> Node:
        """The operation applied to these operands, its indices named as in the sketch.

        An index that the sketch does not need takes the name of one that only the operand in this
        place has, which is then summed later; else a fresh name.
        """
        types, output = self.type_set.types_of(self.term)
        slots = [tuple(fit.together[i] for i in t) for t in self.term.operands]
        by_slot = dict(zip(fit.slots, payloads, strict=True))
        children = tuple(by_slot[k] for k in range(self.term.order))
        names = {w: v for v, w in fit.at.items()}
        for slot, symmetry, child in zip(slots, types, children, strict=True):
            _take_names(slot, symmetry, child, names, fit.at)
        for stands in fit.together.values():
            if stands not in names:
                names[stands] = f"{self.indices.classes[stands]} {next(fresh)}"
        operands = tuple(tuple(names[i] for i in slot) for slot in slots)
        result = tuple(names[fit.together[i]] for i in self.term.output)
        return Node(self.term, operands, types, result, output, children)


def _take_names(slot: Tuple, symmetry: Symmetry, child: Leaf | Node, names: dict[str, str], needed: Container) -> None:
    """Names for the indices of a slot that have none, from what the operand given there has of no use."""
    for k in sorted(range(len(slot)), key=lambda k: len(symmetry.ancestors(symmetry.axes[k]))):
        if slot[k] in names:
            continue
        above = symmetry.parent_of(symmetry.axes[k])
        parent = None if above is None else names.get(slot[symmetry.axes.index(above)])
        for place in sorted(range(len(child.output)), key=lambda j: j != k):  # the same place if it can be
            if child.type.axes[place] != symmetry.axes[k]:
                continue
            name = child.output[place]
            its = None if above is None else child.output[child.type.axes.index(above)]
            if name not in needed and name not in names.values() and its == parent:
                names[slot[k]] = name
                break
