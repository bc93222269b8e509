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
    "as_floats",
    "check_entries",
    "check_flag",
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
    """All values as arrays of one framework and type: a tensor's if there is one, else numpy's.

    Whole numbers become 64 bits wide. Lists take the type of the arrays beside them, unless that
    would lose a fraction or an imaginary part.
    """
    if any(hasattr(v, "new_tensor") for v in values):
        return _as_tensors(values)
    arrays = [_numbers(v) for v in values]
    given = [a.dtype for a, v in zip(arrays, values, strict=True) if isinstance(v, (np.ndarray, np.generic))]
    listed = [a.dtype for a, v in zip(arrays, values, strict=True) if not isinstance(v, (np.ndarray, np.generic))]
    dtype = np.result_type(*(given or listed))
    for other in listed:
        if "biufcO".index(other.kind) > max("biufcO".index(dtype.kind), 2):
            dtype = np.result_type(dtype, other)
    if dtype.kind in "biu":
        dtype = np.dtype(np.int64)
    return [a.astype(dtype, copy=False) for a in arrays]


def as_floats(*values: Any) -> list[Any]:
    """The same, whole numbers made floating point."""
    arrays = as_arrays(*values)
    if "int" not in str(arrays[0].dtype):
        return arrays
    torch = module_of(arrays[0])
    return [a.astype(float) if torch is np else a.to(torch.get_default_dtype()) for a in arrays]


def _as_tensors(values: Sequence[Any]) -> list[Any]:
    tensors = [v for v in values if hasattr(v, "new_tensor")]
    torch = module_of(tensors[0])
    dtype = reduce(torch.promote_types, [t.dtype for t in tensors])
    others = [_numbers(v) for v in values if not hasattr(v, "new_tensor")]
    if any(a.dtype.kind == "c" for a in others) and not dtype.is_complex:
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype() if any(a.dtype.kind == "f" for a in others) else torch.int64
    native = [v if hasattr(v, "new_tensor") else _native(_numbers(v)) for v in values]
    return [torch.as_tensor(v, dtype=dtype, device=tensors[0].device) for v in native]


def _numbers(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise EinNetError(f"expected an array of numbers, got {type(value).__name__} that is none: {error}") from None
    if array.dtype.kind not in "biufcO":
        raise EinNetError(f"expected an array of numbers, got entries of type {array.dtype}")
    return array


def _native(array: np.ndarray) -> np.ndarray:
    """In a form that torch reads: writeable, positive strides, this machine's bytes, 64 bits at most."""
    kind = {"f": np.float64, "c": np.complex128}.get(array.dtype.kind) if array.dtype.itemsize > 8 else None
    return np.array(array, dtype=kind or array.dtype.newbyteorder("="), order="C")


def constant(value: np.ndarray, like: Any) -> Any:
    """Whole numbers in the framework, type and device of `like`."""
    return like.new_tensor(value) if hasattr(like, "new_tensor") else value.astype(like.dtype)


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


def check_flag(commutative: Any) -> bool:
    if not isinstance(commutative, (bool, np.bool_)):
        raise EinNetError(f"commutative must be True or False, got {commutative!r}")
    return bool(commutative)
