"""`linear_maps` for the classical groups, as real matrices: every rank of V^k -> V^l for k + l up to 6.

The ranks by other means: the mean of the characters of a finite group's elements, and Schur-Weyl duality for the others.
V^m holds the Schur functor of a partition of m as often as there are standard tableaux of it, and this has one
invariant or none: of O(n) with even rows, of SO(n) also with n odd rows, of Sp(n) with even columns (at most n
rows each). V^a and V*^b share an SU(n)-invariant where the partitions differ by columns of n boxes.
"""

from collections.abc import Iterator
from itertools import permutations as list_permutations
from math import comb, factorial, prod

import numpy as np
import pytest
from sympy.utilities.iterables import partitions as list_partitions

from einnet import linear_maps
from einnet.taylor import Representation, lorentz, orthogonal, permutations, rotations

ORDER = 6


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


MIRROR = np.diag([1.0, -1.0])


def symplectic(n: int) -> Representation:
    """Sp(n) on n coordinates (n even): A with A^T J + J A = 0, which are J times a symmetric matrix."""
    j = np.kron([[0, 1], [-1, 0]], np.eye(n // 2, dtype=int))
    unit = np.eye(n, dtype=int)
    symmetric = [np.outer(unit[a], unit[b]) + np.outer(unit[b], unit[a]) for a in range(n) for b in range(a, n)]
    return Representation(lie_algebra=[j @ s for s in symmetric])


def unitary(n: int) -> Representation:
    """SU(n) on 2n real coordinates: traceless antihermitian matrices, i written as a quarter turn."""
    quarter, unit = np.array([[0, -1], [1, 0]]), np.eye(n, dtype=int)
    algebra = []
    for a in range(n):
        for b in range(a):
            corner = np.outer(unit[a], unit[b])
            algebra += [np.kron(corner - corner.T, np.eye(2, dtype=int)), np.kron(corner + corner.T, quarter)]
            algebra.append(np.kron(np.diag(unit[a] - unit[b]), quarter))
    return Representation(lie_algebra=algebra)


def count_tableaux(rows: tuple[int, ...]) -> int:
    """Standard Young tableaux, by hook lengths."""
    columns = [sum(row > k for row in rows) for k in range(max(rows, default=0))]
    hooks = [row - b + columns[b] - a - 1 for a, row in enumerate(rows) for b in range(row)]
    return factorial(sum(rows)) // prod(hooks)


def list_shapes(m: int, n: int) -> Iterator[tuple[int, ...]]:
    """The partitions of m into n rows or fewer, largest first, zeros at the end."""
    for parts in list_partitions(m, m=n):
        rows = sorted((part for part, times in parts.items() for _ in range(times)), reverse=True)
        yield (*rows, *[0] * (n - len(rows)))


def count_orthogonal(n: int, m: int, special: bool) -> int:
    def has_invariant(rows: tuple[int, ...]) -> bool:
        return all(r % 2 == 0 for r in rows) or (special and all(r % 2 for r in rows))

    return sum(count_tableaux(rows) for rows in list_shapes(m, n) if has_invariant(rows))


def count_symplectic(n: int, m: int) -> int:
    return sum(count_tableaux(rows) for rows in list_shapes(m, n) if rows[::2] == rows[1::2])


def count_unitary(n: int, m: int) -> int:
    """C^n seen as real is V + V* over the complex numbers."""
    total = 0
    for a in range(m + 1):
        for left in list_shapes(a, n):
            for right in list_shapes(m - a, n):
                if len({x - y for x, y in zip(left, right, strict=True)}) == 1:
                    total += comb(m, a) * count_tableaux(left) * count_tableaux(right)
    return total


def mean_power(characters: list[float], m: int) -> int:
    return round(sum(c**m for c in characters) / len(characters), 9)


def cyclic_characters(n: int) -> list[float]:
    return [2 * np.cos(2 * np.pi * k / n) for k in range(n)]


def symmetric_characters(n: int) -> list[int]:
    return [sum(g[i] == i for i in range(n)) for g in list_permutations(range(n))]


GROUPS = {  # the group, and the number of invariants in V^m
    **{
        f"C({n})": (Representation([turn(2 * np.pi / n)]), lambda m, n=n: mean_power(cyclic_characters(n), m))
        for n in range(1, 9)
    },
    **{
        f"D({n})": (
            Representation([turn(2 * np.pi / n), MIRROR]),
            lambda m, n=n: mean_power(cyclic_characters(n) + [0] * n, m),
        )
        for n in range(1, 9)
    },
    **{f"S({n})": (permutations(n), lambda m, n=n: mean_power(symmetric_characters(n), m)) for n in range(1, 6)},
    **{
        f"Z({n})": (Representation([[*range(1, n), 0]]), lambda m, n=n: mean_power([n] + [0] * (n - 1), m))
        for n in range(1, 6)
    },
    **{f"SO({n})": (rotations(n), lambda m, n=n: count_orthogonal(n, m, True)) for n in range(2, 6)},
    **{f"O({n})": (orthogonal(n), lambda m, n=n: count_orthogonal(n, m, False)) for n in range(1, 6)},
    "SO+(1,1)": (lorentz(1), lambda m: count_orthogonal(2, m, True)),
    "SO+(1,2)": (lorentz(2), lambda m: count_orthogonal(3, m, True)),
    "SO+(1,3)": (lorentz(), lambda m: count_orthogonal(4, m, True)),
    "O(1,3)": (
        Representation([np.diag([-1, 1, 1, 1]), np.diag([1, -1, 1, 1])], lorentz().lie_algebra),
        lambda m: count_orthogonal(4, m, False),
    ),
    **{f"Sp({n})": (symplectic(n), lambda m, n=n: count_symplectic(n, m)) for n in (2, 4, 6)},
    **{f"SU({n})": (unitary(n), lambda m, n=n: count_unitary(n, m)) for n in (2, 3)},
}
CASES = [(name, m) for name in GROUPS for m in range(ORDER + 1)]
LARGE = [(name, m) for name, m in CASES if GROUPS[name][0].dimension ** m > 128]
SMALL = [case for case in CASES if case not in LARGE]


def assert_ranks(name: str, m: int) -> None:
    v, count = GROUPS[name]
    assert [linear_maps(source=v**k, target=v ** (m - k)).rank for k in range(m + 1)] == [count(m)] * (m + 1)


@pytest.mark.grid(stratum=lambda name, m: (name.partition("(")[0], m))
@pytest.mark.parametrize(("name", "m"), SMALL)
def test_every_rank(name, m):
    assert_ranks(name, m)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "m"), LARGE)
def test_every_rank_in_many_unknowns(name, m):
    assert_ranks(name, m)


@pytest.mark.parametrize("n", [3, 4])
def test_permutations_given_as_matrices_with_rounding(n):
    """Not found by orbits, so by decomposition: the same ranks."""
    rng = np.random.default_rng(n)
    v = Representation([g.toarray() + 1e-16 * rng.standard_normal((n, n)) for g in permutations(n).generators])
    for m in range(5):
        assert linear_maps(source=v ** (m // 2), target=v ** (m - m // 2)).rank == GROUPS[f"S({n})"][1](m)
