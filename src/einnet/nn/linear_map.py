"""A linear map of few cells of dense types as one function with its derivative, whose operations are recorded.

A sum that several terms have is computed once; results that are the same sums, but lie differently in the output, are
mapped by one product of matrices, before they are broadcast; those of few axes are added to those of more axes first.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from einnet.nn.backend import TORCH
from einnet.nn.pooled import AxisMap, count_axes, nest
from einnet.nn.sparse.rows import differentiate_twice
from einnet.nn.tape import Tapes
from einnet.plan import Plan
from einnet.plan.execute import run_steps
from einnet.plan.gradient import differentiate_steps
from einnet.plan.kernel import Expansion, Kernel

__all__ = ["LinearCall", "LinearMap", "map_cells"]

MOST_CALLS = 64  # of different shapes that are kept
Node = tuple[int, int, int]  # the plan, the value in it, and the term whose factor it is multiplied by, or -1


class Stack(NamedTuple):
    """Nodes side by side, and the axis maps at which they lie in the output; where their columns begin."""

    nodes: list[Node]
    widths: list[int]
    maps: list[AxisMap]
    start: int


class LinearCall:
    """A map for inputs of some sizes: of the batch axes and those of the output; the factors of each plan's terms."""

    def __init__(
        self, linear: "LinearMap", batch: Sequence[int], axes: Sequence[int], factors: Sequence[Sequence[float | None]]
    ):
        self.linear, self.batch, self.axes, self.factors = linear, batch, axes, factors
        self.sizes = {m: [axes[m.index(j)] for j in range(count_axes(m))] for m in linear.maps}
        self.tapes = Tapes(True)

    def compute(self, tensors: Sequence[Any]) -> list[Tensor]:
        """The output, then what is stored; `tensors` are the matrix, the bias or None, and the inputs."""
        weight, bias, *inputs = tensors
        y, values, parts = self.linear.run(weight, bias, inputs, self)
        return [y, *parts, *[v for own in values for v in own]]

    def differentiate(self, tensors: Sequence[Any], has_inputs: bool = True) -> list[Tensor | None]:
        """The gradients of the tensors of `compute`, from them, what it stored, and the gradient of the output."""
        linear, (_, bias, *saved) = self.linear, tensors
        start = len(linear.plans) + 2 * len(linear.stacks)
        parts, values = saved[len(linear.plans) : start], []
        for plan in linear.plans:
            stop = start + plan.input_count + len(plan.steps)
            values.append(saved[start:stop])
            start = stop
        return linear.differentiate(saved[-1], bias, values, parts, self, has_inputs)

    def differentiate_weights(self, tensors: Sequence[Any]) -> list[Tensor | None]:
        """The same with None for the inputs."""
        return self.differentiate(tensors, has_inputs=False)


