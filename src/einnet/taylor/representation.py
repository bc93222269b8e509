"""`Representation`: how each generator of a matrix group acts on a vector space.

Representations of one group are combined: `v * w` tensor product, `v ** 3` tensor power, `v + w`
direct sum, `v.dual`. `v @ w` is a representation of the product of two groups, on the tensor
product: `permutations(4) @ rotations(3)` are four points in space.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import mul
from typing import Any

import numpy as np
import scipy

from einnet.checks import check_count, check_limit
from einnet.errors import EinNetError, ShapeError
from einnet.limits import limits
from einnet.taylor.expansion import check_order
from einnet.taylor.orbits import check_permutation

__all__ = ["Matrix", "Representation", "lorentz", "orthogonal", "permutations", "rotations"]

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
        self.check_same_group(other)
        _check_total_dimension(self.dimension * other.dimension)
        return self._combine(other, scipy.sparse.kron, lambda a, b: scipy.sparse.kronsum(b, a))

    def __add__(self, other: "Representation") -> "Representation":
        """The direct sum."""
        self.check_same_group(other)
        return self._combine(other, lambda a, b: scipy.sparse.block_diag([a, b]))

    def __pow__(self, power: int) -> "Representation":
        """The tensor power; power 0 is the trivial representation on numbers."""
        _check_total_dimension(self.dimension ** check_order(power, "a tensor power"))
        trivial = Representation([[[1]] for _ in self.generators], [[[0]] for _ in self.lie_algebra])
        return reduce(mul, [self] * power, trivial)

    def __matmul__(self, other: "Representation") -> "Representation":
        """The product of two groups acting on the tensor product, each on its factor."""
        _check_representation(other)
        _check_total_dimension(self.dimension * other.dimension)
        kron, one, two = scipy.sparse.kron, *map(scipy.sparse.eye_array, (self.dimension, other.dimension))
        return Representation(
            [*(kron(g, two) for g in self.generators), *(kron(one, g) for g in other.generators)],
            [*(kron(a, two) for a in self.lie_algebra), *(kron(one, a) for a in other.lie_algebra)],
        )

    def check_same_group(self, representation: "Representation") -> None:
        """Raises unless there are as many generators as here; whether they are of one group cannot be checked."""
        _check_representation(representation)
        left, right = ((len(v.generators), len(v.lie_algebra)) for v in (self, representation))
        if left != right:
            raise EinNetError(
                f"these are not representations of one group: {left[0]} and {right[0]} generators, "
                f"{left[1]} and {right[1]} of the Lie algebra; for the product of two groups write v @ w"
            )

    def _combine(self, factor: "Representation", group: Callable, algebra: Callable | None = None) -> "Representation":
        generators = list(map(group, self.generators, factor.generators))
        return Representation(generators, list(map(algebra or group, self.lie_algebra, factor.lie_algebra)))

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
    return Representation(lie_algebra=_make_planes([1] * _check_dimension(d, 2)))


def orthogonal(d: int) -> Representation:
    """O(d) acting on vectors: the rotations, and the reflection of the first axis."""
    ones = [1] * (_check_dimension(d, 1) - 1)
    return Representation([np.diag([-1, *ones])], _make_planes([1, *ones]))


def lorentz(d: int = 3) -> Representation:
    """SO+(1, d), the proper orthochronous Lorentz group, acting on (time, space) vectors."""
    return Representation(lie_algebra=_make_planes([-1] + [1] * _check_dimension(d, 1)))


def permutations(n: int) -> Representation:
    """S(n) permuting n coordinates, by a swap of two and a cyclic shift."""
    points = list(range(check_count(n, "the dimension", maximum=limits().representation_dimension)))
    return Representation([[*points[:2][::-1], *points[2:]], [*points[1:], 0]])


def _make_planes(metric: Sequence[int]) -> list[np.ndarray]:
    """For each pair of axes the infinitesimal rotation, or boost where the signs of the metric differ."""
    planes = []
    for i, j in combinations(range(len(metric)), 2):
        a = np.zeros((len(metric), len(metric)), int)
        a[j, i], a[i, j] = 1, -metric[i] * metric[j]
        planes.append(a)
    return planes


def _check_dimension(d: Any, minimum: int) -> int:
    return check_count(d, "the dimension", minimum=minimum, maximum=limits().matrix_group_dimension)


def _check_representation(value: Any) -> None:
    if not isinstance(value, Representation):
        raise EinNetError(
            f"expected a Representation, got {value!r}: v ** 2 is a tensor power, v + v a direct sum, "
            "v @ w of the product of two groups"
        )


def _check_total_dimension(dimension: int) -> None:
    check_limit(dimension, "representation_dimension", "the representation has {} dimensions", "lower its power")


def _invert(g: np.ndarray) -> np.ndarray:
    """The inverse, in whole numbers if it has such."""
    inverse = np.linalg.inv(g)
    rounded = np.round(inverse)
    return rounded if np.array_equal(g @ rounded, np.eye(len(g))) else inverse


def _as_matrix(value: Matrix, name: str, is_generator: bool) -> Matrix:
    if not scipy.sparse.issparse(value):
        value = _as_array(value, name)
        if value.ndim == 1 and is_generator:
            check_permutation(value, name, value.size)
            value = scipy.sparse.eye_array(value.size, format="csr")[np.argsort(value)]
    if value.ndim != 2 or value.shape[0] != value.shape[1]:
        raise ShapeError(f"{name} must be a square matrix, got shape {value.shape}")
    if value.dtype.itemsize < 8 and value.dtype.kind == "f" and not np.array_equal(value, np.round(value)):
        raise EinNetError(f"{name} must be in double precision, got {value.dtype}: rounding hides what is equal")
    is_complex = np.iscomplexobj(value)
    matrix = scipy.sparse.csr_array(value, dtype=complex if is_complex else float, copy=True)  # exact up to 2^53
    if is_complex or not np.isfinite(matrix.data).all():
        raise EinNetError(f"{name} must have real, finite entries")
    if is_generator and matrix.shape[0] <= 500 and np.linalg.slogdet(matrix.toarray())[0] == 0:
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
