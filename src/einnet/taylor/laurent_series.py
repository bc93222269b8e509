"""`laurent`: scale-invariant functions as Laurent series, optionally invariant under permutations too."""

from collections import Counter
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from einnet.checks import check_count, check_limit
from einnet.errors import EinNetError
from einnet.limits import limits
from einnet.plan.backends import module_of
from einnet.taylor.arrays import as_arrays, check_vectors, constant_like, gather
from einnet.taylor.orbits import as_permutations, number_orbits
from einnet.taylor.table import format_cycles, format_number, format_table

__all__ = ["LaurentSeries", "laurent"]

MAX_POWER = 10**6


def laurent(n: int, powers: Iterable[int], generators: Sequence[Sequence[int]] = ()) -> "LaurentSeries":
    """The Laurent monomials of n variables that do not change when all variables are scaled.

    >>> s = laurent(3, powers=range(-2, 3))
    >>> s.dof
    19
    >>> for exponents, number in s.groups.items():
    ...     print(exponents, number)
    (0, 0, 0) 1
    (-1, 0, 1) 6
    (-2, 0, 2) 6
    (-2, 1, 1) 3
    (-1, -1, 2) 3
    >>> laurent(3, range(-2, 3), generators=[[1, 2, 0]]).dof      # cyclic shifts act too
    7
    >>> ratio = laurent(2, [-1, 0, 1])
    >>> ratio.exponents
    array([[-1,  1],
           [ 0,  0],
           [ 1, -1]])
    >>> ratio.evaluate(np.array([2.0, 8.0]), [1.0, 0.0, 0.0])     # 8/2
    np.float64(4.0)

    Args:
        n: the number of variables.
        powers: the exponents that a variable may have.
        generators: permutations of the variables, as in `series_of`, under which the function is invariant.

    A monomial x_1^e_1 ... x_n^e_n is invariant under x -> c x exactly if the exponents sum to 0.
    """
    n = check_count(n, "n, the number of variables,")
    if isinstance(powers, Sized):
        check_limit(len(powers), "monomial_exponents", "a variable has {} powers", "use fewer")
    try:
        bounds = {"minimum": -MAX_POWER, "maximum": MAX_POWER}
        allowed = tuple(sorted({check_count(p, "each of the powers", **bounds) for p in powers}))
    except TypeError:
        allowed = ()
    if not allowed:
        raise EinNetError(f"powers must be whole numbers such as range(-2, 3), got {powers!r}")
    what = f"{n} variables with {len(allowed):,} powers take {{}} steps to count"
    check_limit(n * n * len(allowed) ** 2, "monomial_exponents", what, "use fewer variables or powers")
    is_empty = generators is None or (isinstance(generators, Sized) and not len(generators))
    moves = () if is_empty else as_permutations(generators, "generators")
    if moves and len(moves[0]) != n:
        raise EinNetError(f"the generators move {len(moves[0])} variables, n is {n}")
    return LaurentSeries(n, allowed, moves)


@dataclass(frozen=True, repr=False)
class LaurentSeries:
    """The scale-invariant Laurent series; made by `laurent`.

    It has no orders, so unlike in a `Series` `dof` is one number and `sharing` one array.
    """

    n: int
    powers: tuple[int, ...]
    generators: tuple[tuple[int, ...], ...]

    @cached_property
    def _sums(self) -> list[Counter]:
        """In how many ways 0, 1, ..., n exponents sum to each number."""
        sums = [Counter({0: 1})]
        for _ in range(self.n):
            following: Counter = Counter()
            for total, ways in sums[-1].items():
                following.update({total + p: ways for p in self.powers})
            sums.append(following)
        return sums

    @cached_property
    def exponents(self) -> np.ndarray:
        """The exponents of each monomial, of shape (monomials, n)."""
        what = f"{self.n} variables with powers from {self.powers[0]} to {self.powers[-1]} have {{}} exponents"
        check_limit(self._sums[self.n][0] * self.n, "monomial_exponents", what, "use fewer variables or powers")
        rows = np.zeros((1, 0), int)
        for left in reversed(range(1, self.n)):
            rows = np.column_stack([np.repeat(rows, len(self.powers), 0), np.tile(self.powers, len(rows))])
            possible = np.array([-total for total in self._sums[left]], int)
            rows = rows[np.isin(rows.sum(1), possible)]
        rows = np.column_stack([rows, -rows.sum(1)])[np.isin(-rows.sum(1), self.powers)]
        rows.flags.writeable = False  # it is cached
        return rows

    @cached_property
    def sharing(self) -> np.ndarray:
        """The parameter of each monomial."""
        moved = [self.exponents[:, np.argsort(g)] for g in self.generators]
        images = [np.argsort(np.lexsort(rows.T[::-1])) for rows in moved]  # the place among the rows, which are sorted
        sharing = number_orbits(images, len(self.exponents))
        sharing.flags.writeable = False  # it is cached
        return sharing

    @property
    def dof(self) -> int:
        """The number of free parameters."""
        if not self.generators:
            return self._sums[self.n][0]
        return int(self.sharing.max(initial=-1)) + 1

    total = dof  # as for a `Series`

    @property
    def groups(self) -> dict[tuple[int, ...], int]:
        """The number of monomials whose exponents are a reordering of each tuple."""
        counts = Counter(tuple(sorted(e)) for e in self.exponents.tolist())
        return {e: counts[e] for e in sorted(counts, key=lambda e: (max(map(abs, e)), e[0] + e[-1] != 0, e))}

    def __str__(self) -> str:
        """A table of the exponents.

        >>> print(laurent(2, range(-1, 2)))
        2 variables, scale invariant, powers -1, 0, 1: 3 free parameters, 3 of 9 monomials
        exponents  monomials  free
        (0, 0)     1          1
        (-1, 1)    2          2
        """
        moved = f" and invariant under {', '.join(map(format_cycles, self.generators))}" if self.generators else ""
        head = (
            f"{self.n} variables, scale invariant{moved}, powers {', '.join(map(str, self.powers))}: "
            f"{format_number(self.dof)} free parameters, {format_number(self._sums[self.n][0])} of "
            f"{format_number(len(self.powers) ** self.n)} monomials"
        )
        if self._sums[self.n][0] * self.n > limits().monomial_exponents:
            return f"{head}\ntoo many to list"
        free = Counter(tuple(sorted(self.exponents[k].tolist())) for k in np.unique(self.sharing, return_index=True)[1])
        rows = [(e, format_number(n), format_number(free[e])) for e, n in self.groups.items()]
        return f"{head}\n{format_table([('exponents', 'monomials', 'free'), *rows])}"

    __repr__ = __str__

    def evaluate(self, x: Any, params: Any) -> Any:
        """The value at x, of shape (batch..., n), for numpy arrays or torch tensors; no x may be 0."""
        x, params, _ = as_arrays(x, params, 0.0)  # in floating point
        check_vectors(x, self.n, params, self.dof)
        if self.powers[0] < 0:
            if bool((x == 0).any()):
                raise EinNetError("x has a zero, at which negative powers have no value")
            x = x / module_of(x).amax(abs(x), -1, keepdims=True)  # changes no value, but keeps powers from overflowing
        values = x[..., None] ** constant_like(np.array(self.powers), x)
        monomials = values[..., np.arange(self.n), np.searchsorted(self.powers, self.exponents)].prod(-1)
        return (monomials * gather(params, self.sharing)).sum(-1)
