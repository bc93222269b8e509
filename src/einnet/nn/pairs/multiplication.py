"""`TriangleMultiplication`: products of a relation with itself along triangles, with gates."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.checks import check_choice, check_count, check_flag
from einnet.errors import EinNetError
from einnet.nn.channels import format_arguments, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.gated import GatedLinear
from einnet.nn.inputs import bind_input, check_dtype, dtype_of
from einnet.nn.pool import Pooling
from einnet.nn.pooled import concat_features, slice_evenly
from einnet.nn.reductions import Reductions
from einnet.nn.state import unwrap
from einnet.symmetry import Symmetry

__all__ = ["ORIENTATIONS", "PAIRS", "TriangleMultiplication"]

PAIRS = Symmetry("aaH")
ORIENTATIONS = {
    "outgoing": "ac,bc->ab",  # from both ends of the edge to c
    "incoming": "ca,cb->ab",  # from c to both ends
    "path": "ac,cb->ab",  # along the edge
    "cycle": "ca,bc->ab",  # against it
}


class TriangleMultiplication(nn.Module):
    """For each edge (a, b) of a pair state, the sum over c of the products of the other two edges of a triangle.

    >>> import torch
    >>> layer = TriangleMultiplication("outgoing", features=32)
    >>> state = torch.randn(2, 7, 7, 32)
    >>> state = state + layer(state)                             # the update; a new layer's is zero
    >>> state.shape
    torch.Size([2, 7, 7, 32])
    >>> pair = TriangleMultiplication(("outgoing", "incoming"), features=32)     # in one call
    >>> print(pair.pool.plan)
    plan of ac,bc->ab  ca,cb->ab
     step  contraction  reads  FLOPs  size
        4  ab,cb->ac     0, 1   2a^3   a^2
        5  ab,ac->bc     2, 3   2a^3   a^2
    FLOPs 4a^3, largest intermediate a^2, per feature

    With one orientation it is the triangular multiplicative update of AlphaFold 2: normalize, project to two operands
    and multiply them by gates; the plan of the term; normalize, project, multiply by a gate.
    Several orientations have operands and norms of their own, and one projection and gate of the results.

    Args:
        orientation: "outgoing" (`ac,bc->ab`), "incoming" (`ca,cb->ab`), "path" (`ac,cb->ab`), "cycle" (`ca,bc->ab`), or
            several of them. These are all orientations of a triangle with the edge (a, b).
        features: of the input and of the output.
        hidden: features of each operand; by default `features`.
        bias: whether the projections have biases, as in AlphaFold 2; not in AlphaFold 3, Boltz and Chai.
        normalize: None or "size", see `EinPool`; the norm of the products leaves a difference by its `eps` only.
        chunks: with more than one, the operands are made and multiplied in so many parts of their features, one after
            the other, and made again in the backward pass: those of one part only are in memory at a time.
        device, dtype: of the parameters.

    Submodules, called in this order: `norm`; `in_proj`, a `GatedLinear` to all operands side by side; `out_proj`, a
    `GatedLinear` that normalizes the products of each orientation, and whose gate reads the normalized input. As
    published, a new layer returns zeros: the last projection begins at zero.

    Shapes: (batch..., n, n, features) to the same. `mask` as of `EinPool`: (batch..., n), True for elements that are
    present, or {"aa": (batch..., n, n)} for pairs. A masked pair contributes nothing and receives zero.

    Source: Jumper et al. 2021, Highly accurate protein structure prediction with AlphaFold, supplementary algorithms 11
    and 12. Weights: `einnet.nn.load_published_weights`.
    """

    def __init__(
        self,
        orientation: str | Sequence[str],
        features: int = 128,
        hidden: int | None = None,
        *,
        bias: bool = True,
        normalize: str | None = None,
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        names = (orientation,) if isinstance(orientation, str) else tuple(orientation)
        if not names or len(set(names)) < len(names):
            raise EinNetError(f"orientation must be one or several of {', '.join(ORIENTATIONS)}, got {orientation!r}")
        self.orientations = tuple(check_choice(name, "orientation", ORIENTATIONS) for name in names)
        self.features = check_count(features, "features")
        self.hidden = self.features if hidden is None else check_count(hidden, "hidden")
        options: dict[str, Any] = {"bias": check_flag(bias, "bias"), "device": device, "dtype": dtype}
        self.norm = nn.LayerNorm(self.features, device=device, dtype=dtype)
        terms = [ORIENTATIONS[name] for name in self.orientations]
        self.pool = Pooling(terms, PAIRS, Reductions.of("sum"), normalize)
        self.chunks = check_count(chunks, "chunks", maximum=self.hidden)
        operands, results = self.pool.fan_in, self.pool.fan_out
        self.in_proj = GatedLinear(self.features, self.hidden * operands, rank=2, blocks=operands, **options)
        self.out_proj = GatedLinear(self.hidden * results, self.features, 2, self.features, results, **options)
        self._arguments = {
            "features": (self.features, 128),
            "hidden": (self.hidden, self.features),
            "bias": (bias, True),
            "normalize": (normalize, None),
            "chunks": (self.chunks, 1),
        }
        nn.init.zeros_(self.out_proj.weight)

    def reset_parameters(self) -> None:
        """New weights, as when the layer was made: its update is zero."""
        for module in self.children():
            reset(module)
        nn.init.zeros_(self.out_proj.weight)

    def forward(self, input: Tensor, mask: MaskLike | Context = None) -> Tensor:
        context = bind_input(PAIRS, self.features, input, mask)
        check_dtype([input], dtype_of(self), [input])
        cells = context.cells(PAIRS)
        state = self.norm(context.fill_last(input, PAIRS))
        if self.chunks == 1:
            results = self._pool(state, cells, context, None)
        else:
            parts = [
                checkpoint(self._pool, state, cells, context, part, use_reentrant=False)
                for part in slice_evenly(self.hidden, self.chunks)
            ]
            results = [torch.cat(products, -3) for products in zip(*parts, strict=True)]
        return self.out_proj(concat_features(results, 2).movedim(-3, -1), state, cells)

    def _pool(self, state: Tensor, cells: Tensor | None, context: Context, part: slice | None) -> list[Tensor]:
        """The products of each orientation, features first, for a part of the features."""
        operands = self.in_proj(state, None, cells, part)
        return self.pool.pool([operands.movedim(-1, -3)], context)

    def extra_repr(self) -> str:
        return format_arguments(unwrap(self.orientations), **self._arguments)
