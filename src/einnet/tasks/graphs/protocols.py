"""Two ways to compare graphs by networks of type `aaH -> H`: with random weights, and trained for each pair.

**Random weights**, in double precision: the outputs for two graphs are compared with those for relabelled
copies of each, which differ by rounding. Each linear map is scaled and shifted so that its results over the cells
of the first graph have mean 0 and a chosen deviation (Salimans and Kingma, *Weight Normalization*, 2016, section 3).
Otherwise the mean of a sum over many cells outweighs what differs between them, and each layer loses a digit or two:
of the CFI graphs one pair in a hundred is told apart instead of fifty.

**Trained**, BREC's own protocol: for each pair a new network learns to separate relabelled copies, then Hotelling's
T^2 of fresh copies decides (Wang and Zhang, *An Empirical Study of Realized GNN Expressiveness*, 2024, section 4).
The outputs of an exactly invariant network for copies have covariance zero up to rounding, so a small multiple of the
identity is added to it. For such a network the test measures distance: the outputs must be 5e-4 apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.stats import f as f_distribution
from torch import Tensor
from torch.nn import functional

from einnet.nn import EinLayer, EinNet
from einnet.tasks.graphs.pairs import Graph, GraphPair, permute_nodes

__all__ = [
    "THRESHOLD", "Comparison", "TrainedComparison", "calibrate", "compare_random_nets", "compare_trained_net",
    "compute_hotelling", "make_net",
]  # fmt: skip

Nodes = tuple[int, ...]

OUTPUTS = 16
CELLS = 2**14  # of all copies that are computed at once
MIN_RATIO = 100.0  # told apart: a distance so many times the largest between copies of one graph
DEVIATION = 10.0  # of the input of a GELU, which then bends more
RANDOM_COPIES = 4  # of each graph, all but one relabelled
TRAINED_COPIES, BATCH, EPOCHS = 32, 8, 20
RIDGE = 1e-7  # multiple of the identity, added to the covariance
FREEDOM = TRAINED_COPIES - OUTPUTS
THRESHOLD = float(  # 72.34: noisy outputs for copies of one graph exceed it in one of twenty tests
    OUTPUTS * (TRAINED_COPIES - 1) / FREEDOM * f_distribution.ppf(0.95, OUTPUTS, FREEDOM)
)


def make_net(order: int, depth: int, seed: int, graph: Graph, nodes: Nodes = ()) -> EinNet:
    """A network of type aaH -> H in double precision, its random weights calibrated on a graph with marked nodes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EinNet(
            "aaH -> H", 1, OUTPUTS, heads=4, hidden=16, depth=depth, order=order, decoder_hidden=0,
            marks=len(nodes) or None,
        )  # fmt: skip
    net.double().eval()
    calibrate(net, *_mark([nodes], graph))
    return net


def _mark(tuples: Sequence[Nodes], graph: Graph) -> tuple[Tensor, Tensor | None]:
    """Copies of a graph, and the marked nodes of each."""
    x = _to_tensor(graph).expand(len(tuples), -1, -1, -1)
    mark = torch.tensor(tuples, dtype=torch.long)
    return x, None if not mark.shape[1] else mark.squeeze(1) if mark.shape[1] == 1 else mark


@torch.no_grad()
def calibrate(net: EinNet, x: Tensor, mark: Tensor | None = None) -> None:
    """Scales and shifts the linear maps of the layers so that their results for `x` have mean 0 over all cells."""
    hooks = []
    for layer in net.layers:
        assert isinstance(layer, EinLayer)
        for module, deviation in ((layer.in_proj, 1.0), (layer.pool_proj, DEVIATION), (layer.out_proj, 1.0)):
            hooks.append(module.register_forward_hook(partial(_standardize, deviation)))
    net(x, mark=mark)
    for hook in hooks:
        hook.remove()


def _standardize(deviation: float, module: Any, _: Any, y: Tensor) -> Tensor:
    """Changes weights and bias, given the results, features last, which are equal in all cells of a symmetric graph."""
    axes = list(range(y.dim() - 1))
    mean, spread = y.mean(axes), y.std(axes, correction=0)
    spread = torch.where(spread > 1e-8 * mean.abs(), spread, mean.abs()).clamp(min=1e-300)
    module.weight.mul_((deviation / spread)[:, None])
    module.bias.sub_(mean).mul_(deviation / spread)
    return (y - mean) * (deviation / spread)


def _to_tensor(graphs: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(graphs)).unsqueeze(-1)


@dataclass(frozen=True)
class Comparison:
    """The distance between the outputs for two graphs, and the largest between those for copies of one graph."""

    distance: float
    noise: float

    @property
    def ratio(self) -> float:
        return self.distance / self.noise

    @property
    def is_apart(self) -> bool:
        return self.ratio > MIN_RATIO


