"""The maps of the cells of a dense type: all at once, or in blocks whose values stay in the cache.

How cells lie in memory: see `Grid`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from einnet.nn.backend import TORCH, upcast
from einnet.nn.blocks import Grid
from einnet.plan import Plan, Result
from einnet.plan.execute import run_steps
from einnet.plan.gradient import differentiate_plan
from einnet.plan.kernel import Expansion, Kernel

__all__ = ["CellPlan", "Cells", "TypeCells"]

T = TypeVar("T")

differentiate_gelu = torch.ops.aten.gelu_backward.default
MOST_LAYERS = 64  # of different shapes that are kept
FEW = 2**16  # entries of which a GELU is faster by torch itself than by oneDNN


class CellPlan:
    """A plan of dense types: where the operands and results of each type are, and how results lie in its cells."""

    def __init__(self, plan: Plan, reads: Sequence[int], writes: Sequence[int]):
        self.plan = plan
        types = range(1 + max(*reads, *writes))
        self.operands = [[n for n, k in enumerate(reads) if k == t] for t in types]
        self.results = [[n for n, k in enumerate(writes) if k == t] for t in types]
        self.values = [[plan.results[n].value for n in numbers] for numbers in self.results]
        self.expansions = [[Expansion.of(plan.results[n].axis_map) for n in numbers] for numbers in self.results]
        self.sums = [[_transpose(plan.results[n]) for n in numbers] for numbers in self.results]
        self.layers: dict[tuple, Any] = {}  # for shapes seen before

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"layers": {}}

    def find_layer(self, key: tuple, make: Callable[[], T]) -> T:
        """What `make` gives, kept for states and weights of some shapes."""
        if (layer := self.layers.get(key)) is None:
            if len(self.layers) == MOST_LAYERS:
                self.layers.clear()
            layer = self.layers[key] = make()
        return layer

    def run(self, operands: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """All values, from the operands of each type."""
        return run_steps(self.plan, self._merge(self.operands, operands), TORCH)

    def differentiate(self, gradients: Sequence[Sequence[Tensor]], values: Sequence[Tensor]) -> list[list[Tensor]]:
        """The gradients of the operands of each type, from those of the results of each."""
        of_operands = differentiate_plan(self.plan, self._merge(self.results, gradients), values, TORCH)
        return [[of_operands[n] for n in numbers] for numbers in self.operands]

    @staticmethod
    def _merge(places: Sequence[Sequence[int]], parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        if len(parts) == 1:
            return list(parts[0])
        pairs = ((n, x) for numbers, own in zip(places, parts, strict=True) for n, x in zip(numbers, own, strict=True))
        return [x for _, x in sorted(pairs, key=lambda pair: pair[0])]


def _transpose(result: Result) -> Kernel | None:
    """From the gradient of an output to that of the compact result."""
    return None if result.output == result.compact else Kernel.of([result.output], result.compact)


class TypeCells(NamedTuple):
    """How the cells of a type are mapped; each result is multiplied by one of the `factors`."""

    grid: Grid
    factors: Sequence[float | None]
    is_normed: bool
    activation: Callable[[Tensor], Tensor]


class Cells:
    """The maps of the cells of one type, block by block, with their derivatives.

    `stored` are values of a former pass: of a single block all, of several the two norms.
    """

    def __init__(self, plan: CellPlan, number: int, cells: TypeCells, tensors: Sequence[Any], stored: Sequence[Any]):
        self.plan, self.number, (self.grid, self.factors, self.is_normed, self.activation) = plan, number, cells
        self.x, self.gain, self.pool_gain, *self.weights = tensors
        self.into = self.weights[0] if self.gain is None else self.weights[0] * self.gain
        self.mix = self.weights[2] if self.pool_gain is None else self.weights[2] * self.pool_gain
        self.is_one = self.grid.is_one
        self.totals: list[Any] = [None] * len(self.weights)
        if len(stored) > 1:
            self.normed, self.scale, self.pooled, self.pooled_scale, self.inner, self.active = stored
        if len(stored) < 2 or not self.is_one:
            self.columns = self.grid.split(self.grid.matrix(self.x))

    @property
    def backward_values(self) -> tuple[Any, ...]:
        """What the backward pass needs."""
        if self.is_one:
            return self.normed, self.scale, self.pooled, self.pooled_scale, self.inner, self.active
        return None, self.scale, None, self.pooled_scale, None, None

    def project(self) -> Sequence[Tensor]:
        """The operands, features first."""
        operands, targets = self.grid.make(self.into.shape[0], self.into)
        scales, y = [], operands
        for z, target in zip(self.columns, targets, strict=True):
            self.normed, scale = normalize_columns(z, self.is_normed)
            scales.append(scale)
            y = map_columns(self.normed, self.into, self.weights[1], target)
        self.scale = join(scales)
        return self.grid.operands(y if operands is None else operands, len(self.plan.operands[self.number]))

    def update(self, results: Sequence[Tensor]) -> Tensor:
        """The new state."""
        out, bias = self.weights[4:]
        state, targets = self.grid.make(out.shape[0], out)
        scales, y = [], state
        for z, parts, target in zip(self.columns, self._expand(results), targets, strict=True):
            scales.append(self._run(parts, None))
            y = multiply_add(z, out, self.active, target)
            if bias is not None:
                y.add_(bias.unsqueeze(1))
        self.pooled_scale = join(scales)
        return self.grid.state(y if state is None else state)

    def _expand(self, results: Sequence[Tensor]) -> list[Any]:
        """The results in each block."""
        parts = []
        for expansion, y, factor in zip(self.plan.expansions[self.number], results, self.factors, strict=True):
            parts.append(expansion.apply(y if factor is None else y * factor, self.grid.axes, TORCH))
        return [parts] if self.is_one else list(zip(*map(self.grid.blocks_of, parts), strict=True))

    def _run(self, parts: Any, scale: Tensor | None) -> Tensor | None:
        """Sets the values of a block up to the activation; the norm, unless it is given."""
        self.pooled, scale = normalize_columns(torch.cat(parts).flatten(1), self.is_normed, scale, is_own=True)
        self.inner = map_columns(self.pooled, self.mix, self.weights[3])
        self.active = activate(self.activation, self.inner)
        return scale

    def undo_update(self, gradient: Tensor, results: Sequence[Tensor]) -> list[Tensor]:
        """The gradients of the results, from that of the new state."""
        grid, out, mix = self.grid, self.weights[4].t(), self.mix.t()
        self.gradients = grid.split(grid.matrix(gradient))
        blocks = [()] if self.is_one else self._expand(results)
        scales = self._split(self.pooled_scale, len(blocks))
        y, targets = grid.make(mix.shape[0], mix)
        of_pooled = y
        for g, parts, scale, target in zip(self.gradients, blocks, scales, targets, strict=True):
            if not self.is_one:
                self._run(parts, scale)
            self._add(4, g, self.active)
            of_inner = differentiate_activation(self.activation, self.inner, torch.mm(out, g))
            self._add(2, of_inner, self.pooled)
            y = undo_norm(torch.mm(mix, of_inner), self.pooled, scale, target)
        plan, k = self.plan, self.number
        gradients = list(grid.operands(y if of_pooled is None else of_pooled, len(self.factors)))
        for n, (kernel, factor) in enumerate(zip(plan.sums[k], self.factors, strict=True)):
            if kernel is not None:
                gradients[n] = kernel.run([gradients[n]], TORCH)
            if factor is not None:
                gradients[n] = gradients[n] * factor
        return gradients

    def _split(self, scale: Tensor | None, number: int) -> Sequence[Any]:
        return [scale] * number if self.is_one or scale is None else self.grid.split(scale)

    def undo_projection(self, gradients: Sequence[Tensor]) -> Tensor:
        """The gradient of the state, from those of the operands."""
        grid, weight = self.grid, self.into.t()
        blocks: list[Any] = [gradients] if self.is_one else list(zip(*map(grid.blocks_of, gradients), strict=True))
        scales = self._split(self.scale, len(blocks))
        y, targets = grid.make(weight.shape[0], weight)
        of_x = y
        for k, (g, parts, scale, target) in enumerate(zip(self.gradients, blocks, scales, targets, strict=True)):
            normed = self.normed if self.is_one else normalize_columns(self.columns[k], self.is_normed, scale)[0]
            of_operands = torch.cat(parts).flatten(1)
            self._add(0, of_operands, normed)
            y = undo_norm(torch.mm(weight, of_operands), normed, scale, target).add_(g)
        return grid.state(y if of_x is None else of_x)

    def _add(self, number: int, gradient: Tensor, x: Tensor) -> None:
        """What a block adds to the gradients of a matrix and its bias."""
        totals = self.totals
        parts = torch.mm(gradient, x.t()), None if self.weights[number + 1] is None else gradient.sum(1)
        for k, part in enumerate(parts, start=number):
            if self.is_one or part is None:
                totals[k] = part
            else:  # in single precision or better
                totals[k] = upcast(part) if totals[k] is None else totals[k].add_(part)

    def of_weights(self) -> list[Any]:
        """The gradients of the gains and of the weights."""
        totals: list[Any] = self.totals
        if not self.is_one:
            totals = [None if g is None else g.to(self.x.dtype) for g in totals]
        of_gains: list[Any] = [None, None]
        for n, gain in enumerate((self.gain, self.pool_gain)):
            if gain is not None and totals[2 * n] is not None:
                of_gains[n] = (totals[2 * n] * self.weights[2 * n]).sum(0)
                totals[2 * n].mul_(gain)
        return of_gains + totals


def join(scales: Sequence[Any]) -> Any:
    """The norms of all blocks."""
    return scales[0] if len(scales) == 1 or scales[0] is None else torch.cat(list(scales), 1)


def normalize_columns(
    x: Tensor, is_normed: bool, scale: Tensor | None = None, is_own: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Columns divided by their root mean square, and what they are multiplied by, unless it is given.

    `x` is overwritten if it is the caller's own.
    """
    if not is_normed:
        return x, None
    is_half = x.dtype == torch.bfloat16
    wide = x.float() if is_half else x
    if scale is None:
        scale = torch.rsub((wide * wide).sum(0, True), 1e-6, alpha=-1 / x.shape[0]).rsqrt_()
    y = wide.mul_(scale) if is_half or is_own else wide * scale
    return y.to(x.dtype) if is_half else y, scale


