"""`linear_maps`: the equivariant linear maps between representations of any matrix group.

They are the null space of a stack of sparse constraints: exactly, by a dense decomposition, or iteratively.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import opt_einsum
import scipy

from einnet.checks import check_choice, check_limit
from einnet.errors import EinNetError
from einnet.taylor.arrays import as_arrays, check_entries, check_vectors
from einnet.taylor.expansion import check_order
from einnet.taylor.orbits import number_orbits
from einnet.taylor.representation import Matrix, Representation

__all__ = ["LinearMaps", "linear_maps"]

EXACT, DENSE = 300, 1000  # unknowns up to which these methods are chosen
METHODS = ("auto", "exact", "dense", "iterative")
CHUNK = 64  # random vectors that are projected together
ZERO = 1e-9  # singular values below this part of the largest one count as zero


def linear_maps(
    generators: Sequence[Matrix] = (),
    lie_algebra: Sequence[Matrix] = (),
    source: int | Representation = 1,
    target: int | Representation = 1,
    method: str = "auto",
) -> "LinearMaps":
    """All linear maps W that commute with a group: target(g) W = W source(g) for every g.

    >>> quarter = [[0, -1], [1, 0]]
    >>> linear_maps(lie_algebra=[quarter]).basis           # of the plane: multiply by a complex number
    array([[[ 1.,  0.],
            [ 0.,  1.]],
    <BLANKLINE>
           [[ 0., -1.],
            [ 1.,  0.]]])
    >>> from einnet.taylor import orthogonal, permutations, rotations
    >>> v = rotations(3)
    >>> linear_maps(source=v**2, target=v**2).rank         # trace, transpose, identity
    3
    >>> linear_maps(source=v**2, target=v).rank, linear_maps(source=orthogonal(3)**2, target=orthogonal(3)).rank
    (1, 0)
    >>> points = permutations(4) @ rotations(3)            # four points in space, in any order
    >>> linear_maps(source=points, target=points).rank     # identity, and the sum of all points
    2

    Args:
        generators: matrices of group elements, or permutations in one-line notation.
        lie_algebra: matrices A, for the one-parameter groups exp(tA).
        source: the tensor power of the space on which these act (0: invariant numbers), or a
            `Representation`; then the first two arguments are left out.
        target: as `source`, of the same group. Generators belong together by their order; whether both
            are of one group cannot be checked.
        method: "exact" (elimination in rational numbers), "dense" (a decomposition) or "iterative" (projections);
            "auto" takes orbits for permutations, else the first that the size and the entries allow.

    Raises `EinNetError` or `ShapeError` for a matrix that is no group element, and for shapes that do not fit.
    Source: Finzi et al., A Practical Method for Constructing Equivariant Multilayer Perceptrons for
    Arbitrary Matrix Groups (2021), section 4: the constraints of generators and Lie algebra suffice.
    """
    source, target = _as_representations(generators, lie_algebra, source, target)
    source.check_same_group(target)
    shape = (target.dimension, source.dimension)
    _check_unknowns(shape)
    moves = [
        (_as_permutation(t), _as_permutation(s)) for t, s in zip(target.generators, source.generators, strict=True)
    ]
    if method == "auto" and not source.lie_algebra and all(t is not None and s is not None for t, s in moves):
        return LinearMaps(_make_orbit_basis(moves, shape))
    pairs = zip(target.matrices, source.matrices, strict=True)
    constraints = [scipy.sparse.csr_array(scipy.sparse.kronsum(-s.T, t)) for t, s in pairs]
    return LinearMaps(_find_null_space(constraints, method).reshape(-1, *shape))


def _as_representations(
    generators: Sequence[Matrix],
    lie_algebra: Sequence[Matrix],
    source: int | Representation,
    target: int | Representation,
) -> tuple[Representation, Representation]:
    if isinstance(source, Representation) and isinstance(target, Representation):
        if not len(generators) and not len(lie_algebra):
            return source, target
    elif not isinstance(source, Representation) and not isinstance(target, Representation):
        vectors = Representation(generators, lie_algebra)
        powers = (check_order(power, "a tensor power") for power in (target, source))
        _check_unknowns(tuple(vectors.dimension**power for power in powers))
        return vectors**source, vectors**target
    raise EinNetError(
        "source and target are either tensor powers of the group's own space (whole numbers), or two "
        "representations, without generators (v**0 for invariant numbers)"
    )


@dataclass(frozen=True, eq=False)
class LinearMaps:
    """A basis of equivariant linear maps, an array (rank, target dimension, source dimension)."""

    basis: np.ndarray

    @property
    def rank(self) -> int:
        """The number of independent maps."""
        return len(self.basis)

    def evaluate(self, x: Any, params: Any) -> Any:
        """The map with these coefficients applied to x, (batch..., source dimension); numpy or torch.

        >>> turn = linear_maps(lie_algebra=[[[0, -1], [1, 0]]])
        >>> turn.evaluate(np.array([3.0, 1.0]), [0, 1])
        array([-1.,  3.])

        A tensor is flattened: for `v**2` of three dimensions, x has 9 entries.
        """
        x, params, basis = as_arrays(x, params, self.basis)
        check_vectors(x, self.basis.shape[2], params, self.rank)
        return opt_einsum.contract("r,rts,...s->...t", params, basis, x)

    def __repr__(self) -> str:
        return f"LinearMaps(rank {self.rank}, {self.basis.shape[2]} to {self.basis.shape[1]} dimensions)"


def _check_unknowns(shape: tuple[int, ...]) -> None:
    check_entries(shape, "a linear map", "use representations of smaller dimension", "linear_map_entries")


def _as_permutation(matrix: Any) -> np.ndarray | None:
    """Where a permutation matrix takes each coordinate; None for any other matrix."""
    columns = matrix.tocsc()
    columns.eliminate_zeros()
    one_each = (np.diff(columns.indptr) == 1).all() and (columns.data == 1).all()
    if not one_each or len(np.unique(columns.indices)) < len(columns.indices):
        return None
    return columns.indices


def _make_orbit_basis(moves: Sequence[tuple], shape: tuple[int, int]) -> np.ndarray:
    """The indicators of the orbits of pairs (target coordinate, source coordinate)."""
    images = [np.add.outer(t * shape[1], s) for t, s in moves]
    orbits = number_orbits(images, shape[0] * shape[1])
    instead = "use representations of smaller dimension, or einnet.series_of, which only numbers the orbits"
    check_entries((int(orbits.max()) + 1, *shape), "the basis", instead, "linear_basis_entries")
    return (orbits == np.arange(orbits.max() + 1)[:, None]).astype(float).reshape(-1, *shape)


def _find_null_space(constraints: Sequence[Any], method: str = "auto") -> np.ndarray:
    """A basis of the vectors that every constraint takes to zero, as rows; orthonormal unless exact."""
    unknowns = int(constraints[0].shape[1])
    is_integer = all(np.array_equal(c.data, np.round(c.data)) and abs(c).max() < 2**52 for c in constraints)
    check_choice(method, "method", METHODS)
    if method == "auto":
        method = "exact" if is_integer and unknowns <= EXACT else "dense" if unknowns <= DENSE else "iterative"
    if method == "exact":
        if not is_integer:
            raise EinNetError("method='exact' needs matrices of whole numbers: use 'dense' or 'iterative'")
        return _eliminate(constraints)
    scales = [abs(c).sum(0).max(initial=0) for c in constraints]
    scaled = [
        scipy.sparse.csr_array(c / scale, dtype=float) for c, scale in zip(constraints, scales, strict=True) if scale
    ]
    if method == "dense" or not scaled:
        entries, what = max(len(scaled), 1) * unknowns**2, f"{unknowns:,} unknowns would write out {{}} entries"
        instead = "use method='iterative', use representations of smaller dimension"
        check_limit(entries, "linear_basis_entries", what, instead)
    if not scaled:
        return np.eye(unknowns)
    basis = (_decompose if method == "dense" else _iterate)(scaled)
    if (rest := max(float(abs(c @ basis.T).max(initial=0)) for c in scaled)) > ZERO / 10:
        raise _make_unclear_error(rest)
    return basis


def _make_unclear_error(rest: float) -> EinNetError:
    return EinNetError(
        f"the constraints have no clear null space in double precision (a candidate is off by {rest:.0e}): "
        "give the group in an orthonormal basis, or use method='dense' (small groups) or 'exact' (whole numbers)"
    )


def _eliminate(constraints: Sequence[Any]) -> np.ndarray:
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    stacked = scipy.sparse.coo_array(scipy.sparse.vstack(constraints))
    entries = zip(*stacked.coords, stacked.data, strict=True)
    matrix = DomainMatrix.from_dok({(int(i), int(j)): QQ(int(v)) for i, j, v in entries if v}, stacked.shape, QQ)
    vectors = matrix.nullspace()
    return np.array(vectors.to_list(), float).reshape(vectors.shape)[::-1]


def _decompose(constraints: Sequence[Any]) -> np.ndarray:
    triangle = np.linalg.qr(scipy.sparse.vstack(constraints).toarray(), mode="r")
    _, values, vectors = np.linalg.svd(triangle)
    values = values / values[0]
    if (between := values[(values > ZERO / 1000) & (values < 10 * ZERO)]).size:
        raise _make_unclear_error(float(between[0]))
    return vectors[int((values > ZERO).sum()) :]


def _iterate(constraints: Sequence[Any]) -> np.ndarray:
    """Random vectors, projected onto the null space until the projections are dependent.

    The projection of x is x - y, where y is the least solution of C y = C x. Conjugate gradients
    find it in as many steps as C^T C has different eigenvalues, which are few for the Casimir-like
    operators of Lie algebras.
    """
    rng = np.random.default_rng(0)
    basis = np.zeros((constraints[0].shape[1], 0))
    while True:
        x = rng.standard_normal((basis.shape[0], CHUNK))
        x = _project(constraints, x - basis @ (basis.T @ x))
        x -= basis @ (basis.T @ x)
        left, values, _ = np.linalg.svd(x, full_matrices=False)
        is_new = values > 1e-6 * np.sqrt(basis.shape[0])
        basis = np.column_stack([basis, left[:, is_new]])
        what = f"{basis.shape[1]:,} maps or more in {basis.shape[0]:,} unknowns have {{}} entries"
        check_limit(basis.size, "linear_basis_entries", what, "use representations of smaller dimension")
        if not is_new.all():
            return np.linalg.qr(basis)[0].T


def _project(matrices: Sequence[Any], x: np.ndarray) -> np.ndarray:
    """x less the least y with C^T C y = C^T C x, all columns at once, by conjugate gradients."""

    def normal(v: np.ndarray) -> np.ndarray:
        v = v.reshape(x.shape)
        return sum((c.T @ (c @ v) for c in matrices), np.zeros_like(v)).ravel()

    operator = scipy.sparse.linalg.LinearOperator((x.size, x.size), normal, dtype=float)
    y, steps = scipy.sparse.linalg.cg(operator, normal(x), rtol=1e-12, maxiter=10_000)
    if steps:
        raise EinNetError("the null space did not converge in 10,000 steps: use method='dense', or better generators")
    return x - y.reshape(x.shape)
