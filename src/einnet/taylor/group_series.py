"""`series_of`: the Taylor series of the functions with a permutation group given by generators; by FFT if cyclic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from math import prod
from typing import Any, NoReturn

import numpy as np

from einnet.checks import check_choice, check_flag
from einnet.errors import EinNetError
from einnet.plan.backends import module_of
from einnet.taylor.arrays import apply_coefficient, as_arrays, check_entries, check_vectors, constant_like, gather
from einnet.taylor.expansion import Panel, Series, check_order
from einnet.taylor.orbits import as_permutations, list_cycles, number_orbits
from einnet.taylor.table import format_cycles, format_number, list_first

__all__ = ["GroupSeries", "series_of"]

LISTED = 2**16  # entries of a coefficient whose parameters are listed in the table


def series_of(
    generators: Sequence[Sequence[int]],
    order: int,
    out_generators: Sequence[Sequence[int]] | None = None,
    commutative: bool = False,
) -> "GroupSeries":
    """The Taylor series of every function of n variables with a permutation group as symmetry.

    >>> shift = [1, 2, 3, 0]                              # i goes to shift[i]
    >>> series_of([shift], order=2).dof                   # invariant under cyclic shifts
    (1, 1, 4)
    >>> series_of([shift], order=2, commutative=True).dof
    (1, 1, 3)
    >>> series_of([shift], 1, out_generators=[shift]).sharing(1)      # equivariant: circulant
    array([[0, 1, 2, 3],
           [3, 0, 1, 2],
           [2, 3, 0, 1],
           [1, 2, 3, 0]], dtype=int32)
    >>> mirror = [3, 2, 1, 0]
    >>> series_of([shift, mirror], order=2).dof           # dihedral
    (1, 1, 3)

    Args:
        generators: permutations of the n input variables, whose products make the group.
        order: the largest number of factors x in a term.
        out_generators: for each generator the permutation of the output's values; without it the
            function is invariant, with one value.
        commutative: whether C(x, y) = C(y, x).

    Orbits are connected components, so the time grows with the number of entries n^order, not with
    the size of the group. If one generator is a cycle of all variables and the others are its powers,
    the series is evaluated by FFT and no coefficient is written out, only its differences (n for an
    invariant of order 2, n^(order-1) in general). Raises `EinNetError` for a
    generator that is no permutation, and for a coefficient that is too large.
    """
    moves = as_permutations(generators, "generators")
    outputs = None if out_generators is None else as_permutations(out_generators, "out_generators")
    if outputs is not None and len(outputs) != len(moves):
        raise EinNetError(
            f"out_generators must have one permutation of the output for each of the {len(moves)} generators, "
            f"got {len(outputs)}"
        )
    return GroupSeries(moves, outputs, check_order(order), check_flag(commutative, "commutative"))


@dataclass(frozen=True, repr=False)
class GroupSeries(Series):
    """The series of a permutation group; made by `series_of`."""

    generators: tuple[tuple[int, ...], ...]
    out_generators: tuple[tuple[int, ...], ...] | None
    order: int
    commutative: bool

    @property
    def size(self) -> int:
        """The number of variables."""
        return len(self.generators[0])

    @property
    def out_shape(self) -> tuple[int, ...]:
        """() for an invariant function, else the number of outputs."""
        return () if self.out_generators is None else (len(self.out_generators[0]),)

    @cached_property
    def cycle(self) -> "Cycle | None":
        """The cyclic order of the variables, if the group is that of the cyclic shifts."""
        return Cycle.of(self.generators, self.out_generators)

    def _count(self, k: int) -> int:
        if self.cycle is not None:
            return self.cycle.count(k, self.commutative)
        return int(self.sharing(k).max()) + 1

    def shape(self, k: int) -> tuple[int, ...]:
        """The shape of the coefficient of order k: output first, then operands."""
        return (*self.out_shape, *(self.size,) * self.check(k))

    def sharing(self, k: int) -> np.ndarray:
        """The number of the parameter at each entry of the coefficient of order k: output first, then operands."""
        k, shape = self.check(k), self.shape(k)
        check_entries(shape, f"the coefficient of order {k}", "lower the order", "orbit_entries")
        if k not in self._sharings:
            self._sharings[k] = number_orbits(self._make_images(shape, k), prod(shape)).reshape(shape)
            self._sharings[k].flags.writeable = False  # it is cached
        return self._sharings[k]

    @cached_property
    def _sharings(self) -> dict[int, np.ndarray]:
        return {}

    def _make_images(self, shape: tuple[int, ...], k: int) -> list[np.ndarray]:
        """Where the generators, and swaps of neighbouring operands, take each entry."""
        entries = np.arange(prod(shape), dtype=np.int32).reshape(shape)
        outputs = zip(self.out_generators) if self.out_generators is not None else repeat(())
        images = [entries[(*np.ix_(*h, *[g] * k), ...)] for g, h in zip(self.generators, outputs, strict=False)]
        return images + _swap_axes(entries, len(self.out_shape)) * self.commutative

    def _make_rows(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = [("order", "entries", "free", "one entry of each")]
        for k, free in enumerate(self.dof):
            entries, listing = prod(self.shape(k)), "too many to list"
            if entries <= LISTED:
                names = self._name_parameters(k)
                listing = list_first(names, len(names))
            rows.append((k, format_number(entries), format_number(free), listing))
        return rows

    @property
    def heading(self) -> str:
        generators = [format_cycles(g) for g in self.generators]
        about = f"invariant under {', '.join(generators)}"
        if self.out_generators is not None:
            outputs = map(format_cycles, self.out_generators)
            moved = [f"{g} (output {h})" for g, h in zip(generators, outputs, strict=True)]
            about = f"{self.out_shape[0]} outputs, equivariant under {', '.join(moved)}"
        return f"{self.size} variables, {about}" + ", commutative" * self.commutative

    def _name_parameters(self, k: int) -> list[str]:
        """The first entry of each parameter."""
        _, first = np.unique(self.sharing(k), return_index=True)
        shape = self.shape(k)
        return [f"C[{','.join(map(str, np.unravel_index(n, shape)))}]" if shape else "C" for n in first.tolist()]

    def panels(self, k: int) -> list[Panel]:
        shapes = (self.out_shape, *[(self.size,)] * k)
        return [Panel(f"order {k}", shapes, self.sharing(k), self._name_parameters(k))]

    def _refuse_contractions(self, *_: Any) -> NoReturn:
        """Raises `EinNetError`: the contraction basis is one of symmetry types."""
        raise EinNetError(
            "a group given by generators has no contraction basis: if it is one of permuted axes, "
            "write its type, such as einnet.series('ab ->', order)"
        )

    contractions = to_contraction = to_orbit = _refuse_contractions

    def evaluate(self, x: Any, params: Any, basis: str = "orbit") -> Any:
        """The value of the series at x, for numpy arrays or torch tensors (differentiable in both).

        >>> s = series_of([[1, 2, 0]], order=2)
        >>> x = np.array([1.0, 2.0, 4.0])
        >>> round(float(s.evaluate(x, [0, 0, 0, 1, 0])), 9)      # the sum of x_i x_(i+1)
        14.0

        x has shape (batch..., n); the result (batch..., values of the output). `params` as in
        `split`. Cyclic shifts: n log n for an invariant of order 2, by FFT.
        """
        check_choice(basis, "basis of a group given by generators", ("orbit",))
        parts = self.split(params)
        x, *parts = as_arrays(x, *parts)
        check_vectors(x, self.size)
        batch = tuple(x.shape[:-1])
        x = x.reshape((prod(batch), self.size))
        total = constant_like(np.zeros((prod(batch), *self.out_shape), int), x)
        for k, part in enumerate(parts if prod(batch) else ()):
            if self.cycle is not None:
                total = total + self.cycle.evaluate(part, x, k, self.commutative)
            else:
                total = total + apply_coefficient(gather(part, self.sharing(k)), [x] * k, [1] * k)
        return total.reshape((*batch, *self.out_shape))


def _swap_axes(entries: np.ndarray, first: int = 0) -> list[np.ndarray]:
    """The swaps of neighbouring axes, from the first one on."""
    return [entries.swapaxes(axis, axis + 1) for axis in range(first, entries.ndim - 1)]


@dataclass(frozen=True)
class Cycle:
    """The points of the input, and of the output if it has any, in the order of a shift.

    With variables z_0 ... z_(n-1) along the cycle, an equivariant coefficient of order k is a tensor p of
    the differences between an operand's place and the output's:

        y_t = sum over d_1 ... d_k of p[d_1, ..., d_k] z_(t+d_1) ... z_(t+d_k)

    The sum over d_k is a circular correlation: n log n for each choice of the remaining differences. An invariant of
    order k is sum_t z_t y_t, where y is equivariant of order k - 1.
    """

    points: tuple[int, ...]
    out_points: tuple[int, ...] | None = None

    @classmethod
    def of(cls, generators: Sequence[Sequence[int]], out_generators: Sequence[Sequence[int]] | None) -> "Cycle | None":
        """The cycle of which all generators are powers, with the same powers on the output; or None."""
        groups = [generators] if out_generators is None else [generators, out_generators]
        for g in zip(*groups, strict=True):
            cycles = [list_cycles(h) for h in g]
            if any(len(c) > 1 for c in cycles) or len({len(h) for h in g}) > 1:
                continue
            shifts = [[_find_shift(c[0], h) for h in hs] for c, hs in zip(cycles, groups, strict=True)]
            if None not in shifts[0] and shifts[0] == shifts[-1]:
                return cls(*(tuple(c[0]) for c in cycles))
        return None

    def _count_differences(self, k: int) -> int:
        """The number of differences on which an entry of order k depends."""
        return k if self.out_points is not None else max(k - 1, 0)

    def count(self, k: int, commutative: bool) -> int:
        if commutative:
            return int(self._number_entries(k, True).max()) + 1
        return len(self.points) ** self._count_differences(k)

    def _number_entries(self, k: int, commutative: bool) -> np.ndarray:
        """The parameter of each entry whose first index is 0, by the remaining points."""
        n, free = len(self.points), self._count_differences(k)
        shape = (n,) * free
        check_entries(shape, f"the table of differences of order {k}", "lower the order", "orbit_entries")
        labels = np.arange(n**free).reshape(shape)
        if not commutative or not free:
            return labels
        images = _swap_axes(labels)
        if self.out_points is None:  # the first operand changes places with the second: all differences shift
            place = np.argsort(self.points)
            first, *rest = np.indices(shape)
            shifts = [-place[first], *(place[point] - place[first] for point in rest)]
            images.append(labels[tuple(np.asarray(self.points)[s % n] for s in shifts)])
        return number_orbits(images, labels.size).reshape(shape)

    def evaluate(self, params: Any, x: Any, k: int, commutative: bool) -> Any:
        """The term of order k, for x of shape (batch..., n)."""
        if k == 0:
            return params if self.out_points is not None else params[0]
        points = np.asarray(self.points)
        labels = self._number_entries(k, commutative)
        p = gather(params, labels[np.ix_(*[points] * labels.ndim)])
        z = x[..., points]
        if self.out_points is not None:
            return _evaluate_equivariant(p, z)[..., np.argsort(self.out_points)]
        return (z * _evaluate_equivariant(p, z)).sum(-1) if k > 1 else p * z.sum(-1)


def _evaluate_equivariant(p: Any, z: Any) -> Any:
    """y_t = sum of p[d_1, ..., d_k] z_(t+d_1) ... z_(t+d_k), for z of shape (batch..., n)."""
    *batch, n = z.shape
    factors = len(p.shape) - 1
    y = _correlate(p, z.reshape((*batch, *[1] * factors, n)))
    shifted = z[..., (np.arange(n)[:, None] + np.arange(n)) % n] if factors else z  # [batch..., d, t]
    for left in reversed(range(factors)):
        y = (y * shifted.reshape((*batch, *[1] * left, n, n))).sum(-2)
    return y


def _correlate(p: Any, z: Any) -> Any:
    """The sum over d of p[d] z_(t+d), along the last axis."""
    fft = module_of(z).fft
    n = z.shape[-1]
    if "float16" in str(z.dtype):  # half precision has no transform of any length
        return _correlate(p.float(), z.float()).to(z.dtype)
    if "complex" in str(z.dtype) or "complex" in str(p.dtype):
        return fft.ifft(fft.fft(z) * fft.ifft(p) * n)
    return fft.irfft(fft.rfft(z) * fft.rfft(p).conj(), n)


def _find_shift(points: Sequence[int], h: Sequence[int]) -> int | None:
    """The number of places by which h moves all points along the cycle; None if they differ."""
    place = np.argsort(points)
    shifts = (place[np.asarray(h)] - place) % len(points)
    return int(shifts[0]) if (shifts == shifts[0]).all() else None
