"""Arrays of numpy and tensors of torch alike, without importing torch."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from einnet.checks import check_limit
from einnet.errors import EinNetError
from einnet.plan.backends import backend_of, module_of
from einnet.plan.execute import evaluate_term
from einnet.terms.term import Term

__all__ = [
    "LETTERS",
    "apply_coefficient",
    "as_arrays",
    "as_floats",
    "check_entries",
    "concatenate",
    "constant_like",
    "gather",
    "scatter_add",
]

LETTERS = ascii_letters[8:26] + ascii_letters[:8] + ascii_letters[26:51]  # of the axes of a coefficient: i, j, k, ...
MAX_AXES = 50  # letters of an einsum


def as_arrays(*values: Any) -> list[Any]:
    """All values as arrays of one framework and type: torch if one of them is a tensor, else numpy.

    Whole numbers become 64 bits wide. Lists take the type of the arrays, unless that would lose a
    fraction or an imaginary part.
    """
    if any(hasattr(v, "new_tensor") for v in values):
        return _as_tensors(values)
    arrays = [_as_numbers(v) for v in values]
    is_array = [isinstance(v, (np.ndarray, np.generic)) for v in values]
    typed = [a.dtype for a, typed in zip(arrays, is_array, strict=True) if typed]
    untyped = [a.dtype for a, typed in zip(arrays, is_array, strict=True) if not typed]
    dtype = np.result_type(*(typed or untyped))
    for listed in untyped:
        if "biufcO".index(listed.kind) > max("biufcO".index(dtype.kind), 2):
            dtype = np.result_type(dtype, listed)
    if dtype.kind in "biu":
        dtype = np.dtype(np.int64)
    return [a.astype(dtype, copy=False) for a in arrays]


def as_floats(*values: Any) -> list[Any]:
    """The same, whole numbers made floating point."""
    arrays = as_arrays(*values)
    if "int" not in str(arrays[0].dtype):
        return arrays
    module = module_of(arrays[0])
    return [a.astype(float) if module is np else a.to(module.get_default_dtype()) for a in arrays]


def _as_tensors(values: Sequence[Any]) -> list[Any]:
    tensors = [v for v in values if hasattr(v, "new_tensor")]
    torch = module_of(tensors[0])
    dtype = reduce(torch.promote_types, [t.dtype for t in tensors])
    arrays = {k: _as_numbers(v) for k, v in enumerate(values) if not hasattr(v, "new_tensor")}
    kinds = {a.dtype.kind for a in arrays.values()}
    if "c" in kinds and not dtype.is_complex:
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype() if "f" in kinds else torch.int64
    readable = [_as_torch_reads(arrays[k]) if k in arrays else v for k, v in enumerate(values)]
    return [torch.as_tensor(v, dtype=dtype, device=tensors[0].device) for v in readable]


def _as_numbers(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise EinNetError(f"expected an array of numbers, got {type(value).__name__} that is none: {error}") from None
    if array.dtype.kind not in "biufcO":
        raise EinNetError(f"expected an array of numbers, got entries of type {array.dtype}")
    return array


def _as_torch_reads(array: np.ndarray) -> np.ndarray:
    """Writeable, with positive strides, this machine's byte order, and 64 bits at most."""
    kind = {"f": np.float64, "c": np.complex128}.get(array.dtype.kind) if array.dtype.itemsize > 8 else None
    return np.array(array, dtype=kind or array.dtype.newbyteorder("="), order="C")


def constant_like(value: Any, array: Any) -> Any:
    """Whole numbers in the framework, type and device of `array`."""
    return array.new_tensor(value) if hasattr(array, "new_tensor") else np.asarray(value, array.dtype)


def concatenate(vectors: Sequence[Any]) -> Any:
    """The vectors one after the other."""
    if isinstance(vectors[0], np.ndarray):
        return np.concatenate(vectors)
    return module_of(vectors[0]).cat(list(vectors))


def gather(values: Any, numbers: np.ndarray) -> Any:
    """values[numbers], of the shape of `numbers`."""
    if isinstance(values, np.ndarray):
        return values.take(numbers)
    return values.index_select(0, _as_index(numbers.ravel(), values)).reshape(numbers.shape)


def scatter_add(values: Any, rows: np.ndarray, size: int) -> Any:
    """A vector of `size` zeros, to which values[k] is added at rows[k]."""
    if isinstance(values, np.ndarray):
        total = np.zeros(size, values.dtype)
        np.add.at(total, rows, values)
        return total
    return values.new_zeros(size).index_add(0, _as_index(rows, values), values)


def _as_index(numbers: np.ndarray, tensor: Any) -> Any:
    torch = module_of(tensor)
    return torch.tensor(numbers, device=tensor.device, dtype=torch.long)


def apply_coefficient(coefficient: Any, operands: Sequence[Any], ranks: Sequence[int]) -> Any:
    """The coefficient, axes of the output first, contracted with every operand: (batch..., axes of the output).

    `ranks` are the numbers of axes of the operands, batch axes not counted.
    """
    ends = np.cumsum([len(coefficient.shape) - sum(ranks), *ranks]).tolist()
    letters = LETTERS[: ends[-1]]
    tuples = [letters[a:b] for a, b in pairwise(ends)]
    sizes = dict(zip(letters, coefficient.shape, strict=True))
    term = Term.of([letters, *tuples], letters[: ends[0]])
    return evaluate_term(term, [coefficient, *operands], sizes, backend_of(coefficient))


def check_entries(shape: tuple[int, ...], what: str, instead: str, limit: str = "coefficient_entries") -> None:
    """Raises before an array of this shape is made that would exceed the limit."""
    if len(shape) > MAX_AXES:
        raise EinNetError(
            f"{what} has {len(shape)} axes, more than the {MAX_AXES} that an einsum has letters for: {instead}"
        )
    check_limit(prod(shape), limit, f"{what} has {' x '.join(map(str, shape))} = {{}} entries", instead)
