"""`Readout`: from the state to an output that has fewer axes, through a perceptron."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from einnet.nn.channels import make_activation
from einnet.nn.context import Context
from einnet.nn.networks.type_map import TypeMap
from einnet.signature import Signature

__all__ = ["Readout"]


class Readout(nn.Module):
    """Means, largest values and counts of the state, a linear map to `hidden` features, activation, a linear map.

    A linear map of means tells neither the largest value nor how many there are. Arguments as of `TypeMap`.
    """

    def __init__(
        self,
        signature: Signature,
        in_features: Sequence[int],
        hidden: int,
        out_features: int,
        activation: str,
        normalize: str | None,
        counts: bool,
        **factory: Any,
    ):
        super().__init__()
        self.output = signature.output
        map_cells = partial(nn.Linear, out_features=hidden, **factory)
        options: dict[str, Any] = {"counts": counts, "maxima": True, "normalize": normalize}
        self.pool = TypeMap(signature, in_features, hidden, map_cells, **options, **factory)
        self.activation = make_activation(activation)
        self.out_proj = nn.Linear(hidden, out_features, **factory)

    def forward(self, state: Sequence[Tensor], context: Context) -> Tensor:
        return context.clear(self.out_proj(self.activation(self.pool(state, context))), self.output, -1)
