"""Minimal sets: the terms of an order that no terms of lower order compose.

A term of order k >= 3 is a composition of terms of lower order exactly if its k + 1 edges fall into
two parts of two edges or more that meet in indices which fit into one tuple of the type set. Which edge
is the output does not matter, so closed hypergraphs are grown edge by edge, those that split are
dropped, and then each edge is taken as the output. Of the terms that are left the largest are kept:
those whose edges can take no further index.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise, product
from math import comb, factorial, prod

from einnet.limits import check_limit, limits
from einnet.operations.canonical_term import canonical_term
from einnet.operations.hypergraph import Hypergraph
from einnet.partitions import Slots
from einnet.symmetry import Symmetry
from einnet.terms.naming import with_letters
from einnet.terms.term import Term
from einnet.terms.type_set import Types, TypeSet

__all__ = ["expected", "generators", "indecomposable"]


def indecomposable(types: Types | TypeSet, order: int) -> list[Term]:
    """The terms of this order that no terms of lower order compose, one for each set that order-1 operations join.

    >>> [str(t) for t in indecomposable("aa", 2)]
    ['ab,ab->ab', 'ab,bc->ac']
    >>> [str(t) for t in indecomposable(("a", "ab"), 2)]
    ['a0b0,a0b0->a0b0']

    Source: docs/pooling.md, theorems 1 and 3.
    """
    type_set = TypeSet.of(types)
    number = expected(type_set, order + 1)
    what = f"order {order} of '{type_set}' has {{}} hypergraphs of operands and output"
    kinds = len(_edge_shapes(type_set))  # of several kinds of edges the estimate is further above what is made
    check_limit(number, "hypergraphs", what, "lower the order, or use a type of fewer axes", times=kinds)
    found = [s for s in _grown(type_set, order + 1) if order < 3 or not s.has_split(type_set)]
    kept = found if _always_full(type_set) else [s for s in found if not _can_grow(s, type_set)]
    kept.sort(key=lambda s: (s.edges, s.classes, [-1 if p is None else p for p in s.parents]))
    return [canonical_term(s, root, type_set) for s in kept for root in s.roots()]


def _always_full(type_set: TypeSet) -> bool:
    """Whether the largest hypergraphs have only full edges, so that no others need be grown.

    So it is for one type (theorem 3), and for types of two axes at most: an edge that is not full has
    one index v, which is in another edge. If that one is full, its other index can be added here; if
    it has v alone too, a new index can be added to both.
    """
    return len(type_set.maximal) == 1 or all(shape.total() <= 2 for shape in type_set.maximal)


def _edge_shapes(type_set: TypeSet) -> list[Counter]:
    """What classes an edge of a largest hypergraph may have."""
    if _always_full(type_set):
        return list(type_set.maximal)
    found: list[Counter] = []
    for shape in type_set.maximal:
        for numbers in product(*(range(n + 1) for n in shape.values())):
            part = Counter({c: n for c, n in zip(shape, numbers, strict=True) if n})
            whole = all((p := type_set.parent_of(c)) is None or part[p] for c in part)
            if part and whole and part not in found:
                found.append(part)
    return found


def _grown(type_set: TypeSet, edges: int) -> set[Hypergraph]:
    """All connected hypergraphs of this many edges in which each index is in two edges or more."""
    shapes = _edge_shapes(type_set)
    most = {c: max(s[c] for s in shapes) for c in type_set.classes}
    level = {Hypergraph((), (), ())}
    for number in range(1, edges + 1):
        left = edges - number
        grown: set[Hypergraph] = set()
        for hypergraph in level:
            for longer in _with_an_edge(hypergraph, type_set, shapes):
                new = longer.edges[-1]
                if number > 1 and new and all(v >= len(hypergraph.classes) for v in new):
                    continue  # not connected: the parts meet in nothing, which fits
                if edges >= 4 and any(type_set.fits(longer.counts({*new, *e})) for e in hypergraph.edges):
                    continue  # the two edges together meet the others in what fits
                uses = Counter(v for e in longer.edges for v in e)
                once = Counter(longer.classes[v] for v, n in uses.items() if n == 1)
                if all(n <= left * most[c] for c, n in once.items()):
                    grown.add(longer.canonical())
        level = grown
    return level


def expected(type_set: TypeSet, edges: int) -> int:
    """How many hypergraphs are gone through, estimated from above, before one is made; it stops above the limit.

    Edges are added in some order, each of known and new indices. Each class is counted by itself, and with several
    shapes as if the classes of an edge were drawn independently of each other.
    """
    shapes = _edge_shapes(type_set)
    roots = [c for c in type_set.classes if type_set.parent_of(c) is None]
    each = [_one_class(type_set, root, shapes, edges) for root in roots]
    total = 0
    for number, ways in enumerate(zip(*each, strict=True), start=1):
        total += prod(ways) // (len(shapes) ** (number * max(len(roots) - 1, 0)) * factorial(number - 1))
        if total > limits().hypergraphs * len(shapes):
            break
    return total


def _one_class(type_set: TypeSet, root: str, shapes: list[Counter], edges: int) -> Iterator[int]:
    """The ways to add 1, 2, ... edges as far as the indices of a class, and of those that depend on it, go."""
    below = [c for c in type_set.classes if any(root in t.ancestors(c) for t in type_set.types)]
    if below:  # all patterns of the widest shapes
        widest = max(type_set.types, key=lambda t: sum(t.axes.count(c) for c in (root, *below)))
        part = Symmetry.of([c for c in widest.axes if c in (root, *below)], widest.dependencies, features=False)
        yield from (len(shapes) ** n * Slots.of([part] * n).count() for n in range(1, edges + 1))
        return
    most = max(s[root] for s in shapes)
    ways = Counter({(0, 0): 1})  # by the number of known indices, and of those in one edge only
    for number in range(1, edges + 1):
        longer: Counter = Counter()
        for (known, once), times in ways.items():
            for old, ones in product(range(most + 1), range(most + 1)):
                for shape in shapes:
                    if (new := shape[root] - old - ones) >= 0:
                        chosen = comb(once, ones) * comb(known - once, old)
                        longer[known + new, once - ones + new] += times * chosen
        yield longer.total()
        ways = Counter({k: n for k, n in longer.items() if n and k[1] <= (edges - number) * most})


def _with_an_edge(hypergraph: Hypergraph, type_set: TypeSet, shapes: list[Counter]) -> Iterator[Hypergraph]:
    """The hypergraph with one more edge, of old and new indices."""
    for shape in shapes:
        states = [(hypergraph.classes, hypergraph.parents, ())]
        for letter in (c for c in type_set.classes if shape[c]):
            states = [longer for s in states for longer in _with_indices(*s, letter, shape[letter], type_set)]
        for classes, parents, edge in states:
            yield Hypergraph(classes, parents, (*hypergraph.edges, edge))


def _with_indices(
    classes: tuple[str, ...],
    parents: tuple[int | None, ...],
    edge: tuple[int, ...],
    letter: str,
    n: int,
    type_set: TypeSet,
) -> Iterator[tuple[tuple[str, ...], tuple[int | None, ...], tuple[int, ...]]]:
    """The edge with n more indices of a class, some that are there and some new ones."""
    above = type_set.parent_of(letter)
    parent = next((v for v in edge if classes[v] == above), None)
    known = [v for v in range(len(classes)) if classes[v] == letter and parents[v] == parent]
    for old in range(n + 1):
        added = range(len(classes), len(classes) + n - old)
        for chosen in combinations(known, old):
            yield (*classes, *[letter] * len(added)), (*parents, *[parent] * len(added)), (*edge, *chosen, *added)


def _can_grow(s: Hypergraph, type_set: TypeSet) -> bool:
    """Whether the hypergraph lies below a larger one.

    An edge could take an index of another edge; two edges or more a new one; or an index could be
    two indices of one edge.
    """
    for letter in type_set.classes:
        above = type_set.parent_of(letter)
        parents = [v for v, c in enumerate(s.classes) if c == above] if above else [None]
        for parent in parents:
            takers = [
                e for e in s.edges if (parent is None or parent in e) and type_set.fits(s.counts(e) + Counter([letter]))
            ]
            known = {v for v, c in enumerate(s.classes) if c == letter and s.parents[v] == parent}
            if len(takers) >= 2 or any(known - set(e) for e in takers):
                return True
            if any(v in e and _can_be_two(s, v, e) for e in takers for v in known):
                return True
    return False


def _can_be_two(s: Hypergraph, v: int, edge: tuple[int, ...]) -> bool:
    """Whether the other edges around index v fall into two parts, with no index below v in both."""
    others = list(s.edges)
    others.remove(edge)
    parts: list[set[int]] = []
    for below in ({w for w in e if s.parents[w] == v} for e in others if v in e):
        joined = [p for p in parts if p & below]
        parts = [p for p in parts if not p & below] + [below.union(*joined)]
    return len(parts) >= 2


def generators(types: Types | TypeSet) -> tuple[Term, ...]:
    """Order-1 operations whose compositions are all order-1 operations of the type set.

    Of each type the identity; for each class that occurs more than once a diagonal and the swaps of
    neighbours; for each class a sum over its last axis and all that depends on it. From each type
    to the others, what both can hold.

    >>> [str(t) for t in generators("aab")]
    ['abc->abc', 'aab->aab', 'abc->bac', 'abc->adc', 'abc->abd']
    >>> [str(t) for t in generators(("ab", "aa"))][-2:]
    ['a0b0->a0a1', 'a0a1->a0b0']
    """
    type_set = TypeSet.of(types)
    found = [t for symmetry in type_set.types for t in _of_one_type(symmetry, type_set.has_several_types)]
    return (*found, *_transfers(type_set))


def _of_one_type(symmetry: Symmetry, numbered: bool) -> list[Term]:
    axes = symmetry.axes
    full = [f"{c}{axes[:k].count(c)}" for k, c in enumerate(axes)]
    identity, diagonals, swaps, sums = [(full, full)], [], [], []
    for letter in symmetry.classes:
        where = [k for k, x in enumerate(axes) if x == letter]
        for i, j in pairwise(where):
            swapped = list(full)
            swapped[i], swapped[j] = full[j], full[i]
            swaps.append((full, swapped))
        if len(where) > 1:
            diagonal = list(full)
            diagonal[where[1]] = full[where[0]]
            diagonals.append((diagonal, diagonal))
        gone = {k for k, x in enumerate(axes) if k == where[-1] or letter in symmetry.ancestors(x)}
        sums.append((full, [f"{c}{len(axes)}" if k in gone else full[k] for k, c in enumerate(axes)]))
    return [with_letters([operand], output, numbered) for operand, output in (*identity, *diagonals, *swaps, *sums)]


def _transfers(type_set: TypeSet) -> list[Term]:
    """From each type to the others what both can hold, left out where others pass it on."""
    everything = range(len(type_set.types))
    links = {(s, t): type_set.shapes[s] & type_set.shapes[t] for s in everything for t in everything if s != t}
    for link, held in sorted(links.items(), key=lambda item: item[1].total()):
        others = {k for k, v in links.items() if k != link and held <= v}
        reached = {link[0]}
        while more := {t for s, t in others if s in reached} - reached:
            reached |= more
        if link[1] in reached:
            del links[link]
    return [_transfer(type_set.types[s], type_set.types[t]) for s, t in links]


def _transfer(source: Symmetry, target: Symmetry) -> Term:
    """What both can hold is passed on, the rest is summed, or broadcast."""
    operand = [f"{c}{source.axes[:k].count(c)}" for k, c in enumerate(source.axes)]
    output = [f"{c}{target.axes[:k].count(c)}" for k, c in enumerate(target.axes)]
    return with_letters([operand], [i if i in operand else f"{i[0]}9{i[1:]}" for i in output], True)
