"""BREC's protocol: for each pair a new network learns to set relabelled copies apart, then Hotelling's T^2 decides.

Wang and Zhang, *An Empirical Study of Realized GNN Expressiveness*, 2024, section 4. The covariance of what an
exactly invariant network says of copies is zero up to rounding, so a small multiple of one is added to it. For
such a network the test is one of distance: the outputs must be 5e-4 apart, and those for copies must not be.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import f as f_distribution
from torch import Tensor, nn

from einnet.nn import EinNet
from einnet.tasks.graphs.data import Graph, GraphPair, relabelled
from einnet.tasks.graphs.untrained import OUTPUTS, random_net

__all__ = ["THRESHOLD", "Learned", "hotelling", "learned"]

COPIES, BATCH = 32, 8
EPOCHS = 20
GUARD = 1e-7  # added to the covariance, times one
THRESHOLD = float(  # 72.34: noisy outputs for copies of one graph exceed it in one of twenty tests
    OUTPUTS * (COPIES - 1) / (COPIES - OUTPUTS) * f_distribution.ppf(0.95, OUTPUTS, COPIES - OUTPUTS)
)


@dataclass(frozen=True)
class Learned:
    """Hotelling's T^2 of the pair, and of the first graph and relabelled copies of it (the reliability check)."""

    of_pair: float
    of_copies: float

    @property
    def apart(self) -> bool:
        return self.of_pair > THRESHOLD > self.of_copies


def learned(pair: GraphPair, order: int, depth: int, seed: int = 0) -> Learned:
    """Trains a network on copies of the pair and compares what it says of fresh copies."""
    rng = np.random.default_rng([seed, pair.number])
    net = random_net(order, depth, seed, pair.one).train()
    _fit(net, _copies(pair.one, rng), _copies(pair.two, rng))
    one, two, again = (_outputs(net, _copies(g, rng)) for g in (pair.one, pair.two, pair.one))
    return Learned(hotelling(one - two), hotelling(one - again))


def _fit(net: EinNet, one: Tensor, two: Tensor) -> None:
    """Until the outputs are no longer at an acute angle; 20 epochs at most."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    away = -torch.ones(BATCH, dtype=one.dtype)
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in zip(one.split(BATCH), two.split(BATCH), strict=True):
            loss = nn.functional.cosine_embedding_loss(net(x), net(y), away)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if total == 0:
            return


def _copies(graph: Graph, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.stack([relabelled(graph, rng) for _ in range(COPIES)])).unsqueeze(-1)


@torch.no_grad()
def _outputs(net: EinNet, graphs: Tensor) -> Tensor:
    return torch.cat([net(x) for x in graphs.split(BATCH)])


def hotelling(differences: Tensor) -> float:
    """T^2 of the hypothesis that the mean of the rows is zero.

    >>> hotelling(torch.tensor([[1.0], [1.0], [0.0], [2.0]]).double())      # 4 * 1^2 / (2/3)
    6.0
    """
    mean, number = differences.mean(0), len(differences)
    covariance = torch.atleast_2d(differences.T.cov()) + GUARD * torch.eye(len(mean), dtype=mean.dtype)
    return round(number * torch.dot(mean, torch.linalg.solve(covariance, mean)).item(), 3)
