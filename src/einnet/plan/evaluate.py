"""A term on numpy arrays, as it is defined: the slow and exact way."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from einnet.terms.term import Term

__all__ = ["evaluate"]


def evaluate(term: Term, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """The term on arrays without batch and feature axes; whole numbers stay whole.

    >>> evaluate(Term("ab->aa"), [np.array([[1, 2], [3, 4]])], {"a": 2, "b": 2})
    array([[3, 0],
           [0, 7]])

    `sizes` gives the size of each index; that of an index which only the output has is read there.
    """
    number = {i: k for k, i in enumerate(term.indices)}
    held = {i for t in term.operands for i in t}
    live = [i for i in dict.fromkeys(term.output) if i in held]
    parts: list[Any] = []
    for x, tup in zip(operands, term.operands, strict=True):
        parts += [x.astype(np.int64) if x.dtype == bool else x, [number[i] for i in tup]]
    if not term.output:
        return np.asarray(np.einsum(*parts, [], optimize=term.order > 2))
    core = np.einsum(*parts, [number[i] for i in live], optimize=term.order > 2)
    result = np.zeros([sizes[i] for i in term.output], core.dtype)
    distinct = list(dict.fromkeys(term.output))
    diagonal: list[Any] = [result, [number[i] for i in term.output], [number[i] for i in distinct]]
    np.einsum(*diagonal)[...] = core.reshape([sizes[i] if i in held else 1 for i in distinct])  # written to a view
    return result
