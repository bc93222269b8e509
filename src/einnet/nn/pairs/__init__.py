"""Layers of pair states, type `aaH`, as in networks that predict the structure of proteins."""

from einnet.nn.pairs.attention import TriangleAttention
from einnet.nn.pairs.block import PairBlock, PairTransition
from einnet.nn.pairs.multiplication import TriangleMultiplication
from einnet.nn.pairs.published import load_published_weights

__all__ = ["PairBlock", "PairTransition", "TriangleAttention", "TriangleMultiplication", "load_published_weights"]
