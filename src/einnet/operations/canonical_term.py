"""The term of a hypergraph with the first operands over all namings of its indices."""

from collections.abc import Iterator
from itertools import product
from string import ascii_letters

from einnet.operations.hypergraph import Hypergraph
from einnet.symmetry import Symmetry
from einnet.terms.canonical import orders_of_groups
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["canonical_term"]


def canonical_term(hypergraph: Hypergraph, root: int, type_set: TypeSet) -> Term:
    """The term whose output is this edge, with the first operands over all namings, the output's first index a.

    Operands are placed one by one. Of the ways to do so those with the smallest text are kept: an
    index that has no name yet gets the next one, but the first is kept for the output.
    """
    types = [_type_of(hypergraph, e, type_set) for e in hypergraph.edges]
    ways = [
        (frozenset([root]), {first: _name(0, hypergraph.classes[first], 0, type_set)})
        for first in _firsts(hypergraph, root, types[root])
    ] or [(frozenset([root]), {})]
    operands: list[tuple[str, ...]] = []
    for _ in range(len(hypergraph.edges) - 1):
        found: dict[tuple[str, ...], list[tuple[frozenset[int], dict[int, str]]]] = {}
        for used, names in ways:
            for k in set(range(len(hypergraph.edges))) - used:
                for tup, longer in _spellings(hypergraph, k, types[k], names, type_set):
                    found.setdefault(tup, []).append((used | {k}, longer))
        smallest = min(found)
        operands.append(smallest)
        ways = list({(used, tuple(sorted(n.items()))): (used, n) for used, n in found[smallest]}.values())
    outputs = [t for _, names in ways for t, _ in _spellings(hypergraph, root, types[root], names, type_set)]
    return Term.of(operands, min(outputs))


def _type_of(hypergraph: Hypergraph, edge: tuple[int, ...], type_set: TypeSet) -> Symmetry:
    counts = hypergraph.counts(edge)
    return next(t for t, shape in zip(type_set.types, type_set.shapes, strict=True) if counts <= shape)


def _firsts(hypergraph: Hypergraph, root: int, symmetry: Symmetry) -> list[int]:
    """The indices that may stand first in the output."""
    letter = symmetry.axes[0] if symmetry.axes else None
    return [v for v in hypergraph.edges[root] if hypergraph.classes[v] == letter]


def _name(number: int, letter: str, same: int, type_set: TypeSet) -> str:
    return f"{letter}{same}" if type_set.has_several_types else ascii_letters[number]


def _twins(hypergraph: Hypergraph, indices: list[int]) -> list[list[int]]:
    """The indices in groups whose members are in the same edges: their order makes no difference."""
    groups: dict[tuple, list[int]] = {}
    for v in indices:
        places = (v,) if v in hypergraph.parents else tuple(k for k, e in enumerate(hypergraph.edges) if v in e)
        groups.setdefault((v in hypergraph.parents, places), []).append(v)
    return list(groups.values())


def _spellings(
    hypergraph: Hypergraph, k: int, symmetry: Symmetry, names: dict[int, str], type_set: TypeSet
) -> Iterator[tuple[tuple[str, ...], dict[int, str]]]:
    """The tuple of an edge in each naming of its new indices, and the names then; indices of a class in order."""
    edge = hypergraph.edges[k]
    rank, indices = len(symmetry.axes), len(hypergraph.classes)
    have = {c: [v for v in edge if hypergraph.classes[v] == c] for c in symmetry.classes}
    for place, letter in enumerate(symmetry.axes):  # an axis of no use has an index of its own
        if len(have[letter]) < symmetry.multiplicity(letter):
            have[letter].append(indices + k * rank + place)
    new = [orders_of_groups(_twins(hypergraph, [v for v in have[c] if v not in names])) for c in symmetry.classes]
    for chosen in product(*new):
        longer = dict(names)
        queue = {c: list(vs) for c, vs in zip(symmetry.classes, chosen, strict=True)}
        for place, letter in enumerate(symmetry.axes):
            if queue[letter] and symmetry.axes[place:].count(letter) <= len(queue[letter]):
                same = sum(n[0] == letter for n in longer.values())
                longer[queue[letter].pop(0)] = _name(len(longer), letter, same, type_set)
        sides = {c: sorted(longer[v] for v in vs) for c, vs in have.items()}
        yield tuple(sides[c].pop(0) for c in symmetry.axes), longer
