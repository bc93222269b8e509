"""The executor of plans. Arrays may have any number of batch axes in front; a back end supplies the primitives.

A plan gives compact results: each index of the output once, broadcast indices left out. An axis map says
how the axes of a compact result lie in the output, see `Result`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from einnet.errors import ShapeError
from einnet.plan.backends import NUMPY, Backend
from einnet.plan.kernel import Expansion
from einnet.plan.plan import Plan, Step
from einnet.terms.term import Term

__all__ = ["evaluate_term", "expand", "run_plan", "run_step", "run_steps"]


def run_plan(plan: Plan, operands: Sequence[Any], backend: Backend = NUMPY) -> list[Any]:
    """The compact result of each term, given the arrays that the plan reads.

    >>> plan = Plan.make(["ab->ac", "ab,bc->ac"], "aa", sources=[(0,), (0, 0)])
    >>> rows, square = run_plan(plan, [np.array([[1, 2], [3, 4]])])
    >>> rows, expand(rows, plan.results[0].axis_map, (2, 2))
    (array([3, 7]), array([[3, 3],
           [7, 7]]))
    """
    values = run_steps(plan, operands, backend)
    return [values[r.value] for r in plan.results]


def run_steps(plan: Plan, operands: Sequence[Any], backend: Backend = NUMPY) -> list[Any]:
    """All values of a plan: the arrays that it reads, then that of each step."""
    if len(operands) != plan.input_count:
        raise ShapeError(f"the plan reads {plan.input_count} arrays, got {len(operands)}")
    values = list(operands)
    for step in plan.steps:
        values.append(run_step(step, [values[k] for k in step.sources], backend))
    return values


def run_step(step: Step, operands: Sequence[Any], backend: Backend = NUMPY) -> Any:
    """The value of a step."""
    if backend.takes(step):
        return backend.join(step, operands)
    if step.kernel is None:
        return backend.contract_in_loop(operands, step.operands, step.output, step.loop)
    return step.kernel.run(operands, backend)


def expand(compact: Any, axis_map: Sequence[int], sizes: Sequence[int], backend: Backend = NUMPY) -> Any:
    """The output, with axes of these sizes, from a compact result with the axis map of a `Result`; perhaps a view."""
    return Expansion.of(tuple(axis_map)).apply(compact, sizes, backend)


def evaluate_term(term: Term, operands: Sequence[Any], sizes: Mapping[str, int], backend: Backend = NUMPY) -> Any:
    """The output of one term; whole numbers stay whole.

    >>> evaluate_term(Term("ab->aa"), [np.array([[1, 2], [3, 4]])], {"a": 2, "b": 2})
    array([[3, 0],
           [0, 7]])

    `sizes` gives the size of each index; that of a broadcast index is read there.
    """
    plan = Plan.without_types([term])
    if backend is NUMPY:
        dtype = np.result_type(*operands)
        operands = [x.astype(np.int64 if dtype.kind == "b" else dtype, copy=False) for x in operands]
    (compact,), (result,) = run_plan(plan, operands, backend), plan.results
    output = expand(compact, result.axis_map, [sizes[i] for i in term.output], backend)
    if term.order == 1 or term.broadcast_indices:  # perhaps a view
        return np.array(output) if backend is NUMPY else output.clone()
    return output