class LinearMap:
    """Terms of plans of one input each, whose columns of a matrix stand side by side, and constants."""

    def __init__(self, plans: Sequence[Plan], widths: Sequence[int], constants: Plan | None, is_scaled: bool):
        self.plans, self.constants = plans, [r.axis_map for r in constants.results] if constants else []
        terms = [(p, t) for p, plan in enumerate(plans) for t in range(len(plan.terms))]
        columns = pairwise(accumulate((widths[p] for p, _ in terms), initial=0))
        nodes_of: dict[AxisMap, dict[Node, range]] = {}
        scaled: dict[tuple[int, int], int] = {}
        for (p, t), bounds in zip(terms, columns, strict=True):
            result, is_sum = plans[p].results[t], bool(plans[p].summed_axes[t])
            term = scaled.setdefault((p, result.value), t) if is_scaled and is_sum else -1
            nodes_of.setdefault(result.axis_map, {})[p, result.value, term] = range(*bounds)
        by_nodes: dict[tuple[Node, ...], list[AxisMap]] = {}
        for m, nodes in nodes_of.items():
            by_nodes.setdefault(tuple(sorted(nodes)), []).append(m)
        self.stacks: list[Stack] = []
        order: list[int] = []
        for nodes, maps in by_nodes.items():
            own = [c for m in maps for n in nodes for c in nodes_of[m][n]]
            self.stacks.append(Stack(list(nodes), [widths[p] for p, *_ in nodes], maps, len(order)))
            order += own
        self.order = None if order == sorted(order) else tuple(order)
        maps = list(dict.fromkeys((*nodes_of, *self.constants)))
        self.maps, self.nested = maps, nest(maps)
        self.calls: dict[tuple, LinearCall | None] = {}  # for shapes seen before
        self.inner = {m: _relate([m[larger.index(k)] for k in range(count_axes(larger))]) for m, larger in self.nested}
        self.outer = {m: _relate(m) for m in maps if m not in self.inner}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"calls": {}}

    def find_call(self, key: tuple, make: Callable[[], LinearCall | None]) -> LinearCall | None:
        """What `make` gives, kept for weights and inputs of some shapes."""
        if key not in self.calls:
            if len(self.calls) == MOST_CALLS:
                self.calls.clear()
            self.calls[key] = make()
        return self.calls[key]

    def run(self, weight: Tensor, bias: Tensor | None, inputs: Sequence[Tensor], call: LinearCall):
        """The output, the values of all plans, and for each stack its nodes and its matrix; features stand first."""
        values = [run_steps(p, [x] * p.input_count, TORCH) for p, x in zip(self.plans, inputs, strict=True)]
        outputs: dict[AxisMap, Tensor] = {}
        parts = []
        ordered = weight if self.order is None else weight.index_select(1, _as_index(self.order, weight.device)[0])
        for s in self.stacks:
            nodes = [values[p][v] if t < 0 else values[p][v] * call.factors[p][t] for p, v, t in s.nodes]  # type: ignore[operator]
            part = nodes[0] if len(nodes) == 1 else torch.cat(nodes)
            matrix, number = ordered.narrow(1, s.start, len(s.maps) * sum(s.widths)), len(s.maps)
            if number > 1:
                matrix = matrix.unflatten(1, (number, -1)).transpose(0, 1).flatten(0, 1)
            y = torch.mm(matrix, _as_matrix(part))
            if number > 1:
                outputs |= zip(s.maps, y.view(number, y.shape[0] // number, *part.shape[1:]).unbind(), strict=True)
            else:
                outputs[s.maps[0]] = y.view(y.shape[0], *part.shape[1:])
            parts += [part, matrix]
        if bias is not None:
            for k, m in enumerate(self.constants):
                own = call.sizes[m]
                y = bias.select(1, k).view(bias.shape[0], *[1] * (len(call.batch) + len(own)))
                outputs[m] = outputs[m] + y if m in outputs else y.expand(-1, *call.batch, *own)
        return self._add(outputs, call), values, parts

    def _add(self, outputs: dict[AxisMap, Tensor], call: LinearCall) -> Tensor:
        """The sum of compact outputs."""
        for m, larger in self.nested:
            if m in outputs:
                y = self.inner[m][0].apply(outputs.pop(m), call.sizes[larger], TORCH)
                outputs[larger] = outputs[larger] + y
        own, *rest = sorted(outputs, key=lambda m: -count_axes(m))
        total = self.outer[own][0].apply(outputs.pop(own), call.axes, TORCH)
        total = total if count_axes(own) == len(own) else total.contiguous()
        for m in rest:
            y = self.outer[m][0].apply(outputs.pop(m), call.axes, TORCH)
            total = total + y if torch.is_grad_enabled() else total.add_(y)
        return total

    def differentiate(
        self, gradient: Tensor, bias: Tensor | None, values: Sequence[Sequence[Tensor]], parts: Sequence[Tensor],
        call: LinearCall, has_inputs: bool,
    ) -> list[Tensor | None]:  # fmt: skip
        """The gradients of the matrix, of the bias, and of the inputs."""
        of_outputs = {m: kernel.run([gradient], TORCH) for m, (_, kernel) in self.outer.items()}
        for m, larger in reversed(self.nested):
            of_outputs[m] = self.inner[m][1].run([of_outputs[larger]], TORCH)
        of_bias = None
        if bias is not None:
            sums = [_sum_columns(of_outputs[m]) for m in self.constants]
            of_bias = sums[0].unsqueeze(1) if len(sums) == 1 else torch.stack(sums, 1)
        of_columns: list[Tensor] = []
        totals: list[list[Any]] = [[None] * len(v) for v in values]
        for s, part, matrix in zip(self.stacks, parts[::2], parts[1::2], strict=True):
            own = [_as_matrix(of_outputs[m]) for m in s.maps]
            g = own[0] if len(own) == 1 else torch.cat(own)
            of_matrix = torch.mm(g, _as_matrix(part).t())
            if len(own) > 1:
                of_matrix = of_matrix.unflatten(0, (len(own), -1)).transpose(0, 1).flatten(1)
            of_columns.append(of_matrix)
            if not has_inputs:
                continue
            of_part = torch.mm(matrix.t(), g).view(part.shape)
            pieces = of_part.split_with_sizes(s.widths) if len(s.nodes) > 1 else [of_part]
            for (p, v, t), piece in zip(s.nodes, pieces, strict=True):
                piece = piece if t < 0 else piece * call.factors[p][t]  # type: ignore[operator]
                totals[p][v] = piece if totals[p][v] is None else totals[p][v] + piece
        of_weight = of_columns[0] if len(of_columns) == 1 else torch.cat(of_columns, 1)
        if self.order is not None:
            of_weight = of_weight.index_select(1, _as_index(self.order, of_weight.device)[1])
        if not has_inputs:
            return [of_weight, of_bias, *[None] * len(self.plans)]
        pairs = zip(self.plans, totals, values, strict=True)
        return [of_weight, of_bias, *[_sum(differentiate_steps(plan, t, v, TORCH)) for plan, t, v in pairs]]


def map_cells(call: LinearCall, weight: Tensor, bias: Tensor | None, inputs: Sequence[Tensor]) -> Tensor:
    """The map of states whose features stand first."""
    return super(torch.autograd.Function, CellMap).apply(call, weight, bias, *inputs)  # type: ignore[misc] # not in torch.func


class CellMap(torch.autograd.Function):
    """See `map_cells`."""

    @staticmethod
    def forward(ctx, call: LinearCall, *tensors: Tensor | None):
        ctx.call = call
        ctx.backward_name = "differentiate" if any(ctx.needs_input_grad[3:]) else "differentiate_weights"
        y, *stored = call.tapes.run("compute", call.compute, tensors)
        ctx.save_for_backward(*tensors, *stored)
        return y.data  # no view, which could not be written to

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        call, saved = ctx.call, ctx.saved_tensors
        if torch.is_grad_enabled():
            tensors = saved[: 2 + len(call.linear.plans)]
            return None, *differentiate_twice(lambda: call.compute(tensors)[0], ctx, tensors, gradients, 1)
        function = getattr(call, ctx.backward_name)
        return None, *call.tapes.run(ctx.backward_name, function, [*saved, *gradients])


def _relate(axis_map: Sequence[int]) -> tuple[Expansion, Kernel]:
    """From a compact result to an output with this axis map, and the gradient's way back."""
    names = tuple(map(str, axis_map))
    return Expansion.of(tuple(axis_map)), Kernel.of([names], tuple(sorted({n for n in names if n[0] != "-"}, key=int)))


def _as_matrix(x: Tensor) -> Tensor:
    """Features and cells."""
    return x.unsqueeze(1) if x.dim() == 1 else x.reshape(x.shape[0], -1)


def _sum_columns(x: Tensor) -> Tensor:
    return x if x.dim() == 1 else _as_matrix(x).sum(1)


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
