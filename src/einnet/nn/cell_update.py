"""The maps of a layer cell by cell, in blocks, as in cells.py: what follows the pooling, see `update_cells`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from einnet.nn.blocks import Grid
from einnet.nn.cells import Memory, Normed, cast_sums, map_rows, upcast_half
from einnet.nn.sparse.rows import Totals, Weights, differentiate_twice, normalize

__all__ = ["Update", "update_cells"]


@dataclass(frozen=True)
class Update:
    """What follows the pooling; each result is multiplied by one of the `factors`."""

    factors: tuple[float, ...]
    is_normed: bool
    activation: Callable[[Tensor], Tensor]


def update_cells(
    x: Tensor, results: Sequence[Tensor], update: Update, weights: Sequence[Weights], blocks: Grid
) -> Tensor:
    """x plus its update: results side by side, norm, map, activation, map; `weights` are those of the two maps."""
    tensors = *(w for pair in weights for w in pair), *results
    return CellUpdate.apply(blocks, update, x, *tensors)  # type: ignore[return-value]


class UpdateValues:
    """The values of a block in `CellUpdate`, and the gradients of some of them.

    `widths` are those of the state, of all results, and between the two maps.
    """

    def __init__(self, blocks: Grid, block: int, like: Tensor, widths: tuple[int, ...], is_normed: bool):
        (width, pooled, inner), cells, number = widths, blocks.sizes[block], len(blocks.axis_maps)
        self.pooled, self.of_pooled = Normed(blocks, cells, pooled, is_normed, like), blocks.make(cells, pooled, like)
        self.columns, self.of_columns = (y.split(pooled // number, 1) for y in (self.pooled.rows, self.of_pooled))
        self.inner, self.of_inner, self.active = (blocks.make(cells, inner, like) for _ in range(3))
        self.rows = blocks.make(cells, width, like)
        self.places, self.of_places = (
            [None if blocks.has_zeros(k) else blocks.place(k, y, block) for k, y in enumerate(columns)]
            for columns in (self.columns, self.of_columns)
        )


class UpdateCall:
    """A pass over the blocks in `CellUpdate`; `scale` is that of the norm if it is known."""

    def __init__(self, blocks: Grid, update: Update, x: Tensor, tensors: Sequence[Any], scale: Tensor | None = None):
        self.blocks, self.update = blocks, update
        self.weights = [upcast_half(w) for w in tensors[:4]]
        self.results = [blocks.split_result(k, y) for k, y in enumerate(tensors[4:])]
        mix = self.weights[0]
        widths = x.shape[-1], mix.shape[1], len(mix)
        self.memory = Memory.take(UpdateValues, blocks, mix, widths, update.is_normed)
        self.is_wide, self.is_known = mix is tensors[0], scale is not None
        self.scale = mix.new_empty(blocks.cells, 1) if scale is None else scale
        self.scales = blocks.split(self.scale)

    def run(self, block: int) -> UpdateValues:
        """The values of a block up to the activation."""
        m, blocks, (mix, bias, _, _) = self.memory.of(block), self.blocks, self.weights
        for k, (columns, factor) in enumerate(zip(m.columns, self.update.factors, strict=True)):
            place = m.places[k]
            if place is None:
                place = blocks.place(k, columns.zero_(), block)
            part = self.results[k][block]
            if factor == 1:
                place.copy_(part)
            else:
                torch.mul(part.expand_as(place) if blocks.sum_axes(k) else part, factor, out=place)
        m.pooled.write(m.pooled.rows, self.scales[block], self.is_known)
        map_rows(m.pooled.rows, mix, bias, m.inner)
        _activate(self.update.activation, m.inner, m.active)
        return m

    def differentiate(
        self, m: UpdateValues, block: int, gradient: Tensor, totals: Totals, of_results: Sequence[Any]
    ) -> None:
        """Sets the gradients of the values of a block and of its part of the results, adds to those of the weights."""
        blocks, (mix, _, out, _) = self.blocks, self.weights
        totals.add(1, gradient, m.active)
        torch.mm(gradient, out, out=m.of_inner)
        _differentiate_activation(self.update.activation, m.inner, m.of_inner)
        totals.add(0, m.of_inner, m.pooled.rows)
        m.pooled.undo(torch.mm(m.of_inner, mix, out=m.of_pooled), self.scales[block])
        for k, (columns, factor) in enumerate(zip(m.of_columns, self.update.factors, strict=True)):
            place, part = m.of_places[k], of_results[k][block]
            if place is None:
                place = blocks.place(k, columns, block)
            if axes := blocks.sum_axes(k):
                place = place.sum(axes, keepdim=True)
            if not blocks.has_own_parts(k):
                part.add_(place, alpha=factor)
            elif factor == 1:
                part.copy_(place)
            else:
                torch.mul(place, factor, out=part)


class CellUpdate(torch.autograd.Function):
    """See `update_cells`."""

    @staticmethod
    def forward(ctx, blocks: Grid, update: Update, x: Tensor, *tensors: Tensor | None):
        ctx.blocks, ctx.update = blocks, update
        call, output = UpdateCall(blocks, update, x, tensors), blocks.make(blocks.cells, x.shape[-1], x)
        out, bias = call.weights[2:]
        for k, (rows, target) in enumerate(zip(blocks.split(blocks.rows(x)), blocks.split(output), strict=True)):
            m = call.run(k)
            y = target if call.is_wide else m.rows
            if bias is None:
                y.copy_(rows)
            else:
                torch.add(upcast_half(rows), bias, out=y)
            y.addmm_(m.active, out.T)
            if y is not target:
                target.copy_(y)
        ctx.save_for_backward(x, call.scale, *tensors)
        call.memory.give_back()
        return blocks.state(output)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (x, scale, *tensors), (gradient,), blocks, update = ctx.saved_tensors, gradients, ctx.blocks, ctx.update
        if torch.is_grad_enabled():
            derived = differentiate_twice(
                lambda: _update_all(blocks, update, x, tensors), ctx, [x, *tensors], [gradient], 2
            )
            return None, None, *derived
        call, totals = UpdateCall(blocks, update, x, tensors, scale), Totals(*tensors[:4])
        of_results = [_make_gradient(blocks, k, y, call.weights[0].dtype) for k, y in enumerate(tensors[4:])]
        of_parts = [blocks.split_result(k, y) for k, y in enumerate(of_results)]
        for k, rows in enumerate(blocks.split(blocks.rows(gradient))):
            call.differentiate(call.run(k), k, upcast_half(rows), totals, of_parts)
        call.memory.give_back()
        of_results = [g.to(y.dtype) for g, y in zip(of_results, tensors[4:], strict=True)]
        return None, None, gradient, *cast_sums(totals, x.dtype), *of_results


def _make_gradient(blocks: Grid, k: int, result: Tensor, dtype: torch.dtype) -> Tensor:
    make = torch.empty if blocks.has_own_parts(k) else torch.zeros
    return make(result.shape, dtype=dtype, device=result.device)


def _update_all(blocks: Grid, update: Update, x: Tensor, tensors: Sequence[Any]) -> Tensor:
    """What `update_cells` gives, with a derivative."""
    (mix, bias, *out), results = map(upcast_half, tensors[:4]), tensors[4:]
    pairs = enumerate(zip(results, update.factors, strict=True))
    pooled = torch.cat([upcast_half(blocks.expand(k, y)) * f for k, (y, f) in pairs], -1)
    inner = nn.functional.linear(normalize(pooled, update.is_normed)[0], mix, bias)
    y = upcast_half(blocks.rows(x)) + nn.functional.linear(update.activation(inner), *out)
    return y.to(x.dtype).reshape(x.shape)


def _as_stored(x: Tensor) -> Tensor:
    """A matrix with its last axis contiguous in memory."""
    return x if x.stride(1) == 1 else x.T


def _activate(activation: Callable[[Tensor], Tensor], x: Tensor, output: Tensor) -> None:
    """Sets the activation of `x`."""
    x, output = _as_stored(x), _as_stored(output)
    if isinstance(activation, nn.GELU):
        torch.ops.aten.gelu.out(x, approximate=activation.approximate, out=output)
    else:
        output.copy_(activation(x))


def _differentiate_activation(activation: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> None:
    """Makes the gradient of the activation one of its argument."""
    x, gradient = _as_stored(x), _as_stored(gradient)
    if isinstance(activation, nn.GELU):
        rule = torch.ops.aten.gelu_backward.grad_input
        rule(gradient, x, approximate=activation.approximate, grad_input=gradient)
        return
    with torch.enable_grad():
        source = x.detach().requires_grad_()
        gradient.copy_(torch.autograd.grad(activation(source), source, gradient)[0])
