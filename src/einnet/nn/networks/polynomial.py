"""`PolynomialNet`: a network without activations and norms."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from einnet.nn.backend import to_channels_first
from einnet.nn.channels import Linear
from einnet.nn.context import Context
from einnet.nn.networks.base import StatefulNetwork
from einnet.nn.networks.config import PolynomialConfig
from einnet.nn.networks.type_map import TypeMap
from einnet.nn.pool import Pooling
from einnet.nn.pooled import PooledLinear
from einnet.nn.reductions import Reductions
from einnet.operations import pooling_terms
from einnet.symmetry import Symmetry

__all__ = ["PolynomialLayer", "PolynomialNet"]


class PolynomialLayer(nn.Module):
    """The state times a matrix, plus pooled products of the state and the encoded inputs; no bias, so f(0) = 0."""

    def __init__(self, symmetry: Symmetry, config: PolynomialConfig, **factory: Any):
        super().__init__()
        terms = pooling_terms(symmetry, config.order) if config.terms is None else config.terms
        self.symmetry, rank, hidden = symmetry, len(symmetry.axes), config.hidden
        self.pool = Pooling(terms, symmetry, Reductions.of("sum"), config.normalize)
        self.in_proj = Linear(2 * hidden, config.heads * self.pool.fan_in, rank, bias=False, **factory)
        self.pool_proj = PooledLinear(self.pool.plan.results, config.heads, hidden, bias=False, **factory)
        self.skip = Linear(hidden, hidden, rank, bias=False, **factory)
        self._init_weights()

    def reset_parameters(self) -> None:
        for part in self.children():
            part.reset_parameters()  # type: ignore[operator]
        self._init_weights()

    def _init_weights(self) -> None:
        nn.init.normal_(self.in_proj.weight, std=self.in_proj.in_features**-0.5)
        self.pool_proj.reset_parameters()
        nn.init.zeros_(self.skip.weight)
        self.skip.weight.detach().fill_diagonal_(1)  # nn.init.eye_ fails on another device than torch's default

    def extra_repr(self) -> str:
        return f"'{self.symmetry}', terms={[str(t) for t in self.pool.plan.terms]}"

    def forward(self, state: Tensor, encoded: Tensor, context: Context) -> Tensor:
        operands = to_channels_first(self.in_proj(torch.cat([state, encoded], -1)), len(self.symmetry.axes))
        shape = context.shape(self.symmetry)
        update = self.pool_proj(lambda _: self.pool.pool([operands], context), shape, context.backend)
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

    def build(self, config: PolynomialConfig, factory: dict[str, Any]) -> None:
        hidden_type = self.require_dense_type()
        rank = len(hidden_type.axes)
        widths, out, normalize = [*config.in_features, *self.marks.widths], config.out_features, config.normalize
        encode = partial(Linear, out_features=config.hidden, rank=rank, bias=False, **factory)
        decode = partial(nn.Linear, out_features=out, bias=False, **factory)
        self.encoder = TypeMap(self.to_state[0], widths, config.hidden, encode, normalize=normalize, **factory)
        self.layers = nn.ModuleList(PolynomialLayer(hidden_type, config, **factory) for _ in range(config.depth))
        self.decoder = TypeMap(self.to_output, [config.hidden], out, decode, normalize=normalize, **factory)
