"""The back end of plans with sparse types."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.nn.backend import TORCH, MaxBackend, TorchBackend
from einnet.nn.sparse.join import join, largest_join
from einnet.nn.sparse.matches import _guard
from einnet.nn.sparse.support import Support
from einnet.plan import Result, Step
from einnet.symmetry import Symmetry

__all__ = ["SparseBackend", "SparseMaxBackend", "make_backend"]

Supports = Mapping[tuple[str, ...], Support]


class SparseBackend(TorchBackend):
    """Tensors of torch: dense ones channels first, those of sparse types (batch..., entries, features).

    `supports` are known by the axes of their types.
    """

    def __init__(self, supports: Supports):
        super().__init__(torch)
        self.supports = supports

    def support(self, symmetry: Symmetry | None) -> Support | None:
        return None if symmetry is None else self.supports[symmetry.axes]

    def join(self, step: Step, operands: Sequence[Tensor]) -> Tensor:
        return join(step.operands, step.output, [self.support(s) for s in step.supports], operands)

    def expand(self, compact: Tensor, result: Result) -> Tensor:
        """The output on a support from the compact result, whose values are gathered at the entries."""
        if result.is_sparse:
            return compact
        names = tuple(map(str, result.axis_map))
        operand = tuple(map(str, range(len(result.compact))))
        return join([operand], names, [None, self.support(result.support)], [compact])

    def cache(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, computed once for these supports."""
        supports = list(self.supports.values())
        key = (key, *map(id, supports))
        return supports[0].cache(key, lambda: (make(), _guard(key, supports)))[0]


class SparseMaxBackend(SparseBackend, MaxBackend):
    """The largest value in place of the sum; zero where there is none."""

    def join(self, step: Step, operands: Sequence[Tensor]) -> Tensor:
        return largest_join(step.operands[0], step.output, [self.support(s) for s in step.supports], operands[0])


def make_backend(supports: Supports) -> TorchBackend:
    """The back end for tensors with these supports."""
    return SparseBackend(supports) if supports else TORCH
