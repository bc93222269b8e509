"""Arrays of numpy and tensors of torch alike, without importing torch."""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from einnet.checks import check_limit
from einnet.errors import EinNetError, ShapeError
from einnet.plan.backends import backend_of, module_of
from einnet.plan.execute import evaluate_term
from einnet.terms.term import Term

__all__ = [
    "LETTERS", "apply_coefficient", "apply_matrix", "as_arrays", "check_entries", "check_vectors", "concatenate",
    "constant_like", "cut", "gather",
]  # fmt: skip

LETTERS = ascii_letters[8:26] + ascii_letters[:8] + ascii_letters[26:51]  # of the axes of a coefficient: i, j, k, ...
MAX_AXES = 50  # letters of an einsum
KINDS = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": 0j}  # a number of each kind of dtype


def as_arrays(*values: Any) -> list[Any]:
    """All values as arrays of one framework and type: torch if one of them is a tensor, else numpy.

    Whole numbers become 64 bits wide. Lists and numbers take the type of the arrays, unless that would lose a
    fraction or an imaginary part.
    """
    if any(hasattr(v, "new_tensor") for v in values):
        return _as_tensors(values)
    arrays = list(map(_as_numbers, values))
    typed = zip(arrays, (isinstance(v, (np.ndarray, np.generic)) for v in values), strict=True)
    dtype = np.result_type(*(a.dtype if t else KINDS.get(a.dtype.kind, a.dtype) for a, t in typed))
    return [a.astype(np.int64 if dtype.kind in "biu" else dtype, copy=False) for a in arrays]


def _as_tensors(values: Sequence[Any]) -> list[Any]:
    tensors = [v for v in values if hasattr(v, "new_tensor")]
    torch = module_of(tensors[0])
    if sparse := [t.layout for t in tensors if t.layout != torch.strided]:
        raise EinNetError(f"expected dense tensors, got one of layout {sparse[0]}: pass x.to_dense()")
    dtype = reduce(torch.promote_types, [t.dtype for t in tensors])
    readable = list(values)
    for k, value in enumerate(values):
        if not hasattr(value, "new_tensor"):
            array = _as_numbers(value)
            number = KINDS.get(array.dtype.kind, 0.0)
            dtype = torch.result_type(torch.empty(1, dtype=dtype), number)
            readable[k] = array.astype(np.result_type(number, np.int64))  # torch reads few types, no negative strides
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.int64
    return [torch.as_tensor(v, dtype=dtype, device=tensors[0].device) for v in readable]


def _as_numbers(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise EinNetError(f"expected an array of numbers, got {type(value).__name__} that is none: {error}") from None
    if array.dtype.kind not in "biufcO":
        raise EinNetError(f"expected an array of numbers, got entries of type {array.dtype}")
    return array


def check_vectors(x: Any, n: int, params: Any = None, dof: int = 0) -> None:
    """Raises unless x has shape (batch..., n), and `params`, if any, is a vector of length `dof`."""
    if tuple(x.shape[-1:]) != (n,):
        raise ShapeError(f"x must have shape (batch..., {n}), got {tuple(x.shape)}")
    if params is not None and tuple(params.shape) != (dof,):
        raise ShapeError(f"expected {dof} parameters in one vector, got shape {tuple(params.shape)}")


def constant_like(value: Any, array: Any) -> Any:
    """Whole numbers in the framework, type and device of `array`."""
    return array.new_tensor(value) if hasattr(array, "new_tensor") else np.asarray(value, array.dtype)


def concatenate(vectors: Sequence[Any]) -> Any:
    """The vectors one after the other."""
    return module_of(vectors[0]).concatenate(vectors)


def cut(sequence: Any, lengths: Iterable[int]) -> list[Any]:
    """The parts of these lengths."""
    return [sequence[a:b] for a, b in pairwise(accumulate(lengths, initial=0))]


def gather(values: Any, numbers: np.ndarray) -> Any:
    """values[numbers], of the shape of `numbers`."""
    return values.take(_as_index(numbers, values))


def apply_matrix(matrix: Any, vector: Any) -> Any:
    """A sparse matrix of whole numbers times a vector."""
    rows, columns = matrix.tocoo().coords
    products = gather(vector, columns) * constant_like(matrix.tocoo().data, vector)
    if isinstance(vector, np.ndarray):
        total = np.zeros(matrix.shape[0], vector.dtype)
        np.add.at(total, rows, products)
        return total
    return vector.new_zeros(matrix.shape[0]).index_add(0, _as_index(rows, vector), products)


def _as_index(numbers: np.ndarray, array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return numbers
    torch = module_of(array)
    return torch.tensor(numbers, device=array.device, dtype=torch.long)


def apply_coefficient(coefficient: Any, operands: Sequence[Any], ranks: Sequence[int]) -> Any:
    """The coefficient, axes of the output first, contracted with every operand: (batch..., axes of the output).

    `ranks` are the numbers of axes of the operands, batch axes not counted.
    """
    letters = LETTERS[: len(coefficient.shape)]
    output, *tuples = cut(letters, [len(letters) - sum(ranks), *ranks])
    sizes = dict(zip(letters, coefficient.shape, strict=True))
    return evaluate_term(Term.of([letters, *tuples], output), [coefficient, *operands], sizes, backend_of(coefficient))


def check_entries(shape: tuple[int, ...], what: str, instead: str, limit: str = "coefficient_entries") -> None:
    """Raises before an array of this shape is made that would exceed the limit."""
    if len(shape) > MAX_AXES:
        raise EinNetError(
            f"{what} has {len(shape)} axes, more than the {MAX_AXES} that an einsum has letters for: {instead}"
        )
    check_limit(prod(shape), limit, f"{what} has {' x '.join(map(str, shape))} = {{}} entries", instead)
