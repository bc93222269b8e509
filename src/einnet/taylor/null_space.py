"""The maps W with T W = W S for all pairs of matrices T, S: exactly, by a dense decomposition, or iteratively.

In floating point an equation is zero only in comparison with the rounding of its terms, which is relative to the
size of the matrices in suitable units. Therefore

1. both spaces are given units that balance the matrices. A boost in metres and seconds has entries of 1 and
   1e-17, and both count: only their product is free of units.
2. Each equation of T W - W S = 0 is divided by the largest entry of its row of T and its column of S, whose
   difference it is; for a Lie algebra, which has no ones to compare with, by the largest entry of both matrices.
3. A constraint without an entry above `ROUNDING` is none: T and S are one multiple of the identity, up to rounding.
   Entries are not set to zero one by one: a turn by a small angle t has entries of t and of t^2, and without the
   latter alone its equations would have other solutions.
4. Any other constraint is divided by its norm, however small: a turn by 1e-10 is a constraint. But a warning names
   one that is so small that it may be rounding of which this module cannot know, such as that of cos(1e5 pi), or an
   element of a Lie algebra that should be zero. Singular values that rounding explains are zero; those near that
   bound are refused.

Sources: Osborne, On Pre-Conditioning of Matrices (1960), for the units; Weyl's inequality, by which an error e of
the constraints moves singular values by |e| at most.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy

from einnet.checks import check_choice, check_limit
from einnet.errors import EinNetError
from einnet.taylor.representation import Representation

__all__ = ["find_null_space"]

METHODS = ("auto", "exact", "dense", "iterative")
EXACT, DENSE = 300, 1000  # unknowns up to which these methods are chosen
CHUNK = 64  # random vectors that are projected together
SWEEPS = 1000  # of the balancing
ROUNDING = 9e-13  # entries of a constraint up to which it is zero, relative to the terms whose difference they are
ERROR = 1e-14  # of those entries
DOUBTFUL = 1e-9  # entries of a constraint that may be rounding, relative to those terms
NEGLIGIBLE = 1e-12  # entries of an element of a Lie algebra, which has no ones to compare with, that may be rounding
ZERO, NONZERO = 1e-12, 1e-8  # bounds of singular values, compared with the largest one


def find_null_space(target: Representation, source: Representation, method: str) -> np.ndarray:
    """A basis of the maps from source to target, (rank, target dimension, source dimension).

    Orthonormal in balanced units (those of the caller where these are balanced), unless exact.
    """
    shape = (target.dimension, source.dimension)
    pairs = list(zip(target.matrices, source.matrices, strict=True))
    constraints = [_make_constraint(t, s) for t, s in pairs]
    is_integer = all(np.array_equal(c.data, np.round(c.data)) and abs(c).max() < 2**52 for c in constraints)
    check_choice(method, "method", METHODS)
    if method == "auto":
        unknowns = shape[0] * shape[1]
        method = "exact" if is_integer and unknowns <= EXACT else "dense" if unknowns <= DENSE else "iterative"
    if method == "exact":
        if not is_integer:
            raise EinNetError("method='exact' needs matrices of whole numbers: use 'dense' or 'iterative'")
        return _eliminate(constraints).reshape(-1, *shape)
    units = [_find_units(v) for v in (target, source)]
    pairs = [tuple(_rescale(m, u) for m, u in zip(pair, units, strict=True)) for pair in pairs]
    constraints = [_compare(t, s, k < len(target.generators)) for k, (t, s) in enumerate(pairs)]
    for name, size in _find_doubtful(pairs, constraints, len(target.generators)):
        problem = f"{name} moves maps by {size:.0e} at most, which counts as a constraint"
        warnings.warn(f"{problem}: leave it out, or round it, if that is rounding", stacklevel=3)
    basis = _approximate(constraints, method)
    return units[0][:, None] * basis.reshape(-1, *shape) / units[1]


def _make_constraint(t: Any, s: Any) -> Any:
    """The matrix that takes W, row by row, to t W - W s."""
    return scipy.sparse.csr_array(scipy.sparse.kronsum(-s.T, t))


def _compare(t: Any, s: Any, is_generator: bool) -> Any:
    """The constraint of t and s, each equation divided by the size of its terms."""
    rows, columns = (abs(m).max(axis).toarray() for m, axis in ((t, 1), (s, 0)))
    sizes = np.maximum.outer(rows, columns).ravel()
    if not is_generator:
        sizes[:] = sizes.max()
    return scipy.sparse.diags_array(1 / np.where(sizes, sizes, 1)) @ _make_constraint(t, s)


def _find_doubtful(pairs: Sequence[Any], constraints: Sequence[Any], generators: int) -> Iterator[tuple[str, float]]:
    """The generators and elements of the Lie algebra that may be rounding, and how much they move."""
    for k, (pair, constraint) in enumerate(zip(pairs, constraints, strict=True)):
        size = float(abs(constraint).max() if k < generators else max(abs(m).max() for m in pair))
        if k < generators and ROUNDING < size < DOUBTFUL:
            yield f"generators[{k}]", size
        elif k >= generators and 0 < size < NEGLIGIBLE:
            yield f"lie_algebra[{k - generators}]", size


def _rescale(matrix: Any, units: np.ndarray) -> Any:
    """The matrix in these units; exactly, as they are powers of two."""
    return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / units) @ matrix @ scipy.sparse.diags_array(units))


def _find_units(v: Representation) -> np.ndarray:
    """Powers of two, one for each coordinate, in which the matrices are balanced.

    Coordinates that the matrices take to each other and back (strongly connected ones) have a balance, whatever
    the units were. Between such sets the scale is free: it only makes large entries no larger than those inside.
    """
    n = v.dimension
    total = scipy.sparse.coo_array((n, n))
    for m in map(abs, v.matrices):
        total += m / (np.sqrt(m.multiply(m.T).max()) or m.max() or 1)  # the former is the same in all units
    i, j = total.nonzero()
    values = total.tocsr()[i, j]
    count, labels = scipy.sparse.csgraph.connected_components(total, connection="strong")
    is_inner = (labels[i] == labels[j]) & (i != j)
    units = _balance(i, j, values * is_inner, n)
    return units * _balance(labels[i], labels[j], values * units[j] / units[i], count)[labels]


def _balance(i: np.ndarray, j: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Powers of two d for which rows and columns of the entries values d[j] / d[i] have sums of similar size."""
    units = np.ones(n)
    for _ in range(SWEEPS):
        scaled = values * units[j] / units[i]
        rows, columns = np.bincount(i, scaled, n), np.bincount(j, scaled, n)
        ratios = np.divide(rows, columns, out=np.ones(n), where=(rows > 0) & (columns > 0))
        steps = np.round(np.log2(ratios) / 4)
        if not steps.any():
            break
        units *= np.exp2(steps)
    return units


