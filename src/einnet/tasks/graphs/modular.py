"""What pooling operations can tell apart in exact arithmetic: layers modulo a prime, without activations.

Each layer is x + W_out pool(W_in x) with random whole weights, and every value is kept modulo `PRIME`: sums of up to
512 products of two such numbers are exact in double precision. Two graphs whose invariants differ are not isomorphic,
without doubt. Where they agree, nothing is proved: other weights, or more layers, may tell more.
"""

from collections.abc import Sequence

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

__all__ = ["MODULAR", "PRIME", "ModularNet"]

PRIME = 4_194_301
HIDDEN, HEADS = 4, 2  # features of the state, and given to each operand


class ModularBackend(TorchBackend):
    """Whole numbers below `PRIME` in double precision; a contraction is exact as it sums over one index at most."""

    def sum(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return super().sum(x, axes) % PRIME

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return super().multiply(x, y) % PRIME

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        return super().matmul(x, y) % PRIME

    def einsum(self, equation: str, x: Tensor, y: Tensor) -> Tensor:
        operands, _, output = equation.partition("->")
        if len({*operands} - {*output, ","}) > 1:
            raise AssertionError(f"a sum over several indices at once is not exact: {equation}")
        return super().einsum(equation, x, y) % PRIME

    def contract_in_loop(
        self, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> Tensor:
        equation = ",".join(map("".join, tuples)) + "->" + "".join(output)
        einsum = LoopedEinsum(equation, "".join(loop), self)
        sizes = einsum.sizes(operands)
        total = operands[0].new_zeros(len(operands[0]), *(sizes[i] for i in output))
        for slices in einsum.chunks(operands):
            narrow(total, output, slices).add_(einsum.result(operands, slices)).remainder_(PRIME)
        return total


MODULAR = ModularBackend(torch)


class ModularNet:
    """An invariant of graphs: the sum over all cells, and over the diagonal, after layers of pooling operations.

    >>> import numpy as np
    >>> ring = np.roll(np.eye(6), 1, 0) + np.roll(np.eye(6), -1, 0)
    >>> triangles = np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))
    >>> net = ModularNet(order=2)
    >>> bool((net(ring) == net(triangles)).all()), bool((net(ring) == net(ring[::-1, ::-1])).all())
    (False, True)
    """

    def __init__(self, order: int, depth: int = 8):
        self.plan = Plan.make(pooling_terms(Symmetry("aa"), order), TypeSet.of("aa"))
        rng = np.random.default_rng(0)

        def weights(*shape: int) -> Tensor:
            return torch.from_numpy(rng.integers(1, PRIME, shape).astype(np.float64))

        self.encoder = weights(HIDDEN, 3)
        into, out = HEADS * self.plan.input_count, HEADS * len(self.plan.terms)
        self.layers = [(weights(into, HIDDEN), weights(HIDDEN, out)) for _ in range(depth)]

    def __call__(self, graph: Graph) -> Tensor:
        """The invariants of a graph, twice as many whole numbers as there are features."""
        n = len(graph)
        if n > MAX_NODES:
            raise EinNetError(f"sums modulo {PRIME:,} are exact for graphs of up to {MAX_NODES} nodes, got {n}")
        adjacency = torch.from_numpy(np.ascontiguousarray(graph, dtype=np.float64))
        x = _mix(self.encoder, torch.stack([adjacency, torch.eye(n).double(), torch.ones(n, n).double()]))
        for into, out in self.layers:
            results = zip(run_plan(self.plan, _mix(into, x).split(HEADS), MODULAR), self.plan.results, strict=True)
            pooled = [expand(compact, result.axis_map, (n, n), MODULAR) for compact, result in results]
            x = (x + _mix(out, torch.cat(pooled))) % PRIME
        return torch.cat([x.sum((-1, -2)), x.diagonal(dim1=-1, dim2=-2).sum(-1)]) % PRIME


def _mix(weight: Tensor, x: Tensor) -> Tensor:
    """`weight @ x` over the features."""
    return torch.einsum("hf,fab->hab", weight, x) % PRIME
