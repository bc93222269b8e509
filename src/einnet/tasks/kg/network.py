"""The network for knowledge graph completion, and how it learns.

The graph is a relation over one set of entities with a feature for each relation, type `aaH`. At
each step a random part of the training facts is hidden, and the network predicts the hidden ones
from the rest: their tails, their heads, and their relations.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Buffer

from einnet.nn import EinNet
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.evaluate import rank, score_tables
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.kg.app import KgConfig

__all__ = ["Completion", "completion_loss", "cross_entropy", "make_net"]


def make_net(relations: int, config: "KgConfig") -> EinNet:
    """For each ordered pair of entities: a logit for each relation to rank tails by, one for heads."""
    config = config.with_defaults("dense")
    options: dict[str, Any] = {
        "heads": config.heads,
        "hidden": config.hidden,
        "depth": config.depth,
        "dropout": config.dropout,
    }
    return EinNet("aaH -> aaH", relations, 2 * relations, **options)


class Completion(Task):
    """Learns to complete one knowledge graph; selects by the valid MRR (pessimistic ties)."""

    metric = "mrr"

    def __init__(self, graph: KnowledgeGraph, config: "KgConfig", seed: int):
        filled: Any = config.with_defaults("dense")
        net = make_net(len(graph.relations), filled)
        super().__init__(net, lr=filled.lr, weight_decay=filled.weight_decay, seed=seed)
        self.graph, self.config = graph, filled
        self.sharded_graph: Any = None
        self.facts = Buffer(torch.as_tensor(graph.tensor(graph.train)))
        self.known = Buffer(torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test)) > 0)

    def shard(self, mesh: Any) -> None:
        from einnet.tasks.kg.sharded import ShardedGraph  # torch's DTensor takes time

        self.sharded_graph = ShardedGraph(self.facts, mesh)
        self.sharded_graph.shard(self.net)

    def loss(self, step: int) -> Tensor:
        if self.sharded_graph is not None:
            return self.sharded_graph.compute_loss(self.net, self.config, (self.seed, step))
        return completion_loss(self.net, self.facts, self.config)

    def validate(self, net: EinNet) -> dict[str, float]:
        if self.sharded_graph is not None:
            known = np.concatenate([self.graph.train, self.graph.valid, self.graph.test])
            return self.sharded_graph.rank(net, self.graph.valid, known).metrics()["pessimistic"]
        return rank(score_tables(net, self.facts), self.graph.valid, self.known).metrics()["pessimistic"]


def completion_loss(net: EinNet, facts: Tensor, config: "KgConfig") -> Tensor:
    """Hides a random share of the facts [head, tail, relation] and has their tails, heads and relations predicted."""
    filled: Any = config.with_defaults("dense")
    share = filled.mask_low + (filled.mask_high - filled.mask_low) * torch.rand((), device=facts.device)
    hidden = (facts > 0) & (torch.rand_like(facts) < share)
    h, t, r = hidden.nonzero().T
    tails, heads = net(facts * ~hidden).chunk(2, dim=-1)
    by_tail = cross_entropy(tails[h, :, r], facts[h, :, r], t, filled.label_smoothing)
    by_head = cross_entropy(heads[:, t, r].T, facts[:, t, r].T, h, filled.label_smoothing)
    by_relation = cross_entropy(tails[h, t] + heads[h, t], facts[h, t], r, filled.label_smoothing)
    return (by_tail + by_head) / 2 + filled.relation_loss * by_relation


def cross_entropy(logits: Tensor, right: Tensor, truth: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy of the true choices among all but the other right ones.

    `smoothing` is the share of the target that is spread over all these choices.
    """
    allowed = (right == 0).scatter(1, truth[:, None], True)
    scores = logits.float().masked_fill(~allowed, -1e4).log_softmax(1)
    chosen = scores.gather(1, truth[:, None])[:, 0]
    spread = (scores * allowed).sum(1) / allowed.sum(1)
    number = max(len(truth), 1)  # the mask may have hidden no fact
    return -((1 - smoothing) * chosen + smoothing * spread).sum() / number
