"""`Representation`: how each generator of a matrix group acts on a vector space.

Representations of one group are combined: `v * w` tensor product, `v ** 3` tensor power, `v + w`
direct sum, `v.dual`. `v @ w` is a representation of the product of two groups, on the tensor
product: `permutations(4) @ rotations(3)` are four points in space.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from einnet.errors import EinNetError, ShapeError
from einnet.taylor._arrays import check_order

__all__ = ["Representation", "lorentz", "orthogonal", "permutations", "rotations"]

MAX_DIMENSION = 2**17
Matrix = Any  # anything that scipy makes a sparse matrix of


@dataclass(frozen=True, eq=False)
class Representation:
    """The matrices of a group's generators, and of a basis of its Lie algebra (or generators of it).

    >>> v = rotations(3)
    >>> v, v**2 + v
    (Representation(3 dimensions, 0 generators, 3 of the Lie algebra),
     Representation(12 dimensions, 0 generators, 3 of the Lie algebra))

    >>> (v * v).dimension, v.dual.dimension, (permutations(4) @ v).dimension
    (9, 3, 12)

    A generator is a square matrix, or a permutation in one-line notation.
    """

    generators: Sequence[Matrix] = ()
    lie_algebra: Sequence[Matrix] = ()

    def __post_init__(self) -> None:
        for name in ("generators", "lie_algebra"):
            given = getattr(self, name)
            if isinstance(given, Representation):
                raise EinNetError(f"{name} is a list of matrices; representations are given as source= and target=")
            if not isinstance(given, (list, tuple, np.ndarray)):
                raise EinNetError(f"{name} must be a list of square matrices, got {type(given).__name__}")
            if isinstance(given, np.ndarray) and given.ndim == 2 and given.shape[0] == given.shape[1]:
                raise EinNetError(f"{name} must be a list of matrices, got one of shape {given.shape}: write [matrix]")
            matrices = tuple(_matrix(m, f"{name}[{k}]", name == "generators") for k, m in enumerate(given))
            object.__setattr__(self, name, matrices)
        sizes = [m.shape[0] for m in self.matrices]
        if not sizes:
            raise EinNetError(
                "a group needs generators, elements of its Lie algebra, or both: for example "
                "lie_algebra=[[[0, -1], [1, 0]]] for the rotations of the plane"
            )
        if len(set(sizes)) > 1:
            raise ShapeError(f"all matrices must act on the same space, got sizes {sizes}")

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Those of the generators, then those of the Lie algebra."""
        return (*self.generators, *self.lie_algebra)

    @property
    def dimension(self) -> int:
        """That of the space."""
        return self.matrices[0].shape[0]

    @property
    def dual(self) -> "Representation":
        """Linear functions on the space."""
        inverses = [_inverse(g.toarray()).T for g in self.generators]
        return Representation(inverses, [-a.T for a in self.lie_algebra])

    def __mul__(self, other: "Representation") -> "Representation":
        """The tensor product."""
        self._check_product(other, "v ** 2 is a tensor power, v + v a direct sum")
        one, two = scipy.sparse.eye_array(self.dimension), scipy.sparse.eye_array(other.dimension)
        return self._with(other, scipy.sparse.kron, lambda a, b: scipy.sparse.kron(a, two) + scipy.sparse.kron(one, b))

    def __add__(self, other: "Representation") -> "Representation":
        """The direct sum."""
        if not isinstance(other, Representation):
            raise EinNetError(f"expected a Representation, got {other!r}: v + v is a direct sum")
        return self._with(
            other, lambda g, h: scipy.sparse.block_diag([g, h]), lambda a, b: scipy.sparse.block_diag([a, b])
        )

    def __pow__(self, power: int) -> "Representation":
        """The tensor power; power 0 are numbers that the group leaves alone."""
        check_order(power, "a tensor power")
        _check_dimension(self.dimension**power)
        result = Representation([[[1]] for _ in self.generators], [[[0]] for _ in self.lie_algebra])
        for _ in range(power):
            result = result * self
        return result

    def __matmul__(self, other: "Representation") -> "Representation":
        """The product of two groups acting on the tensor product, each on its factor."""
        self._check_product(other, "v @ w takes two representations")
        one, two = scipy.sparse.eye_array(self.dimension), scipy.sparse.eye_array(other.dimension)
        return Representation(
            [
                *(scipy.sparse.kron(g, two) for g in self.generators),
                *(scipy.sparse.kron(one, g) for g in other.generators),
            ],
            [
                *(scipy.sparse.kron(a, two) for a in self.lie_algebra),
                *(scipy.sparse.kron(one, a) for a in other.lie_algebra),
            ],
        )

    def _check_product(self, other: Any, hint: str) -> None:
        if not isinstance(other, Representation):
            raise EinNetError(f"expected a Representation, got {other!r}: {hint}")
        _check_dimension(self.dimension * other.dimension)

    def _with(self, other: "Representation", group: Callable, algebra: Callable) -> "Representation":
        mine, its = (len(self.generators), len(self.lie_algebra)), (len(other.generators), len(other.lie_algebra))
        if mine != its:
            raise EinNetError(
                f"these are not representations of one group: {mine[0]} and {its[0]} generators, {mine[1]} and "
                f"{its[1]} of the Lie algebra; for the product of two groups write v @ w"
            )
        return Representation(
            [group(g, h) for g, h in zip(self.generators, other.generators, strict=True)],
            [algebra(a, b) for a, b in zip(self.lie_algebra, other.lie_algebra, strict=True)],
        )

    def __repr__(self) -> str:
        return (
            f"Representation({self.dimension} dimensions, {len(self.generators)} generators, "
            f"{len(self.lie_algebra)} of the Lie algebra)"
        )


