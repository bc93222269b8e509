"""`PolynomialNet`: a network without activations and norms."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from einnet.nn.backend import to_channels_first
from einnet.nn.channels import Linear
from einnet.nn.context import Context
from einnet.nn.deprecated import NORMALIZE, rename_arguments
from einnet.nn.networks.base import StatefulNetwork
from einnet.nn.networks.config import PolynomialConfig
from einnet.nn.networks.type_map import TypeMap
from einnet.nn.pool import Pooling
from einnet.nn.pooled import PooledLinear
from einnet.operations import pooling_terms
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term

__all__ = ["PolynomialLayer", "PolynomialNet"]


class PolynomialLayer(nn.Module):
    """The state times a matrix, plus pooled products of the state and the encoded inputs; no bias, so f(0) = 0."""

    def __init__(self, symmetry: Symmetry, config: PolynomialConfig, **factory: Any):
        super().__init__()
        terms = pooling_terms(symmetry, config.order) if config.terms is None else config.terms
        self.symmetry, rank, hidden = symmetry, len(symmetry.axes), config.hidden
        self.pool = Pooling(terms, symmetry, "sum", config.normalize)
        self.in_proj = Linear(2 * hidden, config.heads * self.pool.fan_in, rank, bias=False, **factory)
        self.pool_proj = PooledLinear(self.pool.plan, config.heads, hidden, bias=False, **factory)
        self.skip = Linear(hidden, hidden, rank, bias=False, **factory)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.in_proj.weight, std=self.in_proj.in_features**-0.5)
        self.pool_proj.reset_parameters()
        nn.init.eye_(self.skip.weight)

    def forward(self, state: Tensor, encoded: Tensor, context: Context) -> Tensor:
        operands = to_channels_first(self.in_proj(torch.cat([state, encoded], -1)), len(self.symmetry.axes))
        update = self.pool_proj(lambda _: self.pool.pool([operands], context), context.shape(self.symmetry))
        return context.fill_last(self.skip(state) + update, self.symmetry)


class PolynomialNet(StatefulNetwork):
    """Linear maps and pooling with nothing in between: an equivariant polynomial with learned coefficients.

    Every layer sees the inputs again. It suits functions that iterations of products compute, such as inverses: what
    is equivariant to more than permutations in each operation (rotations, say) stays so in the network. A polynomial
    grows fast: scale the input to a bounded range, as the pinv task does.

    >>> import torch
    >>> net = PolynomialNet("abH -> abH", 1, 1, heads=4, hidden=8, depth=2, terms=["ab,cb,cd->ad"])
    >>> x = torch.randn(4, 5, 1)
    >>> torch.allclose(net(-x), -net(x), atol=1e-6)              # products of three: an odd function
    True

    Args, shapes and errors: as of `EinNet`.
    """

    config_class = PolynomialConfig
    config: PolynomialConfig

    @rename_arguments(scale=NORMALIZE, state="hidden_type")
    def __init__(
        self,
        signature: Signature | str,
        in_features: int | Sequence[int],
        out_features: int,
        heads: int = 16,
        hidden: int = 64,
        depth: int = 4,
        *,
        order: int | None = None,
        terms: Sequence[Term | str] | None = None,
        hidden_type: Symmetry | str | None = None,
        normalize: str | None = "size",
        iterations: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            signature,
            in_features,
            out_features=out_features,
            heads=heads,
            hidden=hidden,
            depth=depth,
            order=order,
            terms=terms,
            hidden_type=hidden_type,
            normalize=normalize,
            iterations=iterations,
        )
        factory = {"device": device, "dtype": dtype}
        c, rank = self.config, len(self.hidden_type.axes)

        def encode(features: int) -> nn.Module:
            return Linear(features, c.hidden, rank, bias=False, **factory)

        def decode(features: int) -> nn.Module:
            return nn.Linear(features, c.out_features, bias=False, **factory)

        self.encoder = TypeMap(self.to_state, c.in_features, c.hidden, encode, normalize, **factory)
        self.layers = nn.ModuleList(PolynomialLayer(self.hidden_type, c, **factory) for _ in range(c.depth))
        self.decoder = TypeMap(self.to_output, [c.hidden], c.out_features, decode, normalize, **factory)

    def encode(self, inputs: Sequence[Tensor], context: Context) -> Tensor:
        return self.encoder(inputs, context)

    def start(self, encoded: Tensor, context: Context) -> Tensor:
        return encoded

    def step(self, layer: nn.Module, state: Tensor, encoded: Tensor, context: Context) -> Tensor:
        return layer(state, encoded, context)

    def decode_state(self, state: Tensor, context: Context) -> Tensor:
        return self.decoder([state], context)
