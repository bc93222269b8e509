"""Runs a plan on tensors whose features stand before the permuted axes: (batch..., features, axes...).

In that order each feature is one matrix in memory, which is what the matrix products want. The
public modules move the features to the front and back as views; between layers nothing is copied.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.loops import contract_in_loop
from einnet.nn.steps import align, contract, reduce
from einnet.plan import Plan, Step

__all__ = ["expand", "from_front", "run_plan", "run_step", "to_front"]


def to_front(x: Tensor, rank: int) -> Tensor:
    """(batch..., axes..., features) to (batch..., features, axes...), a view."""
    return x.movedim(-1, -1 - rank)


def from_front(x: Tensor, rank: int) -> Tensor:
    return x.movedim(-1 - rank, -1)


def run_plan(plan: Plan, slots: Sequence[Tensor]) -> list[Tensor]:
    """The core of each term's result, given the tensors of the plan's slots."""
    if len(slots) != plan.slots:
        raise ShapeError(f"the plan reads {plan.slots} tensors, got {len(slots)}")
    values = list(slots)
    for step in plan.steps:
        values.append(run_step(step, [values[k] for k in step.sources]))
    return [values[r.value] for r in plan.results]


def run_step(step: Step, sources: Sequence[Tensor]) -> Tensor:
    """The value of a step."""
    if len(sources) == 1:
        return reduce(sources[0], step.operands[0], step.output)
    if step.loop:
        return contract_in_loop(sources, step.operands, step.output, step.loop)
    return contract(sources, step.operands, step.output)


def expand(core: Tensor, frame: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """The output from a core: axes permuted, broadcast to `sizes` (a view), or put on a diagonal.

    `frame` is that of the `Result`; `sizes` are the sizes of the output's axes.
    """
    if list(frame) == list(range(len(frame))):
        return core
    names = list(dict.fromkeys(frame))
    held = sorted(f for f in names if f >= 0)
    x = align(core, held, names)
    if len(held) < len(names):
        shape = [sizes[frame.index(f)] for f in names]
        x = x.expand(*x.shape[: x.dim() - len(names)], *shape)
    for name in dict.fromkeys(frame):
        while names.count(name) < frame.count(name):
            k = names.index(name)
            x = torch.diag_embed(x.movedim(k - len(names), -1))
            names = [*names[:k], *names[k + 1 :], name, name]
    offset = x.dim() - len(names)
    return x.permute([*range(offset), *_order(names, frame, offset)])


def _order(names: Sequence[int], frame: Sequence[int], offset: int) -> list[int]:
    free = list(range(len(names)))
    order = []
    for f in frame:
        k = next(k for k in free if names[k] == f)
        free.remove(k)
        order.append(offset + k)
    return order
