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

from einnet.checks import check_count, check_limit
from einnet.errors import EinNetError, ShapeError
from einnet.limits import limits

__all__ = ["Matrix", "Representation", "check_power", "lorentz", "orthogonal", "permutations", "rotations"]

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
            value = getattr(self, name)
            if isinstance(value, Representation):
                raise EinNetError(f"{name} is a list of matrices; pass representations as source= and target=")
            if not isinstance(value, (list, tuple, np.ndarray)):
                raise EinNetError(f"{name} must be a list of square matrices, got {type(value).__name__}")
            if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[0] == value.shape[1]:
                raise EinNetError(f"{name} must be a list of matrices, got one of shape {value.shape}: write [matrix]")
            matrices = tuple(_as_matrix(m, f"{name}[{k}]", name == "generators") for k, m in enumerate(value))
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
        """The matrices of the generators, then of the Lie algebra."""
        return (*self.generators, *self.lie_algebra)

    @property
    def dimension(self) -> int:
        """The dimension of the space."""
        return self.matrices[0].shape[0]

    @property
    def dual(self) -> "Representation":
        """The dual representation, on linear functions of the space."""
        inverses = [_invert(g.toarray()).T for g in self.generators]
        return Representation(inverses, [-a.T for a in self.lie_algebra])

    def __mul__(self, other: "Representation") -> "Representation":
        """The tensor product."""
        self._check_product(other, "v ** 2 is a tensor power, v + v a direct sum")
        one, two = scipy.sparse.eye_array(self.dimension), scipy.sparse.eye_array(other.dimension)
        return self._combine(
            other, scipy.sparse.kron, lambda a, b: scipy.sparse.kron(a, two) + scipy.sparse.kron(one, b)
        )

    def __add__(self, other: "Representation") -> "Representation":
        """The direct sum."""
        if not isinstance(other, Representation):
            raise EinNetError(f"expected a Representation, got {other!r}: v + v is a direct sum")
        return self._combine(other, _block_diagonal, _block_diagonal)

    def __pow__(self, power: int) -> "Representation":
        """The tensor power; power 0 is the trivial representation on numbers."""
        check_power(power)
        _check_total_dimension(self.dimension**power)
        result = Representation([[[1]] for _ in self.generators], [[[0]] for _ in self.lie_algebra])
        for _ in range(power):
            result = result * self
        return result

    def __matmul__(self, other: "Representation") -> "Representation":
        """The product of two groups acting on the tensor product, each on its factor."""
        self._check_product(other, "v @ w takes two representations")
        kron, one, two = scipy.sparse.kron, *self._identities(other)
        return Representation(
            [*(kron(g, two) for g in self.generators), *(kron(one, g) for g in other.generators)],
            [*(kron(a, two) for a in self.lie_algebra), *(kron(one, a) for a in other.lie_algebra)],
        )

    def _identities(self, factor: "Representation") -> tuple[Matrix, Matrix]:
        return scipy.sparse.eye_array(self.dimension), scipy.sparse.eye_array(factor.dimension)

    def _check_product(self, factor: Any, hint: str) -> None:
        if not isinstance(factor, Representation):
            raise EinNetError(f"expected a Representation, got {factor!r}: {hint}")
        _check_total_dimension(self.dimension * factor.dimension)

    def _combine(self, factor: "Representation", group: Callable, algebra: Callable) -> "Representation":
        counts = [(len(v.generators), len(v.lie_algebra)) for v in (self, factor)]
        if counts[0] != counts[1]:
            raise EinNetError(
                f"these are not representations of one group: {counts[0][0]} and {counts[1][0]} generators, "
                f"{counts[0][1]} and {counts[1][1]} of the Lie algebra; for the product of two groups write v @ w"
            )
        return Representation(
            [group(g, h) for g, h in zip(self.generators, factor.generators, strict=True)],
            [algebra(a, b) for a, b in zip(self.lie_algebra, factor.lie_algebra, strict=True)],
        )

    def __repr__(self) -> str:
        return (
            f"Representation({self.dimension} dimensions, {len(self.generators)} generators, "
            f"{len(self.lie_algebra)} of the Lie algebra)"
        )


def _block_diagonal(a: Matrix, b: Matrix) -> Matrix:
    return scipy.sparse.block_diag([a, b])


