"""`EinLinear`: the complete linear equivariant map of a signature."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.binding import batch_of, bind_sizes, every_class, per_input
from einnet.nn.fanout import FanOut, Frame, Parts, add, added, nested
from einnet.nn.masks import MaskLike, Masks
from einnet.nn.pool import check_scale, pool_cores
from einnet.plan import Plan
from einnet.signature import Signature, with_features
from einnet.symmetry import Symmetry
from einnet.terms import linear_terms

__all__ = ["EinLinear"]


class EinLinear(nn.Module):
    """Every linear equivariant map from the inputs to the output, one weight matrix for each term.

    >>> import torch
    >>> layer = EinLinear("aaH -> aH", in_features=3, out_features=4)
    >>> [str(t) for t in layer.plans[0].terms]
    ['aa->a', 'aa->b', 'ab->a', 'ab->b', 'ab->c']
    >>> layer(torch.randn(2, 7, 7, 3)).shape
    torch.Size([2, 7, 4])

    Args:
        signature: `inputs -> output`, see `Signature`.
        in_features: a number, or a tuple in the order of the inputs.
        bias: whether to add the equivariant constants (for `aa` two: everywhere, on the diagonal).
        scale: "mean" or "sum", as for `EinPool`.

    Shapes: each input (batch..., its axes..., features). An output class that no input has takes its
    size from `forward(x, sizes={...})`.
    Source: Maron et al., Invariant and Equivariant Graph Networks, section 3 (any type: `linear_terms`).
    """

    def __init__(
        self,
        signature: Signature | str,
        in_features: int | Sequence[int],
        out_features: int,
        *,
        bias: bool = True,
        scale: str = "mean",
    ):
        super().__init__()
        self.signature = with_features(signature)
        self.in_features = per_input(self.signature, in_features)
        self.out_features = out_features
        self.scale = check_scale(scale)
        output = self.signature.output
        self.plans = [_linear_plan(source, output) for source in self.signature.inputs]
        self.maps = nn.ModuleList(
            FanOut(plan, features, out_features, bias=False)
            for plan, features in zip(self.plans, self.in_features, strict=True)
        )
        self.constants_plan = _linear_plan(Symmetry(""), output)
        self.constants = FanOut(self.constants_plan, 1, out_features, bias=False) if bias else None
        if self.constants is not None:
            nn.init.zeros_(self.constants.weight)
        every = [*self.maps, *([] if self.constants is None else [self.constants])]
        self.nested = nested(dict.fromkeys(f for fan_out in every for f in fan_out.map.groups))  # type: ignore[union-attr]

    def forward(self, *inputs: Tensor, mask: MaskLike | Masks = None, sizes: Mapping[str, int] | None = None) -> Tensor:
        sizes = bind_sizes(self.signature, self.in_features, inputs, sizes)
        masks = Masks.make(mask, every_class(self.signature), sizes, batch_of(self.signature.inputs, inputs))
        output = self.signature.output
        axes = [sizes[c] for c in output.axes]
        parts: dict[Frame, Tensor] = {}
        for x, source, plan, fan_out in zip(inputs, self.signature.inputs, self.plans, self.maps, strict=True):
            front = to_channels_first(x, len(source.axes))
            its = masks.restricted_to(source) if masks is not None else None
            if its is not None:
                front = its.apply(front)
            cores = pool_cores(plan, [front] * plan.slots, sizes, its, self.scale)
            parts = _merged(parts, fan_out.parts(cores, axes))  # type: ignore[operator]
        if self.constants is not None:
            one = inputs[0].new_ones(1)
            parts = _merged(parts, self.constants.parts([one] * len(self.constants_plan.terms), axes))
        total = added(parts, self.nested, axes)
        if masks is not None:
            total = masks.restricted_to(output).apply(total)
        return to_channels_last(total, len(output.axes))

    def extra_repr(self) -> str:
        return f"{self.signature}, {self.in_features} -> {self.out_features}"


def _merged(one: Parts, other: Parts) -> dict[Frame, Tensor]:
    """Those of one frame are added."""
    return {f: add([p[f] for p in (one, other) if f in p]) for f in {**one, **other}}


def _linear_plan(source: Symmetry, target: Symmetry) -> Plan:
    terms = linear_terms(source, target)
    return Plan.make(terms, source, target, sources=[(0,)] * len(terms))
