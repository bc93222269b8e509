"""Maps of the features of each cell.

Modules take and return tensors with the features last: (batch..., axes..., features). In memory the features
stand first, so that each of them is one matrix, as the products of pooling want it; a tensor with the
features last is then a view. `Linear` keeps it so.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_choice, check_count
from einnet.nn.backend import to_channels_first, to_channels_last, upcast
from einnet.nn.looped import is_in_transform

__all__ = [
    "EPSILON",
    "HeadLinear",
    "Linear",
    "RMSNorm",
    "add_all",
    "format_arguments",
    "inverse_root_mean",
    "make_activation",
    "make_dropout",
    "make_norm",
    "map_channels",
    "reset",
    "rms_normalize",
]


EPSILON = 1e-6  # added to a mean of squares


class Linear(nn.Linear):
    """torch's `Linear`, whose output has its features first in memory.

    >>> import torch
    >>> x = torch.randn(5, 5, 3)
    >>> layer = Linear(3, 8, rank=2)
    >>> y = layer(x)
    >>> y.shape, y.movedim(-1, 0).is_contiguous()
    (torch.Size([5, 5, 8]), True)
    >>> torch.allclose(y, torch.nn.functional.linear(x, layer.weight, layer.bias), atol=1e-6)
    True

    Args:
        in_features, out_features, bias, device, dtype: as of `torch.nn.Linear`.
        rank: the number of axes between the batch axes and the features; None for values of a sparse type, whose
            features are last in memory.

    Shapes: (batch..., axes..., in_features) to (batch..., axes..., out_features).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int | None,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(in_features, out_features, bias, device, dtype)
        self.rank = None if rank is None else check_count(rank, "rank", minimum=0)

    @property
    def weights(self) -> tuple[Tensor, Tensor | None]:
        return self.weight, self.bias

    def forward(self, input: Tensor) -> Tensor:
        return self._map(input, *self.weights)

    def _map(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = map_channels(to_channels_first(input, self.rank), weight, bias, self.rank)
        return to_channels_last(y, self.rank)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rank={self.rank}"


class HeadLinear(Linear):
    """`Linear` to `heads` features for each of some operands: of all heads or a slice, for all operands or some.

    Shapes: (batch..., axes..., in_features) to (batch..., axes..., operands * heads). `weight` is
    (operands * heads, in_features), the heads of the first operand first.
    """

    def __init__(self, in_features: int, heads: int, operands: int, rank: int | None, **options: Any):
        super().__init__(in_features, heads * operands, rank, **options)
        self.heads = heads

    def forward(self, input: Tensor, heads: slice | None = None, operands: Tensor | None = None) -> Tensor:
        if heads is None and operands is None:
            return super().forward(input)
        return self._map(input, *self.select(operands, heads))

    def select(self, operands: Tensor | None, heads: slice | None = None) -> tuple[Tensor, Tensor | None]:
        """The rows of the matrix and of the bias for some heads of some operands."""
        bias = None if self.bias is None else self._select(self.bias, heads, operands)
        return self._select(self.weight, heads, operands), bias

    def _select(self, parameter: Tensor, heads: slice | None, operands: Tensor | None) -> Tensor:
        blocks = parameter.unflatten(0, (-1, self.heads))
        blocks = blocks if operands is None else blocks.index_select(0, operands)
        return (blocks if heads is None else blocks[:, heads]).flatten(0, 1)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, heads={self.heads}, operands={self.out_features // self.heads}, "
            f"rank={self.rank}, bias={self.bias is not None}"
        )


def map_channels(x: Tensor, weight: Tensor, bias: Tensor | None, rank: int | None) -> Tensor:
    """`weight @ x + bias` over the features, which are followed by `rank` axes; over the last axis for 0 and None."""
    if not rank:
        return nn.functional.linear(x, weight, bias)
    if rank == 1 and x.dim() > 2:  # of a short axis: one product is faster than one for each sample
        return nn.functional.linear(x.movedim(-2, -1), weight, bias).movedim(-1, -2)
    flat = x if rank == 1 else x.flatten(-rank)
    if flat.dim() == 2:
        y = weight @ flat if bias is None else torch.addmm(bias.unsqueeze(-1), weight, flat)
        return y if rank == 1 else y.view(weight.shape[0], *x.shape[1:])
    flat = flat.flatten(0, -3)
    weights = weight.expand(flat.shape[0], -1, -1)
    y = torch.bmm(weights, flat) if bias is None else torch.baddbmm(bias.unsqueeze(-1), weights, flat)
    return y.view(*x.shape[: x.dim() - rank - 1], weight.shape[0], *x.shape[x.dim() - rank :])


def rms_normalize(x: Tensor, dim: int, weight: Tensor | None = None) -> Tensor:
    """`x` divided by the root mean square of its entries along an axis; times `weight`, if this is the last axis."""
    if torch.compiler.is_compiling() or is_in_transform():
        wide = upcast(x)
        y = (wide * _scale(wide, dim)).to(x.dtype)
        return y if weight is None else y * weight.to(x.dtype)
    return Normalization.apply(x, weight, dim)  # type: ignore[return-value]


class Normalization(torch.autograd.Function):
    """`rms_normalize` in fewer passes over the tensor than its plain operations."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor | None, dim: int) -> Tensor:
        wide = upcast(x)
        scale = _scale(wide, dim)
        ctx.save_for_backward(x, weight, scale)
        ctx.dim = dim
        y = wide * scale
        return (y if weight is None else y.mul_(weight)).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        (x, weight, scale), dim = ctx.saved_tensors, ctx.dim
        wide, gradient = upcast(x), upcast(gradient)
        multiply = Tensor.mul_
        if torch.is_grad_enabled():  # the gradient has a derivative too
            scale, multiply = _scale(wide, dim), torch.mul
        product, of_weight = multiply(gradient * wide, scale), None
        if weight is None:
            y = gradient * scale
        else:
            of_weight = product.unsqueeze(0).sum(tuple(range(x.dim()))).to(weight.dtype)
            product = multiply(product, weight)
            y = multiply(gradient * weight, scale)
        mean = product.sum(dim, keepdim=True) * scale.square() / -x.shape[dim]
        return torch.addcmul(y, wide, mean).to(x.dtype), of_weight, None


def _scale(x: Tensor, dim: int) -> Tensor:
    # the gradient of a mean would have the features last in memory
    return inverse_root_mean(x.square().sum(dim, keepdim=True), x.shape[dim])


def inverse_root_mean(total: Tensor, number: int) -> Tensor:
    """1 / sqrt(total / number), finite for a total of zero."""
    # EPSILON as a literal: torch.compile(dynamic=True) makes the floats of modules symbolic, which fails in checkpoints
    return torch.rsqrt(total / number + 1e-6)


def add_all(parts: Sequence[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    total, *rest = parts
    for x in rest:
        total = total + x
    return total


class RMSNorm(nn.Module):
    """Divides the features of each cell, which stand last, by their root mean square; a learned gain for each.

    As `torch.nn.RMSNorm`, but the features of the output stand first in memory if those of the input do.
    """

    def __init__(self, features: int, device: Any = None, dtype: Any = None):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return rms_normalize(input, -1, self.weight)

    def extra_repr(self) -> str:
        return str(len(self.weight))


class RowRMSNorm(RMSNorm):
    """The same for features that are last in memory."""


ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "identity": nn.Identity}


def make_activation(activation: str | Callable[[Tensor], Tensor] | None) -> Callable[[Tensor], Tensor]:
    """A module from its name; what can be called is taken as it is, and None is the identity."""
    if activation is None:
        return nn.Identity()
    if isinstance(activation, str):
        return ACTIVATIONS[check_choice(activation, "activation", ACTIVATIONS)]()
    if not callable(activation):
        raise TypeError(f"activation must be a name or a function of a tensor, got {activation!r}")
    return activation


class Dropout(nn.Dropout):
    """torch's `Dropout`; its probability is stored as two whole numbers.

    These are constants for torch.compile(dynamic=True), which makes floats of modules symbolic and fails for them in
    checkpoints.
    """

    @property
    def p(self) -> float:
        return self._numerator / self._denominator

    @p.setter
    def p(self, probability: float) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._numerator, self._denominator = float(probability).as_integer_ratio()


def make_dropout(probability: float) -> nn.Module:
    """A `Dropout`; no module with an effect where nothing is dropped."""
    return Dropout(probability) if probability else nn.Identity()


NORMS: dict[str, Callable[..., nn.Module]] = {
    "rms": RMSNorm,
    "layer": nn.LayerNorm,
}


def make_norm(
    norm: str | Callable[[int], nn.Module] | None, features: int, device: Any, dtype: Any, rank: int | None = 0
) -> nn.Module:
    """A norm of each cell's features, which stand last: by name, by what makes it from their number, or none.

    With `rank` None they are last in memory too.
    """
    if norm == "rms" and rank is None:
        return RowRMSNorm(features, device, dtype)
    if norm is None:
        return nn.Identity()
    if isinstance(norm, str):
        return NORMS[check_choice(norm, "norm", NORMS)](features, device=device, dtype=dtype)
    if not callable(norm):
        raise TypeError(f"norm must be a name, a function from a number of features to a module, or None; got {norm!r}")
    return norm(features)


def format_arguments(*positional: Any, **named: tuple[Any, Any]) -> str:
    """The arguments of a call as they are written in code; of the named ones those that differ from their default.

    >>> format_arguments("aaH", features=(32, None), heads=(16, 16), norm=(None, "rms"))
    "'aaH', features=32, norm=None"
    """
    parts = [*map(repr, positional), *(f"{name}={v!r}" for name, (v, default) in named.items() if v != default)]
    return ", ".join(parts)


def reset(module: nn.Module) -> None:
    """New random weights for a module, by its own `reset_parameters` or by those of its parts."""
    if callable(function := getattr(module, "reset_parameters", None)):
        function()
    else:
        for part in module.children():
            reset(part)
