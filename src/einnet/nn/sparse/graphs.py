"""Many graphs as one disjoint union, and graphs of PyTorch Geometric and networkx."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.nn.sparse.membership import Membership
from einnet.nn.sparse.storage import read_inputs, read_parts
from einnet.nn.sparse.support import Support
from einnet.signature import parse_types
from einnet.symmetry import Symmetry

__all__ = ["DisjointUnion", "find_missing_reverse", "from_networkx", "from_pyg", "has_reverse", "union", "with_reverse"]


@dataclass(frozen=True, eq=False)
class DisjointUnion:
    """Samples of different sizes as one: the elements of all samples in one list, nothing padded.

    `inputs` has one tensor, or (support, values), for each type; `sample[c]` the number of the sample of each element
    of axis `c`, as PyTorch Geometric's `batch`; `number` is the number of samples, also of those without elements.
    """

    inputs: tuple[Any, ...]
    sample: dict[str, Tensor]
    number: int

    @cached_property
    def membership(self) -> Membership:
        """The samples, as the back end reads them; kept for all layers and calls."""
        return Membership(self.sample, self.number)


def union(samples: Iterable[Sequence[Any]], types: str = "aH, [aa]H") -> DisjointUnion:
    """The disjoint union of samples, each with one input for each type.

    >>> triangle = torch.ones(3, 4), (torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.ones(3, 2))
    >>> arrow = torch.ones(2, 4), (torch.tensor([[0], [1]]), torch.ones(1, 2))
    >>> batch = union([triangle, arrow])
    >>> nodes, (support, values) = batch.inputs
    >>> nodes.shape, batch.sample["a"]
    (torch.Size([5, 4]), tensor([0, 0, 0, 1, 1]))
    >>> support.index                                             # the second graph begins at node 3
    tensor([[0, 1, 2, 3],
            [1, 2, 0, 4]])

    Args:
        samples: sequences of inputs without batch axes: a tensor for a type of at most one axis, and for a type with
            brackets any form that `as_sparse` reads.
        types: as in a signature; `H` are features of a whole sample, which become (samples, features).

    Raises `ShapeError` for samples that do not fit the types or each other, and for a dense type of two axes or more,
    which a union would have to make sparse.
    """
    symmetries = parse_types(types)
    if dense := [t for t in symmetries if len(t.axes) > 1 and not t.is_sparse]:
        raise ShapeError(
            f"a union cannot have the dense type '{dense[0]}': write it with brackets, or pad it by einnet.nn.pad"
        )
    if not (samples := list(samples)):
        raise ShapeError("samples must be a list of one sample or more, got an empty one")
    parts = [_read_sample(k, sample, symmetries, Unchecked) for k, sample in enumerate(samples)]
    letters = dict.fromkeys(c for t in symmetries for c in t.axes if t.parent_of(c) is None)
    sizes = {c: [_size_of(c, symmetries, inputs) for inputs in parts] for c in letters}
    supports: dict[tuple, Support] = {}
    try:
        inputs = tuple(_concat(t, [p[k] for p in parts], sizes, supports) for k, t in enumerate(symmetries))
    except ShapeError:
        for k, sample in enumerate(samples):
            _read_sample(k, sample, symmetries, Support)  # names the sample whose index is wrong
        raise
    device = (inputs[0][1] if symmetries[0].is_sparse else inputs[0]).device
    sample = {c: torch.repeat_interleave(torch.tensor(n, device=device)) for c, n in sizes.items()}
    return DisjointUnion(inputs, sample, len(parts))


class Unchecked(NamedTuple):
    """The index of a support, which is checked in the union."""

    index: Tensor
    sizes: Sequence[int]


def _read_sample(k: int, sample: Sequence[Any], symmetries: Sequence[Symmetry], make: Callable) -> list[Any]:
    if not isinstance(sample, list | tuple) or len(sample) != len(symmetries):
        types = ", ".join(map(str, symmetries))
        length = f" of {len(sample)}" * isinstance(sample, list | tuple)
        hint = ": pass (x,)" * (len(symmetries) == 1)
        raise ShapeError(
            f"sample {k} must be a tuple with one input for each of the types {types}, "
            f"got {type(sample).__name__}{length}{hint}"
        )
    try:
        inputs = read_parts(symmetries, sample, None, make)
    except (EinNetError, TypeError) as error:
        raise type(error)(f"sample {k}: {error}") from None
    for x, symmetry in zip(inputs, symmetries, strict=True):
        values = x[1] if symmetry.is_sparse else x
        if values.dim() != (2 if symmetry.axes else 1):
            raise ShapeError(f"sample {k} must have no batch axes, its '{symmetry}' has shape {tuple(values.shape)}")
    return inputs


def _size_of(letter: str, symmetries: Sequence[Symmetry], inputs: Sequence[Any]) -> int:
    k = next(k for k, symmetry in enumerate(symmetries) if letter in symmetry.axes)
    sizes = inputs[k][0].sizes if symmetries[k].is_sparse else inputs[k].shape
    return sizes[symmetries[k].axes.index(letter)]


def _concat(symmetry: Symmetry, parts: list[Any], sizes: dict[str, list[int]], supports: dict) -> Any:
    """The inputs of one type, one after the other; samples that share supports share that of the union."""
    values = [x[1] for x in parts] if symmetry.is_sparse else parts
    for k, x in enumerate(values):
        if (x.shape[-1], x.dtype, x.device) != (values[0].shape[-1], values[0].dtype, values[0].device):
            raise ShapeError(
                f"sample {k} has {x.shape[-1]} features of {x.dtype} on {x.device} in its '{symmetry}', the first one "
                f"{values[0].shape[-1]} of {values[0].dtype} on {values[0].device}"
            )
    if not symmetry.is_sparse:
        return torch.cat(values) if symmetry.axes else torch.stack(values)
    key = (symmetry.axes, *(id(support) for support, _ in parts))
    if key not in supports:
        supports[key] = _shift([support for support, _ in parts], symmetry, sizes)
    return supports[key], torch.cat(values)


def _shift(parts: Sequence[Support | Unchecked], symmetry: Symmetry, sizes: dict[str, list[int]]) -> Support:
    """The union of supports: each begins where the one before ends; a position within a list stays."""
    index = torch.cat([support.index for support in parts], 1)
    entries = torch.tensor([support.index.shape[1] for support in parts], device=index.device)
    totals = []
    for k, letter in enumerate(symmetry.axes):
        bounds = torch.tensor([support.sizes[k] for support in parts], device=index.device)
        if ((index[k] < 0) | (index[k] >= bounds.repeat_interleave(entries))).any():
            raise ShapeError(f"an index of '{symmetry}' is out of range in its sample")
        if letter in sizes:
            index[k] += (bounds.cumsum(0) - bounds).repeat_interleave(entries)
        totals.append(int(bounds.sum() if letter in sizes else bounds.max()))
    return Support(index, totals)


def from_pyg(data: Any) -> DisjointUnion:
    """The graph of a `Data` of PyTorch Geometric, or the graphs of a `Batch`, for types such as `aH, [aa]H`.

    Nodes have the features `x`, edges `edge_attr`. Without one of them, each has one feature, which is 1.
    Raises `ShapeError` for a graph that does not say how many nodes it has, and for edges that occur twice.
    """
    if getattr(data, "edge_index", None) is None:
        raise TypeError(
            f"expected a Data or Batch of PyTorch Geometric with edge_index, got {type(data).__name__}: of HeteroData "
            "pass each relation as a tuple (edge_index, edge_attr)"
        )
    x, batch, edges = data.x, data.batch, data.edge_attr
    if x is None and batch is None and "num_nodes" not in data:
        raise ShapeError("the Data has neither x nor num_nodes, and may have nodes without edges: set data.num_nodes")
    size = len(batch) if batch is not None else data.num_nodes
    like = next((v for v in (x, edges) if v is not None and v.is_floating_point()), torch.ones(0)).new_ones
    options = {"device": data.edge_index.device}
    nodes = _as_features(like(size, **options) if x is None else x)
    edges = _as_features(like(data.edge_index.shape[1], **options) if edges is None else edges)
    inputs = read_inputs(parse_types("aH, [aa]H"), (nodes, (data.edge_index, edges)))
    sample = batch if batch is not None else torch.zeros(size, dtype=torch.long, **options)
    return DisjointUnion(tuple(inputs), {"a": sample}, 1 if batch is None else data.num_graphs)


def _as_features(x: Tensor) -> Tensor:
    return x.unsqueeze(-1) if x.dim() == 1 else x


def from_networkx(
    graph: Any,
    nodes: str | Sequence[str] = (),
    edges: str | Sequence[str] = (),
    *,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, tuple[Support, Tensor]]:
    """The nodes and the edges of a graph of networkx, with the attributes that are named as features.

    >>> import networkx
    >>> graph = networkx.Graph()
    >>> graph.add_node("O", charge=8)
    >>> graph.add_node("H", charge=1)
    >>> graph.add_edge("O", "H", length=0.96)
    >>> x, (support, values) = from_networkx(graph, "charge", "length")
    >>> support.index, values                                     # an edge without direction is two entries
    (tensor([[0, 1],
            [1, 0]]), tensor([[0.9600],
            [0.9600]]))

    Nodes are numbered in the order of `graph.nodes`. An attribute is a number, or a sequence of numbers of one length.
    Without names, each has one feature, which is 1. Raises `ShapeError` for a missing attribute, for one that is no
    number, and for a graph with parallel edges.
    """
    if not hasattr(graph, "is_multigraph"):
        raise TypeError(f"expected a graph of networkx, got {type(graph).__name__}")
    if graph.is_multigraph():
        raise ShapeError("the graph may have parallel edges: merge them by networkx.Graph(graph) or DiGraph(graph)")
    number = {node: k for k, node in enumerate(graph.nodes)}
    x = _read_attributes(list(graph.nodes.items()), nodes, "node", dtype)
    values = _read_attributes([((i, j), d) for i, j, d in graph.edges(data=True)], edges, "edge", dtype)
    index = torch.tensor([[number[i], number[j]] for i, j in graph.edges], dtype=torch.long).reshape(-1, 2).T
    if not graph.is_directed():
        is_loop = index[0] == index[1]
        index, values = torch.cat([index, index.flip(0)[:, ~is_loop]], 1), torch.cat([values, values[~is_loop]])
    return x, (Support(index.contiguous(), (len(x), len(x))), values)


def _read_attributes(items: Sequence[Any], names: str | Sequence[str], kind: str, dtype: Any) -> Tensor:
    """The named attributes as features, one row for each node or edge."""
    columns = []
    for name in [names] if isinstance(names, str) else names:
        if missing := [key for key, attributes in items if name not in attributes]:
            raise ShapeError(f"the {kind} {missing[0]!r} has no attribute {name!r}")
        try:
            column = np.asarray([attributes[name] for _, attributes in items], dtype=float)
        except (TypeError, ValueError):
            raise ShapeError(f"the attribute {name!r} of each {kind} must be numbers of one length") from None
        columns.append(column.reshape(len(items), -1 if len(items) else 1))
    features = np.concatenate(columns, 1) if columns else np.ones((len(items), 1))
    return torch.tensor(features, dtype=dtype or torch.get_default_dtype())


def has_reverse(symmetry: Symmetry) -> bool:
    """Whether the entries of a type are pairs whose reverse is an index tuple of the type, as of `[aa]`."""
    return symmetry.is_sparse and len(symmetry.axes) == 2 and len(symmetry.classes) == 1


def find_missing_reverse(support: Support) -> Tensor:
    """The index tuples (j, i) that the support lacks although it has (i, j): (2, number)."""
    if len(support.sizes) != 2 or support.sizes[0] != support.sizes[1]:
        raise ShapeError(f"reverse tuples need a support of a type such as '[aa]', got the sizes {support.sizes}")
    rows, columns = support.index
    return support.index.flip(0)[:, support.lookup((0, 1)).ranges((columns, rows))[1] == 0]


def with_reverse(support: Support, values: Tensor) -> tuple[Support, Tensor]:
    """The support with (j, i) for each (i, j), and its values with one more feature: 1 at tuples that were added.

    >>> support, values = with_reverse(Support(torch.tensor([[0, 1], [1, 0]]), (3, 3)), torch.ones(2, 1))
    >>> values                                                    # nothing was missing
    tensor([[1., 0.],
            [1., 0.]])
    >>> support, values = with_reverse(Support(torch.tensor([[0], [1]]), (3, 3)), torch.ones(1, 1))
    >>> support.index, values
    (tensor([[0, 1],
            [1, 0]]), tensor([[1., 0.],
            [0., 1.]]))

    The other features of an added tuple are zero: those of (i, j) reach (j, i) by the operation `[ab]->[ba]`. For edges
    without direction that are listed once, give both tuples the same features instead:
    `torch.cat([index, index.flip(0)], 1)`, `torch.cat([values, values], -2)`.
    """
    added = find_missing_reverse(support)
    number = added.shape[1]
    if number:
        sizes, index = support.sizes, torch.cat([support.index, added], 1)
        support = support.cache("with reverse", lambda: Support(index, sizes))
    values = torch.nn.functional.pad(values, (0, 1, 0, number))
    if number:
        values[..., -number:, -1] = 1
    return support, values
