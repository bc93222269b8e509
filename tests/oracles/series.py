"""The series of a signature by brute force: orbits entry by entry, all group elements, null spaces, dense sums.

Nothing is shared with `einnet.partitions` and `einnet.taylor`: from einnet come the parsed letters only.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, permutations, product
from math import prod

import numpy as np
from sympy.polys.domains import QQ
from sympy.polys.matrices import DomainMatrix

from einnet import Signature, Symmetry, Term
from oracles.group import generators

Sizes = Mapping[str, int]


def words(signature: Signature, k: int, commutative: bool) -> list[tuple[int, ...]]:
    """The choices of k operands, by number."""
    numbers = range(len(signature.inputs))
    return list(combinations_with_replacement(numbers, k) if commutative else product(numbers, repeat=k))


def types_of(signature: Signature, word: Sequence[int]) -> list[Symmetry]:
    return [signature.output, *(signature.inputs[i] for i in word)]


def shape_of(t: Symmetry, sizes: Sizes) -> tuple[int, ...]:
    return (*(sizes[c] for c in t.axes), *[sizes.get("H", 1)] * t.features)


def entries(signature: Signature, word: Sequence[int], sizes: Sizes) -> int:
    return prod(n for t in types_of(signature, word) for n in shape_of(t, sizes))


def classes_of(signature: Signature) -> dict[str, tuple[str, ...]]:
    """The ancestors of each class."""
    return {c: t.ancestors(c) for t in types_of(signature, range(len(signature.inputs))) for c in t.classes}


def exchanges(word: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All reorderings of operands that are the same input."""
    for order in permutations(range(len(word))):
        if all(word[i] == word[j] for i, j in enumerate(order)):
            yield order


# --- the group on the entries of a coefficient ---------------------------------------------------


def _moves(signature: Signature, types: Sequence[Symmetry], sizes: Sizes) -> Iterator[list[np.ndarray]]:
    """For each generator, where it moves the entries of each tensor, all axes of a tensor as one."""
    for move in generators(classes_of(signature), sizes):
        yield [_permute_entries(t, sizes, lambda cell, t=t, move=move: move(cell, t.axes)) for t in types]


def _elements(signature: Signature, types: Sequence[Symmetry], sizes: Sizes) -> Iterator[list[np.ndarray]]:
    """The same for each element of the group: for each class, in each list, any permutation."""
    classes = classes_of(signature)
    places = [(c, where) for c, above in classes.items() for where in product(*(range(sizes[p]) for p in above))]
    for chosen in product(*(permutations(range(sizes[c])) for c, _ in places)):
        element = dict(zip(places, chosen, strict=True))

        def move(cell, t, element=element):
            at = dict(zip(t.axes, cell, strict=True))  # an ancestor occurs once
            return tuple(
                element[c, tuple(at[p] for p in classes[c])][v] for c, v in zip(t.axes, cell, strict=True)
            )  # fmt: skip

        yield [_permute_entries(t, sizes, lambda cell, t=t, move=move: move(cell, t)) for t in types]


def _permute_entries(t: Symmetry, sizes: Sizes, move) -> np.ndarray:
    numbers = np.arange(prod(shape_of(t, sizes))).reshape(shape_of(t, sizes))
    cells = product(*(range(sizes[c]) for c in t.axes))
    return np.array([numbers[move(cell)].ravel() for cell in cells]).ravel()


def orbits(signature: Signature, word: Sequence[int], sizes: Sizes, commutative: bool) -> np.ndarray:
    """The number of the orbit of each entry, by union-find under the generators and the exchanges of operands."""
    types = types_of(signature, word)
    flat = [prod(shape_of(t, sizes)) for t in types]
    numbers = np.arange(prod(flat)).reshape(flat)
    images = [numbers[np.ix_(*moves)] for moves in _moves(signature, types, sizes)]
    if commutative:
        images += [numbers.transpose(0, *(1 + i for i in order)) for order in exchanges(word)]
    root = list(range(numbers.size))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for image in images:
        for k, j in enumerate(image.ravel().tolist()):
            root[find(k)] = find(j)
    roots = [find(k) for k in range(len(root))]
    shape = [n for t in types for n in shape_of(t, sizes)]
    return np.unique(roots, return_inverse=True)[1].reshape(shape)


def dof(signature: Signature, k: int, sizes: Sizes, commutative: bool) -> int:
    """The number of orbits of order k."""
    return sum(orbits(signature, word, sizes, commutative).max() + 1 for word in words(signature, k, commutative))


