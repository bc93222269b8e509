"""Back ends of the executor: numpy, exact for whole numbers, and torch, which is not imported here."""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import opt_einsum

from einnet.plan.kernel import Backend

__all__ = ["NUMPY", "NumpyBackend", "TensorBackend", "backend_of", "module_of"]

Tuple = tuple[str, ...]


class NumpyBackend:
    """Arrays of numpy. Whole numbers stay exact: 64 bits wide, or Python's own in an array of objects."""

    def permute(self, x: np.ndarray, order: Sequence[int]) -> np.ndarray:
        return x.transpose(*range(x.ndim - len(order)), *order)

    def unsqueeze(self, x: np.ndarray, axis: int) -> np.ndarray:
        return np.expand_dims(x, axis)

    def diagonal(self, x: np.ndarray, first: int, second: int) -> np.ndarray:
        return x.diagonal(0, first, second)

    def sum(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return x.sum(axes, x.dtype, keepdims=True).squeeze(axes)  # an array, also where no axis is left

    def multiply(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(x * y, np.result_type(x, y))

    def matmul(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x @ y

    def einsum(self, equation: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(opt_einsum.contract(equation, x, y), np.result_type(x, y))

    def contract_in_loop(self, operands: Sequence[Any], tuples: Sequence[Tuple], output: Tuple, loop: Tuple) -> Any:
        """All at once: the loop saves memory, which this back end has."""
        equation = ",".join("..." + "".join(t) for t in tuples) + "->..." + "".join(output)
        return opt_einsum.contract(equation, *operands)

    def broadcast(self, x: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        return np.broadcast_to(x, (*x.shape[: x.ndim - len(shape)], *shape))

    def embed(self, x: np.ndarray, first: int, second: int) -> np.ndarray:
        x = np.moveaxis(x, first + 1, -1)
        y = np.zeros((*x.shape, x.shape[-1]), x.dtype)
        np.einsum("...ii->...i", y)[...] = x  # written to a view
        return np.moveaxis(y, (-2, -1), (first, second))


class TensorBackend:
    """Tensors of torch, through their methods; `torch` is the module."""

    def __init__(self, torch: ModuleType):
        self.torch = torch

    def permute(self, x: Any, order: Sequence[int]) -> Any:
        return x.permute(*range(x.dim() - len(order)), *order)

    def unsqueeze(self, x: Any, axis: int) -> Any:
        return x.unsqueeze(axis)

    def diagonal(self, x: Any, first: int, second: int) -> Any:
        return x.diagonal(0, first, second)

    def sum(self, x: Any, axes: tuple[int, ...]) -> Any:
        return x.sum(axes)

    def multiply(self, x: Any, y: Any) -> Any:
        return x * y

    def matmul(self, x: Any, y: Any) -> Any:
        if x.shape[:-2] == y.shape[:-2]:
            return x @ y
        return self.torch.einsum("...ab,...bc->...ac", x, y)  # copies no matrix along a batch axis

    def einsum(self, equation: str, x: Any, y: Any) -> Any:
        return self.torch.einsum(equation, x, y)

    contract_in_loop = NumpyBackend.contract_in_loop

    def broadcast(self, x: Any, shape: Sequence[int]) -> Any:
        return x.expand(*x.shape[: x.dim() - len(shape)], *shape)

    def embed(self, x: Any, first: int, second: int) -> Any:
        return (x if first == -2 else x.movedim(first + 1, -1)).diag_embed(0, first, second)


NUMPY = NumpyBackend()


def backend_of(x: Any) -> Backend:
    """The back end of an array of numpy, or of a tensor of torch."""
    return NUMPY if isinstance(x, np.ndarray) else TensorBackend(module_of(x))


def module_of(x: Any) -> ModuleType:
    """numpy, or torch for a tensor."""
    return sys.modules[type(x).__module__.partition(".")[0]]
