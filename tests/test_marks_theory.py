"""Where a mark is between k-FWL and (k+1)-FWL: the witnesses of docs/course/marks.md, by colours computed here."""

from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from einnet.tasks.graphs.exact import compare_exactly
from einnet.tasks.graphs.modular import ModularNet

STEPS = [(0, 1), (1, 0), (1, 1)]
ROOK = nx.line_graph(nx.complete_bipartite_graph(4, 4))
SHRIKHANDE = nx.Graph([((a, b), ((a + x) % 4, (b + y) % 4)) for a in range(4) for b in range(4) for x, y in STEPS])
RING, TRIANGLES = nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3))


def make_cfi(base: nx.Graph, twisted: bool) -> np.ndarray:
    """For each node of the base the sets of an even number of its edges, of one node an odd number if it is twisted.

    Sets of the two ends of an edge are adjacent if both have the edge, or neither.
    """
    nodes = []
    for k, v in enumerate(base):
        edges = [frozenset(e) for e in base.edges(v)]
        parity = int(twisted and k == 0)
        nodes += [(v, frozenset(s)) for n in range(parity, len(edges) + 1, 2) for s in combinations(edges, n)]
    matrix = np.zeros((len(nodes), len(nodes)))
    for i, (u, s) in enumerate(nodes):
        for j, (v, t) in enumerate(nodes):
            edge = frozenset((u, v))
            matrix[i, j] = base.has_edge(u, v) and (edge in s) == (edge in t)
    return matrix


def join_complete_graphs(size: int) -> nx.Graph:
    """Two complete graphs and an edge between them."""
    graph = nx.disjoint_union(nx.complete_graph(size), nx.complete_graph(size))
    graph.add_edge(0, size)
    return graph


def hash_multisets(*arrays: np.ndarray) -> np.ndarray:
    """A number for each tuple of numbers."""
    total = np.zeros_like(arrays[0])
    for x in arrays:
        total = (total * np.uint64(0x9E3779B97F4A7C15)) ^ x
        total = (total ^ (total >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        total ^= total >> np.uint64(32)
    return total


def color_graph(matrix: np.ndarray, k: int, marked: int | None = None) -> Counter:
    """How often each stable colour of k-FWL occurs; multisets are sums of random-looking numbers."""
    n = len(matrix)
    places = np.meshgrid(*[np.arange(n)] * k, indexing="ij")
    facts = [(p == marked) if marked is not None else np.zeros_like(p) for p in places]
    facts += [matrix[p, q] for p, q in combinations(places, 2)] + [p == q for p, q in combinations(places, 2)]
    if k == 1:  # of the adjacency, which a single node does not show, the neighbours' colours
        facts.append(np.zeros(n))
    colors, number = hash_multisets(*[np.asarray(f).astype(np.uint64) for f in facts]), 0
    while number != len(np.unique(colors)):
        number = len(np.unique(colors))
        rows = np.zeros_like(colors)
        for w in range(n):
            parts = [np.take(colors, [w], axis=p).repeat(n, axis=p) for p in range(k)]
            if k == 1:
                parts.append(matrix[:, w].astype(np.uint64))
            rows += hash_multisets(*parts)
        colors = hash_multisets(colors, rows)
    return Counter(colors.ravel().tolist())


def color_copies(matrix: np.ndarray, k: int) -> Counter:
    return Counter(frozenset(color_graph(matrix, k, m).items()) for m in range(len(matrix)))


@pytest.mark.parametrize(("k", "graphs"), [(1, (RING, TRIANGLES)), (2, (ROOK, SHRIKHANDE))])
def test_a_mark_is_strictly_above(k, graphs):
    first, second = map(nx.to_numpy_array, graphs)
    assert color_graph(first, k) == color_graph(second, k)
    assert color_copies(first, k) != color_copies(second, k)


@pytest.mark.parametrize("k", [1, 2])
def test_a_mark_is_strictly_below_the_next_level(k):
    first, second = (make_cfi(join_complete_graphs(k + 2), twisted) for twisted in (False, True))
    assert len(first) == {1: 16, 2: 40}[k]
    assert color_copies(first, k) == color_copies(second, k)
    assert color_graph(first, k + 1) != color_graph(second, k + 1)


def test_the_exact_arithmetic_says_the_same_and_two_marks_are_enough():
    net = ModularNet(order=2)
    first, second = (make_cfi(join_complete_graphs(4), twisted) for twisted in (False, True))
    assert not compare_exactly(net, first, second, marks=1).is_apart
    difference = compare_exactly(net, first, second, marks=2)
    assert difference.is_apart and difference.marks == 2
