"""A network without activations and norms: `EinNet(..., block="polynomial")`.

Each layer is linear, pooling, linear, with nothing in between, so the network is an equivariant
polynomial of its input with learned coefficients. Every layer sees the input again. It suits
functions that iterations of products compute, such as inverses: what is equivariant to more than
permutations in each operation (rotations, say) stays so in the network. A polynomial grows fast: the
input must be scaled to a bounded range, as the pinv task does.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError
from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.fanout import FanOut, linear
from einnet.nn.masks import Masks
from einnet.nn.pool import EinPool
from einnet.nn.settings import Settings
from einnet.nn.stack import Stack
from einnet.nn.typemap import TypeMap
from einnet.operations import pooling_terms
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["PolynomialBody", "PolynomialLayer"]


class PolynomialLayer(nn.Module):
    """The state times a matrix, plus pooled products of the state and the given tensor; no bias, so f(0) = 0."""

    def __init__(self, state: Symmetry, s: Settings):
        super().__init__()
        terms = pooling_terms(state, s.order) if s.terms is None else s.terms
        self.pool = EinPool(terms, state, scale=s.scale)
        self.fan_in = nn.Parameter(torch.randn(s.heads * self.pool.fan_in, 2 * s.hidden) * (2 * s.hidden) ** -0.5)
        self.fan_out = FanOut(self.pool.plan, s.heads, s.hidden, bias=False)
        self.keep = nn.Parameter(torch.eye(s.hidden))

    def forward(self, x: Tensor, given: Tensor, sizes: Mapping[str, int], masks: Masks | None) -> Tensor:
        """Features stand before the axes."""
        rank = self.pool.rank
        parts = linear(torch.cat([x, given], -1 - rank), self.fan_in, None, rank)
        cores = self.pool.cores([parts], sizes, masks)
        return linear(x, self.keep, None, rank) + self.fan_out(cores, [sizes[c] for c in self.pool.symmetry.axes])


class PolynomialBody(Stack):
    """Inputs to state, layers that each see the lifted input, state to output; linear maps without bias."""

    def __init__(self, signature: Signature, state: Symmetry, s: Settings):
        super().__init__()
        if s.dropout or s.recompute:
            raise EinNetError('block="polynomial" has neither dropout nor recompute: leave both at their defaults')
        self.state, self.rank, self.iterations = state, len(state.axes), s.iterations
        to_state, to_output = Signature.of(signature.inputs, state), Signature.of([state], signature.output)
        self.lift = TypeMap(to_state, s.in_features, s.hidden, lambda f: nn.Linear(f, s.hidden, bias=False), s.scale)
        self.layers = nn.ModuleList(PolynomialLayer(state, s) for _ in range(s.depth))
        out = s.out_features
        self.head = TypeMap(to_output, [s.hidden], out, lambda f: nn.Linear(f, out, bias=False), s.scale)

    def lifted(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return self.lift(inputs, masks, sizes)

    def first(self, given: Tensor, masks: Masks | None) -> Tensor:
        return given

    def step(self, layer: nn.Module, x: Tensor, given: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        x = layer(to_channels_first(x, self.rank), to_channels_first(given, self.rank), sizes, masks)
        return to_channels_last(x if masks is None else masks.apply(x), self.rank)

    def read(self, state: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return self.head([state], masks, sizes)
