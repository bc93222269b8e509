"""The maps of a layer row by row, some rows at a time, whose values then stay in the cache.

Nothing but the arguments is kept for the backward pass, which computes the rest again. `project_rows` normalizes and
projects; `update_rows` does all that follows in a layer, see `Update`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from einnet.nn.channels import inverse_root_mean

__all__ = [
    "Totals",
    "Update",
    "Weights",
    "differentiate_twice",
    "is_short",
    "normalize",
    "project_rows",
    "undo_norm",
    "update_rows",
]

LENGTH = {"cpu": 2**12}  # rows that are mapped at once
LARGE_LENGTH = 2**18  # on other devices
Weights = tuple[Tensor, Tensor | None]  # a matrix (out, in) and a bias


@dataclass(frozen=True)
class Update:
    """How the operands and results of one type lie side by side.

    `operands` has for each result the number of operands whose product it is, or 0 where it is given; `diagonals` the
    rows at which it is not zero, (rows, 1), or None for all.
    """

    operands: tuple[int, ...]
    diagonals: tuple[Tensor | None, ...]
    is_normed: bool
    activation: Callable[[Tensor], Tensor]

    def combine(self, factors: Sequence[Tensor], results: Sequence[Tensor], place: slice) -> Tensor:
        """All results side by side."""
        own, rest, columns = iter(factors), iter(results), []
        for number, diagonal in zip(self.operands, self.diagonals, strict=True):
            y = next(own) if number else next(rest)
            for _ in range(number - 1):
                y = y * next(own)
            columns.append(y if diagonal is None else y.masked_fill(~diagonal[place], 0))
        return torch.cat(columns, -1)

    def separate(self, gradients: Iterator[Tensor], factors: Sequence[Tensor], place: slice) -> tuple[list, list]:
        """The gradients of the factors and of the given results, from those of all results."""
        of_factors, of_results, start = [], [], 0
        for number, diagonal in zip(self.operands, self.diagonals, strict=True):
            g = next(gradients)
            g = g if diagonal is None else g.masked_fill(~diagonal[place], 0)
            for k in range(start, start + number):
                y = g
                for j in range(start, start + number):
                    y = y if j == k else y * factors[j]
                of_factors.append(y)
            if not number:
                of_results.append(g)
            start += number
        return of_factors, of_results


def project_rows(x: Tensor, weights: Weights, number: int, is_normed: bool) -> Sequence[Tensor]:
    """`number` tensors of equal width: x (rows, features), normalized, times a matrix."""
    return Projection.apply(number, is_normed, x, *weights)  # type: ignore[return-value]


def update_rows(x: Tensor, results: Sequence[Tensor], update: Update, weights: Sequence[Weights]) -> Tensor:
    """x plus its update: operands from x, products of them and given results, norm, map, activation, map."""
    return RowUpdate.apply(update, x, *(w for pair in weights for w in pair), *results)  # type: ignore[return-value]


def is_short(x: Tensor) -> bool:
    """Whether the rows are so few that all that is computed from them can be kept."""
    return len(x) <= 4 * LENGTH.get(x.device.type, LARGE_LENGTH)


def _places(x: Tensor) -> Iterator[slice]:
    length = LENGTH.get(x.device.type, LARGE_LENGTH)
    return (slice(k, min(k + length, len(x))) for k in range(0, len(x), length))


def normalize(x: Tensor, is_normed: bool) -> tuple[Tensor, Tensor | None]:
    """Rows divided by their root mean square, and what they were multiplied by."""
    if not is_normed:
        return x, None
    if torch.is_grad_enabled():
        squares = x.square().sum(-1, keepdim=True)
    else:  # in one pass, but without a second derivative at zero
        squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    scale = inverse_root_mean(squares, x.shape[-1])
    return x * scale, scale


def undo_norm(gradient: Tensor, normed: Tensor, scale: Tensor | None) -> Tensor:
    """The gradient of rows from that of the normalized rows, which is overwritten."""
    if scale is None:
        return gradient
    mean = (gradient * normed).sum(-1, keepdim=True).div_(-normed.shape[-1])
    return gradient.addcmul_(normed, mean).mul_(scale)


class Totals:
    """Gradients of matrices and biases, summed over parts of the rows."""

    def __init__(self, *weights: Tensor | None):
        self.weights = weights
        self.parts: list[Tensor | None] = [None] * len(weights)

    def add(self, number: int, gradient: Tensor, x: Tensor) -> None:
        """What a part adds to the `number`-th matrix and its bias."""
        for k in (2 * number, 2 * number + 1):
            if self.weights[k] is None:
                continue
            if (total := self.parts[k]) is None:
                self.parts[k] = gradient.sum(0) if k % 2 else gradient.T @ x
            elif k % 2:
                total.add_(gradient.sum(0))
            else:
                total.addmm_(gradient.T, x)

    @property
    def sums(self) -> list[Tensor | None]:
        """A gradient for each weight; zeros where there were no rows."""
        pairs = zip(self.weights, self.parts, strict=True)
        return [torch.zeros_like(w) if g is None and w is not None else g for w, g in pairs]


def differentiate_twice(function: Callable, ctx: Any, tensors: Sequence[Any], gradients: Sequence[Tensor], first: int):
    """The gradients of the tensors that need one, which have derivatives of their own."""
    is_needed = ctx.needs_input_grad[first:]
    sources = [x for x, n in zip(tensors, is_needed, strict=True) if n]
    derived = iter(torch.autograd.grad(function(), sources, gradients, create_graph=True, allow_unused=True))
    return [next(derived) if n else None for n in is_needed]


def _project(x: Tensor, weight: Tensor, bias: Tensor | None, number: int, is_normed: bool) -> Sequence[Tensor]:
    y = torch.nn.functional.linear(normalize(x, is_normed)[0], weight, bias)
    return y.split(y.shape[-1] // number, -1)


class Projection(torch.autograd.Function):
    """See `project_rows`."""

    @staticmethod
    def forward(ctx, number: int, is_normed: bool, x: Tensor, weight: Tensor, bias: Tensor | None):
        ctx.number, ctx.is_normed = number, is_normed
        ctx.save_for_backward(x, weight, bias)
        outputs = tuple(x.new_empty(len(x), len(weight) // number) for _ in range(number))
        for place in _places(x):
            for y, part in zip(outputs, _project(x[place], weight, bias, number, is_normed), strict=True):
                y[place] = part
        return outputs

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        x, weight, bias = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (
                None,
                None,
                *differentiate_twice(
                    lambda: _project(x, weight, bias, ctx.number, ctx.is_normed), ctx, ctx.saved_tensors, gradients, 2
                ),
            )
        of_x, totals = torch.empty(x.shape, dtype=x.dtype, device=x.device), Totals(weight, bias)
        for place in _places(x):
            gradient = torch.cat([g[place] for g in gradients], 1)
            normed, scale = normalize(x[place], ctx.is_normed)
            totals.add(0, gradient, normed)
            undo_norm(torch.mm(gradient, weight, out=of_x[place]), normed, scale)
        return None, None, of_x, *totals.sums


class RowUpdate(torch.autograd.Function):
    """See `update_rows`."""

    @staticmethod
    def forward(ctx, update: Update, x: Tensor, *tensors: Tensor | None):
        ctx.update = update
        ctx.save_for_backward(x, *tensors)
        output = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        for place in _places(x):
            values = RowUpdate._run(update, x, tensors, place)
            RowUpdate._finish(x[place], values[-1], update, tensors, output[place])
            ctx.values = values if len(output[place]) == len(x) else None  # one part is not worth a second run
        return output

    @staticmethod
    def _run(update: Update, x: Tensor, tensors: Sequence[Any], place: slice) -> tuple:
        """What a part of the rows passes through, up to the activation."""
        into, into_bias, weight, bias, _, _, *results = tensors
        normed, scale = normalize(x[place], update.is_normed)
        number, factors = sum(update.operands), ()
        if number:
            factors = torch.nn.functional.linear(normed, into, into_bias).split(len(into) // number, -1)
        pooled, pooled_scale = normalize(update.combine(factors, [y[place] for y in results], place), update.is_normed)
        return normed, scale, factors, pooled, pooled_scale, torch.nn.functional.linear(pooled, weight, bias)

    @staticmethod
    def _finish(
        x: Tensor, inner: Tensor, update: Update, tensors: Sequence[Any], output: Tensor | None = None
    ) -> Tensor:
        weight, bias = tensors[4:6]
        y = torch.addmm(x, update.activation(inner), weight.T, out=output)
        return y if bias is None else y.add_(bias)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (x, *tensors), (gradient,), update = ctx.saved_tensors, gradients, ctx.update
        if torch.is_grad_enabled():
            rows = slice(0, len(x))
            return None, *differentiate_twice(
                lambda: RowUpdate._finish(x, RowUpdate._run(update, x, tensors, rows)[-1], update, tensors),
                ctx, [x, *tensors], [gradient], 1,
            )  # fmt: skip
        of_x, totals = torch.empty(x.shape, dtype=x.dtype, device=x.device), Totals(*tensors[:6])
        of_results = [torch.empty(y.shape, dtype=y.dtype, device=y.device) for y in tensors[6:]]
        for place in _places(x):
            values = ctx.values or RowUpdate._run(update, x, tensors, place)
            results = RowUpdate._differentiate(update, values, tensors, gradient[place], place, totals, of_x[place])
            for y, g in zip(of_results, results, strict=True):
                y[place] = g
        return None, of_x, *totals.sums, *of_results

    @staticmethod
    def _differentiate(
        update: Update,
        values: Sequence[Any],
        tensors: Sequence[Any],
        gradient: Tensor,
        place: slice,
        totals: Totals,
        of_x: Tensor,
    ) -> list[Tensor]:
        """The gradients of the given results at a part of the rows; those of x are written, of weights added."""
        into, _, weight, _, last, _ = tensors[:6]
        normed, scale, factors, pooled, pooled_scale, inner = values
        with torch.enable_grad():
            inner = inner.detach().requires_grad_()
            active = update.activation(inner)
        totals.add(2, gradient, active.detach())
        (of_inner,) = torch.autograd.grad(active, inner, gradient @ last)
        totals.add(1, of_inner, pooled)
        of_pooled = undo_norm(of_inner @ weight, pooled, pooled_scale)
        width = of_pooled.shape[-1] // len(update.operands)
        of_factors, of_results = update.separate(iter(of_pooled.split(width, -1)), factors, place)
        if of_factors:
            of_factors = torch.cat(of_factors, 1)
            totals.add(0, of_factors, normed)
            undo_norm(torch.mm(of_factors, into, out=of_x), normed, scale).add_(gradient)
        else:
            of_x.copy_(gradient)
        return of_results
