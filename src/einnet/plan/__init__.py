"""Plans: a set of terms as pairwise steps with shared intermediates, sizes left free; and their executor."""

from einnet.plan.cost import Cost
from einnet.plan.execute import evaluate_term, expand, run_plan, run_step
from einnet.plan.plan import Plan, Result, Step

__all__ = ["Cost", "Plan", "Result", "Step", "evaluate_term", "expand", "run_plan", "run_step"]
