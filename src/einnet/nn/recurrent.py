"""One set of layers run again and again: `EinNet(..., block="recurrent", iterations=T)`.

For problems that are solved step by step, such as Sudoku. Every layer sees the input again; it adds
half of its update to the state, and each cell's state is then divided by its root mean square, so
that the state stays bounded however long the network runs. What is pooled is not negative, and each
sum S goes on as S / (1 + S): it tells 0, 1 and 2 apart equally well whether 9 or 25 values are summed,
and stays below 1, so that a larger size leads to no value that a smaller one does not: the weights
carry over to other sizes. With `exchange` the network has a further symmetry of the type, such as the
transposition of a board.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError
from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.fanout import FanOut, linear, unit
from einnet.nn.masks import Masks
from einnet.nn.pool import pool_cores
from einnet.nn.settings import Settings
from einnet.nn.stack import Stack
from einnet.nn.typemap import TypeMap
from einnet.operations import pooling_terms
from einnet.plan import Plan
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms.automorphism import tie_weights
from einnet.terms.term import as_terms

__all__ = ["RecurrentBody", "RecurrentLayer"]


class RecurrentLayer(nn.Module):
    """Linear, ReLU, pooling, S / (1 + S), linear, ReLU, linear; half of it is added to the state, then the norm."""

    def __init__(self, state: Symmetry, in_features: int, s: Settings):
        super().__init__()
        terms = as_terms(pooling_terms(state, s.order) if s.terms is None else s.terms)
        if not terms:
            raise EinNetError("a recurrent layer needs at least one term, such as 'ab->ac'")
        operands, numbers = tie_weights(terms, state, s.exchange)
        self.state, self.heads, self.width = state, s.heads, 3 * s.hidden // 2
        self.plan = Plan.make(terms, state, sources=operands)
        self.fan_in = nn.Linear(s.hidden + in_features, self.width + s.heads * self.plan.slots)
        self.fan_out = FanOut(self.plan, s.heads, self.width, bias=False, shared=numbers)
        self.out = nn.Linear(self.width, s.hidden)

    def forward(self, x: Tensor, given: Tensor, sizes: Mapping[str, int], masks: Masks | None) -> Tensor:
        """Features stand before the axes."""
        rank = len(self.state.axes)
        z = linear(torch.cat([x, given], -1 - rank), self.fan_in.weight, self.fan_in.bias, rank)
        z, *parts = z.split([self.width] + [self.heads] * self.plan.slots, -1 - rank)
        parts = [p.relu() if masks is None else masks.apply(p.relu()) for p in parts]
        cores = [c / (1 + c) for c in pool_cores(self.plan, parts, sizes, masks, "sum")]
        z = z + self.fan_out(cores, [sizes[c] for c in self.state.axes])
        x = unit(x + linear(z.relu(), self.out.weight, self.out.bias, rank) / 2, rank)
        return x if masks is None else masks.apply(x)


class RecurrentBody(Stack):
    """Inputs to state, layers that each see the inputs and are run again and again, state to output."""

    def __init__(self, signature: Signature, state: Symmetry, s: Settings):
        super().__init__()
        if s.dropout or s.recompute or s.scale != "sum":
            raise EinNetError('block="recurrent" has plain sums, no dropout and no recompute: leave them at defaults')
        if s.exchange is not None and any(t.axes != state.axes for t in (*signature.inputs, signature.output)):
            raise EinNetError(
                f"exchange needs inputs and output of the type of the state, '{state}'; got '{signature}'"
            )
        self.state, self.rank, self.iterations = state, len(state.axes), s.iterations
        to_state, to_output = Signature.of(signature.inputs, state), Signature.of([state], signature.output)
        width, out = sum(s.in_features), s.out_features
        self.lift = TypeMap(to_state, s.in_features, width, lambda f: nn.Linear(f, width), s.scale)
        self.begin = nn.Linear(width, s.hidden)
        self.layers = nn.ModuleList(RecurrentLayer(state, width, s) for _ in range(s.depth))
        self.head = TypeMap(to_output, [s.hidden], out, lambda f: nn.Linear(f, out), s.scale)

    def lifted(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return self.lift(inputs, masks, sizes)

    def first(self, given: Tensor, masks: Masks | None) -> Tensor:
        x = unit(to_channels_first(self.begin(given), self.rank), self.rank)
        return to_channels_last(x if masks is None else masks.apply(x), self.rank)

    def step(self, layer: nn.Module, x: Tensor, given: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return to_channels_last(
            layer(to_channels_first(x, self.rank), to_channels_first(given, self.rank), sizes, masks), self.rank
        )

    def read(self, state: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return self.head([state], masks, sizes)
