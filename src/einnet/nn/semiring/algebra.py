"""`Algebra`: a semiring on tensors. What is written here is plain, differentiable torch; `parts.py` bounds its memory.

Values are tensors of numbers, or several such tensors stacked on a new first axis, as in attention.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from einnet.nn.semiring.products import extreme_product, extreme_value, finite_or_zero, softmax_product
from einnet.plan.semirings import SEMIRINGS, Semiring

__all__ = ["ALGEBRAS", "Algebra"]

Fill = Callable[[Tensor, float], Tensor]  # puts a number where a tensor has no value


class Algebra(ABC):
    """Sums and products of a semiring. Axes are counted from the end."""

    stacked_axes = 0  # the axes of a value before its batch axes
    width = 1  # features of an operand for each feature of the result
    has_temperature = False  # whether it changes when its operands are divided by a number, and the result multiplied

    def read(self, x: Tensor, axis: int, fill: Fill) -> Tensor:
        """The value from an operand, whose features are on `axis`; the zero where it has no value."""
        return fill(x, self.zero_of(x.dtype))

    def write(self, value: Tensor) -> Tensor:
        """The result from a value."""
        return value

    @abstractmethod
    def zero_of(self, dtype: torch.dtype) -> float:
        """The sum of nothing."""

    def zeros(self, like: Tensor, shape: Sequence[int]) -> Tensor:
        """A value of this shape that is zero everywhere."""
        return like.new_full(list(shape), self.zero_of(like.dtype))

    @abstractmethod
    def sum(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """The sum over axes that are not empty."""

    @abstractmethod
    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        """The product of values that broadcast against each other."""

    @abstractmethod
    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """The product of matrices (n, a, b) and (n, b, c), where b is not 0."""

    @abstractmethod
    def sum_rows(self, x: Tensor, target: Tensor, number: int) -> Tensor:
        """The sums of the rows of one target each; rows are on the axis after those that are stacked."""

    @abstractmethod
    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of two values, without a derivative."""

    @abstractmethod
    def share(self, gradient: Tensor, part: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient of a summand from that of the total, and what is left for the summands that follow."""


class Extreme(Algebra):
    """The largest or the smallest number in place of the sum."""

    def __init__(self, semiring: Semiring):
        self.semiring = semiring
        self.is_largest = semiring.add == "maximum"
        self.functions = getattr(torch, semiring.add), getattr(torch, semiring.multiply)
        self.extremum = torch.amax if self.is_largest else torch.amin

    def zero_of(self, dtype: torch.dtype) -> float:
        if dtype.is_floating_point:
            return self.semiring.zero
        if dtype == torch.bool:
            return float(not self.is_largest)
        bounds = torch.iinfo(dtype)
        return bounds.min if self.is_largest else bounds.max

    def sum(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        return self.extremum(x, tuple(axes))

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return self.functions[1](x, y)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return self.functions[0](x, y)

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        combine = self.functions[1]
        if not (torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)):
            return extreme_value(x, y, self.extremum, combine)
        return combine(*extreme_product(x, y, self.extremum, combine, self.zero_of(x.dtype)))

    def sum_rows(self, x: Tensor, target: Tensor, number: int) -> Tensor:
        place = target.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
        total = self.zeros(x, (number, *x.shape[1:]))
        return total.scatter_reduce(0, place, x, "amax" if self.is_largest else "amin")

    def share(self, gradient: Tensor, part: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        is_winner = part == total  # the first of several
        return gradient.masked_fill(~is_winner, 0), gradient.masked_fill(is_winner, 0)


class LogSumExp(Algebra):
    """log(exp(x) + exp(y)) in place of the sum of x and y, whose sum replaces their product."""

    has_temperature = True

    def zero_of(self, dtype: torch.dtype) -> float:
        return -torch.inf

    def sum(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        largest = finite_or_zero(x.detach().amax(tuple(axes), keepdim=True))
        return log(torch.exp(x - largest).sum(tuple(axes))) + largest.squeeze(tuple(axes))

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        return softmax_product(x, y)[0]

    def sum_rows(self, x: Tensor, target: Tensor, number: int) -> Tensor:
        largest = largest_rows(x, target, number)
        terms = torch.exp(x - largest.index_select(0, target))
        return log(x.new_zeros(largest.shape).index_add(0, target, terms)) + largest

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.logaddexp(x, y)

    def share(self, gradient: Tensor, part: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        return gradient * weigh(part, total), gradient


class Attention(Algebra):
    """Pairs of a logit and a value: log-sums of exponentials, and the means that these weigh.

    The sum of pairs (x, u) has the logit log sum exp(x) and the value sum softmax(x) u; the product of (x, u) and
    (y, v) is (x + y, u v). So a plan gives sum softmax(x + y + ...) u v ..., attention over the summed indices. It is
    the semiring of pairs (exp(x), exp(x) u), which are added and multiplied one by one.
    """

    stacked_axes = 1
    width = 2
    has_temperature = True

    def __init__(self, logits: LogSumExp):
        self.logits = logits

    def read(self, x: Tensor, axis: int, fill: Fill) -> Tensor:
        logits, values = x.unflatten(axis, (-1, 2)).unbind(axis)
        return torch.stack([fill(logits, -torch.inf), fill(values, 0)])

    def write(self, value: Tensor) -> Tensor:
        return value[1]

    def zero_of(self, dtype: torch.dtype) -> float:
        return -torch.inf

    def zeros(self, like: Tensor, shape: Sequence[int]) -> Tensor:
        total = like.new_zeros(list(shape))
        total[0] = -torch.inf
        return total

    def sum(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        logits, values = x
        total = self.logits.sum(logits, axes)
        wide = total
        for axis in sorted(axis % logits.dim() for axis in axes):
            wide = wide.unsqueeze(axis)
        return torch.stack([total, (weigh(logits, wide) * values).sum(tuple(axes))])

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([x[0] + y[0], x[1] * y[1]])

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        logits, values = softmax_product(x[0], y[0], x[1], y[1])
        return torch.stack([logits, values])  # type: ignore[list-item]

    def sum_rows(self, x: Tensor, target: Tensor, number: int) -> Tensor:
        logits, values = x
        total = self.logits.sum_rows(logits, target, number)
        weighted = weigh(logits, total.index_select(0, target)) * values
        return torch.stack([total, torch.zeros_like(total).index_add(0, target, weighted)])

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return self.sum(torch.stack([x, y], -1), [-1])

    def share(self, gradient: Tensor, part: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        weight = weigh(part[0], total[0])
        of_value = gradient[1] * weight
        return torch.stack([gradient[0] * weight + of_value * (part[1] - total[1]), of_value]), gradient


def log(x: Tensor) -> Tensor:
    """The logarithm, with derivative 0 at 0."""
    return torch.where(x == 0, 1, x).log().masked_fill(x == 0, -torch.inf)


def weigh(x: Tensor, total: Tensor) -> Tensor:
    """exp(x - total); 0 where x is -inf, with derivative 0."""
    is_nothing = x == -torch.inf
    return torch.exp((x - total).masked_fill(is_nothing, 0)).masked_fill(is_nothing, 0)


def largest_rows(x: Tensor, target: Tensor, number: int) -> Tensor:
    """The largest of the rows of each target, or zero; without a derivative."""
    place = target.view(-1, *[1] * (x.dim() - 1)).expand_as(x)
    total = x.new_full((number, *x.shape[1:]), -torch.inf)
    return finite_or_zero(total.scatter_reduce(0, place, x.detach(), "amax"))


ALGEBRAS: dict[str, Algebra] = {name: Extreme(SEMIRINGS[name]) for name in ("max", "min", "minmax")}
ALGEBRAS["logsumexp"] = LogSumExp()
ALGEBRAS["attention"] = Attention(LogSumExp())
