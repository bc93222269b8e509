"""The canonical term of a hypergraph: the one with the first operands over all namings of its indices."""

from collections import Counter
from collections.abc import Iterator
from itertools import product
from string import ascii_letters

from einnet.operations.hypergraph import Hypergraph
from einnet.symmetry import Symmetry
from einnet.terms.canonical import orders_of_groups
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["canonical_term"]

Names = dict[int, str]


def canonical_term(hypergraph: Hypergraph, root: int, type_set: TypeSet) -> Term:
    """The term whose output is this edge, with the first operands over all namings, the output's first index a.

    Operands are placed one by one. Only the ways with the smallest text are continued: an index
    without a name gets the next one, but the first name is reserved for the output.
    """
    types = [next(t for t in type_set.types if hypergraph.counts(e) <= Counter(t.axes)) for e in hypergraph.edges]
    letter = types[root].axes[0] if types[root].axes else ""
    firsts = [{v: _name({}, letter, type_set)} for v in hypergraph.edges[root] if hypergraph.classes[v] == letter]
    ways: list[tuple[frozenset[int], Names]] = [(frozenset([root]), names) for names in firsts or [{}]]
    operands: list[tuple[str, ...]] = []
    for _ in range(len(hypergraph.edges) - 1):
        by_operand: dict[tuple[str, ...], list[tuple[frozenset[int], Names]]] = {}
        for used, names in ways:
            for k in set(range(len(hypergraph.edges))) - used:
                for tup, more_names in _name_edge(hypergraph, k, types[k], names, type_set):
                    by_operand.setdefault(tup, []).append((used | {k}, more_names))
        operands.append(min(by_operand))
        ways = list({(used, tuple(sorted(n.items()))): (used, n) for used, n in by_operand[operands[-1]]}.values())
    outputs = [t for _, names in ways for t, _ in _name_edge(hypergraph, root, types[root], names, type_set)]
    return Term.of(operands, min(outputs))


def _name(names: Names, letter: str, type_set: TypeSet) -> str:
    """The next name for an index of a class."""
    same = sum(name[0] == letter for name in names.values())
    return f"{letter}{same}" if type_set.has_several_types else ascii_letters[len(names)]


def _twins(hypergraph: Hypergraph, indices: list[int]) -> list[list[int]]:
    """The indices in groups whose members are in the same edges: their order makes no difference."""
    groups: dict[tuple, list[int]] = {}
    for v in indices:
        places = tuple(k for k, e in enumerate(hypergraph.edges) if v in e)
        groups.setdefault((v,) if v in hypergraph.parents else (None, places), []).append(v)
    return list(groups.values())


def _name_edge(
    hypergraph: Hypergraph, k: int, symmetry: Symmetry, names: Names, type_set: TypeSet
) -> Iterator[tuple[tuple[str, ...], Names]]:
    """The tuple of an edge in every naming of its new indices, and the names then; indices of a class in order."""
    edge = hypergraph.edges[k]
    first_new = len(hypergraph.classes) + k * len(symmetry.axes)
    by_class = {c: [v for v in edge if hypergraph.classes[v] == c] for c in symmetry.classes}
    for place, letter in enumerate(symmetry.axes):  # an axis that no index needs gets a new one
        if len(by_class[letter]) < symmetry.axes.count(letter):
            by_class[letter].append(first_new + place)
    unnamed = [_twins(hypergraph, [v for v in by_class[c] if v not in names]) for c in symmetry.classes]
    for orders in product(*map(orders_of_groups, unnamed)):
        more_names = dict(names)
        queue = {c: list(vs) for c, vs in zip(symmetry.classes, orders, strict=True)}
        for place, letter in enumerate(symmetry.axes):
            if queue[letter] and symmetry.axes[place:].count(letter) <= len(queue[letter]):
                more_names[queue[letter].pop(0)] = _name(more_names, letter, type_set)
        sides = {c: sorted(more_names[v] for v in vs) for c, vs in by_class.items()}
        yield tuple(sides[c].pop(0) for c in symmetry.axes), more_names
