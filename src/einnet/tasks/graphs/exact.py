"""Whether operations with marks can tell two graphs apart: colours of the copies, the rarest first.

With K marks there is a copy of a graph for each tuple of K nodes, and a network pools the results of all copies. The
multiset of the copies' colourings differs if and only if it differs among the tuples of one kind: those whose first
K - 1 marks lead to the same colours, and whose last node then has the same colour. So the kinds are compared one after
the other, small ones first, and the first difference ends the comparison. A last mark that is alone in its colour
refines nothing, so that these kinds are left out.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from einnet.tasks.graphs.modular import Coloring, ModularNet
from einnet.tasks.graphs.pairs import Graph

__all__ = ["Difference", "MarkedGraph", "compare_exactly"]

Nodes = tuple[int, ...]


class MarkedGraph:
    """A graph and its colourings by marked nodes; of stable ones the digest and the colours of the nodes are kept."""

    def __init__(self, net: ModularNet, graph: Graph):
        self.net, self.graph = net, graph
        self.finals: dict[Nodes, tuple[int, list[int]]] = {}

    def color(self, nodes: Nodes) -> Coloring:
        return self.net.color(self.graph, nodes)

    def finish(self, nodes: Nodes, coloring: Coloring | None = None) -> tuple[int, list[int]]:
        """The digest and the nodes' colours of the stable colouring."""
        if nodes not in self.finals:
            self.finals[nodes] = (coloring or self.color(nodes)).final
        return self.finals[nodes]

    def group(self, marks: int) -> dict[tuple[int, int], list[Nodes]]:
        """The tuples of so many nodes by kind: the digest without the last mark, and the colour of the last node."""
        kinds: dict[tuple[int, int], list[Nodes]] = defaultdict(list)
        prefixes = list(np.ndindex(*[len(self.graph)] * (marks - 1)))
        for prefix in prefixes:
            digest, colors = self.finish(prefix)
            number = Counter(colors)
            for node, color in enumerate(colors):
                if marks == 1 or number[color] > 1:
                    kinds[digest, color].append((*prefix, node))
        return kinds


@dataclass
class Difference:
    """The result of a comparison: the number of marks with which graphs are apart, if they are, and after which layer.

    `kinds` is the number of kinds compared, `nodes` the tuples of the last one in both graphs.
    """

    is_apart: bool = False
    marks: int = 0
    layer: int = 0
    kinds: int = 0
    colorings: int = 0
    nodes: tuple[list[Nodes], list[Nodes]] = field(default_factory=lambda: ([()], [()]))


def compare_exactly(
    net: ModularNet, first: Graph, second: Graph, marks: int, max_kinds: int | None = None
) -> Difference:
    """Compares two graphs with up to so many marks; ends with the first difference, or after some kinds."""
    graphs, result = (MarkedGraph(net, first), MarkedGraph(net, second)), Difference()
    for result.marks in range(marks + 1):
        if result.marks == 0:
            kinds = [([()], [()])]
        else:
            by_kind = [g.group(result.marks) for g in graphs]
            keys = sorted({**by_kind[0], **by_kind[1]}, key=lambda k: (max(len(g.get(k, [])) for g in by_kind), k))
            kinds = [(by_kind[0].get(k, []), by_kind[1].get(k, [])) for k in keys]
        for nodes in kinds:
            result.nodes, result.kinds = nodes, result.kinds + 1
            if _differ(graphs, nodes, result):
                result.is_apart = True
                return result
            if result.kinds == max_kinds:
                return result
    return result


def _differ(
    graphs: tuple[MarkedGraph, MarkedGraph], nodes: tuple[list[Nodes], list[Nodes]], result: Difference
) -> bool:
    """Whether the colourings of these copies of the first graph are not those of the second, as multisets."""
    first, second = graphs
    unmatched = {v: second.color(v) for v in nodes[1]}
    result.colorings += len(unmatched)
    for u in nodes[0]:
        coloring, result.colorings = first.color(u), result.colorings + 1
        match = None
        for v, candidate in unmatched.items():
            layer = coloring.find_difference(candidate)
            if layer is None:
                match = v
                break
            result.layer = max(result.layer, layer)
        if match is None:
            return True
        first.finish(u, coloring)
        second.finish(match, unmatched.pop(match))
    return len(unmatched) > 0
