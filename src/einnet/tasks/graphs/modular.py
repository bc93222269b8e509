"""What pooling operations can tell apart in exact arithmetic: layers modulo a prime, without activations.

Each layer is x + W_out pool(W_in x) with random whole weights, and every value is kept modulo `PRIME`: sums
of up to 512 products of two such numbers are exact in double precision. Two graphs whose invariants differ
are not isomorphic, without doubt. Where they agree, nothing is proved: other weights, or more layers, may
tell more.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn.execute import expand, run_step
from einnet.nn.loops import LoopedEinsum, narrow
from einnet.operations import pooling_terms
from einnet.plan import Plan, Step
from einnet.symmetry import Symmetry
from einnet.tasks.graphs.pairs import MAX_NODES, Graph
from einnet.terms import State

__all__ = ["PRIME", "ModularNet"]

PRIME = 4_194_301


class ModularNet:
    """An invariant of graphs: the sum over all cells, and over the diagonal, after layers of pooling operations.

    >>> import numpy as np
    >>> ring = np.roll(np.eye(6), 1, 0) + np.roll(np.eye(6), -1, 0)
    >>> triangles = np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))
    >>> net = ModularNet(order=2)
    >>> bool((net(ring) == net(triangles)).all()), bool((net(ring) == net(ring[::-1, ::-1])).all())
    (False, True)

    Args:
        order: the largest number of operands of a pooling operation.
        depth: layers.
        hidden: features of the state; heads: features given to each operand.
        seed: of the weights.
    """

    def __init__(self, order: int, depth: int = 8, hidden: int = 4, heads: int = 2, seed: int = 0):
        self.plan = Plan.make(pooling_terms(Symmetry("aa"), order), State.of("aa"))
        self.heads = heads
        rng = np.random.default_rng(seed)

        def weights(*shape: int) -> Tensor:
            return torch.from_numpy(rng.integers(1, PRIME, shape).astype(np.float64))

        self.lift = weights(hidden, 3)
        into, out = heads * self.plan.slots, heads * len(self.plan.terms)
        self.layers = [(weights(into, hidden), weights(hidden, out)) for _ in range(depth)]

    def __call__(self, graph: Graph) -> Tensor:
        """The invariants of a graph, twice as many whole numbers as there are features."""
        n = len(graph)
        if n > MAX_NODES:
            raise EinNetError(f"sums modulo {PRIME:,} are exact for graphs of up to {MAX_NODES} nodes, got {n}")
        adjacency = torch.from_numpy(np.ascontiguousarray(graph, dtype=np.float64))
        x = _mapped(self.lift, torch.stack([adjacency, torch.eye(n).double(), torch.ones(n, n).double()]))
        for into, out in self.layers:
            cores = _run(self.plan, _mapped(into, x).split(self.heads))
            pooled = [
                expand(c, r.frame, (n, n)).expand(-1, n, n) for c, r in zip(cores, self.plan.results, strict=True)
            ]
            x = (x + _mapped(out, torch.cat(pooled))) % PRIME
        return torch.cat([x.sum((-1, -2)), x.diagonal(dim1=-1, dim2=-2).sum(-1)]) % PRIME


def _mapped(weight: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("hf,fab->hab", weight, x) % PRIME


def _run(plan: Plan, slots: Sequence[Tensor]) -> list[Tensor]:
    """As `run_plan`, the values of all steps modulo the prime."""
    values = list(slots)
    for step in plan.steps:
        sources = [values[k] for k in step.sources]
        values.append(_in_loop(sources, step) if step.loop else run_step(step, sources) % PRIME)
    return [values[r.value] for r in plan.results]


def _in_loop(sources: Sequence[Tensor], step: Step) -> Tensor:
    einsum = _ModularEinsum(step.equation, "".join(step.loop))
    sizes = einsum.sizes(sources)
    total = sources[0].new_zeros(len(sources[0]), *(sizes[i] for i in einsum.output))
    for slices in einsum.chunks(sources):
        narrow(total, einsum.output, slices).add_(einsum.result(sources, slices)).remainder_(PRIME)
    return total


class _ModularEinsum(LoopedEinsum):
    """Every pairwise step sums over one index at most, so that it is exact."""

    def product(self, pair: Sequence[Tensor], names: Sequence[tuple[str, ...]], output: tuple[str, ...]) -> Tensor:
        if len({*names[0], *names[1]} - {*output}) > 1:
            raise AssertionError(f"a sum over several indices at once is not exact: {names} to {output}")
        return super().product(pair, names, output) % PRIME
