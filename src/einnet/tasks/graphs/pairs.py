"""Pairs of graphs that are not isomorphic: the file of BREC, and families in graph6."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import DataError
from einnet.limits import limits
from einnet.tasks.console import read_json

__all__ = ["MAX_NODES", "Graph", "GraphPair", "permute_nodes", "read_family", "read_pairs"]

Graph = np.ndarray  # (n, n) in double precision, 1 for an edge
MAX_NODES = 512  # of exact arithmetic


@dataclass(frozen=True)
class GraphPair:
    """Two graphs that are not isomorphic, and the category that they belong to."""

    number: int
    category: str
    first: Graph
    second: Graph


def read_pairs(file: Path) -> list[GraphPair]:
    """The pairs of a JSON list of {"category", "g", "h"}, graphs in graph6, or all pairs of a family (.g6).

    Raises `DataError` with the file and the position for any other content.
    """
    if file.suffix == ".g6":
        family, limit = read_family(file), limits().graph_pairs
        if len(family) * (len(family) - 1) // 2 > limit:
            raise DataError(f"{file} has {len(family):,} graphs, more than {limit:,} pairs: give a part of it")
        return [GraphPair(k, file.stem, *pair) for k, pair in enumerate(combinations(family, 2))]
    content = read_json(file)
    if not isinstance(content, list) or not content:
        raise DataError(f'{file}: expected a list of {{"category": ..., "g": ..., "h": ...}}, graphs in graph6')
    return [_parse_pair(k, item, f"{file}, pair {k}") for k, item in enumerate(content)]


def read_family(file: Path) -> list[Graph]:
    """The graphs of a file with one in graph6 on each line."""
    try:
        lines = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    if len(lines) < 2:
        raise DataError(f"{file} has {len(lines)} graphs: a comparison needs two at least")
    graphs = [_parse_graph(line, f"{file}, graph {k}") for k, line in enumerate(lines, start=1)]
    if len(sizes := {len(g) for g in graphs}) > 1:
        raise DataError(f"{file} has graphs of {min(sizes)} to {max(sizes)} nodes; those of a family have as many")
    return graphs


def _parse_pair(number: int, content: Any, place: str) -> GraphPair:
    if not isinstance(content, Mapping) or not all(isinstance(content.get(k), str) for k in ("category", "g", "h")):
        raise DataError(f"{place}: expected texts called category, g and h")
    first, second = (_parse_graph(content[k], f"{place}, {k}") for k in ("g", "h"))
    if len(first) != len(second):
        raise DataError(f"{place}: the graphs have {len(first)} and {len(second)} nodes; a pair has as many in both")
    return GraphPair(number, content["category"], first, second)


def _parse_graph(text: str, place: str) -> Graph:
    import networkx as nx

    nodes = limits().graph_nodes
    if len(text) > (longest := nodes * (nodes - 1) // 12 + 50):  # six entries in a character, and a header
        raise DataError(f"{place}: {len(text):,} characters, graphs of up to {nodes:,} nodes have {longest:,} at most")
    try:
        graph = nx.to_numpy_array(nx.from_graph6_bytes(text.encode("ascii"))).astype(np.float64)
    except (nx.NetworkXError, ValueError, IndexError) as error:
        raise DataError(f"{place}: {text[:40]!r} is not graph6: {error}") from None
    if len(graph) == 0:
        raise DataError(f"{place}: a graph without nodes")
    return graph


def permute_nodes(graph: Graph, rng: np.random.Generator) -> Graph:
    """The same graph, its nodes in another order."""
    order = rng.permutation(len(graph))
    return graph[order][:, order]
