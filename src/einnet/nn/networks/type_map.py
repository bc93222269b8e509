"""From tensors of some types to one type: the inputs to the state, the state to the output."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from einnet.nn.channels import add_all
from einnet.nn.context import Context
from einnet.nn.linear import EinLinear
from einnet.signature import Signature

__all__ = ["TypeMap", "TypeMaps"]


class TypeMap(nn.Module):
    """The sum of all inputs of a signature, each mapped to the type of its output.

    An input that has the output's axes is mapped cell by cell, by what `make_cell_map` makes for its
    features; any other by all linear equivariant maps (a node feature enters `aa` on the diagonal,
    along rows and along columns), an `EinLinear` with these options. The inputs have zeros in padding.
    """

    def __init__(
        self,
        signature: Signature,
        in_features: Sequence[int],
        out_features: int,
        make_cell_map: Callable[[int], nn.Module],
        **options: Any,
    ):
        super().__init__()
        self.signature = signature
        self.maps = nn.ModuleList(
            make_cell_map(f)
            if (t.axes, t.is_sparse) == (signature.output.axes, signature.output.is_sparse)
            else EinLinear(Signature.of([t], signature.output), f, out_features, **options)
            for t, f in zip(signature.inputs, in_features, strict=True)
        )

    def forward(self, inputs: Sequence[Tensor], context: Context) -> Tensor:
        parts = [
            module(x, mask=context) if isinstance(module, EinLinear) else module(x)
            for x, module in zip(inputs, self.maps, strict=True)
        ]
        return context.clear(add_all(parts), self.signature.output, -1)


class TypeMaps(nn.ModuleList):
    """The same inputs mapped to each of several types."""

    def forward(self, inputs: Sequence[Tensor], context: Context) -> tuple[Tensor, ...]:
        return tuple(type_map(inputs, context) for type_map in self)
