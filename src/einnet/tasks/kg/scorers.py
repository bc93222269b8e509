"""What a trained network says about a graph: scores of all answers to a question, and the ranks of facts.

A dense network gives a table for all questions at once; one with a sparse state answers some questions at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from einnet.nn.mode import evaluation_mode
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.facts import Answers, MessageGraph, add_inverses
from einnet.tasks.kg.query_net import QueryNet
from einnet.tasks.kg.ranking import Ranks, rank_scores

__all__ = [
    "DenseScorer",
    "Question",
    "Scorer",
    "SparseScorer",
    "make_scorer",
    "rank",
    "rank_queries",
    "score_queries",
    "score_tables",
]


class Question(NamedTuple):
    """(head, relation, ?) or (?, relation, tail): the other end is asked for."""

    relation: int
    head: int | None
    tail: int | None


class Scorer(ABC):
    """A network and a graph of facts."""

    largest: Mapping[str, int] = MappingProxyType({})  # of a split: how many facts, drawn at random, are ranked at most

    def __init__(self, net: Any, graph: KnowledgeGraph):
        self.net, self.graph = net, graph

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    @abstractmethod
    def score(self, facts: np.ndarray, values: Tensor, question: Question) -> Tensor:
        """The logarithm of each entity's probability, where the network sees facts with these values, 1 or 0."""

    @abstractmethod
    def rank(self, facts: np.ndarray, *message_facts: np.ndarray) -> Ranks:
        """Filtered ranks of facts, where the network sees other ones."""


def make_scorer(net: Any, graph: KnowledgeGraph) -> Scorer:
    """The scorer for a network of either kind."""
    return (SparseScorer if isinstance(net, QueryNet) else DenseScorer)(net, graph)


class DenseScorer(Scorer):
    """Scores by a network on the tensor of all facts."""

    def score(self, facts: np.ndarray, values: Tensor, question: Question) -> Tensor:
        h, r, t = torch.as_tensor(facts, device=self.device).T
        x = torch.as_tensor(self.graph.tensor()).to(next(self.net.parameters()))
        tails, heads = self.net(x.index_put((h, t, r), values.to(x))).chunk(2, dim=-1)
        if question.head is not None:
            return tails[question.head, :, question.relation].log_softmax(0)
        return heads[:, question.tail, question.relation].log_softmax(0)

    def rank(self, facts: np.ndarray, *message_facts: np.ndarray) -> Ranks:
        graph = self.graph
        known = torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test), device=self.device) > 0
        return rank(score_tables(self.net, graph.tensor(*message_facts)), facts, known)


class SparseScorer(Scorer):
    """Scores by a network that answers questions along the facts."""

    largest = MappingProxyType({"test": 4_000, "valid": 500})

    def __init__(self, net: QueryNet, graph: KnowledgeGraph):
        super().__init__(net, graph)
        all_facts = np.concatenate([graph.train, graph.valid, graph.test])
        self.known = Answers(add_inverses(all_facts, len(graph.relations)), len(graph.entities))
        self._message_graph: tuple[np.ndarray, MessageGraph] | None = None

    def score(self, facts: np.ndarray, values: Tensor, question: Question) -> Tensor:
        r, head, tail = question
        query = [head, r] if head is not None else [tail, r + len(self.graph.relations)]
        if self._message_graph is None or self._message_graph[0] is not facts:
            self._message_graph = facts, MessageGraph.of(self.net, self.graph, facts)
        queried = self._message_graph[1].ask(np.array([query]), values.to(next(self.net.parameters())))
        return queried.to_scores(self.net(*queried.inputs))[0].log_softmax(0)

    def rank(self, facts: np.ndarray, *message_facts: np.ndarray) -> Ranks:
        return rank_queries(self.net, MessageGraph.of(self.net, self.graph, *message_facts), facts, self.known)


def score_tables(net: Any, message_graph: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [head, tail, relation] of tails, and those of heads.

    The network gives each cell (h, t) and relation r two logits: the softmax of one over tails
    answers (h, r, ?), that of the other over heads (?, r, t).
    """
    x = torch.as_tensor(message_graph).to(next(net.parameters()))
    with evaluation_mode(net), torch.no_grad():
        tails, heads = net(x).float().chunk(2, dim=-1)
    return tails.log_softmax(1), heads.log_softmax(0)


def rank(tables: tuple[Tensor, Tensor], facts: np.ndarray, known: Tensor) -> Ranks:
    """Filtered ranks of facts; `known` is true at [head, tail, relation] of every known fact."""
    h, r, t = torch.as_tensor(facts, device=known.device).T
    tails, heads = tables
    sides = (tails[h, :, r], known[h, :, r], t), (heads[:, t, r].T, known[:, t, r].T, h)
    return Ranks(*map(torch.cat, zip(*(rank_scores(*side) for side in sides), strict=True)))


def score_queries(
    net: QueryNet, graph: MessageGraph, queries: np.ndarray, batch: int = 32
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Parts of the queries (entity, relation, ...), with the scores of all entities, (queries, entities)."""
    values = next(net.parameters()).new_ones(len(graph.facts))
    with evaluation_mode(net), torch.no_grad():
        for start in range(0, len(queries), batch):
            part = queries[start : start + batch]
            queried = graph.ask(part, values)
            yield part, queried.to_scores(net(*queried.inputs)).float()


def rank_queries(net: QueryNet, graph: MessageGraph, facts: np.ndarray, known: Answers) -> Ranks:
    """Filtered ranks of facts, as `rank`: of their tails, then of their heads."""
    ranks = [
        rank_scores(scores, known.mask(part).to(scores.device), torch.from_numpy(part[:, 2]).to(scores.device))
        for part, scores in score_queries(net, graph, add_inverses(facts, graph.relations))
    ]
    return Ranks(*map(torch.cat, zip(*ranks, strict=True)))
