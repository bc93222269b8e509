"""The change between orbit and contraction basis: Moebius inversion on the lattice of patterns.

Write E(p) for the indicator of "exactly the indices that p says are equal" and T(p) for "at least
these are", which is an einsum. T(p) is the sum of E(q) over all q coarser than p. Conversely, two
blocks of p may be asked to differ by taking away the terms in which they do not:

    E(p) = sum over q coarser than p of mu(p, q) T(q),   mu = product over blocks of (-1)^(m-1) (m-1)!

where a block of q is made of m blocks of p. Along a dependency a->b, blocks of b below different
blocks of a differ anyway, so mu(p, q) = 0 where q merges such.

Source: Rota, On the Foundations of Combinatorial Theory I, section 7; nested as in the derivation above.
"""

from collections import Counter
from functools import lru_cache
from math import factorial

import numpy as np

from einnet.errors import EinNetError
from einnet.partitions import Slots, row_numbers

__all__ = ["mobius", "zeta"]

MAX_PAIRS = 2**24
Sparse = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, columns, values


def zeta(slots: Slots, patterns: np.ndarray) -> Sparse:
    """The integer matrix Z with T(p) = sum over q of Z[q, p] E(q), for the patterns that exist."""
    _check_pairs(slots, patterns)
    rows, columns = [], []
    for number, pattern in enumerate(patterns):
        coarser = row_numbers(_merges(slots.blocks(pattern.tolist()))[0][:, pattern], patterns)
        rows.append(coarser[coarser >= 0])
        columns.append(np.full(len(rows[-1]), number))
    return np.concatenate(rows), np.concatenate(columns), np.ones(sum(map(len, rows)), np.int64)


def mobius(slots: Slots, patterns: np.ndarray) -> Sparse:
    """The inverse of Z: E(p) = sum over q of M[q, p] T(q).

    Below a dependency, merging blocks of `a` can put more blocks of `b` together than small sizes
    have room for. That pattern q does not exist, but T(q) does: it is the sum of the E of the
    patterns coarser than q.
    """
    _check_pairs(slots, patterns)
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for number in np.argsort(patterns.max(1, initial=0), kind="stable").tolist():  # the coarsest first
        pattern = patterns[number]
        merges, mu = _merges(slots.blocks(pattern.tolist()))
        coarser = merges[mu != 0][:, pattern]
        rows, values = row_numbers(coarser, patterns), mu[mu != 0]
        for q, factor in zip(coarser[rows < 0], values[rows < 0], strict=True):
            beyond = row_numbers(_merges(slots.blocks(q.tolist()))[0][:, q], patterns)
            for r in beyond[beyond >= 0].tolist():
                rows, values = np.append(rows, found[r][0]), np.append(values, factor * found[r][1])
        kept, where = np.unique(rows[rows >= 0], return_inverse=True)
        sums = np.zeros(len(kept), np.int64)
        np.add.at(sums, where, values[rows >= 0])
        found[number] = kept, sums
    columns = np.repeat(list(found), [len(rows) for rows, _ in found.values()])
    return np.concatenate([r for r, _ in found.values()]), columns, np.concatenate([v for _, v in found.values()])


def _check_pairs(slots: Slots, patterns: np.ndarray) -> None:
    kinds = Counter(slots.blocks(pattern.tolist()) for pattern in patterns)
    if (pairs := sum(kind.count() * times for kind, times in kinds.items())) > MAX_PAIRS:
        raise EinNetError(
            f"the change of basis has {pairs:,} entries, more than {MAX_PAIRS:,}: change the basis of a lower order"
        )


@lru_cache(maxsize=1024)
def _merges(blocks: Slots) -> tuple[np.ndarray, np.ndarray]:
    """The ways to merge blocks, and mu between the unmerged and each."""
    merges = blocks.patterns()
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
