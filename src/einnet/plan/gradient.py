"""Backwards through a plan: the transpose of a sum is an expansion, and a factor of a product is one of a product."""

from collections.abc import Sequence
from typing import Any

from einnet.plan.backends import NUMPY, Backend
from einnet.plan.plan import Plan, Step

__all__ = ["differentiate_plan", "differentiate_steps"]


def differentiate_plan(
    plan: Plan, gradients: Sequence[Any], values: Sequence[Any], backend: Backend = NUMPY
) -> list[Any]:
    """The gradient of each array that a plan of dense types reads, from those of its compact results.

    `values`, real numbers with equal batch axes, are those of `run_steps`. A gradient may be a view.

    >>> import numpy as np
    >>> from einnet.plan.execute import run_steps
    >>> plan = Plan.make(["ab,bc->ac", "ab->ac"], "aa")
    >>> x, y, z = np.arange(4.0).reshape(2, 2), np.eye(2), np.ones((2, 2))
    >>> differentiate_plan(plan, [np.ones((2, 2)), np.array([5.0, 7.0])], run_steps(plan, [x, y, z]))
    [array([[1., 1.],
           [1., 1.]]), array([[2., 2.],
           [4., 4.]]), array([[5., 5.],
           [7., 7.]])]
    """
    totals: list[Any] = [None] * len(values)
    for result, gradient in zip(plan.results, gradients, strict=True):
        total = totals[result.value]
        totals[result.value] = gradient if total is None else total + gradient
    return differentiate_steps(plan, totals, values, backend)


def differentiate_steps(plan: Plan, totals: list[Any], values: Sequence[Any], backend: Backend = NUMPY) -> list[Any]:
    """The same from what is known of the gradients of all values, None for nothing; these are added up there."""
    number = len(values)
    for step in reversed(plan.steps):
        number -= 1
        if totals[number] is None:
            continue
        operands = [values[k] for k in step.sources]
        for k, gradient in zip(step.sources, _differentiate(step, totals[number], operands, backend), strict=True):
            totals[k] = gradient if totals[k] is None else totals[k] + gradient
    return totals[: plan.input_count]


def _differentiate(step: Step, gradient: Any, operands: Sequence[Any], backend: Backend) -> Sequence[Any]:
    """The gradients of what a step reads."""
    if step.loop:
        return backend.differentiate_loop(gradient, operands, step.operands, step.output, step.loop)
    if len(operands) == 1:
        (x,), (expansion,) = operands, step.transposes
        return [expansion.apply(gradient, x.shape[x.ndim - len(step.operands[0]) :], backend)]  # type: ignore[union-attr]
    (x, y), (of_left, of_right) = operands, step.transposes
    return [of_left.run([gradient, y], backend), of_right.run([gradient, x], backend)]  # type: ignore[union-attr]
