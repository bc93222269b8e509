"""`EinNet`: the default network."""

import warnings
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.errors import EinNetError
from einnet.nn.channels import Linear, make_norm
from einnet.nn.context import Context
from einnet.nn.layer import EinLayer
from einnet.nn.networks.base import Network, StatefulNetwork
from einnet.nn.networks.config import EinNetConfig
from einnet.nn.networks.format2 import NETWORKS
from einnet.nn.networks.type_map import TypeMap

__all__ = ["EinNet"]


class EinNet(StatefulNetwork):
    """An equivariant network for a signature: inputs to a state, `EinLayer`s, a norm, the state to the output.

    Inputs become one state; the output is a linear map of the last state, cell by cell where it has the state's
    type, else all equivariant linear maps.

    >>> import torch
    >>> net = EinNet("aaH -> aH", in_features=3, out_features=2, heads=4, hidden=16, depth=2)
    >>> net(torch.randn(5, 7, 7, 3)).shape                       # a batch of 5 relations over 7 things
    torch.Size([5, 7, 2])
    >>> nodes_and_edges = EinNet("aH, aaH -> H", in_features=(4, 3), out_features=1)
    >>> nodes_and_edges.hidden_type         # nodes enter on the diagonal, along rows and along columns
    Symmetry('aaH')
    >>> nodes_and_edges(torch.randn(7, 4), torch.randn(7, 7, 3)).shape
    torch.Size([1])

    Args:
        signature: `inputs -> output; dependencies`, or one type for both; see `Signature`.
        in_features: a number, or a tuple in the order of the inputs.
        out_features: features of the output.
        heads: features given to each operand of each pooling operation.
        hidden: features of the state.
        depth: number of layers.
        order: the largest number of operands of the default pooling operations; None for the default order.
        terms: the pooling operations, instead of the default ones.
        hidden_type: the type of the state, if not the smallest that holds all inputs and the output.
        expansion, activation, norm, bias, dropout, normalize, chunks: see `EinLayer`; activation and norm by name.
        iterations: how often the layers are run one after the other, with the same weights.
        checkpoint_activations: compute activations again in the backward pass, which saves memory.
        device, dtype: of the parameters.

    Shapes: `forward(*inputs, mask=None, sizes=None, iterations=None)`, each input (batch..., its axes..., features),
    to (batch..., output axes..., out_features); the features are there also where the notation has no
    H. `mask`: see `EinPool`. An output axis that no input has takes its size from `sizes={"b": 5}`.
    Raises `EinNetError` and `TypeError` for wrong arguments, `ShapeError` for wrong tensors.
    """

    config_class = EinNetConfig
    config: EinNetConfig

    def __new__(cls, *args: Any, block: str = "default", **kwargs: Any) -> Any:
        """The network of another class, for the old argument `block`."""
        if block == "default":
            return super().__new__(cls)
        if block not in NETWORKS:
            raise EinNetError(f"block={block!r} is no network; there are {', '.join(NETWORKS.values())}")
        name = NETWORKS[block]
        warnings.warn(
            f"EinNet(block={block!r}) is now einnet.nn.{name}; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return Network.classes[name](*args, **kwargs)

    def build(self, config: EinNetConfig, rank: int, factory: dict[str, Any]) -> None:
        names = ("terms", "order", "expansion", "activation", "norm", "bias", "dropout", "normalize", "chunks")
        options = {name: getattr(config, name) for name in names} | factory
        widths, out, normalize = config.in_features, config.out_features, config.normalize
        encode = partial(Linear, out_features=config.hidden, rank=rank, **factory)
        decode = partial(nn.Linear, out_features=out, **factory)
        self.encoder = TypeMap(self.to_state, widths, config.hidden, encode, normalize, **factory)
        self.layers = nn.ModuleList(
            EinLayer(self.hidden_type, config.hidden, config.heads, **options) for _ in range(config.depth)
        )
        self.norm = make_norm(config.norm, config.hidden, **factory)
        self.decoder = TypeMap(self.to_output, [config.hidden], out, decode, normalize, **factory)

    def step(self, layer: nn.Module, state: Tensor, encoded: Tensor, context: Context) -> Tensor:
        if self.config.checkpoint_activations:
            return checkpoint(layer, state, context, use_reentrant=False)
        return layer(state, context)

    def decode_state(self, state: Tensor, context: Context) -> Tensor:
        return self.decoder([self.norm(state)], context)
