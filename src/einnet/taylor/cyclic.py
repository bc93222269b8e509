"""Cyclic shifts: the coefficients are circulant, and a series is evaluated by FFT.

With variables z_0 ... z_(n-1) along the cycle, an equivariant coefficient of order k is a tensor p of
the differences between an operand's place and the output's:

    y_t = sum over d_1 ... d_k of p[d_1, ..., d_k] z_(t+d_1) ... z_(t+d_k)

The sum over d_k is a circular correlation: n log n for each of the other differences. An invariant of
order k is sum_t z_t y_t, where y is equivariant of order k - 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from einnet.limits import limits
from einnet.plan.backends import module_of
from einnet.taylor.arrays import check_entries, gather
from einnet.taylor.orbits import orbit_numbers

__all__ = ["Cycle"]

Permutations = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Cycle:
    """The points of the input, and of the output if it has any, in the order of a shift."""

    points: tuple[int, ...]
    out_points: tuple[int, ...] | None

    @classmethod
    def of(cls, generators: Permutations, out_generators: Permutations | None) -> "Cycle | None":
        """The cycle of which all generators are powers, with the same powers on the output; or None."""
        for number, g in enumerate(generators):
            points = _follow_cycle(g)
            out_points = None if out_generators is None else _follow_cycle(out_generators[number])
            if len(points) != len(g) or (out_points and len(out_points) != len(out_generators[number])):  # type: ignore[index]
                continue
            if out_points is not None and len(out_points) != len(points):
                continue
            shifts = [_find_shift(points, h) for h in generators]
            if None in shifts or (out_points and shifts != [_find_shift(out_points, h) for h in out_generators or ()]):
                continue
            return cls(points, out_points)
        return None

    def _count_differences(self, k: int) -> int:
        """The number of differences on which an entry of order k depends."""
        return k if self.out_points is not None else max(k - 1, 0)

    def count(self, k: int, commutative: bool) -> int:
        if commutative:
            return int(self._number_entries(k, True).max()) + 1
        return len(self.points) ** self._count_differences(k)

    def _number_entries(self, k: int, commutative: bool) -> np.ndarray:
        """The parameter of each entry whose first index is 0, by the points of the others."""
        n, free = len(self.points), self._count_differences(k)
        shape = (n,) * free
        check_entries(shape, f"the table of differences of order {k}", "lower the order", limits().orbit_entries)
        labels = np.arange(n**free).reshape(shape)
        if not commutative or not free:
            return labels
        images = [labels.swapaxes(axis, axis + 1) for axis in range(free - 1)]
        if self.out_points is None:  # the first operand changes places with the second: all differences shift
            place = np.argsort(self.points)
            first, *rest = np.indices(shape)
            shifts = [-place[first], *(place[point] - place[first] for point in rest)]
            images.append(labels[tuple(np.asarray(self.points)[s % n] for s in shifts)])
        return orbit_numbers(images, labels.size).reshape(shape)

    def evaluate(self, params: Any, x: Any, k: int, commutative: bool) -> Any:
        """The term of order k, for x of shape (batch, n)."""
        if k == 0:
            return params[None] if self.out_points is not None else params
        points = np.asarray(self.points)
        labels = self._number_entries(k, commutative)
        p = gather(params, labels[np.ix_(*[points] * labels.ndim)] if labels.ndim else labels)
        z = x[:, points]
        if self.out_points is not None:
            return _evaluate_equivariant(p, z)[:, np.argsort(self.out_points)]
        return (z * _evaluate_equivariant(p, z)).sum(-1) if k > 1 else p * z.sum(-1)


def _evaluate_equivariant(p: Any, z: Any) -> Any:
    """y_t = sum of p[d_1, ..., d_k] z_(t+d_1) ... z_(t+d_k), for z of shape (batch, n)."""
    n, factors = z.shape[-1], len(p.shape) - 1
    y = _correlate(p, z.reshape((z.shape[0], *[1] * factors, n)))
    shifted = z[:, (np.arange(n)[:, None] + np.arange(n)) % n] if factors else z  # [batch, d, t]
    for left in reversed(range(factors)):
        y = (y * shifted.reshape((z.shape[0], *[1] * left, n, n))).sum(-2)
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


def _follow_cycle(g: Sequence[int]) -> tuple[int, ...]:
    """The points 0, g(0), g(g(0)), ..."""
    points = [0]
    while (following := g[points[-1]]) != 0:
        points.append(following)
    return tuple(points)


def _find_shift(points: tuple[int, ...], h: Sequence[int]) -> int | None:
    """The number of places by which h moves all points along the cycle; None if they differ."""
    place = np.argsort(points)
    shifts = (place[np.asarray(h)] - place) % len(points)
    return int(shifts[0]) if (shifts == shifts[0]).all() else None
