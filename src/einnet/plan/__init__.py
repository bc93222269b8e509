"""Plans: a set of terms as pairwise steps with shared intermediates, sizes left free."""

from einnet.plan.build import Step
from einnet.plan.cost import Cost
from einnet.plan.plan import Plan, Result

__all__ = ["Cost", "Plan", "Result", "Step"]
