"""All compositions of some terms of one type, built bottom-up by substituting terms into terms.

Rows hold the index of each position, output first; nothing is shared with `einnet.terms`, but for
reading terms and the list of the linear maps. A composition is taken literally: the output of each inner term
replaces an operand of the outer one, and positions that so coincide have equal indices.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np

from einnet import Symmetry, Term, linear_terms

CHUNK = 200_000


def row_of(term: Term) -> np.ndarray:
    number = {i: k for k, i in enumerate(term.indices)}
    return np.array([number[i] for t in (term.output, *term.operands) for i in t], np.uint8)


def number_indices(rows: np.ndarray) -> np.ndarray:
    """Indices numbered in the order in which they occur in their row."""
    named, used = np.full(rows.shape, 255, np.uint8), np.zeros(len(rows), np.uint8)
    for s in range(rows.shape[1]):
        for t in range(s):
            same = rows[:, t] == rows[:, s]
            named[same, s] = named[same, t]
        new = named[:, s] == 255
        named[new, s] = used[new]
        used[new] += 1
    return named


def canonical(rows: np.ndarray, rank: int) -> np.ndarray:
    """One number for each row, the same for all renamings of indices and orders of operands."""
    order = rows.shape[1] // rank - 1
    weights = 16 ** np.arange(rows.shape[1], dtype=np.uint64)[::-1]
    best = np.full(len(rows), np.iinfo(np.uint64).max, np.uint64)
    for p in permutations(range(1, order + 1)):
        columns = [rank * k + i for k in (0, *p) for i in range(rank)]
        best = np.minimum(best, number_indices(rows[:, columns]).astype(np.uint64) @ weights)
    return best


def rows_of(codes: np.ndarray, length: int) -> np.ndarray:
    shifts = np.arange(length, dtype=np.uint64)[::-1] * np.uint64(4)
    return ((codes[:, None] >> shifts) & np.uint64(15)).astype(np.uint8)


def substitute(
    outer: np.ndarray, inner: Sequence[np.ndarray], rank: int, orders: Sequence[Sequence[int]] = ()
) -> np.ndarray:
    """The outer term whose operands are replaced by the k-th rows of the arrays of inner terms, for each k.

    With `orders`, of a sparse type, only the terms that have the index tuple of each inner output as one of their own,
    its axes in one of these orders.
    """
    number = len(inner[0])
    columns, start = [np.repeat(outer[None], number, 0)], int(outer.max()) + 1
    for rows in inner:
        columns.append(rows + np.uint8(start))
        start += rows.shape[1]
    ends = np.cumsum([c.shape[1] for c in columns])
    everything = np.concatenate(columns, 1)
    for k in range(len(inner)):
        for i in range(rank):
            inputs = everything[:, [ends[k] + i]]
            everything = np.where(everything == inputs, everything[:, [rank * (k + 1) + i]], everything)
    operands = [c for k, end in enumerate(ends[:-1]) for c in range(end + rank, ends[k + 1])]
    results = everything[:, [*range(rank), *operands]]
    for k in range(len(inner)) if orders else ():
        between = everything[:, rank * (k + 1) : rank * (k + 2)]
        tuples = [results[:, [s + i for i in p]] for s in range(0, results.shape[1], rank) for p in orders]
        is_stored = np.any([(between == t).all(1) for t in tuples], axis=0)
        everything, results = everything[is_stored], results[is_stored]
    return results


def compositions(
    ops: Sequence[Term], symmetry: Symmetry, highest: int, orders: Sequence[Sequence[int]] = ()
) -> dict[int, np.ndarray]:
    """The canonical numbers of all terms of each order that the operations and those of order 1 compose."""
    rank = len(symmetry.axes)
    first = np.stack([row_of(t) for t in linear_terms(symmetry, symmetry)])
    results = {1: np.unique(canonical(first, rank))}
    for order in range(2, highest + 1):
        reached = np.zeros(0, np.uint64)
        for op in ops:
            for part in _parts(order, op.order):
                inner = [rows_of(results[k], rank * (k + 1)) for k in part]
                for selection in _all_choices([len(x) for x in inner]):
                    parts = [x[c] for x, c in zip(inner, selection, strict=True)]
                    rows = np.unique(number_indices(substitute(row_of(op), parts, rank, orders)), axis=0)
                    reached = np.union1d(reached, canonical(rows, rank))
        results[order] = _close(reached, first, rank, order, orders)
    return results


def _close(codes: np.ndarray, first: np.ndarray, rank: int, order: int, orders: Sequence[Sequence[int]]) -> np.ndarray:
    """With all that order-1 operations on the output make of them."""
    rows = rows_of(codes, rank * (order + 1))
    for op in first:
        results = np.unique(number_indices(substitute(op, [rows], rank, orders)), axis=0)
        codes = np.union1d(codes, canonical(results, rank))
    return codes


def _parts(total: int, number: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as a sum of `number` positive whole numbers, in order."""
    yield from (p for p in product(range(1, total + 1), repeat=number) if sum(p) == total and max(p) < total)


def _all_choices(sizes: Sequence[int]) -> Iterator[tuple[np.ndarray, ...]]:
    """Every combination of one number below each size, in chunks."""
    total = int(np.prod(sizes))
    for start in range(0, total, CHUNK):
        yield np.unravel_index(np.arange(start, min(start + CHUNK, total)), sizes)
