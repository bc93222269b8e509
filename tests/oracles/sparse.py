"""Sparse types literally: where a program of operations can store its results, and terms of order 1 as matrices.

A program computes a term on every support exactly if each of its results is stored at an index tuple of the term (an
operand's or the output's) or of a dense type, and if no index is summed while another part of the term needs it.
Nothing is shared with `einnet.operations`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product

import networkx as nx
import numpy as np

from einnet import Symmetry, Term
from einnet.terms import TypeSet, all_terms
from oracles import naive

Place = tuple[Symmetry, tuple[str, ...]]  # a type and indices of the term
State = tuple[frozenset[int], Place]  # the product of some operands, summed as far as possible, stored there


def reorderings(symmetry: Symmetry, tup: Sequence, directed: bool) -> set[tuple]:
    """The index tuples that are on the support together."""
    axes = symmetry.axes
    orders = [p for p in permutations(range(len(axes))) if all(axes[k] == c for k, c in zip(p, axes, strict=True))]
    return {tuple(tup[k] for k in p) for p in (orders[:1] if directed else orders)}


class Programs:
    """All programs of some operations for one term."""

    def __init__(self, ops: Sequence[Term], term: Term, type_set: TypeSet):
        operands, output = type_set.types_of(term)
        self.goal = (frozenset(range(term.order)), (output, term.output))
        self.tuples, self.output = term.operands, set(term.output)
        self.ops = [(op, type_set.types_of(op)) for op in ops if op.order > 1]
        index_map = type_set.index_map(term)
        self.places = {
            (s, u)
            for s, t in zip((*operands, output), (*term.operands, term.output), strict=True)
            for u in (reorderings(s, t, type_set.directed) if s.is_sparse else [t])
        }
        for s in type_set.types:
            by_axis = [[i for i, c in index_map.classes.items() if c == letter] for letter in s.axes]
            for u in product(*by_axis) if not s.is_sparse else ():
                at = dict(zip(s.axes, u, strict=True))
                if all(index_map.parents[at[c]] == at[p] for p, c in s.dependencies):
                    self.places.add((s, u))
        self.states: set[State] = {(frozenset([k]), (s, term.operands[k])) for k, s in enumerate(operands)}

    def reach_goal(self) -> bool:
        while self.goal not in self.states:
            more = {s for state in self.states for s in self.moves(state)}
            more |= {s for op, types in self.ops for s in self.results(op, *types)}
            if more <= self.states:
                return False
            self.states |= more
        return True

    def indices(self, numbers: frozenset[int]) -> set[str]:
        return {i for k in numbers for i in self.tuples[k]}

    def free(self, numbers: frozenset[int]) -> set[str]:
        """The indices that only these operands have, so that they can be summed."""
        rest = frozenset(range(len(self.tuples))) - numbers
        return self.indices(numbers) - self.indices(rest) - self.output

    def moves(self, state: State) -> Iterator[State]:
        """What operations of order 1 make of a result."""
        numbers, (_, u) = state
        for place in self.places:
            v = set(place[1])
            if set(u) - v <= self.free(numbers) and not (v - set(u)) & self.indices(numbers):
                yield numbers, place

    def results(self, op: Term, types: Sequence[Symmetry], output: Symmetry) -> Iterator[State]:
        for chosen in self.choices(op, types, (), {}):
            images = [dict(zip(t, s[1][1], strict=True)) for t, s in zip(op.operands, chosen, strict=True)]
            for place in self.places:
                if place[0] == output:
                    tuples = [*images, dict(zip(op.output, place[1], strict=True))]
                    numbers = frozenset().union(*(s[0] for s in chosen))
                    if self.is_right(op, tuples, chosen, numbers):
                        yield numbers, place

    def choices(self, op: Term, types: Sequence[Symmetry], chosen: tuple, at: dict) -> Iterator[tuple[State, ...]]:
        """Results for all operands of an operation, an index of it at one index of the term."""
        if len(chosen) == op.order:
            yield chosen
            return
        tup, symmetry = op.operands[len(chosen)], types[len(chosen)]
        for numbers, (s, u) in self.states:
            if s != symmetry or any(numbers & before for before, _ in chosen):
                continue
            more = {**at, **dict(zip(tup, u, strict=True))}
            if all(more[i] == w for i, w in (*at.items(), *zip(tup, u, strict=True))):
                yield from self.choices(op, types, (*chosen, (numbers, (s, u))), more)

    def is_right(self, op: Term, tuples: list[Mapping], chosen: Sequence[State], numbers: frozenset[int]) -> bool:
        at: dict[str, str] = {}
        for images in tuples:
            if any(at.setdefault(i, w) != w for i, w in images.items()):
                return False
        same = nx.Graph()  # two indices of an operation are equal only if a diagonal makes them so
        same.add_nodes_from(at)
        for images in tuples:
            same.add_edges_from((i, j) for i in images for j in images if images[i] == images[j])
        if nx.number_connected_components(same) > len(set(at.values())):
            return False
        read, used = {w for images in tuples[:-1] for w in images.values()}, set(at.values())
        is_coherent = all(used & self.indices(n) <= set(u) for n, (_, u) in chosen)
        return is_coherent and read - set(tuples[-1].values()) <= self.free(numbers)


def is_composed(ops: Sequence[Term], term: Term, type_set: TypeSet) -> bool:
    """Whether some program of the operations, and of any of order 1, computes the term on every support."""
    return Programs(ops, term, type_set).reach_goal()


def random_supports(type_set: TypeSet, sizes: Mapping[str, int], rng) -> dict[Symmetry, np.ndarray]:
    """Irregular supports, with loops and edges in both directions, the last index of each axis isolated."""
    supports = {}
    for s in (t for t in type_set.types if t.is_sparse):
        mask = rng.random([sizes[c] for c in s.axes]) < 0.4
        mask[-1], mask[..., -1] = False, False
        mask[:2, :2] = True
        if not type_set.directed:
            mask = np.any([mask.transpose(p) for p in reorderings(s, range(mask.ndim), False)], axis=0)
        supports[s] = mask
    return supports


def order_1_matrices(type_set: TypeSet, sizes: Mapping[str, int], supports: Mapping[Symmetry, np.ndarray]) -> dict:
    """The matrix of each term of order 1 on supports, with its types."""
    matrices = {}
    for term in all_terms(type_set, 1):
        (source,), target = type_set.types_of(term)
        m = np.rint(naive.matrix(naive.with_letters(term), source.dense, target.dense, sizes)).astype(np.int64)
        for s, axis in ((target, 0), (source, 1)):
            if s.is_sparse:
                m = m * np.expand_dims(supports[s].ravel(), 1 - axis)
        matrices[term] = source, target, m
    return matrices


def count_rooted_graphs(edges: int, is_bipartite: bool) -> int:
    """Simple graphs without a separating clique of at most two nodes, once for each orbit of their edges.

    A bipartite one has a row and a column at each edge.
    """
    total = 0
    for graph in inseparable_graphs(edges):
        if not is_bipartite:
            total += _edge_orbits(graph)
        elif nx.is_bipartite(graph):
            colours = nx.bipartite.color(graph)
            for flip in (0, 1):
                nx.set_node_attributes(graph, {v: c ^ flip for v, c in colours.items()}, "colour")
                total += _edge_orbits(graph)
            if _are_exchanged(graph, colours):
                total -= _edge_orbits(graph)
    return total


def inseparable_graphs(edges: int) -> list[nx.Graph]:
    graphs = [g for g in nx.graph_atlas_g() if g.number_of_edges() == edges] + [nx.cycle_graph(edges)] * (edges > 7)
    return [g for g in graphs if not _has_separator(g)]


def count_rooted_orientations(edges: int) -> int:
    """The orientations of these graphs with one marked edge, up to symmetry: by Burnside's lemma."""
    total = 0
    for graph in inseparable_graphs(edges):
        symmetries = list(_matcher(graph, graph).isomorphisms_iter())
        total += sum(map(_count_fixed, [graph] * len(symmetries), symmetries)) // len(symmetries)
    return total


