"""Peers that give each element of a graph or of a table a vector of its own."""

import time
from typing import Any

import torch
from learn import hold_out
from samples import Pairs, Predict, Problem
from stores import Graphs
from torch import Tensor, nn

__all__ = ["Factors", "Gae", "LightGcn", "MarkedGraphs", "PairStore", "learn_by_least_squares"]

WIDTH, DEPTH, RANK = 32, 2, 16


class PairStore:
    """Batches are (all pairs with the graph, index of some)."""

    def __init__(self, pairs: Pairs):
        self.pairs, self.targets = pairs, pairs.values

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, numbers: Tensor) -> tuple[tuple[Pairs, Tensor], Tensor]:
        return (self.pairs, self.pairs.index[:, numbers]), self.targets[numbers]


class MarkedGraphs(Graphs):
    """Each pair as the graph with two marked nodes, as in SEAL (Zhang and Chen 2018)."""

    def __init__(self, pairs: Pairs):
        from graphs import mark_pairs

        super().__init__(mark_pairs(pairs))


class Factors(nn.Module):
    """Biases and a product of two vectors, with their squares as penalty (Koren et al. 2009)."""

    penalty = 0.0
    STRENGTH = 0.12  # chosen on held-out ratings, as the rank

    def __init__(self, pairs: Pairs, index: Tensor, out_features: int):
        super().__init__()
        self.factors = nn.ModuleList(nn.Embedding(n, WIDTH) for n in pairs.sizes)
        self.biases = nn.ModuleList(nn.Embedding(n, 1) for n in pairs.sizes)
        for table in (*self.factors, *self.biases):
            nn.init.normal_(table.weight, std=0.05)

    def forward(self, pairs: Pairs, index: Tensor) -> Tensor:
        (x, y), (b, c) = ([t(i) for t, i in zip(tables, index, strict=True)] for tables in (self.factors, self.biases))
        self.penalty = self.STRENGTH * sum(v.square().sum(1).mean() for v in (x, y, b, c))
        return (x * y).sum(1, keepdim=True) + b + c


class LightGcn(nn.Module):
    """Vectors averaged over neighbours, by layers (He et al. 2020), their product and biases."""

    def __init__(self, pairs: Pairs, index: Tensor, out_features: int):
        from torch_geometric.nn import LGConv

        super().__init__()
        self.edges, self.shift, number = to_graph(pairs)
        self.vectors, self.bias = nn.Embedding(number, WIDTH), nn.Embedding(number, 1)
        nn.init.normal_(self.vectors.weight, std=0.1)
        nn.init.zeros_(self.bias.weight)
        self.layers = nn.ModuleList(LGConv() for _ in range(DEPTH))

    def encode(self, edges: Tensor) -> Tensor:
        states = [self.vectors.weight]
        for layer in self.layers:
            states.append(layer(states[-1], edges))
        return sum(states) / len(states)

    def forward(self, pairs: Pairs, index: Tensor) -> Tensor:
        i, j = index[0], index[1] + self.shift
        x = self.encode(self.edges if pairs.graph is None else pairs.graph)
        return (x[i] * x[j]).sum(1, keepdim=True) + self.bias(i) + self.bias(j)


class Gae(LightGcn):
    """A graph autoencoder: two layers of GCN on vectors of the nodes, then products (Kipf and Welling 2016)."""

    def __init__(self, pairs: Pairs, index: Tensor, out_features: int):
        from torch_geometric.nn import GCNConv

        super().__init__(pairs, index, out_features)
        self.layers = nn.ModuleList(GCNConv(WIDTH, WIDTH) for _ in range(DEPTH))

    def encode(self, edges: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](self.vectors.weight, edges).relu(), edges)


def to_graph(pairs: Pairs) -> tuple[Tensor, int, int]:
    """The edges of the graph, or of the two sets with both directions; where the second set starts; all nodes."""
    if pairs.graph is not None:
        return pairs.graph, 0, pairs.sizes[0]
    i, j = pairs.index[0], pairs.index[1] + pairs.sizes[0]
    return torch.stack([torch.cat([i, j]), torch.cat([j, i])]), pairs.sizes[0], sum(pairs.sizes)


def learn_by_least_squares(problem: Problem, pairs: Any, seconds: float, strength: float, seed: int) -> Predict:
    """Vectors of the residuals of mean and biases by alternating least squares (Zhou et al. 2008).

    `strength` times the number of ratings is the ridge. The round that is best on held-out ratings is used.
    """
    start, generator = time.process_time(), torch.manual_seed(seed)
    train, valid = hold_out(pairs)
    mean, (users, films) = train.values.mean(), pairs.sizes
    x = torch.cat([torch.ones(users, 1), torch.zeros(users, 1), torch.zeros(users, RANK)], 1)
    y = torch.cat([torch.zeros(films, 1), torch.ones(films, 1), torch.randn(films, RANK, generator=generator) / 10], 1)
    best, result = float("inf"), (x, y)  # a constant of one side multiplies the bias of the other
    while time.process_time() - start < seconds:
        x = solve(x, y, train.index, train.values - mean, strength, 0)
        y = solve(y, x, train.index.flip(0), train.values - mean, strength, 1)
        error = float((multiply(x, y, valid.index) + mean - valid.values[:, None]).square().mean())
        if error > best:
            break
        best, result = error, (x, y)
    return lambda pairs: multiply(*result, pairs.index) + mean


def multiply(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    return (x[index[0]] * y[index[1]]).sum(1, keepdim=True)


def solve(x: Tensor, y: Tensor, index: Tensor, values: Tensor, strength: float, constant: int) -> Tensor:
    """The rows of x that are best for given y; column `constant` of x stays."""
    free = [k for k in range(x.shape[1]) if k != constant]
    (i, j), z = index, y[:, free]
    rest = values - x[i, constant] * y[j, constant]
    squares = x.new_zeros(len(x), len(free), len(free)).index_add(0, i, z[j].unsqueeze(2) * z[j].unsqueeze(1))
    products = x.new_zeros(len(x), len(free)).index_add(0, i, z[j] * rest.unsqueeze(1))
    ridge = strength * i.bincount(minlength=len(x)).clamp(min=1).to(x.dtype)
    solution = torch.linalg.solve(squares + ridge[:, None, None] * torch.eye(len(free)), products)
    x = x.clone()
    x[:, free] = solution
    return x
