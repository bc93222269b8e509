"""The series: every function with a given symmetry, as a power series with shared coefficients."""

from einnet.taylor.expansion import Panel, Series
from einnet.taylor.group_series import GroupSeries, series_of
from einnet.taylor.laurent_series import LaurentSeries, laurent
from einnet.taylor.matrix_groups import LinearMaps, linear_maps
from einnet.taylor.representation import Representation, lorentz, orthogonal, permutations, rotations
from einnet.taylor.type_series import TypeSeries, series

__all__ = [
    "GroupSeries", "LaurentSeries", "LinearMaps", "Panel", "Representation", "Series", "TypeSeries", "laurent",
    "linear_maps", "lorentz", "orthogonal", "permutations", "rotations", "series", "series_of",
]  # fmt: skip
