"""Limits: how large an input or a search may become before it is refused, in one place, for a user to raise."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

__all__ = ["Limits", "limits", "raise_limits"]


@dataclass(frozen=True)
class Limits:
    """The limits in force; every default is reached within a few seconds.

    >>> limits().axes
    64
    """

    # symmetry types
    axes: int = 64  # of a type, as tensors have

    # terms
    operands: int = 300  # of a term
    listed_order: int = 7  # of terms that are listed
    listed_positions: int = 24  # index positions of terms that are listed
    counted_order: int = 24  # of terms that are counted; it has 1,575 kinds of reorderings
    counted_positions: int = 34  # index positions of one axis, of terms that are counted
    counted_types: int = 1_000  # choices of types for the operands, of terms that are counted
    linear_maps: int = 10_000  # that are listed
    tie_breaks: int = 10_000  # of a canonical labelling, times the number of indices

    # plans
    path_steps: int = 20_000  # of paths that are compared to find a loop

    # series
    series_order: int = 300
    coefficient_entries: int = 2**27  # of a coefficient that is written out: 1 GiB in double precision
    partitions: int = 200_000  # equality patterns of a coefficient, enumerated
    labels: int = 2**24  # partitions times features
    index_positions: int = 300  # axes of a coefficient whose parameters are counted
    index_positions_commutative: int = 45
    commuting_operands: int = 16  # reordered by cycle type
    operand_choices: int = 2_000  # of each a coefficient is made
    basis_change_entries: int = 2**24
    orbit_entries: int = 2**25  # of a coefficient whose orbits are found entry by entry
    monomial_exponents: int = 2**24  # monomials times variables
    linear_map_entries: int = 2**17
    linear_basis_entries: int = 2**26  # of a basis of linear maps, and of a decomposition: half a GiB
    representation_dimension: int = 2**17
    matrix_group_dimension: int = 50  # of the space that the rotations, reflections or boosts act on

    # operations
    hypergraphs: int = 500_000  # of one order, times the kinds of edges; the slowest take a minute or two
    derived_operands: int = 64  # of a term that is derived
    search_steps: int = 20_000  # splits of a term and places in operations, half a second
    diagonals: int = 10_000  # of one operation
    recipe_terms: int = 100_000  # of one order

    # networks
    iterations: int = 10_000  # of a recurrent network, as saved with it
    matches: int = 2**25  # of a term on its supports: 1 GiB for a triangle

    # pictures
    picture_entries: int = 250_000

    # tasks
    explorer_order: int = 9  # of a question to the explorer
    graph_nodes: int = 1_000  # of a graph in graph6
    graph_pairs: int = 10_000  # of a family of graphs
    graph_cells: int = 2**32  # of a knowledge graph as a tensor: 16 GiB
    expansion: int = 100  # of a compressed file, as a multiple of its size


_limits: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039  (frozen)


def limits() -> Limits:
    """The limits in force."""
    return _limits.get()


@contextmanager
def raise_limits(**changes: int) -> Iterator[Limits]:
    """Other limits within a block.

    >>> with raise_limits(axes=100):
    ...     limits().axes
    100
    """
    token = _limits.set(replace(limits(), **changes))
    try:
        yield limits()
    finally:
        _limits.reset(token)
