"""The null space of a stack of sparse matrices: exactly, by a dense decomposition, or iteratively."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from einnet.checks import check_choice
from einnet.errors import EinNetError
from einnet.limits import limits

__all__ = ["null_space"]

EXACT, DENSE = 300, 1000  # unknowns up to which these methods are chosen
METHODS = ("auto", "exact", "dense", "iterative")
CHUNK = 64  # random vectors that are projected together
ZERO = 1e-9  # singular values below this part of the largest one count as zero


def null_space(constraints: Sequence[Any], method: str = "auto") -> np.ndarray:
    """A basis of the vectors that every constraint takes to zero, as rows.

    "exact" eliminates in rational numbers (integer constraints only) and gives a basis in echelon
    form; "dense" and "iterative" give an orthonormal basis in double precision.
    """
    unknowns = int(constraints[0].shape[1])
    is_integer = all(np.array_equal(c.data, np.round(c.data)) and abs(c).max() < 2**52 for c in constraints)
    check_choice(method, "method", METHODS)
    if method == "auto":
        method = "exact" if is_integer and unknowns <= EXACT else "dense" if unknowns <= DENSE else "iterative"
    if method == "exact":
        if not is_integer:
            raise EinNetError("method='exact' needs matrices of whole numbers: use 'dense' or 'iterative'")
        return _eliminate(constraints)
    limit = limits().linear_basis_entries
    scales = [abs(c).sum(0).max(initial=0) for c in constraints]
    scaled = [
        scipy.sparse.csr_array(c / scale, dtype=float) for c, scale in zip(constraints, scales, strict=True) if scale
    ]
    if (method == "dense" or not scaled) and (entries := max(len(scaled), 1) * unknowns**2) > limit:
        raise EinNetError(
            f"{unknowns:,} unknowns would write out {entries:,} entries, more than {limit:,}: "
            "use method='iterative', or representations of smaller dimension"
        )
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

    rows: dict[int, dict[int, Any]] = {}
    stacked = scipy.sparse.coo_array(scipy.sparse.vstack(constraints))
    for i, j, value in zip(*stacked.coords, stacked.data, strict=True):
        if value:
            rows.setdefault(int(i), {})[int(j)] = QQ(int(value))
    shape = (len(rows), stacked.shape[1])
    matrix = DomainMatrix(dict(enumerate(rows.values())), shape, QQ)
    vectors = matrix.nullspace().to_dok() if rows else {(k, k): QQ(1) for k in range(shape[1])}
    count = 1 + max((i for i, _ in vectors), default=-1)
    basis = np.zeros((count, shape[1]))
    for (i, j), value in vectors.items():
        basis[count - 1 - i, j] = float(value)
    return basis


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
        if basis.size > limits().linear_basis_entries:
            raise EinNetError(
                f"there are more than {basis.shape[1]:,} maps in {basis.shape[0]:,} unknowns, too many to write out: "
                "use representations of smaller dimension"
            )
        if not is_new.all():
            return np.linalg.qr(basis)[0].T


def _project(matrices: Sequence[Any], x: np.ndarray) -> np.ndarray:
    """x less the least y with C^T C y = C^T C x, column by column, by conjugate gradients."""

    def normal(v: np.ndarray) -> np.ndarray:
        total = np.zeros_like(v)
        for c in matrices:
            total += c.T @ (c @ v)
        return total

    y, residual = np.zeros_like(x), normal(x)
    direction, square = residual.copy(), (residual**2).sum(0)
    goal = 1e-24 * square.max(initial=0)
    for _ in range(10_000):
        if (square <= goal).all():
            return x - y
        along = normal(direction)
        curvature = (direction * along).sum(0)
        step = np.where(square > goal, square / np.where(curvature > 0, curvature, 1), 0)
        y += step * direction
        residual -= step * along
        following = (residual**2).sum(0)
        direction = residual + following / np.where(square > 0, square, 1) * direction
        square = following
    raise EinNetError("the null space did not converge in 10,000 steps: use method='dense', or better generators")
