"""What pooling operations can tell apart in exact arithmetic: colours of cells, refined by sums modulo a prime.

A colour is a number of 64 bits. A layer gives each colour random whole numbers below `PRIME` as operands, runs the
operations modulo `PRIME`, and makes a new colour of a cell's colour and results: what a layer with any activation can
tell apart, it tells apart but for collisions of random numbers. Sums of up to 512 products of two such numbers are
exact in double precision. Two graphs whose colours differ are not isomorphic, without doubt. Where no layer makes more
colours, further ones change nothing: then these operations tell no more.
"""

from collections.abc import Sequence
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn.backend import TorchBackend
from einnet.nn.looped import LoopedEinsum, narrow
from einnet.operations import pooling_terms
from einnet.plan import Plan, expand, run_plan
from einnet.symmetry import Symmetry
from einnet.tasks.graphs.pairs import MAX_NODES, Graph
from einnet.terms import TypeSet

Tuple = tuple[str, ...]

__all__ = ["MODULAR", "PRIME", "Coloring", "ModularNet"]

PRIME = 4_194_301
HEADS = 2  # numbers for each operand: two results agree by chance in one of 10^13 cases


class ModularBackend(TorchBackend):
    """Whole numbers below `PRIME` in double precision; a contraction is exact as it sums over one index at most."""

    def sum(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return super().sum(x, axes) % PRIME

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return super().multiply(x, y) % PRIME

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        return super().matmul(x, y) % PRIME

    def einsum(self, equation: str, x: Tensor, y: Tensor) -> Tensor:
        operands, _, output = equation.replace("...", "").partition("->")
        sizes = dict(zip("".join(operands.split(",")), (*x.shape[1:], *y.shape[1:]), strict=True))
        if prod(n for i, n in sizes.items() if i not in output) > MAX_NODES:
            raise AssertionError(f"a sum over more than {MAX_NODES} values at once is not exact: {equation}")
        return super().einsum(equation, x, y) % PRIME

    def contract_in_loop(
        self, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> Tensor:
        equation = ",".join(map("".join, tuples)) + "->" + "".join(output)
        einsum = LoopedEinsum(equation, "".join(loop), self)
        sizes = einsum.sizes(operands)
        total = operands[0].new_zeros(len(operands[0]), *(sizes[i] for i in output))
        for slices in einsum.chunks(operands, MAX_NODES // max(1, *sizes.values())):
            narrow(total, output, slices).add_(einsum.result(operands, slices)).remainder_(PRIME)
        return total


MODULAR = ModularBackend(torch)


class ModularNet:
    """Layers of the pooling operations of graphs in exact arithmetic, `depth` at most; without it as many as refine.

    >>> import numpy as np
    >>> ring = np.roll(np.eye(6), 1, 0) + np.roll(np.eye(6), -1, 0)
    >>> triangles = np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))
    >>> net = ModularNet(order=2)
    >>> net.color(ring).find_difference(net.color(triangles))        # the layer that tells them apart
    1
    >>> net.color(ring).find_difference(net.color(ring[::-1, ::-1])) is None
    True
    """

    def __init__(self, order: int, depth: int | None = None):
        self.plan = Plan.make(pooling_terms(Symmetry("aa"), order), TypeSet.of("aa"))
        self.depth = depth
        rng = np.random.default_rng(0)
        self.salts = rng.integers(2**63, size=(self.plan.input_count, HEADS, 1, 1), dtype=np.uint64)
        weights = rng.integers(2**63, size=(1 + HEADS * len(self.plan.terms), 1, 1), dtype=np.uint64)
        self.weights = 2 * weights + np.uint64(1)

    def color(self, graph: Graph, marks: Sequence[int] = ()) -> "Coloring":
        """The colours of a graph with marked nodes, in the order of the marks."""
        if (n := len(graph)) > MAX_NODES:
            raise EinNetError(f"sums modulo {PRIME:,} are exact for graphs of up to {MAX_NODES} nodes, got {n}")
        number = np.zeros(n, np.uint64)
        for k, node in enumerate(marks):
            number[node] += np.uint64(1 << k)
        cells = np.stack([graph.astype(np.int64).astype(np.uint64), np.eye(n, dtype=np.uint64)])
        colors = _scramble(cells[0])
        for x in (cells[1], number[:, None], number[None, :]):
            colors = _scramble(colors + x)
        return Coloring(self, colors)

    def refine(self, colors: np.ndarray) -> np.ndarray:
        """The colours after a layer."""
        n = len(colors)
        operands = [torch.from_numpy((_scramble(colors ^ s) % np.uint64(PRIME)).astype(np.float64)) for s in self.salts]
        results = zip(run_plan(self.plan, operands, MODULAR), self.plan.results, strict=True)
        pooled = [expand(compact, result.axis_map, (n, n), MODULAR) for compact, result in results]
        numbers = torch.cat(pooled).numpy().astype(np.uint64)
        return _scramble(np.concatenate([colors[None], numbers]).__imul__(self.weights).sum(0, dtype=np.uint64))


class Coloring:
    """The colours of the pairs of nodes of a graph after each layer, computed when they are asked for."""

    def __init__(self, net: ModularNet, colors: np.ndarray):
        self.net, self.colors, self.is_stable = net, colors, False
        self.number = len(np.unique(colors))
        self.digests = [self._digest()]

    def _digest(self) -> int:
        """A number that depends on how often each colour occurs, not on where."""
        return int(_scramble(self.colors).sum(dtype=np.uint64))

    def digest(self, layer: int) -> int:
        """The digest of the colours after a layer, or of the last colours that differ."""
        while layer >= len(self.digests) and not self.is_stable:
            if self.net.depth is not None and len(self.digests) > self.net.depth:
                self.is_stable = True
                break
            self.colors = self.net.refine(self.colors)
            number = len(np.unique(self.colors))
            self.is_stable, self.number = number == self.number, number
            self.digests.append(self._digest())
        return self.digests[min(layer, len(self.digests) - 1)]

    def find_difference(self, second: "Coloring") -> int | None:
        """The first layer after which the two graphs differ, if there is one."""
        layer = 0
        while self.digest(layer) == second.digest(layer):
            if self.is_stable and second.is_stable and layer >= len(self.digests):
                return None
            layer += 1
        return layer

    @cached_property
    def final(self) -> tuple[int, list[int]]:
        """The digest of the stable colours, and the colour of each node."""
        digest = self.digest(len(self.colors) ** 2)
        return digest, self.colors.diagonal().tolist()


def _scramble(x: np.ndarray) -> np.ndarray:
    """A function of 64 bits whose values look random.

    Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, figure 15.
    """
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
