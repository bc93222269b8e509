"""`linear_maps`: the equivariant linear maps between representations of any matrix group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import opt_einsum

from einnet.errors import EinNetError
from einnet.taylor.arrays import as_arrays, check_entries, check_vectors
from einnet.taylor.expansion import check_order
from einnet.taylor.null_space import find_null_space
from einnet.taylor.orbits import number_orbits
from einnet.taylor.representation import Matrix, Representation

__all__ = ["LinearMaps", "linear_maps"]


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

    Entries may carry rounding and any units: the matrix of half a turn, whose sine is 1e-16, is -1, while a turn by
    1e-10 and a boost with v/c^2 = 1e-17 keep their meaning. Entries below 1e-12, in units that balance the
    matrices, are taken for rounding where a generator is otherwise a multiple of the identity. A warning names a
    generator that moves maps by less than 1e-9, and an element of a Lie algebra with entries below 1e-12: both count.

    Raises `EinNetError` or `ShapeError` for a matrix that is no group element, for shapes that do not fit, and
    where double precision does not tell which equations are zero.
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
    return LinearMaps(find_null_space(target, source, method))


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
    return columns.indices if one_each and len(np.unique(columns.indices)) == matrix.shape[0] else None


def _make_orbit_basis(moves: Sequence[tuple], shape: tuple[int, int]) -> np.ndarray:
    """The indicators of the orbits of pairs (target coordinate, source coordinate)."""
    images = [np.add.outer(t * shape[1], s) for t, s in moves]
    orbits = number_orbits(images, shape[0] * shape[1])
    instead = "use representations of smaller dimension, or einnet.series_of, which only numbers the orbits"
    check_entries((int(orbits.max()) + 1, *shape), "the basis", instead, "linear_basis_entries")
    return (orbits == np.arange(orbits.max() + 1)[:, None]).astype(float).reshape(-1, *shape)
