"""The few array operations in which numpy and torch differ, without importing torch."""

import sys
from collections.abc import Sequence
from functools import reduce
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
MAX_ORDER = 300
MAX_AXES = 50  # letters of an einsum
MAX_ENTRIES = 2**27  # of a coefficient that is written out: 1 GiB in double precision


def as_arrays(*values: Any) -> list[Any]:
    """All values as arrays of one framework: that of the first tensor among them, else numpy.

    Tensors then have one type, to which the others are promoted. What is no tensor adopts it, unless
    that would lose a fraction or an imaginary part.
    """
    tensors = [v for v in values if hasattr(v, "new_tensor")]
    if not tensors:
        return [np.asarray(v) for v in values]
    torch = module_of(tensors[0])
    dtype = reduce(torch.promote_types, [t.dtype for t in tensors])
    others = [np.asarray(v) for v in values if not hasattr(v, "new_tensor")]
    if any(np.iscomplexobj(v) for v in others) and not dtype.is_complex:
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    if any(np.issubdtype(v.dtype, np.floating) for v in others) and not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return [torch.as_tensor(v, dtype=dtype, device=tensors[0].device) for v in values]


def constant(value: np.ndarray, like: Any) -> Any:
    """Whole numbers in the framework of `like`; a tensor has its type and device."""
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
    return torch.tensor(numbers, device=like.device, dtype=torch.long)


def module_of(array: Any) -> Any:
    """numpy, or torch for a tensor."""
    return sys.modules[type(array).__module__.partition(".")[0]]


def check_entries(shape: tuple[int, ...], what: str, instead: str, most: int = MAX_ENTRIES) -> None:
    """Raises where a coefficient of this shape is too large to write out."""
    if len(shape) > MAX_AXES:
        raise EinNetError(
            f"{what} has {len(shape)} axes, more than the {MAX_AXES} that an einsum has letters for: {instead}"
        )
    if (entries := prod(shape)) > most:
        raise EinNetError(
            f"{what} has {' x '.join(map(str, shape))} = {entries:,} entries, more than the {most:,} "
            f"that are written out: {instead}"
        )


def check_order(order: int, name: str = "order") -> int:
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)) or order < 0:
        raise EinNetError(f"{name} must be a whole number, 0 or more, got {order!r}")
    if order > MAX_ORDER:
        raise EinNetError(f"{name} must be {MAX_ORDER} at most, got {order}: choose a lower one")
    return int(order)
