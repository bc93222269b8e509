"""`QueryNet`: answers (entity, relation, ?) for all entities in one pass over the facts for each layer.

The entity that is asked about is marked, and messages run from it along the facts: a layer multiplies the state at
the head of each fact by a state of its relation and sums at the tail. What the state at an entity says in the end is
which paths lead to it from the marked one.

Source: Zhu et al., Neural Bellman-Ford Networks (2021); states of relations that depend on the asked one as there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from einnet.nn import Network
from einnet.nn.channels import make_dropout, reset
from einnet.nn.context import Context
from einnet.nn.networks.config import NetworkConfig
from einnet.nn.pool import Pooling
from einnet.nn.reductions import Reductions
from einnet.plan import Plan

__all__ = ["QueryConfig", "QueryNet"]

SIGNATURE = "[a]H, aH, bH, [aab]H -> aH"
FEATURES = (1, 1, 2, 1)
MARKED, RELATIONS, FACTS = "[a]H", "bH", "[aab]H"


@dataclass(frozen=True, kw_only=True)
class QueryConfig(NetworkConfig):
    """The arguments of a `QueryNet`."""

    heads: int = 1
    hidden: int = 32
    depth: int = 5
    dropout: float = 0.0
    relations: int = 1  # that have names, with inverses
    entities: int = 4096  # of a neighbourhood, at most


class QueryNet(Network):
    """For each entity a logit that it completes (entity, relation, ?), from the facts of a graph.

    >>> import numpy as np
    >>> from einnet.tasks.kg.facts import MessageGraph
    >>> graph = MessageGraph(np.array([[0, 0, 1], [1, 0, 2]]), entities=3, relations=1)
    >>> net = QueryNet.of(relations=1, hidden=8, depth=2)
    >>> queries = graph.ask(np.array([[0, 0], [2, 1]]))           # (0, relation 0, ?) and (?, relation 0, 2)
    >>> queries.to_scores(net(*queries.inputs)).shape
    torch.Size([2, 3])

    Inputs, as `MessageGraph.ask` makes them: marks `[a]H` at the entities that are asked about, 1 + the number of the
    relation that is asked for, 0 where another query has a mark; the degree `aH` of each entity, how many facts it is
    the tail of; relations `bH`, the number of each and of that which is asked for; facts `[aab]H`, head, tail and
    relation, of one feature, 1. Marks and relations have a batch axis, the queries, or none.
    """

    config_class = QueryConfig
    config: QueryConfig

    @staticmethod
    def of(relations: int, **options: Any) -> "QueryNet":
        """The network for a graph with so many relations, which have inverses too."""
        return QueryNet(SIGNATURE, FEATURES, 1, hidden_type="aH", relations=2 * relations, **options)

    def build(self, config: QueryConfig, factory: dict[str, Any]) -> None:
        hidden: int = config.hidden  # type: ignore[assignment]
        linear, embedding = partial(nn.Linear, **factory), partial(Embedding, embedding_dim=hidden, **factory)
        self.mark_embedding = embedding(1 + config.relations, padding_idx=0)
        self.relation_embedding, self.query_embedding = (embedding(config.relations) for _ in range(2))
        self.layers = nn.ModuleList(QueryLayer(hidden, config.dropout, factory) for _ in range(config.depth))
        self.decoder = nn.Sequential(linear(hidden, 2 * hidden), nn.ReLU(), linear(2 * hidden, config.out_features))
        self.mark = Pooling(["[a0]->a0"], (MARKED, "aH"), Reductions.of("sum"), None)

    @property
    def run_plans(self) -> list[Plan]:
        """The plans that a call runs, besides those of the layers."""
        return [self.mark.plan]

    def run(self, inputs: list[Tensor], context: Context) -> Tensor:
        marks, degrees, names, facts = inputs
        empty = facts.new_zeros(0, context.sizes["a"])
        (marked,) = self.mark.pool([self.mark_embedding(marks[..., 0].long()), empty], context)
        number, query = names.long().movedim(-2, 0).unbind(-1)
        relations = (self.relation_embedding(number) + self.query_embedding(query)).relu()
        x = marked = marked.movedim(-1, 0)  # entities first
        degrees = degrees.view(-1, *[1] * (x.dim() - 1))
        for layer in self.layers:
            x = layer(x, marked, relations, facts, degrees, context)
        return self.decoder(x).movedim(0, -2)


class Embedding(nn.Embedding):
    """torch's `Embedding`, with uniform numbers of unit variance.

    Normal ones on the meta device, where a saved network is made, import the compiler, which takes a second.
    """

    def reset_parameters(self) -> None:
        nn.init.uniform_(self.weight, -(3**0.5), 3**0.5)
        self._fill_padding_idx_with_zero()


class QueryLayer(nn.Module):
    """Messages along all facts and from the mark; a linear map of the state and their mean, norm, residual.

    The mean is taken once as it is and once times the logarithm of the degree, which a mean alone would lose.

    There are no biases: the state stays zero at entities that no message has reached, so that a neighbourhood as large
    as the network is deep gives what the whole graph gives.

    Shapes, entities first: x and marked (entities, batch..., hidden), relations (relations, batch..., hidden),
    degrees (entities, 1..., 1), facts (facts, 1).
    """

    def __init__(self, hidden: int, dropout: float, factory: dict[str, Any]):
        super().__init__()
        self.pool = Pooling(["a0,b0,[a0a1b0]->a1"], ("aH", RELATIONS, FACTS), Reductions.of("sum"), None)
        self.relation_proj = nn.Linear(hidden, hidden, **factory)
        self.state_proj = nn.Linear(hidden, hidden, bias=False, **factory)
        self.message_proj = nn.Linear(hidden, 2 * hidden, bias=False, **factory)
        self.norm = nn.LayerNorm(hidden, bias=False, **factory)
        self.dropout = make_dropout(dropout)
        self._init_bias()

    @property
    def run_plans(self) -> list[Plan]:
        """The plans that a call runs."""
        return [self.pool.plan]

    def reset_parameters(self) -> None:
        for module in self.children():
            reset(module)
        self._init_bias()

    def _init_bias(self) -> None:
        """A message is the state itself at first, more or less."""
        nn.init.ones_(self.relation_proj.bias)

    def forward(
        self, x: Tensor, marked: Tensor, relations: Tensor, facts: Tensor, degrees: Tensor, context: Context
    ) -> Tensor:
        operands = [x.movedim(0, -1), self.relation_proj(relations).movedim(0, -1), facts]
        (messages,) = self.pool.pool(operands, context)
        mean = (messages.movedim(-1, 0) + marked) / (1 + degrees)
        plain, scaled = self.message_proj(mean).chunk(2, -1)
        update = self.norm(torch.addcmul(self.state_proj(x) + plain, scaled, degrees.log1p()))
        return x + self.dropout(update.relu())
