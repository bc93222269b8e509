"""Problems whose answers algorithms compute: graphs, numbers and points drawn at random, and what is to be learned.

A problem has, for samples of one size n, features of nodes (samples, n, 2) and of pairs (samples, n, n, 2), targets,
and where these count.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["PROBLEMS", "Data", "Problem"]

FAR = 10.0  # the weight of a pair without an edge: more than any way there is
NEIGHBOURS = 3


@dataclass(frozen=True)
class Data:
    """Samples of one size."""

    nodes: Tensor
    pairs: Tensor
    targets: Tensor
    counts: Tensor  # where a target counts

    def select(self, rows: Tensor) -> "Data":
        return Data(self.nodes[rows], self.pairs[rows], self.targets[rows], self.counts[rows])


@dataclass(frozen=True)
class Problem:
    """What makes samples of one size; the type of the targets; which outputs are right."""

    make: Callable[[int, int], Data]
    output: str
    is_binary: bool = False
    measure: str = "within 2%"

    def find_right(self, outputs: Tensor, data: Data) -> Tensor:
        """Which of the targets that count are right."""
        y, targets = outputs[data.counts], data.targets[data.counts]
        if self.is_binary:
            return (y > 0) == (targets > 0.5)
        if self.measure == "within 2%":
            return (y - targets).abs() <= 0.02 * targets.abs()
        unit = 1 / data.nodes.shape[1] if self.measure == "rank" else 1.0
        return (y - targets).abs() < unit / 2


def as_data(weights: Tensor, targets: Tensor, counts: Tensor | None = None, nodes: Tensor | None = None) -> Data:
    """Pairs have their weight, and whether it is that of an edge."""
    pairs = torch.stack([weights, (weights < FAR).float()], -1)
    nodes = torch.zeros(*weights.shape[:2], 2) if nodes is None else nodes
    counts = torch.ones(targets.shape, dtype=torch.bool) if counts is None else counts
    return Data(nodes, pairs, targets, counts)


def draw_weights(samples: int, n: int, degree: float = 3) -> Tensor:
    """Directed graphs: an edge with probability min(0.3, degree / n), its weight uniform in [0.1, 1]; 0 to itself."""
    is_edge = torch.rand(samples, n, n) < min(0.3, degree / n)
    weights = torch.where(is_edge, 0.1 + 0.9 * torch.rand(samples, n, n), FAR)
    return weights.masked_fill(torch.eye(n, dtype=torch.bool), 0)


def close(weights: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The best way between all pairs, by Floyd's algorithm."""
    best = weights.clone()
    for k in range(weights.shape[1]):
        best = torch.minimum(best, combine(best[:, :, k, None], best[:, None, k]))
    return best


def make_ways(samples: int, n: int, combine: Callable[[Tensor, Tensor], Tensor]) -> Data:
    weights = draw_weights(samples, n)
    targets = close(weights, combine)
    return as_data(weights, targets, (targets < FAR) & (targets > 0))


def make_reachable(samples: int, n: int) -> Data:
    weights = draw_weights(samples, n, degree=1.5)
    weights = torch.where(weights < FAR, 0.0, FAR)
    reached = close(weights, torch.maximum) < FAR
    return as_data(weights, reached.float(), ~torch.eye(n, dtype=torch.bool).expand_as(reached))


def make_matchings(samples: int, n: int) -> Data:
    """The largest sum of weights of a matching of n/2 things with n/2 others, divided by n/2."""
    from scipy.optimize import linear_sum_assignment

    half = n // 2
    gains = torch.rand(samples, half, half)
    values = [g.numpy()[linear_sum_assignment(g.numpy(), maximize=True)].mean() for g in gains]
    weights = torch.full((samples, n, n), FAR)
    weights[:, :half, half:] = gains
    weights[:, half:, :half] = gains.mT
    side = (torch.arange(n) < half).float().expand(samples, n)
    return as_data(weights, torch.tensor(np.array(values)).float(), nodes=torch.stack([side, 1 - side], -1))


def make_ranks(samples: int, n: int) -> Data:
    """How many numbers are smaller, divided by n."""
    x = torch.rand(samples, n)
    ranks = (x[:, None] < x[:, :, None]).float().sum(2) / n
    return as_data(torch.zeros(samples, n, n), ranks, nodes=torch.stack([x, x], -1))


def make_chains(samples: int, n: int) -> Data:
    """The largest number of elements below one another that end at each element, of points ordered in both axes."""
    points = torch.rand(samples, n, 2)
    below = (points[:, :, None] < points[:, None]).all(-1)
    length = torch.ones(samples, n)
    for _ in range(n):
        length = torch.maximum(length, 1 + (length[:, :, None] * below).amax(1))
    return as_data(torch.where(below, 0.0, FAR), length)


def make_neighbours(samples: int, n: int) -> Data:
    """Whether a point is among the three nearest of another one."""
    points = torch.rand(samples, n, 2) * (n / 16) ** 0.5
    distances = (points[:, :, None] - points[:, None]).square().sum(-1).sqrt()
    distances = distances + FAR / 2 * torch.eye(n)
    nearest = distances.topk(NEIGHBOURS, largest=False).indices
    targets = torch.zeros(samples, n, n).scatter(2, nearest, 1.0)
    return as_data(distances, targets, ~torch.eye(n, dtype=torch.bool).expand(samples, n, n))


PROBLEMS = {
    "shortest paths": Problem(lambda s, n: make_ways(s, n, torch.add), "aa"),
    "bottleneck paths": Problem(lambda s, n: make_ways(s, n, torch.maximum), "aa"),
    "reachability": Problem(make_reachable, "aa", is_binary=True, measure="balanced"),
    "nearest neighbours": Problem(make_neighbours, "aa", is_binary=True, measure="balanced"),
    "ranks": Problem(make_ranks, "a", measure="rank"),
    "longest chain": Problem(make_chains, "a", measure="rounded"),
    "matching": Problem(make_matchings, ""),
}