def _approximate(constraints: Sequence[Any], method: str) -> np.ndarray:
    """An orthonormal basis of the vectors that every constraint takes to zero, as rows."""
    unknowns = constraints[0].shape[1]
    constraints = [c for c in constraints if abs(c).max() > ROUNDING]
    scaled = [c / abs(c).sum(0).max() for c in constraints]
    zero = max([ZERO, *(ERROR / abs(c).max() for c in constraints)])
    if method == "dense" or not scaled:
        entries, what = max(len(scaled), 1) * unknowns**2, f"{unknowns:,} unknowns would write out {{}} entries"
        instead = "use method='iterative', use representations of smaller dimension"
        check_limit(entries, "linear_basis_entries", what, instead)
    if not scaled:
        return np.eye(unknowns)
    basis = _decompose(scaled, zero) if method == "dense" else _iterate(scaled)
    if (rest := max(float(abs(c @ basis.T).max(initial=0)) for c in scaled)) > 100 * zero:
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


def _decompose(constraints: Sequence[Any], zero: float) -> np.ndarray:
    triangle = np.linalg.qr(scipy.sparse.vstack(constraints).toarray(), mode="r")
    _, values, vectors = np.linalg.svd(triangle)
    values = values / values[0]
    if (between := values[(values > zero) & (values < max(NONZERO, 10 * zero))]).size:
        raise _make_unclear_error(float(between[0]))
    return vectors[int((values > zero).sum()) :]


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
