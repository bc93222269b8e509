"""Terms evaluated by one numpy einsum, with a delta for each output axis: the oracle of plans."""

from collections.abc import Mapping, Sequence
from math import prod
from string import ascii_lowercase

import numpy as np

from einnet import Symmetry, Term

OUTPUT = "ABCDEFGHIJ"  # one letter for each output axis; terms in tests use lowercase


def with_letters(term: Term) -> Term:
    """The term with letters for its indices."""
    names = dict(zip(term.indices, ascii_lowercase, strict=False))
    return Term.of([[names[i] for i in t] for t in term.operands], [names[i] for i in term.output])


def naive_term(term: Term, operands: Sequence[np.ndarray], out_shape: Sequence[int]) -> np.ndarray:
    """The term on arrays (features, axes...), all features alike."""
    sizes = dict(zip(term.output, out_shape, strict=True))
    for tup, x in zip(term.operands, operands, strict=True):
        sizes |= dict(zip(tup, x.shape[1:], strict=True))
    inputs = ["Z" + "".join(t) for t in term.operands]
    arrays = list(operands)
    for k, index in enumerate(term.output):
        inputs.append(index + OUTPUT[k])
        arrays.append(np.eye(sizes[index]))
    read = {i for t in term.operands for i in t}
    for index in dict.fromkeys(i for i in term.output if i not in read):
        inputs.append(index)
        arrays.append(np.ones(sizes[index]))
    return np.einsum(",".join(inputs) + "->Z" + OUTPUT[: len(term.output)], *arrays, optimize=True)


def count_summed_values(term: Term, symmetry: Symmetry, sizes: Mapping[str, int]) -> int:
    """How many values the term sums for each entry of its output."""
    where = {i: c for t in term.operands for i, c in zip(t, symmetry.axes, strict=True)}
    return prod(sizes[where[i]] for i in {i for t in term.operands for i in t} - set(term.output))


def naive_pool(terms: Sequence[Term], x: np.ndarray, symmetry: Symmetry, normalize: str | None = None) -> np.ndarray:
    """The pooling of (axes..., heads * fan_in), one term after the other."""
    axes = x.shape[:-1]
    sizes = dict(zip(symmetry.axes, axes, strict=True))
    parts = np.split(np.moveaxis(x, -1, 0), sum(t.order for t in terms))
    outputs = []
    for term in terms:
        y = naive_term(term, [parts.pop(0) for _ in range(term.order)], axes)
        if normalize == "size":
            y = y / max(count_summed_values(term, symmetry, sizes), 1) ** (1 if term.order == 1 else 0.5)
        outputs.append(y)
    return np.moveaxis(np.concatenate(outputs), 0, -1)


def matrix(term: Term, source: Symmetry, target: Symmetry, sizes: Mapping[str, int]) -> np.ndarray:
    """The matrix (output cells, operand cells) of a term of order 1."""
    shape = [sizes[c] for c in source.axes]
    out = [sizes[c] for c in target.axes]
    basis = np.eye(prod(shape)).reshape(prod(shape), *shape)
    return naive_term(term, [basis], out).reshape(prod(shape), prod(out)).T
