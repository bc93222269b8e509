"""Graphs and matrices that only some pooling operations tell apart."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np


def rook() -> np.ndarray:
    """The 4x4 rook graph: squares of a board, joined in a row or column."""
    squares = list(product(range(4), repeat=2))
    return np.array([[int((a == c) != (b == d)) for c, d in squares] for a, b in squares])


def shrikhande() -> np.ndarray:
    """The Shrikhande graph: Z4 x Z4, joined where the difference is +-(0,1), +-(1,0) or +-(1,1)."""
    points = list(product(range(4), repeat=2))
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    return np.array([[int(((c - a) % 4, (d - b) % 4) in steps) for c, d in points] for a, b in points])


def is_strongly_regular(graph: np.ndarray, n: int, degree: int, joined: int, apart: int) -> bool:
    common = graph @ graph
    expected = degree * np.eye(n, dtype=int) + joined * graph + apart * (1 - graph - np.eye(n, dtype=int))
    return graph.shape == (n, n) and np.array_equal(common, expected)


def invariants(matrix: np.ndarray) -> tuple[int, int]:
    """The sums of the third powers of the entries of N N^T and of N^T N."""
    return int(((matrix @ matrix.T) ** 3).sum()), int(((matrix.T @ matrix) ** 3).sum())


def semi_regular_matrices() -> Iterator[np.ndarray]:
    """8x8 matrices of zeros and ones, row and column sums 4, with N N^T N = 4 N + 6 J, found by search.

    Row by row, in lexicographic order. What a row still lacks of its line of N N^T N - 4 N = 6 J can
    only shrink as rows are added.
    """
    rows = np.array([[int(k in chosen) for k in range(8)] for chosen in combinations(range(8), 4)])
    meet = rows @ rows.T

    def extend(chosen: list[int], first: int) -> Iterator[np.ndarray]:
        matrix = rows[chosen]
        if len(chosen) == 8:
            if np.array_equal(matrix @ matrix.T @ matrix, 4 * matrix + 6):
                yield matrix
            return
        for k in range(first, len(rows)):
            longer = [*chosen, k]
            part = rows[longer]
            if part.sum(0).max() <= 4 and np.all(meet[np.ix_(longer, longer)] @ part <= 4 * part + 6):
                yield from extend(longer, k)

    yield from extend([0], 0)
