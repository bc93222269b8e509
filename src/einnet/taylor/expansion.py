"""`Series`: what all truncated power series have in common, and how their parameters are laid out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from einnet.checks import check_count
from einnet.errors import EinNetError, ShapeError
from einnet.limits import limits
from einnet.taylor.arrays import as_arrays, concatenate, cut
from einnet.taylor.table import format_number, format_table

__all__ = ["Panel", "Series", "check_order", "join_orders"]


@dataclass(frozen=True, eq=False)
class Panel:
    """One coefficient for a figure."""

    title: str
    shapes: tuple[tuple[int, ...], ...]  # of the output, and of each operand
    sharing: np.ndarray
    names: list[str]  # of the parameters


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
        """The number of the parameter at each entry of the coefficient of order k."""

    @property
    @abstractmethod
    def heading(self) -> str:
        """The function's inputs, outputs and symmetry, in a line."""

    @abstractmethod
    def evaluate(self, x: Any, params: Any) -> Any:
        """The value of the series at x."""

    @abstractmethod
    def panels(self, k: int) -> list[Panel]:
        """The coefficients of order k for a figure."""

    @abstractmethod
    def _make_rows(self) -> list[tuple[object, ...]]:
        """The table of the orders, its header first."""

    def __str__(self) -> str:
        """A table of the orders.

        >>> from einnet import series, series_of
        >>> print(series("ab ->", order=2, sizes={"a": 2, "b": 2}))
        ab -> with a=2, b=2: 6 free parameters
        order  entries  free  contractions
        0      1        1     ->
        1      4        1     ij->
        2      16       4     ij,ij->  ij,ik->  ij,kj->  ij,kl->
        >>> print(series_of([[1, 2, 0]], order=2))
        3 variables, invariant under (0 1 2): 5 free parameters
        order  entries  free  one entry of each
        0      1        1     C
        1      3        1     C[0]
        2      9        3     C[0,0]  C[0,1]  C[0,2]
        """
        return f"{self.heading}: {format_number(self.total)} free parameters\n{format_table(self._make_rows())}"

    def __repr__(self) -> str:
        try:
            return str(self)
        except EinNetError:
            return self.heading

    @cached_property
    def dof(self) -> tuple[int, ...]:
        """The number of free parameters of each order, 0 to `order`."""
        return tuple(reversed([self._count(k) for k in reversed(range(self.order + 1))]))  # the largest may be refused

    @property
    def total(self) -> int:
        """The number of free parameters."""
        return sum(self.dof)

    def split(self, params: Any) -> list[Any]:
        """The parameters of each order.

        `params` is one vector of length `total`, or a list with a vector for each order.
        """
        if _is_by_order(params):
            params = as_arrays(*params)
            lengths = [p.shape[0] for p in params]
            if lengths != list(self.dof):
                raise ShapeError(f"expected {list(self.dof)} parameters for orders 0 to {self.order}, got {lengths}")
            return params
        (vector,) = as_arrays(params)
        if tuple(vector.shape) != (self.total,):
            raise ShapeError(
                f"expected {self.total} parameters ({' + '.join(map(str, self.dof))}) in one vector, or a list with "
                f"a vector for each order, got shape {tuple(vector.shape)}"
            )
        return cut(vector, self.dof)

    def check(self, k: int) -> int:
        """k, if the series has such an order."""
        if (order := check_count(k, "k", minimum=0)) > self.order:
            raise EinNetError(f"the series goes up to order {self.order}, got k={order:,}")
        return order


def check_order(order: Any, name: str = "order") -> int:
    """The order of a series, or the power of a tensor, as an `int`."""
    return check_count(order, name, minimum=0, maximum=limits().series_order)


def join_orders(parts: Sequence[Any], like: Any) -> Any:
    """A vector for each order in the form of `like`: one vector, or a list."""
    return list(parts) if _is_by_order(like) else concatenate(parts)


def _is_by_order(params: Any) -> bool:
    """Whether these are a list with a vector for each order."""
    return isinstance(params, (list, tuple)) and bool(params) and all(np.ndim(p) == 1 for p in params)