def rotations(d: int) -> Representation:
    """SO(d) acting on vectors, by its Lie algebra.

    >>> [len(rotations(d).lie_algebra) for d in (2, 3, 4)]
    [1, 3, 6]
    """
    return Representation(lie_algebra=_planes(_dimension(d, 2), lambda i, j: -1))


def orthogonal(d: int) -> Representation:
    """O(d) acting on vectors: the rotations, and the reflection of the first axis."""
    mirror = np.diag([-1] + [1] * (_dimension(d, 1) - 1))
    return Representation([mirror], _planes(d, lambda i, j: -1))


def lorentz(d: int = 3) -> Representation:
    """SO+(1, d), the proper orthochronous Lorentz group, acting on (time, space) vectors."""
    return Representation(lie_algebra=_planes(_dimension(d, 1) + 1, lambda i, j: 1 if i == 0 else -1))


def permutations(n: int) -> Representation:
    """S(n) permuting n coordinates, by a swap of two and a cyclic shift."""
    points = list(range(_dimension(n, 1, MAX_DIMENSION)))
    return Representation([[*points[:2][::-1], *points[2:]], [*points[1:], 0]])


def _planes(d: int, sign: Callable[[int, int], int]) -> list[np.ndarray]:
    """For each pair i < j the generator with 1 at (j, i) and the sign at (i, j)."""
    found = []
    for i in range(d):
        for j in range(i + 1, d):
            a = np.zeros((d, d), int)
            a[j, i], a[i, j] = 1, sign(i, j)
            found.append(a)
    return found


def _dimension(d: int, least: int, most: int = 50) -> int:
    if not isinstance(d, int) or not least <= d <= most:
        raise EinNetError(f"the dimension must be a whole number from {least} to {most}, got {d!r}")
    return d


def _check_dimension(dimension: int) -> None:
    if dimension > MAX_DIMENSION:
        raise EinNetError(
            f"the representation has {dimension:,} dimensions, more than {MAX_DIMENSION:,}: lower its power"
        )


def _inverse(g: np.ndarray) -> np.ndarray:
    """The inverse, in whole numbers where it has such."""
    inverse = np.linalg.inv(g)
    rounded = np.round(inverse)
    return rounded if np.array_equal(g @ rounded, np.eye(len(g))) else inverse


def _matrix(given: Matrix, name: str, permutation_allowed: bool) -> Matrix:
    if not scipy.sparse.issparse(given):
        given = _array(given, name)
        if given.ndim == 1 and permutation_allowed:
            if sorted(given.tolist()) != list(range(given.size)):
                raise EinNetError(f"{name} is no permutation of 0 to {given.size - 1} and no matrix: {given.tolist()}")
            ones = np.ones(given.size, int)
            given = scipy.sparse.csr_array((ones, (given, np.arange(given.size))), (given.size, given.size))
        elif given.ndim != 2:
            raise ShapeError(f"{name} must be a square matrix, got shape {given.shape}")
    user_made = not scipy.sparse.issparse(given) or given.dtype.kind not in "f"
    if given.dtype.itemsize < 8 and given.dtype.kind == "f" and not np.array_equal(given, np.round(given)):
        raise EinNetError(f"{name} must be in double precision, got {given.dtype}: rounding hides what is equal")
    if np.iscomplexobj(given):
        raise EinNetError(f"{name} must have real, finite entries")
    matrix = scipy.sparse.csr_array(given, dtype=float, copy=True)  # whole numbers are exact up to 2^53
    rows, columns = matrix.shape
    if rows != columns:
        raise ShapeError(f"{name} must be a square matrix, got shape {matrix.shape}")
    if not np.isfinite(matrix.data).all():
        raise EinNetError(f"{name} must have real, finite entries")
    if permutation_allowed and user_made and rows <= 500 and np.linalg.slogdet(matrix.toarray())[0] == 0:
        raise EinNetError(f"{name} is singular: an element of a group has an inverse")
    return matrix


def _array(given: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biufc" or not array.size:
        raise ShapeError(f"{name} must be a square matrix of numbers, got {given!r}")
    return array
