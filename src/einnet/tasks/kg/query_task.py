"""How a `QueryNet` learns: a share of the facts is hidden from the graph, with their inverses, and asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.facts import Answers, MessageGraph
from einnet.tasks.kg.query_net import QueryNet
from einnet.tasks.kg.scorers import SparseScorer
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.kg.app import KgConfig

__all__ = ["QueryTask", "answer_loss", "make_query_net"]

VALIDATED = 512  # facts, at most, by which the best network is selected


def make_query_net(relations: int, config: "KgConfig") -> QueryNet:
    """The network for (entity, relation, ?) and inverse relations."""
    config = config.with_defaults("sparse")
    options = {name: getattr(config, name) for name in ("hidden", "depth", "dropout", "entities")}
    return QueryNet.of(relations, **options)


class QueryTask(Task):
    """Learns to answer queries on one knowledge graph; selects by the valid MRR (pessimistic ties)."""

    metric = "mrr"

    def __init__(self, graph: KnowledgeGraph, config: "KgConfig", seed: int):
        filled: Any = config.with_defaults("sparse")
        net = make_query_net(len(graph.relations), filled)
        super().__init__(net, lr=filled.lr, weight_decay=filled.weight_decay, seed=seed)
        self.graph, self.config = graph, filled
        self.message_graph = MessageGraph.of(net, graph, graph.train)
        self.answers = Answers(self.message_graph.facts, len(graph.entities))
        chosen = np.random.default_rng(0).permutation(len(graph.valid))[:VALIDATED]
        self.valid = graph.valid[chosen]

    def loss(self, step: int) -> Tensor:
        graph = self.message_graph
        chosen = torch.randint(len(graph.facts), (self.config.batch,)).numpy()
        queries, values = graph.facts[chosen], self.hide(chosen)
        queried = graph.ask(queries, values.to(next(self.net.parameters())))
        scores = queried.to_scores(self.net(*queried.inputs))
        right, visible = self.answers.mask(queries), self.answers.mask(queries, values.numpy() > 0)
        return answer_loss(scores, right.to(scores.device), (right & ~visible).to(scores.device))

    def hide(self, chosen: np.ndarray) -> Tensor:
        """1 for each fact and inverse that is shown; hidden are the chosen ones and a random share of the others."""
        number, config = len(self.graph.train), self.config
        share = config.mask_low + (config.mask_high - config.mask_low) * torch.rand(())
        values = (torch.rand(number) >= share).float()
        values[chosen % number] = 0  # a fact and its inverse alike
        return values.repeat(2)

    def validate(self, net: QueryNet) -> dict[str, float]:
        return SparseScorer(net, self.graph).rank(self.valid, self.graph.train).metrics()["pessimistic"]


def answer_loss(scores: Tensor, right: Tensor, hidden: Tensor) -> Tensor:
    """The mean over queries of the mean cross-entropy of their hidden answers, each among all that are not right.

    >>> scores = torch.zeros(1, 5)
    >>> right = torch.tensor([[True, True, True, False, False]])
    >>> hidden = torch.tensor([[True, True, False, False, False]])
    >>> answer_loss(scores, right, hidden).exp()          # each of the two hidden ones among itself and two others
    tensor(3.)

    Shapes: all (queries, entities); each query has a hidden answer.
    """
    scores = scores.float()
    wrong = scores.masked_fill(right, -1e9).logsumexp(1, keepdim=True)
    losses = torch.logaddexp(wrong, scores) - scores
    return (losses * hidden).sum(1).div(hidden.sum(1)).mean()
