"""The group of a type from its generators, cell by cell, and orbits by union-find.

Nothing is shared with `einnet.symmetry` but the parsed letters.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np

from einnet import Symmetry

Move = Callable[[tuple, tuple], tuple]


def generators(classes: Mapping[str, tuple[str, ...]], sizes: Mapping[str, int]) -> Iterator[Move]:
    """Swaps of neighbours of each class, for a dependent class within each list alone.

    `classes` gives each class's ancestors. A move takes a cell and its axes to a cell.
    """
    for letter, above in classes.items():
        for where in product(*(range(sizes[p]) for p in above)):
            for i in range(sizes[letter] - 1):

                def move(cell, axes, letter=letter, above=above, where=where, i=i):
                    # an axis is moved if it is of this class and its list is this one
                    is_moved = letter in axes and tuple(cell[axes.index(p)] for p in above) == where
                    swap = {i: i + 1, i + 1: i}
                    return tuple(
                        swap.get(v, v) if x == letter and is_moved else v for x, v in zip(axes, cell, strict=True)
                    )

                yield move


def commutant(source: Symmetry, target: Symmetry, sizes: Mapping[str, int]) -> np.ndarray:
    """For each pair (output cell, operand cell) the number of its orbit."""
    classes = {c: t.ancestors(c) for t in (source, target) for c in t.classes}
    outs = list(product(*(range(sizes[c]) for c in target.axes)))
    ins = list(product(*(range(sizes[c]) for c in source.axes)))
    at_out = {cell: k for k, cell in enumerate(outs)}
    at_in = {cell: k for k, cell in enumerate(ins)}
    root = list(range(len(outs) * len(ins)))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for move in generators(classes, sizes):
        to_out = [at_out[move(c, target.axes)] for c in outs]
        to_in = [at_in[move(c, source.axes)] for c in ins]
        for o in range(len(outs)):
            for i in range(len(ins)):
                root[find(o * len(ins) + i)] = find(to_out[o] * len(ins) + to_in[i])
    results = [find(k) for k in range(len(root))]
    return np.unique(results, return_inverse=True)[1].reshape(len(outs), len(ins))
