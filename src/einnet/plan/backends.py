"""Back ends of the executor: the array primitives of numpy, and of torch without importing it.

Arrays have any number of batch axes in front, which broadcast against each other. All axis numbers are
negative, counted from the end, so that they do not depend on the batch axes.
"""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import opt_einsum

from einnet.errors import EinNetError

__all__ = ["NUMPY", "Backend", "TensorBackend", "backend_of", "module_of"]

Tuple = tuple[str, ...]


class Backend:
    """Arrays of numpy. Whole numbers stay exact: 64 bits wide, or Python's own in an array of objects.

    With `is_union` the arrays are those of a disjoint union, with `is_sharded` blocks of larger ones.
    """

    is_union = False
    is_sharded = False

    def takes(self, step: Any) -> bool:
        """Whether `join` runs a step, not the primitives."""
        return step.is_join

    def permute(self, x: Any, order: Sequence[int]) -> Any:
        """The last axes of `x` in this order."""
        return x.transpose(*range(x.ndim - len(order)), *order)

    def unsqueeze(self, x: Any, axis: int) -> Any:
        """A new axis of size one, at this place of the result."""
        return np.expand_dims(x, axis)

    def diagonal(self, x: Any, first: int, second: int) -> Any:
        """The diagonal of two axes, as the last axis."""
        return x.diagonal(0, first, second)

    def sum(self, x: Any, axes: tuple[int, ...]) -> Any:
        wide = _upcast(x)
        total = wide.sum(axes, wide.dtype, keepdims=True).squeeze(axes)  # an array, even if no axis is left
        return total.astype(x.dtype, copy=False)

    def multiply(self, x: Any, y: Any) -> Any:
        return np.asarray(x * y, np.result_type(x, y))

    def matmul(self, x: Any, y: Any) -> Any:
        """The product of matrices, which are the last two axes."""
        return x @ y

    def einsum(self, equation: str, x: Any, y: Any) -> Any:
        """An einsum of two arrays; dots in the equation are their batch axes."""
        return np.asarray(opt_einsum.contract(equation, _upcast(x), _upcast(y)), np.result_type(x, y))

    def contract_in_loop(self, operands: Sequence[Any], tuples: Sequence[Tuple], output: Tuple, loop: Tuple) -> Any:
        """An einsum of any number of arrays, which may take the indices of `loop` one at a time; here all at once."""
        equation = ",".join("..." + "".join(t) for t in tuples) + "->..." + "".join(output)
        return np.asarray(opt_einsum.contract(equation, *map(_upcast, operands)), np.result_type(*operands))

    def differentiate_loop(
        self, gradient: Any, operands: Sequence[Any], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> list[Any]:
        """The gradients of what `contract_in_loop` reads: each is such an einsum of all else."""
        edges, values = [output, *tuples], [gradient, *operands]
        rest = [[k for k in range(len(edges)) if k != n] for n in range(1, len(edges))]
        return [
            self.contract_in_loop([values[k] for k in own], [edges[k] for k in own], tup, loop)
            for own, tup in zip(rest, tuples, strict=True)
        ]

    def join(self, step: Any, operands: Sequence[Any]) -> Any:
        """The value of a step of sparse operands or with a sparse output."""
        raise EinNetError(f"'{step.equation}' is of sparse types, which only tensors of torch with supports can have")

    def broadcast(self, x: Any, shape: Sequence[int]) -> Any:
        """The last axes of `x`, of these sizes or of size one, broadcast to the shape; a view."""
        return np.broadcast_to(x, (*x.shape[: x.ndim - len(shape)], *shape))

    def embed(self, x: Any, first: int, second: int) -> Any:
        """`x` on the diagonal of axes `first` and `second` of the result, zeros elsewhere; `second` is new."""
        x = np.moveaxis(x, first + 1, -1)
        y = np.zeros((*x.shape, x.shape[-1]), x.dtype)
        np.einsum("...ii->...i", y)[...] = x  # written to a view
        return np.moveaxis(y, (-2, -1), (first, second))


class TensorBackend(Backend):
    """Tensors of torch, through their methods; `torch` is the module."""

    def __init__(self, torch: ModuleType):
        self.torch = torch

    def permute(self, x: Any, order: Sequence[int]) -> Any:
        return x.mT if order == (-1, -2) else x.permute(*range(x.dim() - len(order)), *order)

    def unsqueeze(self, x: Any, axis: int) -> Any:
        return x.unsqueeze(axis)

    def sum(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.sum(axes)

    def multiply(self, x: Any, y: Any) -> Any:
        return x * y

    def matmul(self, x: Any, y: Any) -> Any:
        if x.shape[:-2] == y.shape[:-2]:
            return self.torch.bmm(x, y) if x.dim() == 3 else x @ y  # the same, with fewer operations
        return self.torch.einsum("...ab,...bc->...ac", x, y)  # copies no matrix along a batch axis

    def einsum(self, equation: str, x: Any, y: Any) -> Any:
        return self.torch.einsum(equation, x, y)

    def broadcast(self, x: Any, shape: Sequence[int]) -> Any:
        return x.expand(*x.shape[: x.dim() - len(shape)], *shape)

    def embed(self, x: Any, first: int, second: int) -> Any:
        return (x if first == -2 else x.movedim(first + 1, -1)).diag_embed(0, first, second)


def _upcast(x: np.ndarray) -> np.ndarray:
    """Half precision in single precision: numpy adds up halves in half precision, where 2048 + 1 is 2048."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


NUMPY = Backend()


def backend_of(x: Any) -> Backend:
    """The back end of an array or a number of numpy, or of a tensor of torch."""
    return NUMPY if isinstance(x, np.ndarray | np.generic) else TensorBackend(module_of(x))


def module_of(x: Any) -> ModuleType:
    """numpy, or torch for a tensor."""
    return sys.modules[type(x).__module__.partition(".")[0]]
