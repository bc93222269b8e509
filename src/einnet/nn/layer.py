"""`EinLayer`: the default equivariant layer, from a type to the same type."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.errors import EinNetError
from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.binding import check_features
from einnet.nn.fanout import FanOut, RMSNorm, linear, unit
from einnet.nn.masks import MaskLike, Masks
from einnet.nn.pool import EinPool
from einnet.operations import pooling_terms
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms import Term

__all__ = ["EinLayer"]

NORMS = ("rms", "none")


class EinLayer(nn.Module):
    """Norm, fan-in, einsum pooling, norm, fan-out with a GELU, dropout, residual.

    >>> import torch
    >>> layer = EinLayer("aaH", features=32, heads=4)
    >>> layer(torch.randn(2, 7, 7, 32)).shape
    torch.Size([2, 7, 7, 32])

    Args:
        symmetry: the type of the input and of the output.
        features: of the input and of the output.
        heads: features given to each operand of each term.
        terms: the pooling operations; without them, the usual set of the type up to `order`.
        dropout: probability of dropping, while training, a pooled value and a value of the update.
        scale: "mean" or "sum", see `EinPool`.
        norm: "rms", before the fan-in and the fan-out, or "none": then the layer is a polynomial up to
            its GELU, and with the right weights a given series exactly (docs/low-rank.md).
        chunks: with more than one, the heads are pooled in so many parts one after the other, and each again in
            the backward pass: the pooled values of one part only are in memory at a time.

    Shapes: (batch..., axes..., features), masks as in `EinPool`.
    """

    def __init__(
        self,
        symmetry: Symmetry | str,
        features: int,
        heads: int = 16,
        *,
        terms: Sequence[Term | str] | None = None,
        order: int | None = None,
        dropout: float = 0.0,
        scale: str = "mean",
        norm: str = "rms",
        chunks: int = 1,
    ):
        super().__init__()
        if norm not in NORMS:
            raise EinNetError(f"norm must be one of {', '.join(map(repr, NORMS))}, got {norm!r}")
        for name, value in (("features", features), ("heads", heads), ("chunks", chunks)):
            if not isinstance(value, int) or value < 1:
                raise EinNetError(f"{name} must be a positive whole number, got {value!r}")
        symmetry = as_symmetry(symmetry)
        self.symmetry = Symmetry.of(symmetry.axes, symmetry.dependencies)
        self.features, self.heads = features, heads
        if chunks > heads:
            raise EinNetError(f"{heads} heads are pooled in {heads} chunks at most, got chunks={chunks}")
        bounds = [heads * k // chunks for k in range(chunks + 1)]
        self.head_slices = [slice(*b) for b in pairwise(bounds)]
        chosen = pooling_terms(self.symmetry, order) if terms is None else terms
        self.pool = EinPool(chosen, self.symmetry, scale=scale)
        self.rank = self.pool.rank
        self.norm = RMSNorm(features, self.rank) if norm == "rms" else nn.Identity()
        self.fan_in = nn.Linear(features, heads * self.pool.fan_in)
        self.fan_out = FanOut(self.pool.plan, heads, 2 * features, norm=norm == "rms", dropout=dropout)
        self.out = nn.Linear(2 * features, features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: MaskLike | Masks = None) -> Tensor:
        check_features(x, self.symmetry.axes, self.features)
        sizes = self.symmetry.sizes_of(x.shape)
        masks = Masks.make(mask, self.symmetry, sizes, x.shape[: x.dim() - 1 - self.rank])
        front = to_channels_first(x, self.rank)
        normed = front if isinstance(self.norm, nn.Identity) else unit(front, self.rank)
        axes = [sizes[c] for c in self.symmetry.axes]
        if len(self.head_slices) == 1:
            update = self.fan_out(self._cores(normed, masks, sizes, slice(None)), axes)
        else:
            each = (
                checkpoint(self._summands, normed, masks, sizes, axes, heads, use_reentrant=False)
                for heads in self.head_slices
            )
            update = self.fan_out.finished(*reduce(_both, each))
        update = nn.functional.gelu(update)
        update = self.dropout(linear(update, self.out.weight, self.out.bias, self.rank))
        front = front + update
        return to_channels_last(front if masks is None else masks.apply(front), self.rank)

    def _cores(self, normed: Tensor, masks: Masks | None, sizes: Mapping[str, int], heads: slice) -> list[Tensor]:
        """What these heads pool."""
        all_heads = (self.fan_in.weight, self.fan_in.bias)
        weight, bias = (p.unflatten(0, (-1, self.heads))[:, heads].flatten(0, 1) for p in all_heads)
        if isinstance(self.norm, RMSNorm):
            weight = weight * self.norm.weight  # the norm's gain: cheaper here than in every cell
        parts = linear(normed, weight, bias, self.rank)
        return self.pool.cores([parts if masks is None else masks.apply(parts)], sizes, masks)

    def _summands(
        self, normed: Tensor, masks: Masks | None, sizes: Mapping[str, int], axes: Sequence[int], heads: slice
    ) -> tuple[Tensor, ...]:
        """What these heads add to the results of the fan-out."""
        return self.fan_out.summands(self._cores(normed, masks, sizes, heads), axes, heads)


def _both(one: Sequence[Tensor], other: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))
