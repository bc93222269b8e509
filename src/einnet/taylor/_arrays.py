"""The few array operations in which numpy and torch differ, without importing torch."""

import sys
from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from einnet.errors import EinNetError

__all__ = [
    "LETTERS",
    "MAX_ENTRIES",
    "as_arrays",
    "check_entries",
    "check_order",
    "concatenated",
    "constant",
    "gathered",
    "module_of",
    "scatter_add",
]

LETTERS = ascii_letters[8:26] + ascii_letters[:8] + ascii_letters[26:51]  # i, j, k, ...; Z is the batch
MAX_ENTRIES = 2**27  # of a coefficient that is written out: 1 GiB in double precision


def as_arrays(*values: Any) -> list[Any]:
    """All values as arrays of one framework: that of the first tensor among them, else numpy."""
    tensor = next((v for v in values if hasattr(v, "new_tensor")), None)
    return [v if hasattr(v, "new_tensor") else constant(np.asarray(v), tensor) for v in values]


def constant(value: np.ndarray, like: Any) -> Any:
    """The values in the framework of `like`; a tensor has its type and device."""
    return like.new_tensor(value) if hasattr(like, "new_tensor") else value


def concatenated(vectors: Sequence[Any]) -> Any:
    """The vectors one after the other."""
    if isinstance(vectors[0], np.ndarray):
        return np.concatenate(vectors)
    return module_of(vectors[0]).cat(list(vectors))


def gathered(values: Any, numbers: np.ndarray) -> Any:
    """values[numbers], of the shape of `numbers`."""
    if isinstance(values, np.ndarray):
        return values.take(numbers)
    return values.index_select(0, _index(numbers.ravel(), values)).reshape(numbers.shape)


def scatter_add(values: Any, rows: np.ndarray, size: int) -> Any:
    """A vector of `size` zeros, to which values[k] is added at rows[k]."""
    if isinstance(values, np.ndarray):
        total = np.zeros(size, values.dtype)
        np.add.at(total, rows, values)
        return total
    return values.new_zeros(size).index_add(0, _index(rows, values), values)


def _index(numbers: np.ndarray, like: Any) -> Any:
    torch = module_of(like)
    return torch.as_tensor(numbers, device=like.device, dtype=torch.long)


def module_of(array: Any) -> Any:
    """numpy, or torch for a tensor."""
    return sys.modules[type(array).__module__.partition(".")[0]]


def check_entries(shape: tuple[int, ...], what: str, instead: str, most: int = MAX_ENTRIES) -> None:
    """Raises where a coefficient of this shape is too large to write out."""
    if (entries := prod(shape)) > most:
        raise EinNetError(
            f"{what} has {' x '.join(map(str, shape))} = {entries:,} entries, more than the {most:,} "
            f"that are written out: {instead}"
        )


def check_order(order: int, name: str = "order") -> int:
    if not isinstance(order, int) or isinstance(order, bool) or order < 0:
        raise EinNetError(f"{name} must be a whole number, 0 or more, got {order!r}")
    return order
