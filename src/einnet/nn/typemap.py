"""From tensors of some types to one type: inputs to the state, the state to the output."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.fanout import add
from einnet.nn.linear import EinLinear
from einnet.nn.masks import Masks
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["TypeMap"]


class TypeMap(nn.Module):
    """The sum of all inputs of a signature, each mapped to the type of its output.

    An input that has the output's axes is mapped cell by cell, by what `pointwise` makes for its
    features; any other by all linear equivariant maps (a node feature enters `aa` on the diagonal,
    along rows and along columns).
    """

    def __init__(
        self,
        signature: Signature,
        in_features: Sequence[int],
        out_features: int,
        pointwise: Callable[[int], nn.Module],
        scale: str = "mean",
    ):
        super().__init__()
        self.signature = signature
        self.maps = nn.ModuleList(
            pointwise(f)
            if t.axes == signature.output.axes
            else EinLinear(Signature.of([t], signature.output), f, out_features, scale=scale)
            for t, f in zip(signature.inputs, in_features, strict=True)
        )

    def forward(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        parts = []
        for x, symmetry, module in zip(inputs, self.signature.inputs, self.maps, strict=True):
            x = _masked(x, symmetry, masks)
            if isinstance(module, EinLinear):
                parts.append(module(x, mask=masks, sizes={c: sizes[c] for c in module.signature.classes}))
            else:
                parts.append(module(x))
        return _masked(add(parts), self.signature.output, masks)


def _masked(x: Tensor, symmetry: Symmetry, masks: Masks | None) -> Tensor:
    if masks is None:
        return x
    rank = len(symmetry.axes)
    return to_channels_last(masks.restricted_to(symmetry).apply(to_channels_first(x, rank)), rank)
