"""A linear map of dense types as one function with its derivative, of few operations.

A sum that several terms have is computed once; results that are the same sums, but lie differently in the output, are
mapped by one product of matrices, before they are broadcast; those of few axes are added to those of more axes first.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from einnet.nn.backend import TORCH
from einnet.nn.pooled import AxisMap, count_axes, nest
from einnet.nn.sparse.rows import differentiate_twice
from einnet.plan import Plan
from einnet.plan.execute import run_steps
from einnet.plan.gradient import differentiate_steps
from einnet.plan.kernel import Expansion, Kernel

__all__ = ["LinearCall", "LinearMap", "map_cells"]

Node = tuple[int, int, int]  # the plan, the value in it, and the term whose factor it is multiplied by, or -1


class Stack(NamedTuple):
    """Nodes side by side, and the axis maps at which they lie in the output; their columns of the ordered matrix."""

    nodes: list[Node]
    widths: list[int]
    maps: list[AxisMap]
    columns: slice


class LinearCall(NamedTuple):
    """The sizes of the batch axes and of those of the output, and the factors of the terms of each plan."""

    batch: Sequence[int]
    axes: Sequence[int]
    factors: Sequence[Sequence[float | None]]


class LinearMap:
    """Terms of plans of one input each, whose columns of a matrix stand side by side, and constants."""

    def __init__(self, plans: Sequence[Plan], widths: Sequence[int], constants: Plan | None, is_scaled: bool):
        self.plans, self.constants = plans, [r.axis_map for r in constants.results] if constants else []
        terms = [(p, t) for p, plan in enumerate(plans) for t in range(len(plan.terms))]
        columns = pairwise(accumulate((widths[p] for p, _ in terms), initial=0))
        found: dict[AxisMap, dict[Node, range]] = {}
        scaled: dict[tuple[int, int], int] = {}
        for (p, t), bounds in zip(terms, columns, strict=True):
            result, is_sum = plans[p].results[t], bool(plans[p].summed_axes[t])
            term = scaled.setdefault((p, result.value), t) if is_scaled and is_sum else -1
            found.setdefault(result.axis_map, {})[p, result.value, term] = range(*bounds)
        by_nodes: dict[tuple[Node, ...], list[AxisMap]] = {}
        for m, nodes in found.items():
            by_nodes.setdefault(tuple(sorted(nodes)), []).append(m)
        self.stacks: list[Stack] = []
        order: list[int] = []
        for nodes, maps in by_nodes.items():
            own = [c for m in maps for n in nodes for c in found[m][n]]
            place = slice(len(order), len(order) + len(own))
            self.stacks.append(Stack(list(nodes), [widths[p] for p, *_ in nodes], maps, place))
            order += own
        self.order = None if order == sorted(order) else tuple(order)
        maps = list(dict.fromkeys((*found, *self.constants)))
        self.nested = nest(maps)
        self.inner = {m: _relate([m[larger.index(k)] for k in range(count_axes(larger))]) for m, larger in self.nested}
        self.outer = {m: _relate(m) for m in maps if m not in self.inner}

    def run(self, weight: Tensor, bias: Tensor | None, inputs: Sequence[Tensor], call: LinearCall):
        """The output, the values of all plans, and for each stack its nodes and its matrix; features stand first."""
        values = [run_steps(p, [x] * p.input_count, TORCH) for p, x in zip(self.plans, inputs, strict=True)]
        outputs: dict[AxisMap, Tensor] = {}
        parts = []
        ordered = weight if self.order is None else weight.index_select(1, _as_index(self.order, weight.device)[0])
        for s in self.stacks:
            nodes = [values[p][v] if t < 0 else values[p][v] * call.factors[p][t] for p, v, t in s.nodes]  # type: ignore[operator]
            part, matrix = nodes[0] if len(nodes) == 1 else torch.cat(nodes), ordered[:, s.columns]
            if len(s.maps) > 1:
                matrix = matrix.unflatten(1, (len(s.maps), -1)).transpose(0, 1).flatten(0, 1)
            y = (matrix @ part.reshape(part.shape[0], -1)).view(len(s.maps), -1, *part.shape[1:])
            outputs |= zip(s.maps, y.unbind(), strict=True)
            parts += [part, matrix]
        if bias is not None:
            for k, m in enumerate(self.constants):
                own = [call.axes[m.index(j)] for j in range(count_axes(m))]
                y = bias[:, k].view(-1, *[1] * (len(call.batch) + len(own)))
                outputs[m] = outputs[m] + y if m in outputs else y.expand(-1, *call.batch, *own)
        return self._add(outputs, call), values, parts

    def _add(self, outputs: dict[AxisMap, Tensor], call: LinearCall) -> Tensor:
        """The sum of compact outputs."""
        for m, larger in self.nested:
            if m in outputs:
                sizes = [call.axes[larger.index(k)] for k in range(count_axes(larger))]
                outputs[larger] = outputs[larger] + self.inner[m][0].apply(outputs.pop(m), sizes, TORCH)
        own, *rest = sorted(outputs, key=lambda m: -count_axes(m))
        total = self.outer[own][0].apply(outputs[own], call.axes, TORCH)
        for m in rest:
            total = total + self.outer[m][0].apply(outputs[m], call.axes, TORCH)
        return total if rest or count_axes(own) == len(own) else total.contiguous()

    def differentiate(
        self, gradient: Tensor, bias: Tensor | None, values: Sequence[Sequence[Tensor]], parts: Sequence[Tensor],
        call: LinearCall, needs_inputs: bool,
    ) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:  # fmt: skip
        """The gradients of the matrix, of the bias, and of the inputs."""
        of_outputs = {m: kernel.run([gradient], TORCH) for m, (_, kernel) in self.outer.items()}
        for m, larger in reversed(self.nested):
            of_outputs[m] = self.inner[m][1].run([of_outputs[larger]], TORCH)
        of_bias = None
        if bias is not None:
            of_bias = torch.stack([of_outputs[m].reshape(gradient.shape[0], -1).sum(1) for m in self.constants], 1)
        of_columns, totals = [], [[None] * len(v) for v in values]
        for s, part, matrix in zip(self.stacks, parts[::2], parts[1::2], strict=True):
            own = [of_outputs[m].reshape(gradient.shape[0], -1) for m in s.maps]
            g = own[0] if len(own) == 1 else torch.cat(own)
            of_matrix = g @ part.reshape(part.shape[0], -1).t()
            if len(own) > 1:
                of_matrix = of_matrix.unflatten(0, (len(own), -1)).transpose(0, 1).flatten(1)
            of_columns.append(of_matrix)
            if needs_inputs:
                pieces = (matrix.t() @ g).view(part.shape).split_with_sizes(s.widths)
                for (p, v, t), piece in zip(s.nodes, pieces, strict=True):
                    piece = piece if t < 0 else piece * call.factors[p][t]
                    totals[p][v] = piece if totals[p][v] is None else totals[p][v] + piece
        of_weight = of_columns[0] if len(of_columns) == 1 else torch.cat(of_columns, 1)
        if self.order is not None:
            of_weight = of_weight.index_select(1, _as_index(self.order, of_weight.device)[1])
        if not needs_inputs:
            return of_weight, of_bias, [None] * len(self.plans)
        pairs = zip(self.plans, totals, values, strict=True)
        return of_weight, of_bias, [_sum(differentiate_steps(plan, t, v, TORCH)) for plan, t, v in pairs]


def map_cells(linear: LinearMap, call: LinearCall, weight: Tensor, bias: Tensor | None, inputs: Sequence[Tensor]):
    """The map of states whose features stand first."""
    return CellMap.apply(linear, call, weight, bias, *inputs)


class CellMap(torch.autograd.Function):
    """See `map_cells`."""

    @staticmethod
    def forward(ctx, linear: LinearMap, call: LinearCall, weight: Tensor, bias: Tensor | None, *inputs: Tensor):
        ctx.linear, ctx.call = linear, call
        y, values, parts = linear.run(weight, bias, inputs, call)
        ctx.save_for_backward(weight, bias, *inputs, *parts, *[v for own in values for v in own])
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        linear, (weight, bias, *saved) = ctx.linear, ctx.saved_tensors
        number, needs = len(linear.plans), ctx.needs_input_grad
        inputs, parts, rest = saved[:number], saved[number:][: 2 * len(linear.stacks)], []
        if torch.is_grad_enabled():
            return (
                None,
                None,
                *differentiate_twice(
                    lambda: linear.run(weight, bias, inputs, ctx.call)[0], ctx, [weight, bias, *inputs], [gradient], 2
                ),
            )
        start = number + len(parts)
        for plan in linear.plans:
            stop = start + plan.input_count + len(plan.steps)
            rest.append(saved[start:stop])
            start = stop
        of_weight, of_bias, of_inputs = linear.differentiate(gradient, bias, rest, parts, ctx.call, any(needs[4:]))
        return None, None, of_weight, of_bias, *of_inputs


def _relate(axis_map: Sequence[int]) -> tuple[Expansion, Kernel]:
    """From a compact result to an output with this axis map, and the gradient's way back."""
    names = tuple(map(str, axis_map))
    return Expansion.of(tuple(axis_map)), Kernel.of([names], tuple(sorted({n for n in names if n[0] != "-"}, key=int)))


def _sum(gradients: Sequence[Any]) -> Any:
    total = None
    for g in gradients:
        if g is not None:
            total = g if total is None else total + g
    return total


@lru_cache
def _as_index(order: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """The order, and the way back."""
    with torch.inference_mode(False):
        index = torch.tensor(order, dtype=torch.long, device=device)
        return index, index.argsort()
