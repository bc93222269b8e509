"""The network of the source text, exactly: `EinNet(..., block="reference")`.

A stack is: softmax of each feature over all positions, pooling with plain sums, a two-layer
perceptron. Each stack's result is added to the state, but for the last, which is the output.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.errors import EinNetError
from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.binding import check_features
from einnet.nn.fanout import CoreMap, linear
from einnet.nn.masks import MaskLike, Masks
from einnet.nn.pool import EinPool
from einnet.nn.settings import Settings
from einnet.nn.typemap import TypeMap
from einnet.operations.default_terms import reference_terms
from einnet.signature import Signature
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms import Term

__all__ = ["ReferenceBlock"]


class ReferenceBlock(nn.Module):
    """Softmax over all positions, pooling with plain sums, perceptron; no residual of its own.

    Parts and results are in the order of the terms; for `aa`: part 0 as it is, 1 the diagonal, 2
    transposed, 3 summed over the second axis, 4 times 5, 6 matrix-multiplied with 7.

    >>> import torch
    >>> block = ReferenceBlock("aaH", heads=4, hidden=16, out_features=32)
    >>> block(torch.randn(2, 7, 7, 4 * 8)).shape
    torch.Size([2, 7, 7, 32])
    """

    def __init__(
        self,
        symmetry: Symmetry | str,
        heads: int,
        hidden: int,
        out_features: int,
        terms: Sequence[Term | str] | None = None,
    ):
        super().__init__()
        symmetry = as_symmetry(symmetry)
        self.pool = EinPool(reference_terms(symmetry) if terms is None else terms, symmetry, scale="sum")
        self.symmetry = self.pool.symmetry
        self.heads, self.map = heads, CoreMap(self.pool.plan, expand_first=True)
        self.mlp = perceptron(heads * self.pool.fan_out, hidden, out_features)

    def forward(self, x: Tensor, mask: MaskLike | Masks = None) -> Tensor:
        rank = self.pool.rank
        check_features(x, self.symmetry.axes)
        sizes = self.symmetry.sizes_of(x.shape)
        masks = Masks.make(mask, self.symmetry, sizes, x.shape[: x.dim() - 1 - rank])
        if masks is not None and (cells := masks.cells()) is not None:
            x = x.masked_fill(~cells.unsqueeze(-1), torch.finfo(x.dtype).min)
        front = to_channels_first(x, rank)
        flat = front.flatten(-rank) if rank else front.unsqueeze(-1)
        soft = flat.softmax(-1).reshape(front.shape)
        if masks is not None:
            soft = masks.apply(soft)
        axes = [sizes[c] for c in self.symmetry.axes]
        first, second = (m for m in self.mlp if isinstance(m, nn.Linear))
        joined = self.map.joined(self.pool.cores([soft], sizes, masks), axes)
        y = self.map.mapped_whole(joined[self.map.whole], first.weight.split(self.heads, 1), first.bias)
        y = linear(nn.functional.gelu(y), second.weight, second.bias, rank)
        return to_channels_last(y if masks is None else masks.apply(y), rank)


class ReferenceBody(nn.Module):
    """Perceptron, stacks; inputs and an output of other types than the state through linear maps."""

    def __init__(self, signature: Signature, state: Symmetry, s: Settings):
        super().__init__()
        if s.dropout or s.scale != "sum" or s.iterations > 1:
            raise EinNetError(
                'block="reference" has neither dropout nor scaled sums nor iterations: leave them at their defaults'
            )
        self.state, self.recompute = state, s.recompute
        terms = reference_terms(state, s.order) if s.terms is None else s.terms
        features = s.heads * EinPool(terms, state).fan_in
        widths = [features] * (s.depth - 1) + [s.out_features]
        to_state, to_output = Signature.of(signature.inputs, state), Signature.of([state], signature.output)
        self.lift = TypeMap(to_state, s.in_features, features, lambda f: perceptron(f, s.hidden, features))
        self.blocks = nn.ModuleList(ReferenceBlock(state, s.heads, s.hidden, w, terms) for w in widths)
        self.head = TypeMap(to_output, [s.out_features], s.out_features, lambda _: nn.Identity())

    def forward(
        self,
        inputs: Sequence[Tensor],
        masks: Masks | None,
        sizes: Mapping[str, int],
        iterations: int | None = None,
    ) -> Tensor:
        if iterations is not None:
            raise EinNetError('block="reference" is run once: it has no iterations')
        x = self.lift(inputs, masks, sizes)
        its = masks and masks.restricted_to(self.state)
        for k, block in enumerate(self.blocks, start=1):
            y = checkpoint(block, x, its, use_reentrant=False) if self.recompute else block(x, its)
            x = x + y if k < len(self.blocks) else y
        return self.head([x], masks, sizes)


def perceptron(in_features: int, hidden: int, out_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_features, hidden), nn.GELU(), nn.Linear(hidden, out_features))
