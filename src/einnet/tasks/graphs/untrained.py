"""What networks with random weights tell apart, in double precision, measured against their own rounding.

The weights are random, then each linear map is scaled and shifted so that its results over the cells of the
first graph have mean 0 and a chosen deviation (Salimans and Kingma, *Weight Normalization*, 2016, section 3).
Without this the mean of a sum over many cells outweighs what differs between them, and each layer of a
deep network loses a digit or two: of the CFI graphs one pair in a hundred is told apart instead of fifty.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from einnet.nn import EinLayer, EinNet
from einnet.nn.backend import to_channels_first
from einnet.nn.fanout import FanOut, linear
from einnet.tasks.graphs.data import Graph, GraphPair, relabelled

__all__ = ["OUTPUTS", "Comparison", "calibrate", "compared", "random_net"]

OUTPUTS = 16
FAR = 100.0  # told apart: a distance so many times the largest between copies of one graph
DEVIATION = 10.0  # of what enters a GELU: it bends more
COPIES = 4  # of each graph, all but one relabelled


@dataclass(frozen=True)
class Comparison:
    """How far the outputs for two graphs are apart, and how far at most those for copies of one graph."""

    distance: float
    noise: float

    @property
    def ratio(self) -> float:
        return self.distance / self.noise

    @property
    def apart(self) -> bool:
        return self.ratio > FAR


def random_net(order: int, depth: int, seed: int, graph: Graph) -> EinNet:
    """A network of type aaH -> H in double precision, its random weights calibrated on a graph."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = EinNet("aaH -> H", 1, OUTPUTS, heads=4, hidden=16, depth=depth, order=order).double().eval()
    calibrate(net, torch.from_numpy(graph)[None, ..., None])
    return net


@torch.no_grad()
def calibrate(net: EinNet, x: Tensor) -> None:
    """Scales and shifts the linear maps of the layers so that their results for `x` have mean 0 over all cells."""
    state, n = net.start(x), x.shape[-2]
    rank = state.dim() - 2
    for layer in net.modules():
        if not isinstance(layer, EinLayer):
            continue
        normed = layer.norm(to_channels_first(state, rank))
        _fit(layer.fan_in, linear(normed, layer.fan_in.weight, layer.fan_in.bias, rank), 1.0)
        parts = linear(normed, layer.fan_in.weight, layer.fan_in.bias, rank)
        cores = layer.pool.cores([parts], {"a": n}, None)
        _fit(layer.fan_out, layer.fan_out(cores, [n] * rank), DEVIATION)
        update = nn.functional.gelu(layer.fan_out(cores, [n] * rank))
        _fit(layer.out, linear(update, layer.out.weight, layer.out.bias, rank), 1.0)
        state = layer(state)


def _fit(module: nn.Linear | FanOut, y: Tensor, deviation: float) -> None:
    """Given its results (batch, features, axes...), which are the same in all cells where a graph is symmetric."""
    over = [0, *range(2, y.dim())]
    mean, spread = y.mean(over), y.std(over, correction=0)
    spread = torch.where(spread > 1e-8 * mean.abs(), spread, mean.abs()).clamp(min=1e-300)
    module.weight.mul_((deviation / spread)[:, None])
    assert module.bias is not None
    module.bias.sub_(mean).mul_(deviation / spread)


def compared(pair: GraphPair, order: int, depth: int, seeds: int) -> tuple[Comparison, Comparison]:
    """Of the pair, and of its first graph and a relabelled copy of it; of several networks the one that saw most."""
    found = list(_with_each(pair, order, depth, seeds))
    return max((p for p, _ in found), key=lambda c: c.ratio), max((c for _, c in found), key=lambda c: c.ratio)


def _with_each(pair: GraphPair, order: int, depth: int, seeds: int) -> Iterator[tuple[Comparison, Comparison]]:
    """By a network of each seed, until one tells the pair apart."""
    rng = np.random.default_rng(pair.number)
    graphs = [g if k == 0 else relabelled(g, rng) for k in range(COPIES) for g in (pair.one, pair.two)]
    control = relabelled(pair.one, rng)
    for seed in range(seeds):
        net = random_net(order, depth, seed, pair.one)
        outputs = torch.stack([_output(net, g) for g in graphs])
        scale = outputs.abs().max().item()
        copies = outputs.unflatten(0, (COPIES, 2))
        noise = max((copies - copies[0]).abs().max().item(), scale * torch.finfo(outputs.dtype).eps)
        of_pair = Comparison((copies[0, 0] - copies[0, 1]).abs().max().item(), noise)
        yield of_pair, Comparison((outputs[0] - _output(net, control)).abs().max().item(), noise)
        if of_pair.apart:
            return


@torch.no_grad()
def _output(net: EinNet, graph: Graph) -> Tensor:
    return net(torch.from_numpy(np.ascontiguousarray(graph)).unsqueeze(-1))
