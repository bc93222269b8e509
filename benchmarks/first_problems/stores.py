"""Samples as one network reads them: padded batches, or disjoint unions of graphs; made once, then indexed."""

from dataclasses import dataclass
from typing import Any

import torch
from molecules_data import list_ranges
from samples import Samples
from torch import Tensor

__all__ = ["Bipartite", "Comparisons", "Graph", "Graphs", "Padded", "Tables", "Walks", "pad"]


def pad(tensors: list[Tensor]) -> Tensor:
    """Tensors of different shapes as one, filled up with zeros.

    >>> pad([torch.ones(1), torch.ones(2)])
    tensor([[1., 0.],
            [1., 1.]])
    """
    shape = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
    padded = tensors[0].new_zeros(len(tensors), *shape)
    for row, t in zip(padded, tensors, strict=True):
        row[tuple(map(slice, t.shape))] = t
    return padded


class Padded:
    """Inputs as padded tensors, and a mask of the present rows of the first axis of the last input."""

    def __init__(self, samples: Samples):
        self.inputs = [pad(list(tensors)) for tensors in zip(*samples.inputs, strict=True)]
        self.sizes = torch.tensor([[len(t) for t in inputs] for inputs in samples.inputs])
        self.targets = torch.stack(samples.targets)[:, 0]

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, numbers: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        sizes = self.sizes[numbers]
        longest = sizes.amax(0).tolist()
        inputs = [x[numbers, :n] for x, n in zip(self.inputs, longest, strict=True)]
        mask = torch.arange(longest[0]) < sizes[:, :1]
        return (*inputs, mask), self.targets[numbers]


class Tables:
    """Tables (rows, columns) with a response for each row, as (batch, rows, columns, 2), and masks of both axes."""

    def __init__(self, samples: Samples):
        self.x = pad([torch.cat([x, y[:, None].expand(-1, x.shape[1], -1)], -1) for x, y in samples.inputs])
        self.sizes = torch.tensor([x.shape[:2] for x, _ in samples.inputs])
        self.targets = pad(samples.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, numbers: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        sizes = self.sizes[numbers]
        n, m = sizes.amax(0).tolist()
        rows, columns = (torch.arange(k) < sizes[:, i : i + 1] for i, k in enumerate((n, m)))
        return (self.x[numbers, :n, :m], rows, columns), self.targets[numbers, :m][columns]


@dataclass(frozen=True)
class Graph:
    """Graphs as one: features of two kinds of nodes (or twice those of one), the edges between them.

    `sample` is the graph of each node of the first kind, `number` the number of graphs.
    """

    nodes: tuple[Tensor, Tensor]
    index: Tensor
    edges: Tensor
    sample: Tensor
    number: int


class Graphs:
    """Graphs in one list of nodes and one of edges. A relation is the graph of its pairs that are not 0."""

    def __init__(self, samples: Samples):
        parts = [self.to_parts(*inputs) for inputs in samples.inputs]
        nodes, partners, index, edges = (list(column) for column in zip(*parts, strict=True))
        self.nodes = [torch.cat(nodes), torch.cat(partners)]
        self.index, self.edges = torch.cat(index, 1), torch.cat(edges)
        self.counts = [torch.tensor([len(x) for x in column]) for column in (nodes, partners, edges)]
        self.starts = [count.cumsum(0) - count for count in self.counts]
        self.lengths = torch.tensor([len(t) for t in samples.targets])
        self.first, self.targets = self.lengths.cumsum(0) - self.lengths, torch.cat(samples.targets)

    def __len__(self) -> int:
        return len(self.lengths)

    @staticmethod
    def to_parts(nodes: Tensor, relation: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Nodes of both kinds, index, edges."""
        if isinstance(relation, Tensor):
            index = relation[..., 0].nonzero().T
            relation = index, relation[index[0], index[1]]
        return nodes, nodes, *relation

    def batch(self, numbers: Tensor) -> tuple[tuple[Graph], Tensor]:
        counts = [count[numbers] for count in self.counts]
        rows = [list_ranges(s[numbers], c) for s, c in zip(self.starts, counts, strict=True)]
        shift = torch.stack([(c.cumsum(0) - c).repeat_interleave(counts[2]) for c in counts[:2]])
        nodes = self.nodes[0][rows[0]], self.nodes[1][rows[1]]
        sample = torch.repeat_interleave(counts[0])
        graph = Graph(nodes, self.index[:, rows[2]] + shift, self.edges[rows[2]], sample, len(numbers))
        return (graph,), self.targets[list_ranges(self.first[numbers], self.lengths[numbers])]


class Bipartite(Graphs):
    """Two kinds of nodes and the edges between them."""

    @staticmethod
    def to_parts(nodes: Tensor, partners: Tensor, relation: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return nodes, partners, *relation


class Comparisons(Graphs):
    """Items that were compared are joined by an edge with the wins of both; an item has its numbers of wins."""

    @staticmethod
    def to_parts(wins: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        results = torch.cat([wins, wins.transpose(0, 1)], -1)
        index = results.sum(-1).nonzero().T
        return results.sum(1), results.sum(1), index, results[index[0], index[1]]


class Walks(Graphs):
    """Graphs whose nodes have the shares of random walks that return after 2 to 6 steps, as in GraphGPS."""

    @staticmethod
    def to_parts(nodes: Tensor, relation: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        walk = relation[..., 0] / relation[..., 0].sum(0).clamp(min=1)
        powers = [walk]
        for _ in range(5):
            powers.append(powers[-1] @ walk)
        returns = torch.stack([power.diagonal() for power in powers[1:]], 1)
        return Graphs.to_parts(torch.cat([nodes, returns], 1), relation)
