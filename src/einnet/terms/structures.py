"""Closed structures: pooling operations with the output as one more edge, and when they do not split.

A term's operands and its output are *edges* over its indices. Summing an index that only one operand
has, dropping an index and identifying two indices of one edge are order-1 operations, so up to those
the largest terms are those whose edges are full tuples of different indices, each index in two edges
or more. Such a term of order k is a structure of k + 1 edges with one of them chosen as the output.

A term of order k >= 3 is a composition of terms of lower order exactly if its k + 1 edges fall into
two parts of two edges or more that meet in indices which fit into one tuple of the type. Which edge
is the output does not matter, so the structures are found first, then their outputs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from string import ascii_lowercase

from einnet.symmetry import Symmetry
from einnet.terms.term import Term, cell_orders, ranks

__all__ = ["Structure", "indecomposable"]


@dataclass(frozen=True)
class Structure:
    """Indices, each with a class and perhaps a parent index, and edges: sets of indices.

    The order of indices and edges is canonical where `canonical` made it.
    """

    classes: tuple[str, ...]
    parents: tuple[int | None, ...]
    edges: tuple[tuple[int, ...], ...]

    def canonical(self) -> "Structure":
        """The same structure, with the smallest edges over all orders of its indices.

        A refinement by the edges that an index is in, and those of its parent, leaves few orders.
        """
        colours = self._colours()
        cells = [[v for v, c in colours.items() if c == colour] for colour in sorted(set(colours.values()))]
        best: tuple = ()
        for order in cell_orders(cells):
            place = {v: k for k, v in enumerate(order)}
            edges = tuple(sorted(tuple(sorted(place[v] for v in e)) for e in self.edges))
            if not best or edges < best[0]:
                best = edges, order, place
        edges, order, place = best
        parents = tuple(None if (p := self.parents[v]) is None else place[p] for v in order)
        return Structure(tuple(self.classes[v] for v in order), parents, edges)

    def _colours(self) -> dict[int, int]:
        """A number for each index, the same in every naming."""
        within = [[k for k, e in enumerate(self.edges) if v in e] for v in range(len(self.classes))]
        colours = ranks({v: (c, len(within[v])) for v, c in enumerate(self.classes)})
        while True:
            of_edge = [sorted(colours[v] for v in e) for e in self.edges]
            above = [-1 if p is None else colours[p] for p in self.parents]
            finer = ranks({v: (colours[v], above[v], sorted(of_edge[k] for k in w)) for v, w in enumerate(within)})
            if len(set(finer.values())) == len(set(colours.values())):
                return colours
            colours = finer

    def fits(self, indices: set[int], shapes: Sequence[Counter]) -> bool:
        """Whether these indices, with those that they depend on, fit into one tuple."""
        needed = set(indices)
        for v in indices:
            while (parent := self.parents[v]) is not None:
                needed.add(v := parent)
        counts = Counter(self.classes[v] for v in needed)
        return any(counts <= shape for shape in shapes)

    def splits(self, shapes: Sequence[Counter]) -> bool:
        """Whether the edges fall into two parts, of two or more, that meet in what fits into a tuple."""
        everything = range(len(self.edges))
        for size in range(2, len(self.edges) // 2 + 1):
            for part in combinations(everything, size):
                inside = {v for k in part for v in self.edges[k]}
                outside = {v for k in everything if k not in part for v in self.edges[k]}
                if self.fits(inside & outside, shapes):
                    return True
        return False

    def roots(self) -> list[int]:
        """One edge of each set that the symmetries of the structure exchange."""
        marked: dict[Structure, int] = {}
        for k in range(len(self.edges)):
            edges = [(*e, len(self.classes)) if j == k else e for j, e in enumerate(self.edges)]
            one = Structure((*self.classes, "output"), (*self.parents, None), tuple(edges))
            marked.setdefault(one.canonical(), k)
        return list(marked.values())


def indecomposable(symmetry: Symmetry, order: int) -> list[Term]:
    """The terms of this order that no terms of lower order compose, one for each set that order-1 operations join.

    >>> [str(t) for t in indecomposable(Symmetry("aa"), 2)]
    ['ab,ab->ab', 'ab,bc->ac']
    """
    shape = Counter(symmetry.axes)
    found = [s for s in _grown(symmetry, order + 1) if order < 3 or not s.splits([shape])]
    return [_term(s, root, symmetry) for s in sorted(found, key=lambda s: s.edges) for root in s.roots()]


def _grown(symmetry: Symmetry, edges: int) -> set[Structure]:
    """All connected structures of full edges in which each index is in two edges or more."""
    shape = Counter(symmetry.axes)
    level = {Structure((), (), ())}
    for number in range(1, edges + 1):
        left = edges - number
        grown: set[Structure] = set()
        for structure in level:
            for longer in _with_an_edge(structure, symmetry):
                new = longer.edges[-1]
                if number > 1 and min(new) >= len(structure.classes):
                    continue  # not connected: the parts meet in nothing, which fits
                if edges >= 4 and tuple(sorted(new)) in structure.edges:
                    continue  # the two equal edges meet the others in what fits
                once = Counter(
                    longer.classes[v] for v, n in Counter(v for e in longer.edges for v in e).items() if n == 1
                )
                if all(n <= left * shape[c] for c, n in once.items()):
                    grown.add(longer.canonical())
        level = grown
    return level


def _with_an_edge(structure: Structure, symmetry: Symmetry) -> Iterator[Structure]:
    """The structure with one more full edge, of old and new indices."""
    letters = sorted(symmetry.classes, key=lambda c: len(symmetry.ancestors(c)))
    states = [(structure.classes, structure.parents, ())]
    for letter in letters:
        following = []
        for classes, parents, edge in states:
            above = symmetry.parent_of(letter)
            parent = next((v for v in edge if classes[v] == above), None)
            known = [v for v in range(len(classes)) if classes[v] == letter and parents[v] == parent]
            for old in range(symmetry.multiplicity(letter) + 1):
                new = symmetry.multiplicity(letter) - old
                added = range(len(classes), len(classes) + new)
                for chosen in combinations(known, old):
                    following.append(
                        ((*classes, *[letter] * new), (*parents, *[parent] * new), (*edge, *chosen, *added))
                    )
        states = following
    for classes, parents, edge in states:
        yield Structure(classes, parents, (*structure.edges, edge))


def _term(structure: Structure, root: int, symmetry: Symmetry) -> Term:
    """The term whose output is this edge, with the first operands over all namings, the output's first index a."""
    letters = sorted(symmetry.classes, key=symmetry.axes.index)
    best: tuple | None = None
    for order in permutations(range(len(structure.classes))):
        name = {v: ascii_lowercase[k] for k, v in enumerate(order)}

        def tuple_of(edge: tuple[int, ...]) -> str:
            by_class = {c: sorted(name[v] for v in edge if structure.classes[v] == c) for c in letters}  # noqa: B023
            return "".join(by_class[c].pop(0) for c in symmetry.axes)

        output = tuple_of(structure.edges[root])
        if output[:1] not in ("a", ""):
            continue
        operands = sorted(tuple_of(e) for k, e in enumerate(structure.edges) if k != root)
        if best is None or (operands, output) < best:
            best = operands, output
    assert best is not None  # some naming gives the output's first index the letter a
    return Term.of(best[0], best[1])
