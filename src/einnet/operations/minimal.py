"""Minimal sets: the terms of an order that no terms of lower order compose.

A term of order k >= 3 is a composition of terms of lower order exactly if its k + 1 edges fall into two parts of two
edges or more that share indices which fit: into a tuple of a dense type, or into a sparse tuple of the term. Which edge
is the output makes no difference, so closed hypergraphs are grown edge by edge, those that split or lie below a larger
one are dropped, and every edge is taken as the output.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations, product
from math import comb, factorial, prod

from einnet.checks import check_limit
from einnet.errors import EinNetError
from einnet.limits import limits
from einnet.operations.hypergraph import Hypergraph
from einnet.partitions import Slots
from einnet.symmetry import Symmetry
from einnet.terms.canonical import orders_of_groups
from einnet.terms.term import Term, name_indices
from einnet.terms.type_set import Types, TypeSet

__all__ = ["estimate_hypergraphs", "indecomposable_terms"]

Named = tuple[int, ...]  # indices, in the order in which they get names


def indecomposable_terms(types: Types | TypeSet, order: int) -> list[Term]:
    """The terms of this order that no terms of lower order compose, one of those that order-1 operations connect.

    >>> [str(t) for t in indecomposable_terms("aa", 2)]
    ['ab,ab->ab', 'ab,bc->ac']
    >>> [str(t) for t in indecomposable_terms(("a", "ab"), 2)]
    ['a0b0,a0b0->a0b0']
    >>> [str(t) for t in indecomposable_terms("[aa]", 3)]
    ['[ab],[bc],[cd]->[ad]']

    Source: docs/pooling.md, theorems 1 and 3.
    """
    type_set = TypeSet.of(types)
    number = estimate_hypergraphs(type_set, order + 1)
    what = f"order {order} of '{type_set}' has {{}} hypergraphs of operands and output"
    kinds = len(_edge_shapes(type_set))  # with several kinds of edges the estimate is further above the true number
    check_limit(number, "hypergraphs", what, "lower the order, or use a type of fewer axes", times=kinds)
    hypergraphs = sorted(h for h in _grow(type_set, order + 1) if order < 3 or not h.has_split(type_set))
    if type_set.has_sparse_types:
        hypergraphs = [h for h in hypergraphs if not _can_move(h, type_set)]
    if type_set.has_sparse_types or not _has_full_edges(type_set):
        hypergraphs = [h for h in hypergraphs if not _can_grow(h, type_set)]
    terms = [_write_term(h, root, type_set) for h in hypergraphs for root in h.roots()]
    return sorted({t for term in terms for t in _orient(term, type_set)}, key=str) if type_set.directed else terms


def _has_full_edges(type_set: TypeSet) -> bool:
    """Whether the largest hypergraphs have only full edges, so that no others need be grown.

    So it is for one type (theorem 3), and for types of two axes at most: an edge with one index v only can take the
    other index of an edge that has v too, or, if that one has v alone as well, both can take a new index.
    """
    if all(shape.total() <= 2 for shape in type_set.maximal):
        return True
    return len(type_set.maximal) == 1 and not type_set.has_sparse_types


def _edge_shapes(type_set: TypeSet) -> list[Counter]:
    """The classes that an edge of a largest hypergraph may have.

    Of a sparse type it has all, or two or more: alone, an index of another edge could be stored on that edge.
    """
    shapes = list(type_set.maximal)
    if not _has_full_edges(type_set):
        shapes = [part for shape in type_set.maximal for part in _parts(shape, type_set)]
    sparse = [s for s, t in zip(type_set.shapes, type_set.types, strict=True) if t.is_sparse]
    shapes += [part for s in sparse for part in _parts(s, type_set) if part == s or part.total() >= 2]
    return [s for k, s in enumerate(shapes) if s not in shapes[:k]]


def _parts(shape: Counter, type_set: TypeSet) -> Iterator[Counter]:
    """The parts of a shape that have with each class its parent; not the empty one."""
    for numbers in product(*(range(n + 1) for n in shape.values())):
        part = Counter({c: n for c, n in zip(shape, numbers, strict=True) if n})
        if part and all((p := type_set.parent_of(c)) is None or part[p] for c in part):
            yield part


def _grow(type_set: TypeSet, edges: int) -> set[Hypergraph]:
    """All connected hypergraphs of this many edges in which each index is in two edges or more."""
    shapes = _edge_shapes(type_set)
    width = {c: max(s[c] for s in shapes) for c in type_set.classes}
    level = {Hypergraph((), (), ())}
    for number in range(1, edges + 1):
        next_level: set[Hypergraph] = set()
        for hypergraph in level:
            for larger in _add_edge(hypergraph, type_set, shapes):
                new = larger.edges[-1]
                if number > 1 and new and all(v >= len(hypergraph.classes) for v in new):
                    continue  # not connected: the parts share nothing, which fits
                if edges >= 4 and any(larger.can_store({*new, *e}, type_set) for e in hypergraph.edges):
                    continue  # what the two edges share with the rest fits
                uses = Counter(v for e in larger.edges for v in e)
                once = larger.counts(v for v, n in uses.items() if n == 1)
                if all(n <= (edges - number) * width[c] for c, n in once.items()):
                    next_level.add(larger.canonical())
        level = next_level
    return level


def estimate_hypergraphs(type_set: TypeSet, edges: int) -> int:
    """An upper estimate of the number of hypergraphs that are grown; it stops above the limit.

    Edges are added in some order, each of known and new indices. Every class is counted by itself, and with several
    shapes as if the classes of an edge were drawn independently of each other.
    """
    shapes = _edge_shapes(type_set)
    roots = [c for c in type_set.classes if type_set.parent_of(c) is None]
    ways_by_class = [_count_ways(type_set, root, shapes, edges) for root in roots]
    total = 0
    for number, ways in enumerate(zip(*ways_by_class, strict=True), start=1):
        total += prod(ways) // (len(shapes) ** (number * max(len(roots) - 1, 0)) * factorial(number - 1))
        if total > limits().hypergraphs * len(shapes):
            break
    return total


def _count_ways(type_set: TypeSet, root: str, shapes: list[Counter], edges: int) -> Iterator[int]:
    """The ways to add 1, 2, ... edges, seen only in the indices of a class and of those that depend on it."""
    below = [c for c in type_set.classes if any(root in t.ancestors(c) for t in type_set.types)]
    if below:  # all partitions of the widest shapes
        widest = max(type_set.types, key=lambda t: sum(t.axes.count(c) for c in (root, *below)))
        part = Symmetry.of([c for c in widest.axes if c in (root, *below)], widest.dependencies, features=False)
        yield from (len(shapes) ** n * Slots.of([part] * n).count() for n in range(1, edges + 1))
        return
    width = max(s[root] for s in shapes)
    ways = Counter({(0, 0): 1})  # by the number of known indices, and of those in one edge only
    for number in range(1, edges + 1):
        more: Counter = Counter()
        for (known, once), times in ways.items():
            for old, ones in product(range(width + 1), range(width + 1)):
                for shape in shapes:
                    if (new := shape[root] - old - ones) >= 0:
                        choices = comb(once, ones) * comb(known - once, old)
                        more[known + new, once - ones + new] += times * choices
        yield more.total()
        ways = Counter({k: n for k, n in more.items() if n and k[1] <= (edges - number) * width})


def _add_edge(hypergraph: Hypergraph, type_set: TypeSet, shapes: list[Counter]) -> Iterator[Hypergraph]:
    """The hypergraphs with one more edge, of old and new indices."""
    for shape in shapes:
        partial = [replace(hypergraph, edges=(*hypergraph.edges, ()))]
        for letter in (c for c in type_set.classes if shape[c]):
            above = type_set.parent_of(letter)
            partial = [more for h in partial for more in _add_indices(h, letter, shape[letter], above)]
        yield from partial


def _add_indices(h: Hypergraph, letter: str, n: int, above: str | None) -> Iterator[Hypergraph]:
    """The hypergraphs with n more indices of a class, old and new ones, in the last edge."""
    *edges, edge = h.edges
    parent = next((v for v in edge if h.classes[v] == above), -1)
    known = [v for v, c in enumerate(h.classes) if c == letter and h.parents[v] == parent]
    for old in range(n + 1):
        added = range(len(h.classes), len(h.classes) + n - old)
        classes, parents = (*h.classes, *[letter] * len(added)), (*h.parents, *[parent] * len(added))
        for reused in combinations(known, old):
            yield Hypergraph((*edges, (*edge, *reused, *added)), classes, parents)


def _can_move(h: Hypergraph, type_set: TypeSet) -> bool:
    """Whether an edge can move to the tuple of another edge, of a sparse type, that has its indices and more."""
    for edge, target in permutations(h.edges, 2):
        tuple_size = len(target)
        if not type_set.fits(h.counts(target)):
            tuple_size = len(_types_of(h, target, type_set)[0].axes)
        if set(edge) <= set(target) and len(edge) < tuple_size:
            return True
    return False


def _types_of(h: Hypergraph, edge: tuple[int, ...], type_set: TypeSet) -> list[Symmetry]:
    """The types that an edge may have: dense ones first, then sparse ones, the smallest first."""
    types = [t for t in type_set.types if h.counts(edge) <= Counter(t.axes)]
    return sorted(types, key=lambda t: (t.is_sparse, t.is_sparse and len(t.axes)))


def _type_of(h: Hypergraph, edge: tuple[int, ...], type_set: TypeSet) -> Symmetry:
    """The type of an edge; raises if it could be a tuple of another sparse type, or have an index twice.

    A larger type is none if another edge has these indices: all could be stored at the smaller tuple.
    """
    first, *larger = _types_of(h, edge, type_set)
    rest = Counter(first.axes) - h.counts(edge)
    is_alone = sum(set(edge) <= set(e) for e in h.edges) == 1
    is_ambiguous = any(rest or is_alone or len(t.axes) == len(first.axes) for t in larger)
    if first.is_sparse and (is_ambiguous or any(first.axes.count(c) > 1 for c in rest)):
        what = f"the operations of the type set {type_set} depend on the sparse tuple that has some indices"
        instead = "types of different letters or of two axes, of which no two share two letters"
        raise EinNetError(f"{what}: use sparse {instead}")
    return first


def _orient(term: Term, type_set: TypeSet) -> Iterator[Term]:
    """The term with every order of the joint axes of each sparse tuple; equal tuples in the same order."""
    operands, output = type_set.types_of(term)
    types = dict(zip((*term.operands, term.output), (*operands, output), strict=True))
    symmetric = replace(type_set, directed=False)
    orders = [symmetric.support_with(s, t) if s.is_sparse else [t] for t, s in types.items()]
    for choice in product(*orders):
        new = dict(zip(types, choice, strict=True))
        yield Term.of([new[t] for t in term.operands], new[term.output], term.brackets).canonical()


def _can_grow(h: Hypergraph, type_set: TypeSet) -> bool:
    """Whether an edge could take an index of another edge, two edges a new one, or an index be two of one edge."""
    for letter in type_set.classes:
        above = type_set.parent_of(letter)
        for parent in [v for v, c in enumerate(h.classes) if c == above] if above else [-1]:
            edges = [e for e in h.edges if parent < 0 or parent in e]
            takers = [e for e in edges if type_set.fits(h.counts(e) + Counter([letter]))]
            known = {v for v, c in enumerate(h.classes) if c == letter and h.parents[v] == parent}
            if len(takers) >= 2 or any(v not in e or _can_be_two(h, v, e) for e in takers for v in known):
                return True
    return False


def _can_be_two(h: Hypergraph, v: int, edge: tuple[int, ...]) -> bool:
    """Whether the other edges around index v fall into two parts, with no index below v in both."""
    rest = list(h.edges)
    rest.remove(edge)
    parts: list[set[int]] = []
    for below in ({w for w in e if h.parents[w] == v} for e in rest if v in e):
        touching = [p for p in parts if p & below]
        parts = [p for p in parts if not p & below] + [below.union(*touching)]
    return len(parts) >= 2


def _write_term(hypergraph: Hypergraph, root: int, type_set: TypeSet) -> Term:
    """The term whose output is this edge, with the first operands over all namings, the output's first index a.

    Operands are placed one by one. Only the ways with the smallest text are continued: an index
    without a name gets the next one, but the first name is reserved for the output.
    """
    types = [_type_of(hypergraph, e, type_set) for e in hypergraph.edges]
    h = _fill_edges(hypergraph, types).with_output(root)
    letter = types[root].axes[0] if types[root].axes else ""
    firsts = [(v,) for v in h.edges[root] if h.classes[v] == letter] or [()]
    ways: set[tuple[frozenset[int], Named]] = {(frozenset([root]), named) for named in firsts}
    operands: list[tuple[tuple[str, ...], bool]] = []
    for _ in range(h.order):
        by_operand = defaultdict(set)
        for used, named in ways:
            for k in set(range(len(types))) - used:
                for tup, more in _name_edge(h, k, types[k], named, type_set):
                    by_operand[tup, types[k].is_sparse].add((used | {k}, more))
        operands.append(min(by_operand))
        ways = by_operand[operands[-1]]
    outputs = [t for _, named in ways for t, _ in _name_edge(h, root, types[root], named, type_set)]
    return Term.of([t for t, _ in operands], min(outputs), [*(b for _, b in operands), types[root].is_sparse])


def _fill_edges(h: Hypergraph, types: list[Symmetry]) -> Hypergraph:
    """The hypergraph with a new index for each axis that no index of an edge needs."""
    edges, classes = [], list(h.classes)
    for edge, symmetry in zip(h.edges, types, strict=True):
        missing = list((Counter(symmetry.axes) - h.counts(edge)).elements())
        edges.append((*edge, *range(len(classes), len(classes) + len(missing))))
        classes += missing
    return Hypergraph(tuple(edges), tuple(classes), (*h.parents, *[-1] * (len(classes) - len(h.classes))))


def _name_edge(
    h: Hypergraph, k: int, symmetry: Symmetry, named: Named, type_set: TypeSet
) -> Iterator[tuple[tuple[str, ...], Named]]:
    """The tuple of an edge in every naming of its new indices, and what is named then; indices of a class in order."""
    by_class = {c: [v for v in h.edges[k] if h.classes[v] == c] for c in symmetry.classes}
    unnamed = [h.twins(v for v in vs if v not in named) for vs in by_class.values()]
    for orders in product(*map(orders_of_groups, unnamed)):
        more = list(named)
        queue = {c: list(vs) for c, vs in zip(by_class, orders, strict=True)}
        for place, letter in enumerate(symmetry.axes):
            if queue[letter] and symmetry.axes[place:].count(letter) <= len(queue[letter]):
                more.append(queue[letter].pop(0))
        names = name_indices(map(h.name, more), type_set.has_several_types)
        sides = {c: sorted(names[h.name(v)] for v in vs) for c, vs in by_class.items()}
        yield tuple(sides[c].pop(0) for c in symmetry.axes), tuple(more)
