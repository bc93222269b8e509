"""A layer of dense types as one function with its derivative: few operations, few passes over the cells.

Each type is normalized and projected, the plan runs, and each type is updated from its results, see `Cells`. Of few
cells all that the backward pass needs is stored, and the operations are recorded for the next states of these sizes. Of
many the state, the values of the plan and the norms are stored, and the rest is computed again.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from einnet.nn.backend import TORCH
from einnet.nn.cells import CellPlan, Cells, TypeCells
from einnet.nn.channels import rms_normalize
from einnet.nn.sparse.rows import differentiate_twice
from einnet.nn.tape import Tapes

__all__ = ["CellLayer", "update_cells"]

WEIGHTS = 8  # of a type: two gains, three matrices, each with a bias
STORED = 6
RECORDED = 2**10  # cells up to which operations are recorded


class CellLayer:
    """A layer for states and weights of some shapes. Of few cells its operations are recorded."""

    def __init__(self, plan: CellPlan, types: Sequence[TypeCells]):
        self.plan, self.types = plan, types
        is_few = all(t.grid.is_one and t.grid.cells <= RECORDED and isinstance(t.activation, nn.GELU) for t in types)
        self.is_one = all(t.grid.is_one for t in types)
        self.tapes = Tapes(is_few and not any(step.loop for step in plan.plan.steps))

    def bind(self, tensors: Sequence[Any], stored: Sequence[Any] = (None,)) -> list["Cells"]:
        """The maps of each type."""
        size, width = 1 + WEIGHTS, len(stored) // len(self.types)
        return [
            Cells(self.plan, k, t, tensors[k * size : (k + 1) * size], stored[k * width : (k + 1) * width])
            for k, t in enumerate(self.types)
        ]

    def compute(self, tensors: Sequence[Any]) -> list[Any]:
        """The new states, all values of the plan, and what is stored of each type."""
        types = self.bind(tensors)
        values = self.plan.run([c.project() for c in types])
        states = [c.update([values[n] for n in self.plan.values[k]]) for k, c in enumerate(types)]
        return [*states, *values, *[y for c in types for y in c.backward_values]]

    def differentiate(self, tensors: Sequence[Any]) -> list[Any]:
        """The gradients of the tensors of `compute`, from them, what else it gave, and the gradients of the states."""
        number = len(self.types)
        split, end = number * (1 + WEIGHTS), len(tensors) - number
        values, stored = tensors[split : end - STORED * number], tensors[end - STORED * number : end]
        types = self.bind(tensors[:split], stored)
        of_results = [c.undo_update(g, ()) for c, g in zip(types, tensors[end:], strict=True)]
        derived = []
        for c, of_operands in zip(types, self.plan.differentiate(of_results, values), strict=True):
            derived += [c.undo_projection(of_operands), *c.of_weights()]
        return derived

    def compute_plainly(self, tensors: Sequence[Any]) -> list[Tensor]:
        """The new states, by plain operations, which have derivatives of their own."""
        own = [tensors[k : k + 1 + WEIGHTS] for k in range(0, len(tensors), 1 + WEIGHTS)]
        values = self.plan.run([self.project_plainly(k, x, g, w, b) for k, (x, g, _, w, b, *_) in enumerate(own)])
        return [
            self.update_plainly(k, [values[n] for n in self.plan.values[k]], x, gain, *weights)
            for k, (x, _, gain, _, _, *weights) in enumerate(own)
        ]

    def project_plainly(
        self, k: int, x: Tensor, gain: Tensor | None, weight: Tensor, bias: Tensor | None
    ) -> Sequence[Tensor]:
        """The operands of the k-th type."""
        t = self.types[k]
        rows = rms_normalize(t.grid.matrix(x).t(), -1) if t.is_normed else t.grid.matrix(x).t()
        y = linear(rows, weight if gain is None else weight * gain, bias)
        return t.grid.operands(y.t().contiguous(), len(self.plan.operands[k]))

    def update_plainly(
        self, k: int, results: Sequence[Tensor], x: Tensor, gain: Tensor | None, *weights: Tensor | None
    ) -> Tensor:
        """The new state of the k-th type."""
        t, (mix, bias, *out) = self.types[k], weights
        parts = zip(self.plan.expansions[k], results, t.factors, strict=True)
        pooled = torch.cat([e.apply(y if f is None else y * f, t.grid.axes, TORCH) for e, y, f in parts])
        pooled = rms_normalize(pooled.flatten(1).t(), -1) if t.is_normed else pooled.flatten(1).t()
        inner = t.activation(linear(pooled, mix if gain is None else mix * gain, bias))  # type: ignore[arg-type, operator]
        return t.grid.state(t.grid.matrix(x) + linear(inner, *out).t())  # type: ignore[arg-type]


def update_cells(layer: CellLayer, tensors: Sequence[Any]) -> Sequence[Tensor]:
    """The state of each type after a layer; `tensors` has for each its state, the gains, the matrices with biases.

    One function of few cells. Of many there are two, before and after the plan, as each then drops what it stored.
    """
    apply = super(torch.autograd.Function, CellUpdate).apply  # type: ignore[misc] # there is no torch.func at work
    if layer.is_one:
        return apply(layer, *tensors)
    own = [tensors[k : k + 1 + WEIGHTS] for k in range(0, len(tensors), 1 + WEIGHTS)]
    projected = [Projection.apply(layer, k, x, g, w, b) for k, (x, g, _, w, b, *_) in enumerate(own)]
    values = layer.plan.run([operands for _, *operands in projected])  # type: ignore[misc]
    return [
        Update.apply(layer, k, *projected[k][:1], gain, *weights, *(values[n] for n in layer.plan.values[k]))  # type: ignore[index]
        for k, (_, _, gain, _, _, *weights) in enumerate(own)
    ]


class CellUpdate(torch.autograd.Function):
    """See `update_cells`."""

    @staticmethod
    def forward(ctx, layer: CellLayer, *tensors: Tensor | None):
        ctx.layer, number = layer, len(layer.types)
        results = layer.tapes.run("compute", layer.compute, tensors)
        ctx.save_for_backward(*tensors, *results[number:])
        return tuple([y.data for y in results[:number]])  # no views, which could not be written to

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        layer, saved = ctx.layer, ctx.saved_tensors
        if torch.is_grad_enabled():
            tensors = saved[: len(layer.types) * (1 + WEIGHTS)]
            return None, *differentiate_twice(lambda: layer.compute_plainly(tensors), ctx, tensors, gradients, 1)
        return None, *layer.tapes.run("differentiate", layer.differentiate, [*saved, *gradients])


class Projection(torch.autograd.Function):
    """The state, passed on so that the gradient of its other use is added in the backward pass, and the operands."""

    @staticmethod
    def forward(ctx, layer: CellLayer, k: int, x: Tensor, *weights: Tensor | None):
        ctx.layer, ctx.k, (gain, weight, bias) = layer, k, weights
        cells = Cells(layer.plan, k, layer.types[k], [x, gain, None, weight, bias, *[None] * 4], ())
        operands = cells.project()
        ctx.save_for_backward(x, *weights, cells.scale)
        return x, *operands

    @staticmethod
    def backward(ctx, of_state: Tensor, *gradients: Tensor):  # type: ignore[override]
        (x, gain, weight, bias, scale), layer, k = ctx.saved_tensors, ctx.layer, ctx.k
        if torch.is_grad_enabled():
            tensors = x, gain, weight, bias
            return (
                None,
                None,
                *differentiate_twice(
                    lambda: (x.view_as(x), *layer.project_plainly(k, *tensors)), ctx, tensors, (of_state, *gradients), 2
                ),
            )
        stored = None, scale, *[None] * 4
        cells = Cells(layer.plan, k, layer.types[k], [x, gain, None, weight, bias, *[None] * 4], stored)
        cells.gradients = cells.grid.split(cells.grid.matrix(of_state))
        of_x, (of_gain, _, *of_weights) = cells.undo_projection(gradients), cells.of_weights()
        return None, None, of_x, of_gain, *of_weights[:2]


class Update(torch.autograd.Function):
    """The new state, from the old one and the results."""

    @staticmethod
    def forward(ctx, layer: CellLayer, k: int, x: Tensor, *tensors: Tensor | None):
        ctx.layer, ctx.k, (gain, mix, bias, out, last, *results) = layer, k, tensors
        cells = Cells(layer.plan, k, layer.types[k], [x, None, gain, None, None, mix, bias, out, last], ())
        state = cells.update(results)  # type: ignore[arg-type]
        ctx.save_for_backward(x, *tensors, cells.pooled_scale)
        return state.data  # no view, which could not be written to

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (x, gain, mix, bias, out, last, *results, scale), layer, k = ctx.saved_tensors, ctx.layer, ctx.k
        weights = mix, bias, out, last
        if torch.is_grad_enabled():
            return None, None, *differentiate_twice(
                lambda: layer.update_plainly(k, results, x, gain, *weights),
                ctx, [x, gain, *weights, *results], gradients, 2,
            )  # fmt: skip
        stored = None, None, None, scale, None, None
        cells = Cells(layer.plan, k, layer.types[k], [x, None, gain, None, None, *weights], stored)
        of_results, (_, of_gain, *of_weights) = cells.undo_update(gradients[0], results), cells.of_weights()
        return None, None, gradients[0], of_gain, *of_weights[2:], *of_results
