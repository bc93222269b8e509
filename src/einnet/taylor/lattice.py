"""The change between orbit and contraction basis: Moebius inversion on the lattice of partitions.

Write E(p) for the indicator of "exactly the indices in one block of p are equal" and T(p) for "at
least these", which is an einsum. T(p) is the sum of E(q) over all q coarser than p. Conversely,
subtracting the terms in which blocks of p coincide gives

    E(p) = sum over q coarser than p of mu(p, q) T(q),   mu = product over blocks of (-1)^(m-1) (m-1)!

where a block of q is made of m blocks of p. Along a dependency a->b, blocks of b below different
blocks of a differ anyway, so mu(p, q) = 0 where q merges such.

Source: Rota, On the Foundations of Combinatorial Theory I, section 7; nested as in the derivation above.
"""

from collections import Counter
from functools import lru_cache
from math import factorial

import numpy as np

from einnet.checks import check_limit
from einnet.partitions import Slots, row_numbers

__all__ = ["mobius", "zeta"]

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, columns, values


def zeta(slots: Slots, partitions: np.ndarray) -> Sparse:
    """The integer matrix Z with T(p) = sum over q of Z[q, p] E(q), for the partitions that exist."""
    _check_matrix(slots, partitions)
    rows, columns = [], []
    for number, partition in enumerate(partitions):
        coarser = row_numbers(_list_merges(slots.blocks(partition.tolist()))[0][:, partition], partitions)
        rows.append(coarser[coarser >= 0])
        columns.append(np.full(len(rows[-1]), number))
    return np.concatenate(rows), np.concatenate(columns), np.ones(sum(map(len, rows)), np.int64)


def mobius(slots: Slots, partitions: np.ndarray) -> Sparse:
    """The inverse of Z: E(p) = sum over q of M[q, p] T(q).

    Below a dependency, merging blocks of `a` can put more blocks of `b` together than small sizes
    have room for. That partition q does not exist, but T(q) does: it is the sum of the E of the
    partitions coarser than q.
    """
    _check_matrix(slots, partitions)
    inverse: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for number in np.argsort(partitions.max(1, initial=0), kind="stable").tolist():  # the coarsest first
        partition = partitions[number]
        merges, mu = _list_merges(slots.blocks(partition.tolist()))
        coarser = merges[mu != 0][:, partition]
        rows, values = row_numbers(coarser, partitions), mu[mu != 0]
        for q, factor in zip(coarser[rows < 0], values[rows < 0], strict=True):
            beyond = row_numbers(_list_merges(slots.blocks(q.tolist()))[0][:, q], partitions)
            for r in beyond[beyond >= 0].tolist():
                rows, values = np.append(rows, inverse[r][0]), np.append(values, factor * inverse[r][1])
        targets, where = np.unique(rows[rows >= 0], return_inverse=True)
        sums = np.zeros(len(targets), np.int64)
        np.add.at(sums, where, values[rows >= 0])
        inverse[number] = targets, sums
    rows, values = zip(*inverse.values(), strict=True)
    return np.concatenate(rows), np.repeat(list(inverse), list(map(len, rows))), np.concatenate(values)


def _check_matrix(slots: Slots, partitions: np.ndarray) -> None:
    kinds = Counter(slots.blocks(partition.tolist()) for partition in partitions)
    entries = sum(kind.count() * times for kind, times in kinds.items())
    check_limit(entries, "basis_change_entries", "the change of basis has {} entries", "lower the order")


@lru_cache(maxsize=1024)
def _list_merges(blocks: Slots) -> tuple[np.ndarray, np.ndarray]:
    """The ways to merge blocks, and mu between the unmerged and each."""
    merges = blocks.partitions()
    mu = np.ones(len(merges), np.int64)
    for b in range(len(blocks)):
        members = merges == b
        size = members.sum(1)
        signs = np.array([1] + [(-1) ** (m - 1) * factorial(m - 1) for m in range(1, len(blocks) + 1)])
        mu *= signs[size]
        if blocks.parents:
            parent = np.array([-1 if p is None else p for p in blocks.parents])
            highest = np.where(members, parent, -1).max(1)
            lowest = np.where(members, parent, len(blocks)).min(1)
            mu[(size > 1) & (highest != lowest)] = 0
    return merges, mu
