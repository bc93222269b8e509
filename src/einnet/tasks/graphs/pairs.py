"""Pairs of graphs that are not isomorphic: the files of BREC, and families in graph6, sparse6 or digraph6."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from einnet.checks import check_limit
from einnet.errors import DataError
from einnet.files import decode_text, get_stem, name_source, parse_json, read_bytes, read_text
from einnet.limits import limits

__all__ = ["BREC", "MAX_NODES", "Graph", "GraphPair", "permute_nodes", "read_family", "read_pairs"]

Graph = np.ndarray  # (n, n) in double precision, 1 for an edge
MAX_NODES = 512  # of exact arithmetic
BREC = {"Basic": 60, "Regular": 100, "Extension": 100, "CFI": 100, "4-Vertex_Condition": 20, "Distance_Regular": 20}
BREC_COPIES = 32  # of each graph, relabelled
HEADER = re.compile(r">>\w+<<")


@dataclass(frozen=True)
class GraphPair:
    """Two graphs that are not isomorphic, and the category that they belong to."""

    number: int
    category: str
    first: Graph
    second: Graph


def read_pairs(file: Path) -> list[GraphPair]:
    """The pairs of a JSON list of {"category", "g", "h"}, of an array as BREC has, or all pairs of a family of lines.

    The content says which it is. Graphs are in graph6, sparse6 or digraph6. Raises `DataError` with the file and the
    position for any other content.
    """
    content, name, category = read_bytes(file), name_source(file), get_stem(file)
    if content.startswith(b"\x93NUMPY"):
        return _read_array(content, name, category)
    text = decode_text(content, file)
    if file.suffix != ".json" and '"' not in text:  # no graph has quotes, every list of pairs does
        family, limit = _parse_family(text, name), limits().graph_pairs
        if len(family) * (len(family) - 1) // 2 > limit:
            raise DataError(f"{name} has {len(family):,} graphs, more than {limit:,} pairs: give a part of it")
        return [GraphPair(k, category, *pair) for k, pair in enumerate(combinations(family, 2))]
    items = parse_json(text, name)
    if not isinstance(items, list) or not items:
        raise DataError(f'{name}: expected a list of {{"category": ..., "g": ..., "h": ...}}, graphs in graph6')
    return [_parse_pair(k, item, f"{name}, pair {k}") for k, item in enumerate(items)]


def read_family(file: Path) -> list[Graph]:
    """The graphs of a file with one in graph6, sparse6 or digraph6 on each line."""
    return _parse_family(read_text(file), name_source(file))


def _parse_family(text: str, name: str) -> list[Graph]:
    lines = HEADER.sub(" ", text).split()
    if len(lines) < 2:
        raise DataError(f"{name} has {len(lines)} graphs: a comparison needs two at least")
    graphs = [_parse_graph(line, f"{name}, graph {k}") for k, line in enumerate(lines, start=1)]
    if len(sizes := {len(g) for g in graphs}) > 1:
        raise DataError(f"{name} has graphs of {min(sizes)} to {max(sizes)} nodes; those of a family have as many")
    return graphs


def _read_array(content: bytes, name: str, category: str) -> list[GraphPair]:
    """The pairs of a numpy file: rows of two graphs, or graphs of which two in succession are a pair.

    Of BREC's own file, with 32 relabelled copies of each pair and as many for a control, the first copies are taken.
    """
    try:
        array = np.load(BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        if "allow_pickle" not in str(error):
            raise DataError(f"{name} cannot be read: {error}") from None
        advice = "if you trust it, save it as text: np.save(FILE, np.load(FILE, allow_pickle=True).astype(str))"
        raise DataError(f"{name} holds pickled objects, which may run code and are never read: {advice}") from None
    size, shape = array.size, array.shape
    if array.dtype.kind not in "SU" or size == 0 or size % 2 or shape not in ((size,), (size // 2, 2)):
        raise DataError(f"{name} has {array.dtype} of shape {shape}, expected texts in graph6, pairs of them")
    pairs, categories = array.reshape(-1, 2), [category] * (size // 2)
    if size == 2 * BREC_COPIES * 2 * sum(BREC.values()):
        categories = [part for part, number in BREC.items() for _ in range(number)]
        pairs = pairs[: BREC_COPIES * len(categories) : BREC_COPIES]
    check_limit(len(pairs), "graph_pairs", f"{name} has {{}} pairs", "give a part of it")
    texts = [[g.decode("ascii", "replace") if isinstance(g, bytes) else g for g in pair] for pair in pairs.tolist()]
    items = [{"category": c, "g": g, "h": h} for c, (g, h) in zip(categories, texts, strict=True)]
    return [_parse_pair(k, item, f"{name}, pair {k}") for k, item in enumerate(items)]


def _parse_pair(number: int, content: Any, place: str) -> GraphPair:
    if not isinstance(content, Mapping) or not all(isinstance(content.get(k), str) for k in ("category", "g", "h")):
        raise DataError(f"{place}: expected texts called category, g and h")
    first, second = (_parse_graph(content[k], f"{place}, {k}") for k in ("g", "h"))
    if len(first) != len(second):
        raise DataError(f"{place}: the graphs have {len(first)} and {len(second)} nodes; a pair has as many in both")
    return GraphPair(number, content["category"], first, second)


def _parse_graph(text: str, place: str) -> Graph:
    text, nodes = HEADER.sub("", text).strip(), limits().graph_nodes
    if len(text) > (longest := nodes**2 // 6 + 50):  # six entries in a character, and the number of nodes
        raise DataError(f"{place}: {len(text):,} characters, graphs of up to {nodes:,} nodes have {longest:,} at most")
    kind = {"&": "digraph6", ":": "sparse6"}.get(text[:1], "graph6")
    try:
        return _decode_graph(text, kind, nodes)
    except (ValueError, IndexError) as error:
        raise DataError(f"{place}: {text[:40]!r} is not {kind}: {error}") from None


def _decode_graph(text: str, kind: str, limit: int) -> Graph:
    """The matrix of a graph; edges of a multigraph are counted."""
    import networkx as nx
    from networkx.readwrite.graph6 import data_to_n

    digits = [ord(c) - 63 for c in text[kind != "graph6" :]]
    if not digits or not all(0 <= d < 64 for d in digits):
        raise ValueError("its characters are from ? to ~")
    number, rest = data_to_n(digits)
    if not 1 <= number <= limit:
        raise ValueError(f"{number:,} nodes, expected 1 to {limit:,}")
    if kind == "digraph6":
        bits = np.unpackbits(np.array(rest, np.uint8)[:, None], axis=1)[:, 2:].ravel()
        if len(rest) != -(-(number**2) // 6):
            raise ValueError(f"{number**2} bits expected, got {bits.size}")
        return bits[: number**2].reshape(number, number).astype(np.float64)
    read = nx.from_sparse6_bytes if kind == "sparse6" else nx.from_graph6_bytes
    try:
        return nx.to_numpy_array(read(text.encode())).astype(np.float64)
    except nx.NetworkXError as error:
        raise ValueError(error) from None


def permute_nodes(graph: Graph, rng: np.random.Generator) -> Graph:
    """The same graph, its nodes in another order."""
    order = rng.permutation(len(graph))
    return graph[order][:, order]