def rotations(d: int) -> Representation:
    """SO(d) acting on vectors, by its Lie algebra.

    >>> [len(rotations(d).lie_algebra) for d in (2, 3, 4)]
    [1, 3, 6]
    """
    return Representation(lie_algebra=_make_planes(_check_dimension(d, 2), lambda i, j: -1))


def orthogonal(d: int) -> Representation:
    """O(d) acting on vectors: the rotations, and the reflection of the first axis."""
    mirror = np.diag([-1] + [1] * (_check_dimension(d, 1) - 1))
    return Representation([mirror], _make_planes(d, lambda i, j: -1))


def lorentz(d: int = 3) -> Representation:
    """SO+(1, d), the proper orthochronous Lorentz group, acting on (time, space) vectors."""
    return Representation(lie_algebra=_make_planes(_check_dimension(d, 1) + 1, lambda i, j: 1 if i == 0 else -1))


def permutations(n: int) -> Representation:
    """S(n) permuting n coordinates, by a swap of two and a cyclic shift."""
    points = list(range(_check_dimension(n, 1, limits().representation_dimension)))
    return Representation([[*points[:2][::-1], *points[2:]], [*points[1:], 0]])


def _make_planes(d: int, sign: Callable[[int, int], int]) -> list[np.ndarray]:
    """For each pair i < j the generator with 1 at (j, i) and the sign at (i, j)."""
    planes = []
    for i in range(d):
        for j in range(i + 1, d):
            a = np.zeros((d, d), int)
            a[j, i], a[i, j] = 1, sign(i, j)
            planes.append(a)
    return planes


def check_power(power: Any) -> int:
    """A tensor power, as an `int`."""
    return check_count(power, "a tensor power", minimum=0, maximum=limits().series_order)


def _check_dimension(d: Any, minimum: int, maximum: int | None = None) -> int:
    maximum = limits().matrix_group_dimension if maximum is None else maximum
    return check_count(d, "the dimension", minimum=minimum, maximum=maximum)


def _check_total_dimension(dimension: int) -> None:
    check_limit(dimension, "representation_dimension", "the representation has {} dimensions", "lower its power")


def _invert(g: np.ndarray) -> np.ndarray:
    """The inverse, in whole numbers if it has such."""
    inverse = np.linalg.inv(g)
    rounded = np.round(inverse)
    return rounded if np.array_equal(g @ rounded, np.eye(len(g))) else inverse


def _as_matrix(value: Matrix, name: str, allows_permutation: bool) -> Matrix:
    if not scipy.sparse.issparse(value):
        value = _as_array(value, name)
        if value.ndim == 1 and allows_permutation:
            if sorted(value.tolist()) != list(range(value.size)):
                raise EinNetError(f"{name} is no permutation of 0 to {value.size - 1} and no matrix: {value.tolist()}")
            ones = np.ones(value.size, int)
            value = scipy.sparse.csr_array((ones, (value, np.arange(value.size))), (value.size, value.size))
        elif value.ndim != 2:
            raise ShapeError(f"{name} must be a square matrix, got shape {value.shape}")
    is_from_user = not scipy.sparse.issparse(value) or value.dtype.kind not in "f"
    if value.dtype.itemsize < 8 and value.dtype.kind == "f" and not np.array_equal(value, np.round(value)):
        raise EinNetError(f"{name} must be in double precision, got {value.dtype}: rounding hides what is equal")
    if np.iscomplexobj(value):
        raise EinNetError(f"{name} must have real, finite entries")
    matrix = scipy.sparse.csr_array(value, dtype=float, copy=True)  # whole numbers are exact up to 2^53
    rows, columns = matrix.shape
    if rows != columns:
        raise ShapeError(f"{name} must be a square matrix, got shape {matrix.shape}")
    if not np.isfinite(matrix.data).all():
        raise EinNetError(f"{name} must have real, finite entries")
    if allows_permutation and is_from_user and rows <= 500 and np.linalg.slogdet(matrix.toarray())[0] == 0:
        raise EinNetError(f"{name} is singular: an element of a group has an inverse")
    return matrix


def _as_array(value: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biufc" or not array.size:
        raise ShapeError(f"{name} must be a square matrix of numbers, got {value!r}")
    return array
