"""A layer whose types all have rows, as one function with its derivative, for so few rows that all values are kept.

Small graphs take as long as their operations are many: here each type is projected and mapped by one matrix, and what
the steps of the backward pass need is there. `rows.py` does the same for many rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from einnet.nn.sparse.row_plan import RowPlan
from einnet.nn.sparse.rows import Totals, Update, differentiate_twice, normalize, undo_norm

__all__ = ["RowLayer", "TypeRows", "update_types"]

WEIGHTS = 6  # of a type: three matrices, each with a bias


class TypeRows(NamedTuple):
    """How the rows of a type are updated: the operands of its local terms, those that the plan reads, the number."""

    update: Update
    own: list[int]
    shared: list[int]


class RowLayer(NamedTuple):
    """The types; the plan of the terms that are not local, and the type of each of its operands and results."""

    types: list[TypeRows]
    plan: RowPlan | None
    reads: Sequence[int]
    writes: Sequence[int]

    def run(self, tensors: Sequence[Any]) -> tuple[list[Tensor], Any]:
        """The state after the layer, and what its derivative needs."""
        states = [tensors[k : k + 1 + WEIGHTS] for k in range(0, len(tensors), 1 + WEIGHTS)]
        projected, outputs, computed = [], [], []
        for t, (x, weight, bias, *_) in zip(self.types, states, strict=True):
            normed, scale = normalize(x, t.update.is_normed)
            operands = linear(normed, weight, bias).split(len(weight) // (len(t.own) + len(t.shared)), 1)
            projected.append((normed, scale, operands))
        results, values = self._mix([[p[2][n] for n in t.shared] for t, p in zip(self.types, projected, strict=True)])
        for k, (t, (x, _, _, weight, bias, last, last_bias)) in enumerate(zip(self.types, states, strict=True)):
            normed, scale, operands = projected[k]
            own = [operands[n] for n in t.own]
            mixed = [y for y, n in zip(results, self.writes, strict=True) if n == k]
            pooled, pooled_scale = normalize(t.update.combine(own, mixed, slice(None)), t.update.is_normed)
            inner = linear(pooled, weight, bias)
            if is_differentiated := torch.is_grad_enabled():
                active = t.update.activation(inner)
            else:
                with torch.enable_grad():  # for the derivative of the activation alone
                    active = t.update.activation(inner.requires_grad_())
            y = torch.addmm(x, active if is_differentiated else active.detach(), last.T)
            outputs.append(y if last_bias is None else y.add_(last_bias))
            computed.append((normed, scale, own, pooled, pooled_scale, inner, active))
        return outputs, (computed, values)

    def _mix(self, shared: Sequence[Sequence[Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        rest = [iter(y) for y in shared]
        return ([], []) if self.plan is None else self.plan.run([next(rest[k]) for k in self.reads])

    def differentiate(self, gradients: Sequence[Tensor], tensors: Sequence[Any], computed: Any) -> list[Tensor | None]:
        """The gradients of all tensors."""
        parts, values = computed
        totals, of_own, of_given = [], [], []
        for k, (t, g) in enumerate(zip(self.types, gradients, strict=True)):
            _, into, into_bias, weight, bias, last, last_bias = tensors[k * (1 + WEIGHTS) : (k + 1) * (1 + WEIGHTS)]
            _, _, own, pooled, pooled_scale, inner, active = parts[k]
            total = Totals(into, into_bias, weight, bias, last, last_bias)
            total.add(2, g, active.detach())
            (of_inner,) = torch.autograd.grad(active, inner, g @ last, retain_graph=True)
            total.add(1, of_inner, pooled)
            of_pooled = undo_norm(of_inner @ weight, pooled, pooled_scale)
            pieces = of_pooled.split(of_pooled.shape[1] // len(t.update.operands), 1)
            factors, mixed = t.update.separate(iter(pieces), own, slice(None))
            of_own.append(factors)
            of_given.append(iter(mixed))
            totals.append(total)
        of_shared: list[list[Tensor]] = [[] for _ in self.types]
        if self.plan is not None:
            mixed = [next(of_given[k]) for k in self.writes]
            for k, g in zip(self.reads, self.plan.differentiate(mixed, values), strict=True):
                of_shared[k].append(g)
        derived = []
        for k, (t, g) in enumerate(zip(self.types, gradients, strict=True)):
            numbers = dict(zip((*t.own, *t.shared), (*of_own[k], *of_shared[k]), strict=True))
            of_operands = torch.cat([numbers[n] for n in range(len(numbers))], 1)
            normed, scale = parts[k][:2]
            totals[k].add(0, of_operands, normed)
            of_x = undo_norm(of_operands @ tensors[k * (1 + WEIGHTS) + 1], normed, scale).add_(g)
            derived += [of_x, *totals[k].sums]
        return derived


class LayerUpdate(torch.autograd.Function):
    """See `update_types`."""

    @staticmethod
    def forward(ctx, layer: RowLayer, *tensors: Tensor | None):
        ctx.layer = layer
        ctx.save_for_backward(*tensors)
        outputs, ctx.computed = layer.run(tensors)
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        tensors, layer = ctx.saved_tensors, ctx.layer
        if torch.is_grad_enabled():
            return None, *differentiate_twice(lambda: layer.run(tensors)[0], ctx, tensors, gradients, 1)
        return None, *layer.differentiate(gradients, tensors, ctx.computed)


def update_types(layer: RowLayer, tensors: Sequence[Tensor | None]) -> list[Tensor]:
    """The state of each type after a layer; `tensors` has for each its rows and the matrices with their biases."""
    return list(LayerUpdate.apply(layer, *tensors))  # type: ignore[arg-type]
