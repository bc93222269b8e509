"""Theorem 3 literally, for sets of several types: all hypergraphs, those that do not split, the largest of them.

Only edges that are sets matter. A hypergraph is a tuple of frozensets of indices such as ("a", 0) or,
below a parent, ("b", ("a", 0), 1); nothing is shared with `einnet.terms`.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, permutations, product

from einnet import Symmetry

Edge = frozenset
Closed = tuple


def edges_of(types: list[Symmetry], highest: int) -> list[Edge]:
    """Every set of indices that is in one tuple, up to `highest` indices of each class (and parent)."""
    results = set()
    for t in types:
        order = sorted(range(len(t.axes)), key=lambda k: len(t.ancestors(t.axes[k])))
        partial = [{}]
        for k in order:
            above = t.parent_of(t.axes[k])
            partial = [
                {**p, k: (t.axes[k], p[t.axes.index(above)] if above else None, n)}
                for p in partial
                for n in range(highest)
            ]
        for p in partial:
            for size in range(1, len(p) + 1):
                for selection in combinations(p.values(), size):
                    if all(v[1] is None or v[1] in selection for v in selection):
                        results.add(Edge(selection))
    return sorted(results, key=lambda e: sorted(map(str, e)))


def fits(indices: Edge, types: list[Symmetry]) -> bool:
    counts = Counter(v[0] for v in indices)
    return any(counts <= Counter(t.axes) for t in types)


def splits(edges: Closed, types: list[Symmetry]) -> bool:
    everything = range(len(edges))
    for size in range(2, len(edges) // 2 + 1):
        for part in combinations(everything, size):
            inside = Edge().union(*(edges[k] for k in part))
            outside = Edge().union(*(edges[k] for k in everything if k not in part))
            if fits(inside & outside, types):
                return True
    return False


def reduce(edges: Closed) -> Closed:
    """Without indices that one edge has alone (and on which nothing else there depends)."""
    edges = [set(e) for e in edges]
    while True:
        uses = Counter(v for e in edges for v in e)
        lonely = [(e, v) for e in edges for v in e if uses[v] == 1 and not any(w[1] == v for w in e)]
        if not lonely:
            return tuple(map(Edge, edges))
        for e, v in lonely:
            e.discard(v)


def canonical(edges: Closed) -> Closed:
    """The smallest naming over all permutations of the indices of each class (and parent)."""
    indices = sorted({v for e in edges for v in e}, key=lambda v: (str(v[0]), str(v)))
    groups: dict = {}
    for v in indices:
        groups.setdefault((v[0], v[1]), []).append(v)
    best = None
    for selection in product(*(permutations(range(len(g))) for g in groups.values())):
        number = {v: n for g, p in zip(groups.values(), selection, strict=True) for v, n in zip(g, p, strict=True)}

        def name(v, number=number):
            return (v[0], name(v[1]) if v[1] else None, number[v])

        names = _sort_names(edges, name)
        if best is None or names < best:
            best = names
    return best


def _sort_names(edges: Closed, name) -> Closed:
    return tuple(sorted(tuple(sorted(map(name, e))) for e in edges))


def one_step_below(edges: Closed) -> Iterator[Closed]:
    """What dropping an index from an edge, or putting two indices of an edge together, makes of a hypergraph."""
    for k, e in enumerate(edges):
        for v in e:
            if not any(w[1] == v for w in e):
                yield reduce((*edges[:k], e - {v}, *edges[k + 1 :]))
        for u, v in combinations(sorted(e, key=str), 2):
            if u[:2] == v[:2]:
                yield reduce(tuple(Edge(_identify(w, v, u) for w in f) for f in edges))


def _identify(w, old, new):
    if w == old:
        return new
    return (w[0], _identify(w[1], old, new), (w[2], "moved")) if w[1] is not None and _below(w, old) else w


def _below(w, old) -> bool:
    return w[1] == old or (w[1] is not None and _below(w[1], old))


def largest(texts: tuple[str, ...], order: int, highest: int) -> set[Closed]:
    """The hypergraphs of order + 1 edges that do not split and lie below no other one, each once."""
    types = [Symmetry(t) for t in texts]
    edges = edges_of(types, highest)
    results = set()
    for selection in _multisets(edges, order + 1):
        hypergraph = reduce(selection)
        if order < 3 or not splits(hypergraph, types):
            results.add(canonical(hypergraph))
    below: set = set()
    for hypergraph in results:
        below |= {canonical(s) for s in one_step_below(tuple(map(Edge, hypergraph)))} - {hypergraph}
    return results - below


def _multisets(edges: list[Edge], number: int) -> Iterator[Closed]:
    def grow(start: int, left: int) -> Iterator[Closed]:
        if not left:
            yield ()
            return
        for k in range(start, len(edges)):
            for rest in grow(k, left - 1):
                yield (edges[k], *rest)

    yield from grow(0, number)