def dof_by_fixed_points(signature: Signature, k: int, sizes: Sizes, commutative: bool) -> int:
    """The mean number of entries that a group element keeps, over the whole group."""
    total = 0
    for word in words(signature, k, commutative):
        types = types_of(signature, word)
        flat = [prod(shape_of(t, sizes)) for t in types]
        numbers = np.arange(prod(flat)).reshape(flat)
        orders = list(exchanges(word)) if commutative else [tuple(range(k))]
        fixed, group = 0, 0
        for moves in _elements(signature, types, sizes):
            image = numbers[np.ix_(*moves)]
            fixed += sum(int((image.transpose(0, *(1 + i for i in o)) == numbers).sum()) for o in orders)
            group += len(orders)
        assert fixed % group == 0
        total += fixed // group
    return total


def dof_by_null_space(signature: Signature, k: int, sizes: Sizes, commutative: bool) -> int:
    """The dimension of the coefficients that every generator keeps, by exact elimination."""
    total = 0
    for word in words(signature, k, commutative):
        types = types_of(signature, word)
        flat = [prod(shape_of(t, sizes)) for t in types]
        matrices = []
        for moves in _moves(signature, types, sizes):
            matrix = np.ones((1, 1), int)
            for n, move in zip(flat, moves, strict=True):
                matrix = np.kron(matrix, np.eye(n, dtype=int)[move])
            matrices.append(matrix)
        if commutative:
            basis = np.eye(prod(flat), dtype=int).reshape(-1, *flat)
            matrices += [
                basis.transpose(0, 1, *(2 + i for i in o)).reshape(-1, prod(flat)) for o in exchanges(word)
            ]  # fmt: skip
        constraints = np.concatenate(
            [m - np.eye(len(m), dtype=int) for m in matrices or [np.eye(prod(flat), dtype=int)]]
        )
        constraints = np.unique(constraints, axis=0)
        rows = [[QQ(int(v)) for v in row] for row in constraints]
        total += prod(flat) - DomainMatrix(rows, constraints.shape, QQ).rank()
    return total


# --- patterns ------------------------------------------------------------------------------------


def pattern_at(signature: Signature, word: Sequence[int], entry: Sequence[int]) -> tuple[int, ...]:
    """Which index positions of an entry are the same element, numbered as they first occur (no feature axes).

    An index of a dependent class is the same element as another if their ancestors are, too.
    """
    elements, at = [], 0
    for t in types_of(signature, word):
        cell = entry[at : at + len(t.axes)]
        at += len(cell)
        for c, v in zip(t.axes, cell, strict=True):
            elements.append((c, *(cell[t.axes.index(p)] for p in t.ancestors(c)), v))
    first = list(dict.fromkeys(elements))
    return tuple(first.index(x) for x in elements)


def is_coarser(coarse: Sequence[int], fine: Sequence[int]) -> bool:
    """Whether what is equal in `fine` is equal in `coarse`."""
    return len(set(zip(coarse, fine, strict=True))) == len(set(fine))


# --- contractions and values ---------------------------------------------------------------------


def term_classes(term: Term, types: Sequence[Symmetry]) -> dict[str, str]:
    """The class of each index of a valid term; `types` has the output first. No operand is an empty one."""
    return term.classes(types[1:] or [Symmetry("")], types[0])


def reorder_operands(term: Term, word: Sequence[int]) -> list[Term]:
    """The different contractions that reordering equal operands makes of one."""
    terms = {}
    for order in exchanges(word):
        operands = [term.operands[i] for i in order]
        letters = dict.fromkeys(i for t in (term.output, *operands) for i in t)
        key = tuple(list(letters).index(i) for t in (term.output, *operands) for i in t)
        terms.setdefault(key, Term.of(operands, term.output))
    return list(terms.values())


def dense(term: Term, signature: Signature, word: Sequence[int], sizes: Sizes) -> np.ndarray:
    """The coefficient of a contraction, one assignment of its indices after the other (no feature axes)."""
    types = types_of(signature, word)
    coefficient = np.zeros([sizes[c] for t in types for c in t.axes], int)
    classes = term_classes(term, types)
    for values in product(*(range(sizes[classes[i]]) for i in term.indices)):
        at = dict(zip(term.indices, values, strict=True))
        coefficient[tuple(at[i] for t in (term.output, *term.operands) for i in t)] += 1
    return coefficient


def value(coefficient: np.ndarray, operands: Sequence[np.ndarray]) -> np.ndarray:
    """The coefficient, axes of the output first, applied to operands without batch axes."""
    for x in reversed(operands):
        coefficient = np.tensordot(coefficient, x, axes=x.ndim)
    return coefficient