def _count_fixed(graph: nx.Graph, symmetry: Mapping) -> int:
    """The marked edges and orientations that a symmetry leaves alone."""
    image = nx.Graph(((a, b), (symmetry[a], symmetry[b])) for u, v in graph.edges for a, b in ((u, v), (v, u)))
    cycles = {frozenset(c) for c in nx.connected_components(image)}  # of directed edges
    if any((v, u) in c for c in cycles for u, v in c):
        return 0
    return sum({symmetry[u], symmetry[v]} == {u, v} for u, v in graph.edges) * 2 ** (len(cycles) // 2)


def _has_separator(graph: nx.Graph) -> bool:
    cliques = [(), *((v,) for v in graph), *graph.edges]
    parts = [graph.subgraph(set(graph) - set(c)) for c in cliques]
    return graph.number_of_nodes() < 3 or not all(len(p) == 0 or nx.is_connected(p) for p in parts)


def _matcher(one: nx.Graph, two: nx.Graph):
    same_colour = nx.algorithms.isomorphism.categorical_node_match("colour", None)
    return nx.algorithms.isomorphism.GraphMatcher(one, two, node_match=same_colour)


def _edge_orbits(graph: nx.Graph) -> int:
    orbits = nx.Graph()
    edges = [frozenset(e) for e in graph.edges]
    orbits.add_nodes_from(edges)
    for m in _matcher(graph, graph).isomorphisms_iter():
        orbits.add_edges_from((e, frozenset(m[v] for v in e)) for e in edges)
    return nx.number_connected_components(orbits)


def _are_exchanged(graph: nx.Graph, colours: Mapping) -> bool:
    reverse = graph.copy()
    nx.set_node_attributes(graph, dict(colours), "colour")
    nx.set_node_attributes(reverse, {v: 1 - c for v, c in colours.items()}, "colour")
    return _matcher(graph, reverse).is_isomorphic()
