"""Torch modules: pooling, equivariant linear maps, layers and networks.

Every module takes and returns tensors with the features last: (batch..., axes..., features).
"""

from einnet.nn import functional
from einnet.nn.channels import Linear
from einnet.nn.gated import GatedLinear
from einnet.nn.layer import EinLayer
from einnet.nn.linear import EinLinear
from einnet.nn.networks import EinNet, Network, PolynomialNet, RecurrentNet, ReferenceBlock, ReferenceNet
from einnet.nn.padding import pad
from einnet.nn.pairs import (
    PairBlock,
    PairTransition,
    TriangleAttention,
    TriangleMultiplication,
    load_published_weights,
)
from einnet.nn.pool import EinPool
from einnet.nn.sparse import Support, from_networkx, from_pyg, union, with_reverse

__all__ = [
    "EinLayer",
    "EinLinear",
    "EinNet",
    "EinPool",
    "GatedLinear",
    "Linear",
    "Network",
    "PairBlock",
    "PairTransition",
    "PolynomialNet",
    "RecurrentNet",
    "ReferenceBlock",
    "ReferenceNet",
    "Support",
    "TriangleAttention",
    "TriangleMultiplication",
    "from_networkx",
    "from_pyg",
    "functional",
    "load_published_weights",
    "pad",
    "union",
    "with_reverse",
]
