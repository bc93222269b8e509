"""The series: every function with a given symmetry, as a power series with shared coefficients."""

from einnet.taylor.expansion import Series
from einnet.taylor.typed import TypeSeries, series

__all__ = ["Series", "TypeSeries", "series"]
