"""`Series`: what all truncated power series have in common, and how their parameters are laid out."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from einnet.errors import EinNetError, ShapeError
from einnet.taylor._arrays import as_arrays, check_order, concatenated

__all__ = ["Series", "joined"]


class Series(ABC):
    """A power series y = a + B x + C(x, x) + ..., up to an order, whose coefficients have a symmetry.

    The free parameters are one vector of length `total`: those of order 0, then of order 1, and so
    on; `split` cuts it into one vector for each order.
    """

    order: int
    commutative: bool

    @abstractmethod
    def _count(self, k: int) -> int:
        """The number of free parameters of order k."""

    @abstractmethod
    def sharing(self, k: int) -> np.ndarray:
        """Which parameter of order k sits at each entry of the coefficient."""

    @cached_property
    def dof(self) -> tuple[int, ...]:
        """The number of free parameters of each order, 0 to `order`."""
        return tuple(self._count(k) for k in range(self.order + 1))

    @property
    def total(self) -> int:
        """The number of free parameters."""
        return sum(self.dof)

    def split(self, params: Any) -> list[Any]:
        """The parameters of each order.

        `params` is one vector of length `total`, or a list with a vector for each order.
        """
        if isinstance(params, (list, tuple)) and params and all(np.ndim(p) == 1 for p in params):
            params = as_arrays(*params)
            given = [p.shape[0] for p in params]
            if given != list(self.dof):
                raise ShapeError(f"expected {list(self.dof)} parameters for orders 0 to {self.order}, got {given}")
            return params
        (vector,) = as_arrays(params)
        if tuple(vector.shape) != (self.total,):
            raise ShapeError(
                f"expected {self.total} parameters ({' + '.join(map(str, self.dof))}) in one vector, or a list with "
                f"a vector for each order, got shape {tuple(vector.shape)}"
            )
        ends = np.cumsum((0, *self.dof)).tolist()
        return [vector[a:b] for a, b in itertools.pairwise(ends)]

    def check(self, k: int) -> int:
        """k, if the series has such an order."""
        if check_order(k, "k") > self.order:
            raise EinNetError(f"the series goes up to order {self.order}, got k={k}")
        return k


def joined(parts: Sequence[Any], like: Any) -> Any:
    """Parts for each order in the form of `like`: one vector, or a list."""
    if isinstance(like, (list, tuple)) and like and all(np.ndim(p) == 1 for p in like):
        return list(parts)
    return concatenated(parts)
