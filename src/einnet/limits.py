"""Limits: how large an input or a search may become before it is refused, in one place, for a user to raise."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from decimal import Decimal

from einnet.errors import EinNetError

__all__ = ["Limits", "SearchBudget", "check_limit", "limits", "raise_limits"]


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


def check_limit(number: float, limit: str, what: str, instead: str, *, times: int = 1) -> None:
    """Raises `EinNetError` before work starts that would exceed a limit, or so many times that limit.

    >>> check_limit(115_975, "linear_maps", "'aaaaa -> aaaaa' has {} linear maps", "use fewer axes")
    Traceback (most recent call last):
    einnet.errors.EinNetError: 'aaaaa -> aaaaa' has 115,975 linear maps, more than the limit of 10,000: use fewer axes,
    or raise the limit with einnet.raise_limits(linear_maps=...)
    """
    if number > (maximum := times * getattr(limits(), limit)):
        written = f"{number:,}" if isinstance(number, int) and number < 10**15 else f"about {Decimal(number):.1e}"
        raise EinNetError(
            f"{what.format(written)}, more than the limit of {maximum:,}: {instead}, or raise the limit with "
            f"einnet.raise_limits({limit}=...)"
        )


@dataclass
class SearchBudget:
    """The steps that a search may take.

    >>> budget = SearchBudget("'ab,bc->ac'", "search_steps", "give a term of fewer operands")
    >>> budget.spend(20_001)
    Traceback (most recent call last):
    einnet.errors.EinNetError: 'ab,bc->ac': the search takes 20,001 steps, more than the limit of 20,000: give a term
    of fewer operands, or raise the limit with einnet.raise_limits(search_steps=...)
    """

    what: str
    limit: str
    instead: str
    steps: int = 0

    def spend(self, steps: int = 1) -> None:
        """Counts steps; raises `EinNetError` when they exceed the limit."""
        self.steps += steps
        if self.steps > getattr(limits(), self.limit):
            check_limit(self.steps, self.limit, f"{self.what}: the search takes {{}} steps", self.instead)
