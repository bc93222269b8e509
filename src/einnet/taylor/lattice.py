"""The change between orbit and contraction basis, on the lattice of partitions.

Write E(p) for the indicator of "exactly the indices in one block of p are equal" and T(p) for "at least
these", which is an einsum. T(p) is the sum of E(q) over all q coarser than p. These zeros and ones are a
matrix Z, triangular with ones on the diagonal, so its inverse, the Moebius function, is of whole numbers.

Source: Rota, On the Foundations of Combinatorial Theory I, section 7.
"""

from collections import Counter
from typing import Any

import numpy as np
import scipy

from einnet.checks import check_limit
from einnet.partitions import Slots, row_numbers

__all__ = ["mobius", "zeta"]


def zeta(slots: Slots, partitions: np.ndarray) -> Any:
    """The sparse integer matrix Z with T(p) = sum over q of Z[q, p] E(q), for the partitions that exist."""
    blocks = [slots.blocks(partition.tolist()) for partition in partitions]
    entries = sum(kind.count() * times for kind, times in Counter(blocks).items())
    check_limit(entries, "basis_change_entries", "the change of basis has {} entries", "lower the order")
    rows, columns = [], []
    for number, partition in enumerate(partitions):
        coarser = row_numbers(blocks[number].partitions()[:, partition], partitions)
        rows.append(coarser[coarser >= 0])
        columns.append(np.full(len(rows[-1]), number))
    where = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_array((np.ones(len(where[0]), np.int64), where), shape=[len(partitions)] * 2)


def mobius(slots: Slots, partitions: np.ndarray) -> Any:
    """The inverse of Z, exact: E(p) = sum over q of M[q, p] T(q), by Newton's iteration."""
    z = zeta(slots, partitions)
    one = scipy.sparse.eye_array(len(partitions), dtype=np.int64, format="csr")
    inverse = one
    for _ in range(len(slots).bit_length()):  # chains are no longer than the slots, and the rest is squared each time
        inverse = inverse + (one - inverse @ z) @ inverse
    return inverse