def undo_norm(gradient: Tensor, normed: Tensor, scale: Tensor | None, target: Tensor | None) -> Tensor:
    """The gradient of columns from that of the normalized ones, which is overwritten."""
    if scale is None:
        return gradient if target is None else target.copy_(gradient)
    if normed.dtype == torch.bfloat16:
        y = undo_norm(gradient.float(), normed.float(), scale, None)
        return y.to(normed.dtype) if target is None else target.copy_(y)
    mean = (gradient * normed).sum(0, True)
    gradient.addcmul_(normed, mean, value=-1 / normed.shape[0])
    return gradient.mul_(scale) if target is None else torch.mul(gradient, scale, out=target)


def map_columns(x: Tensor, matrix: Tensor, bias: Tensor | None, target: Tensor | None = None) -> Tensor:
    if bias is not None:
        return multiply_add(bias.unsqueeze(1), matrix, x, target)
    return torch.mm(matrix, x) if target is None else torch.mm(matrix, x, out=target)


def multiply_add(x: Tensor, matrix: Tensor, y: Tensor, target: Tensor | None) -> Tensor:
    return torch.addmm(x, matrix, y) if target is None else torch.addmm(x, matrix, y, out=target)


def activate(activation: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return activation(x.t()).t() if x.numel() < FEW else activation(x)


def differentiate_activation(activation: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Tensor:
    if isinstance(activation, nn.GELU):
        if x.numel() < FEW:
            return differentiate_gelu(gradient.t(), x.t(), approximate=activation.approximate).t()
        return differentiate_gelu(gradient, x, approximate=activation.approximate)
    with torch.enable_grad():
        source = x.detach().requires_grad_()
        return torch.autograd.grad(activation(source), source, gradient)[0]
