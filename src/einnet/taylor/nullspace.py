"""The null space of a stack of sparse matrices: exactly, by a dense decomposition, or iteratively."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from einnet.errors import EinNetError

__all__ = ["null_space"]

EXACT, DENSE = 300, 1000  # unknowns up to which these methods are chosen
METHODS = ("auto", "exact", "dense", "iterative")
CHUNK = 64  # random vectors that are projected together
MAX_ENTRIES = 2**26  # of what is written out: half a GiB
ZERO = 1e-9  # of the largest singular value; what is smaller is taken to be zero


def null_space(constraints: Sequence[Any], method: str = "auto") -> np.ndarray:
    """A basis of the vectors that every constraint takes to zero, as rows.

    "exact" eliminates in rational numbers (integer constraints only) and gives a basis in echelon
    form; "dense" and "iterative" give an orthonormal basis in double precision.
    """
    unknowns = int(constraints[0].shape[1])
    whole = all(np.array_equal(c.data, np.round(c.data)) and abs(c).max() < 2**52 for c in constraints)
    if method not in METHODS:
        raise EinNetError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
    if method == "auto":
        method = "exact" if whole and unknowns <= EXACT else "dense" if unknowns <= DENSE else "iterative"
    if method == "exact":
        if not whole:
            raise EinNetError("method='exact' needs matrices of whole numbers: use 'dense' or 'iterative'")
        return _exact(constraints)
    scales = [abs(c).sum(0).max(initial=0) for c in constraints]
    scaled = [
        scipy.sparse.csr_array(c / scale, dtype=float) for c, scale in zip(constraints, scales, strict=True) if scale
    ]
    if (method == "dense" or not scaled) and (entries := max(len(scaled), 1) * unknowns**2) > MAX_ENTRIES:
        raise EinNetError(
            f"{unknowns:,} unknowns would write out {entries:,} entries, more than {MAX_ENTRIES:,}: "
            "use method='iterative', or representations of smaller dimension"
        )
    if not scaled:
        return np.eye(unknowns)
    basis = (_dense if method == "dense" else _iterative)(scaled)
    if (rest := max(float(abs(c @ basis.T).max(initial=0)) for c in scaled)) > ZERO / 10:
        raise _no_clear_null_space(rest)
    return basis


def _no_clear_null_space(rest: float) -> EinNetError:
    return EinNetError(
        f"the constraints have no clear null space in double precision (a candidate is off by {rest:.0e}): "
        "give the group in an orthonormal basis, or use method='dense' (small groups) or 'exact' (whole numbers)"
    )


def _exact(constraints: Sequence[Any]) -> np.ndarray:
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    rows: dict[int, dict[int, Any]] = {}
    stacked = scipy.sparse.coo_array(scipy.sparse.vstack(constraints))
    for i, j, value in zip(*stacked.coords, stacked.data, strict=True):
        if value:
            rows.setdefault(int(i), {})[int(j)] = QQ(int(value))
    shape = (len(rows), stacked.shape[1])
    matrix = DomainMatrix(dict(enumerate(rows.values())), shape, QQ)
    found = matrix.nullspace().to_dok() if rows else {(k, k): QQ(1) for k in range(shape[1])}
    count = 1 + max((i for i, _ in found), default=-1)
    basis = np.zeros((count, shape[1]))
    for (i, j), value in found.items():
        basis[count - 1 - i, j] = float(value)
    return basis


def _dense(constraints: Sequence[Any]) -> np.ndarray:
    triangle = np.linalg.qr(scipy.sparse.vstack(constraints).toarray(), mode="r")
    _, values, vectors = np.linalg.svd(triangle)
    values = values / values[0]
    if (between := values[(values > ZERO / 1000) & (values < 10 * ZERO)]).size:
        raise _no_clear_null_space(float(between[0]))
    return vectors[int((values > ZERO).sum()) :]


def _iterative(constraints: Sequence[Any]) -> np.ndarray:
    """Random vectors, projected onto the null space until the projections are dependent.

    The projection of x is x - y, where y is the least solution of C y = C x. Conjugate gradients
    find it in as many steps as C^T C has different eigenvalues, which are few for the Casimir-like
    operators of Lie algebras.
    """
    rng = np.random.default_rng(0)
    basis = np.zeros((constraints[0].shape[1], 0))
    while True:
        x = rng.standard_normal((basis.shape[0], CHUNK))
        x = _projected(constraints, x - basis @ (basis.T @ x))
        x -= basis @ (basis.T @ x)
        left, values, _ = np.linalg.svd(x, full_matrices=False)
        kept = values > 1e-6 * np.sqrt(basis.shape[0])
        basis = np.column_stack([basis, left[:, kept]])
        if basis.size > MAX_ENTRIES:
            raise EinNetError(
                f"there are more than {basis.shape[1]:,} maps in {basis.shape[0]:,} unknowns, too many to write out: "
                "use representations of smaller dimension"
            )
        if not kept.all():
            return np.linalg.qr(basis)[0].T


def _projected(matrices: Sequence[Any], x: np.ndarray) -> np.ndarray:
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
