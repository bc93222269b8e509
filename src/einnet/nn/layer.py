"""`EinLayer`: the default equivariant layer, from a type to the same type."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from einnet.checks import check_count, check_flag, check_real
from einnet.errors import EinNetError
from einnet.nn.backend import to_channels_first
from einnet.nn.channels import HeadLinear, Linear, format_arguments, make_activation, make_dropout, make_norm, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.deprecated import NORM, NORMALIZE, rename_arguments
from einnet.nn.inputs import bind_input, check_dtype, dtype_of
from einnet.nn.pool import Pooling
from einnet.nn.pooled import PooledLinear
from einnet.operations import pooling_terms
from einnet.symmetry import Symmetry, as_symmetry, check_dense
from einnet.terms import Term

__all__ = ["EinLayer"]

Norm = str | Callable[[int], nn.Module] | None
Activation = str | Callable[[Tensor], Tensor]


class EinLayer(nn.Module):
    """Norm, projection to the operands, einsum pooling, norm and projection, activation, projection, residual.

    >>> import torch
    >>> layer = EinLayer("aaH", features=32, heads=4)
    >>> layer(torch.randn(2, 7, 7, 32)).shape
    torch.Size([2, 7, 7, 32])

    Args:
        symmetry: the type of the input and of the output.
        features: of the input and of the output.
        heads: features given to each operand of each term.
        terms: the pooling operations; without them, the default set of the type up to `order`.
        order: the largest number of operands; None for the default.
        expansion: the features between the two output projections, as a multiple of `features`.
        activation: "gelu", "relu", "silu", "tanh", "identity", or a function of a tensor.
        norm: "rms", "layer", a function from a number of features to a module, or None: then the layer is a
            polynomial up to its activation, and with the right weights a given series exactly (docs/low-rank.md).
            A norm that is not None also divides the pooled results of a cell by their root mean square.
        bias: whether the projections have biases.
        dropout: probability of dropping, while training, a pooled value and a value of the update.
        normalize: "size" or None, see `EinPool`.
        chunks: with more than one, the heads are pooled in so many parts one after the other, and each again in
            the backward pass: the pooled values of one part only are in memory at a time.
        device, dtype: of the parameters.

    Submodules, called in this order on tensors with the features last: `norm`; `in_proj`, features to
    heads * operands; `pool_proj` (a `PooledLinear`, which is called with the pooling), the results of all terms to
    expansion * features; `activation`; `out_proj`; `dropout`.

    Shapes: (batch..., axes..., features), masks as in `EinPool`.
    """

    @rename_arguments(scale=NORMALIZE, norm=NORM)
    def __init__(
        self,
        symmetry: Symmetry | str,
        features: int,
        heads: int = 16,
        *,
        terms: Sequence[Term | str] | None = None,
        order: int | None = None,
        expansion: float = 2,
        activation: Activation = "gelu",
        norm: Norm = "rms",
        bias: bool = True,
        dropout: float = 0.0,
        normalize: str | None = "size",
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.symmetry = as_symmetry(symmetry).with_features
        check_dense([self.symmetry], "a layer or network")
        self.features, self.heads = check_count(features, "features"), check_count(heads, "heads")
        self.chunks = check_count(chunks, "chunks")
        if self.chunks > self.heads:
            raise EinNetError(f"{heads} heads are pooled in {heads} chunks at most, got chunks={chunks}")
        order = None if order is None else check_count(order, "order")
        width = max(1, round(self.features * check_real(expansion, "expansion")))
        self.pool = Pooling(
            pooling_terms(self.symmetry, order) if terms is None else terms, self.symmetry, "sum", normalize
        )
        rank, factory = len(self.symmetry.axes), {"device": device, "dtype": dtype}
        check_flag(bias, "bias")
        dropout = check_real(dropout, "dropout", below=1)
        self.norm = make_norm(norm, self.features, **factory)
        self.in_proj = HeadLinear(self.features, self.heads, self.pool.fan_in, rank, bias=bias, **factory)
        options = {"bias": bias, "norm": norm is not None, "dropout": dropout, "chunks": self.chunks}
        self.pool_proj = PooledLinear(self.pool.plan, self.heads, width, **options, **factory)
        self.activation = make_activation(activation)
        self._arguments = {
            "features": (self.features, None),
            "heads": (self.heads, 16),
            "terms": ([str(t) for t in self.pool.plan.terms], [str(t) for t in pooling_terms(self.symmetry)]),
            "expansion": (expansion, 2),
            "activation": (activation, "gelu"),
            "norm": (norm, "rms"),
            "bias": (bias, True),
            "dropout": (dropout, 0.0),
            "normalize": (normalize, "size"),
            "chunks": (self.chunks, 1),
        }
        self.out_proj = Linear(width, self.features, rank, bias, **factory)
        self.dropout = make_dropout(dropout)

    def reset_parameters(self) -> None:
        """New random weights, as when the layer was made."""
        for module in self.children():
            reset(module)

    def forward(self, x: Tensor, mask: MaskLike | Context = None) -> Tensor:
        context = bind_input(self.symmetry, self.features, x, mask)
        if context is not mask:
            check_dtype([x], dtype_of(self))
            x = context.fill_last(x, self.symmetry)  # nan there would reach the gradients of the weights
        normed = self.norm(x)

        def pool(heads: slice) -> list[Tensor]:
            channels = to_channels_first(self._project(normed, heads), len(self.symmetry.axes))
            return self.pool.pool([context.fill(channels, self.symmetry)], context)

        update = self.activation(self.pool_proj(pool, context.shape(self.symmetry)))
        return context.fill_last(x + self.dropout(self.out_proj(update)), self.symmetry)

    def _project(self, normed: Tensor, heads: slice) -> Tensor:
        """The operands of some heads."""
        if self.chunks == 1:
            return self.in_proj(normed)
        if isinstance(self.in_proj, HeadLinear):
            return self.in_proj(normed, heads)
        return self.in_proj(normed).unflatten(-1, (-1, self.heads))[..., heads].flatten(-2)  # another module

    def extra_repr(self) -> str:
        return format_arguments(str(self.symmetry), **self._arguments)
