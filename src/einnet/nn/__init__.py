"""Torch modules: pooling, equivariant linear maps, layers, and the network.

Every module takes and returns tensors with the features last: (batch..., axes..., features).
"""

from einnet.nn.layer import EinLayer
from einnet.nn.linear import EinLinear
from einnet.nn.net import EinNet
from einnet.nn.padding import pad
from einnet.nn.pool import EinPool
from einnet.nn.reference import ReferenceBlock

__all__ = ["EinLayer", "EinLinear", "EinNet", "EinPool", "ReferenceBlock", "pad"]
