"""`Decoder`: from the state to an output of fewer axes, through a perceptron."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from einnet.nn.channels import make_activation
from einnet.nn.context import Context
from einnet.nn.networks.type_map import TypeMap
from einnet.signature import Signature

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Means and largest values of the state, a linear map to `hidden` features, activation, a linear map.

    A linear map of means does not tell the largest value. Totals, and how many values there are, are told only with
    `counts` among the `options`, which are those of `EinLinear`: then there are the sums over the root of their number
    too.
    """

    def __init__(
        self,
        signature: Signature,
        in_features: Sequence[int],
        hidden: int,
        out_features: int,
        activation: str,
        options: Mapping[str, Any],
        factory: Mapping[str, Any],
    ):
        super().__init__()
        self.output = signature.output
        map_cells = partial(nn.Linear, out_features=hidden, **factory)
        self.pool = TypeMap(
            signature, in_features, hidden, map_cells, maxima=True, roots=options.get("counts", False), **options
        )
        self.activation = make_activation(activation)
        self.out_proj = nn.Linear(hidden, out_features, **factory)

    def forward(self, state: Sequence[Tensor], context: Context) -> Tensor:
        return context.clear(self.out_proj(self.activation(self.pool(state, context))), self.output, -1)
