"""`RecurrentNet`: one set of layers run again and again."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError
from einnet.nn.backend import TorchBackend, run_plan, run_upcast, to_channels_first
from einnet.nn.channels import Linear, rms_normalize
from einnet.nn.context import Context
from einnet.nn.networks.base import StatefulNetwork
from einnet.nn.networks.config import RecurrentConfig
from einnet.nn.networks.type_map import TypeMap
from einnet.nn.pooled import PooledLinear
from einnet.operations import pooling_terms
from einnet.plan import Plan
from einnet.symmetry import Symmetry
from einnet.terms.automorphism import tie_weights
from einnet.terms.term import as_terms

__all__ = ["RecurrentLayer", "RecurrentNet"]


class RecurrentLayer(nn.Module):
    """Linear, ReLU, pooling, S / (1 + S), linear, ReLU, linear; half of it is added to the state, then the norm."""

    def __init__(self, symmetry: Symmetry, in_features: int, config: RecurrentConfig, **factory: Any):
        super().__init__()
        terms = as_terms(pooling_terms(symmetry, config.order) if config.terms is None else config.terms)
        if not terms:
            raise EinNetError("expected at least one term, such as 'ab->ac'")
        operands, numbers = tie_weights(terms, symmetry, config.automorphism)
        self.symmetry, self.heads, self.width = symmetry, config.heads, 3 * config.hidden // 2
        self.plan = Plan.make(terms, symmetry, sources=operands)
        rank, width = len(symmetry.axes), self.width
        self.in_proj = Linear(
            config.hidden + in_features, width + config.heads * self.plan.input_count, rank, **factory
        )
        self.pool_proj = PooledLinear(self.plan.results, config.heads, width, bias=False, shared=numbers, **factory)
        self.out_proj = Linear(width, config.hidden, rank, **factory)

    def _pool(self, operands: Sequence[Tensor], backend: TorchBackend) -> list[Tensor]:
        return [s / (1 + s) for s in run_plan(self.plan, operands, backend)]

    def extra_repr(self) -> str:
        return f"'{self.symmetry}', terms={[str(t) for t in self.plan.terms]}"

    def forward(self, state: Tensor, encoded: Tensor, context: Context) -> Tensor:
        rank = len(self.symmetry.axes)
        z, *parts = self.in_proj(torch.cat([state, encoded], -1)).split(
            [self.width] + [self.heads] * self.plan.input_count, -1
        )
        operands = [context.fill(to_channels_first(x.relu(), rank), self.symmetry) for x in parts]
        backend = context.backend
        shape = context.shape(self.symmetry)
        z = z + self.pool_proj(lambda _: run_upcast(self._pool, operands, backend), shape, backend)
        return context.fill_last(rms_normalize(state + self.out_proj(z.relu()) / 2, -1), self.symmetry)


class RecurrentNet(StatefulNetwork):
    """The same layers run `iterations` times, for problems that are solved step by step, such as Sudoku.

    Every layer sees the inputs again; it adds half of its update to the state, and each cell's state is then divided
    by its root mean square, so that the state stays bounded however long the network runs. What is pooled is not
    negative, and each sum S becomes S / (1 + S): it tells 0, 1 and 2 apart equally well whether 9 or 25 values are
    summed, and stays below 1, so that a larger size leads to no value that a smaller one does not: the weights
    carry over to other sizes.

    >>> import torch
    >>> net = RecurrentNet("abH", 2, 1, heads=4, hidden=16, depth=1, iterations=8, automorphism="ba")
    >>> x = torch.randn(4, 5, 2)
    >>> torch.allclose(net(x).transpose(0, 1), net(x.transpose(0, 1)), atol=1e-5)    # commutes with transposition
    True

    Args:
        iterations: how often the layers are run; `forward(x, iterations=...)` asks for another number.
        automorphism: a further symmetry, the type's letters in another order: "ba" for "ab" makes the network
            commute with transposition too.
        signature, ...: as of `EinNet`, whose shapes and errors it has too.
    """

    config_class = RecurrentConfig
    config: RecurrentConfig

    def build(self, config: RecurrentConfig, factory: dict[str, Any]) -> None:
        hidden_type = self.require_dense_type()
        rank = len(hidden_type.axes)
        types = (*self.marked_signature.inputs, self.signature.output)
        if config.automorphism is not None and any(t.axes != hidden_type.axes for t in types):
            raise EinNetError(
                f"an automorphism needs inputs and an output of the hidden type '{hidden_type}', got '{self.signature}'"
            )
        widths, out = [*config.in_features, *self.marks.widths], config.out_features
        width = sum(widths)
        encode = partial(Linear, out_features=width, rank=rank, **factory)
        decode = partial(nn.Linear, out_features=out, **factory)
        self.encoder = TypeMap(self.to_state[0], widths, width, encode, normalize=None, **factory)
        self.init_proj = Linear(width, config.hidden, rank, **factory)
        layers = (RecurrentLayer(hidden_type, width, config, **factory) for _ in range(config.depth))
        self.layers = nn.ModuleList(layers)
        self.decoder = TypeMap(self.to_output, [config.hidden], out, decode, normalize=None, **factory)

    def start(self, encoded: Tensor, context: Context) -> Tensor:
        return context.fill_last(rms_normalize(self.init_proj(encoded), -1), self.hidden_types[0])