@torch.no_grad()
def compare_random_nets(
    pair: GraphPair, order: int, depth: int, seeds: int, nodes: tuple[list[Nodes], list[Nodes]] = ([()], [()])
) -> tuple[Comparison, Comparison]:
    """The clearest comparison of the pair, and of its first graph with a relabelled copy.

    There is a network for each seed, until one tells the pair apart. Its outputs are means over the copies of a graph
    with these marked nodes, for each of the two graphs.
    """
    rng, marked = np.random.default_rng(pair.number), list(zip((pair.first, pair.second), nodes, strict=True))
    copies = [m if k == 0 else _permute_marked(*m, rng) for k in range(RANDOM_COPIES) for m in marked]
    control, of_pair, of_copies = _permute_marked(*marked[0], rng), [], []
    while len(of_pair) < seeds and not (of_pair and of_pair[-1].is_apart):
        net = make_net(order, depth, len(of_pair), pair.first, nodes[0][0])
        outputs = torch.stack([_average(net, *m) for m in copies])
        by_copy = outputs.unflatten(0, (RANDOM_COPIES, 2))
        rounding = outputs.abs().max().item() * torch.finfo(outputs.dtype).eps
        noise = max((by_copy - by_copy[0]).abs().max().item(), rounding)
        of_pair.append(Comparison((by_copy[0, 0] - by_copy[0, 1]).abs().max().item(), noise))
        of_copies.append(Comparison((outputs[0] - _average(net, *control)).abs().max().item(), noise))
    return max(of_pair, key=lambda c: c.ratio), max(of_copies, key=lambda c: c.ratio)


def _permute_marked(graph: Graph, tuples: list[Nodes], rng: np.random.Generator) -> tuple[Graph, list[Nodes]]:
    """The same graph, its nodes in another order, and the new numbers of some nodes."""
    order = rng.permutation(len(graph))
    number = np.argsort(order).tolist()
    return graph[order][:, order], [tuple(number[u] for u in nodes) for nodes in tuples]


def _average(net: EinNet, graph: Graph, tuples: list[Nodes]) -> Tensor:
    """The mean output for the copies of a graph with these marked nodes."""
    size = max(1, CELLS // len(graph) ** 2)
    parts = [tuples[k : k + size] for k in range(0, len(tuples), size)]
    outputs = [net(x, mark=mark).sum(0) for x, mark in (_mark(part, graph) for part in parts)]
    return torch.stack(outputs).sum(0) / len(tuples)


@dataclass(frozen=True)
class TrainedComparison:
    """Hotelling's T^2 of the pair, and of the first graph and relabelled copies of it (the reliability check)."""

    of_pair: float
    of_copies: float

    @property
    def is_apart(self) -> bool:
        return self.of_pair > THRESHOLD > self.of_copies


def compare_trained_net(pair: GraphPair, order: int, depth: int, seed: int = 0, marks: int = 0) -> TrainedComparison:
    """Trains a network on copies of the pair and compares its outputs for fresh copies."""
    rng = np.random.default_rng([seed, pair.number])
    net = make_net(order, depth, seed, pair.first, (0,) * marks).train()
    _separate(net, _make_copies(pair.first, rng), _make_copies(pair.second, rng))
    graphs = (_make_copies(g, rng) for g in (pair.first, pair.second, pair.first))
    with torch.no_grad():
        first, second, control = (torch.cat([net(x) for x in g.split(BATCH)]) for g in graphs)
    return TrainedComparison(compute_hotelling(first - second), compute_hotelling(first - control))


def _separate(net: EinNet, first: Tensor, second: Tensor) -> None:
    """Trains until no outputs for the two graphs are at an acute angle; 20 epochs at most."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    target = -torch.ones(BATCH, dtype=first.dtype)
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in zip(first.split(BATCH), second.split(BATCH), strict=True):
            loss = functional.cosine_embedding_loss(net(x), net(y), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if total == 0:
            return


def _make_copies(graph: Graph, rng: np.random.Generator) -> Tensor:
    return _to_tensor(np.stack([permute_nodes(graph, rng) for _ in range(TRAINED_COPIES)]))


def compute_hotelling(differences: Tensor) -> float:
    """T^2 of the hypothesis that the mean of the rows is zero.

    >>> compute_hotelling(torch.tensor([[1.0], [1.0], [0.0], [2.0]]).double())      # 4 * 1^2 / (2/3)
    6.0
    """
    mean, number = differences.mean(0), len(differences)
    covariance = torch.atleast_2d(differences.T.cov()) + RIDGE * torch.eye(len(mean), dtype=mean.dtype)
    return round(number * torch.dot(mean, torch.linalg.solve(covariance, mean)).item(), 3)
