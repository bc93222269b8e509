"""Pairs of graphs that are not isomorphic: the file of BREC, and families in graph6."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import DataError
from einnet.tasks.console import read_json

__all__ = ["MOST_NODES", "Graph", "GraphPair", "read_family", "read_pairs", "relabelled"]

Graph = np.ndarray  # (n, n) in double precision, 1 where there is an edge
MOST_PAIRS = 10_000
MOST_NODES = 512  # for exact arithmetic
LONGEST = 83_300  # characters of a graph of 1,000 nodes


@dataclass(frozen=True)
class GraphPair:
    """Two graphs that are not isomorphic, and the category that they belong to."""

    number: int
    category: str
    one: Graph
    two: Graph


def read_pairs(file: Path) -> list[GraphPair]:
    """The pairs of a JSON list of {"category", "g", "h"}, graphs in graph6, or all pairs of a family (.g6).

    Raises `DataError` with the file and the place for what is none of these.
    """
    if file.suffix == ".g6":
        family = read_family(file)
        if len(family) * (len(family) - 1) // 2 > MOST_PAIRS:
            raise DataError(f"{file} has {len(family):,} graphs, more than {MOST_PAIRS:,} pairs: give a part of it")
        return [GraphPair(k, file.stem, *pair) for k, pair in enumerate(combinations(family, 2))]
    content = read_json(file)
    if not isinstance(content, list) or not content:
        raise DataError(f'{file}: expected a list of {{"category": ..., "g": ..., "h": ...}}, graphs in graph6')
    return [_pair(k, one, f"{file}, pair {k}") for k, one in enumerate(content)]


def read_family(file: Path) -> list[Graph]:
    """The graphs of a file with one in graph6 on each line."""
    try:
        lines = file.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    if len(lines) < 2:
        raise DataError(f"{file} has {len(lines)} graphs: there must be two at least to be told apart")
    graphs = [_graph(line, f"{file}, graph {k}") for k, line in enumerate(lines, start=1)]
    if len(sizes := {len(g) for g in graphs}) > 1:
        raise DataError(f"{file} has graphs of {min(sizes)} to {max(sizes)} nodes; those of a family have as many")
    return graphs


def _pair(number: int, content: Any, place: str) -> GraphPair:
    if not isinstance(content, Mapping) or not all(isinstance(content.get(k), str) for k in ("category", "g", "h")):
        raise DataError(f"{place}: expected texts called category, g and h")
    one, two = (_graph(content[k], f"{place}, {k}") for k in ("g", "h"))
    if len(one) != len(two):
        raise DataError(f"{place}: the graphs have {len(one)} and {len(two)} nodes; a pair has as many in both")
    return GraphPair(number, content["category"], one, two)


def _graph(text: str, place: str) -> Graph:
    import networkx as nx

    if len(text) > LONGEST:
        raise DataError(f"{place}: {len(text):,} characters, graphs of up to 1,000 nodes have {LONGEST:,} at most")
    try:
        graph = nx.to_numpy_array(nx.from_graph6_bytes(text.encode("ascii"))).astype(np.float64)
    except (nx.NetworkXError, ValueError, IndexError) as error:
        raise DataError(f"{place}: {text[:40]!r} is not graph6: {error}") from None
    if len(graph) == 0:
        raise DataError(f"{place}: a graph without nodes")
    return graph


def relabelled(graph: Graph, rng: np.random.Generator) -> Graph:
    """The same graph, its nodes in another order."""
    order = rng.permutation(len(graph))
    return graph[order][:, order]
