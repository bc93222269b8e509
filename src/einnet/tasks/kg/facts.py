"""Facts as edges: the message graph of a sparse state, with an inverse of each fact, and neighbourhoods in it."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from einnet.nn import Support
from einnet.tasks.kg.data import KnowledgeGraph

if TYPE_CHECKING:
    from einnet.tasks.kg.query_net import QueryNet

SAMPLE, SMALL = 32, 0.5  # neighbourhoods whose size is taken, and share of the entities that makes them small

__all__ = ["Answers", "MessageGraph", "Queries", "add_inverses"]


def add_inverses(facts: np.ndarray, relations: int) -> np.ndarray:
    """The facts (head, relation, tail), then (tail, relation + relations, head) of each.

    >>> add_inverses(np.array([[0, 1, 2]]), relations=2)
    array([[0, 1, 2],
           [2, 3, 0]])
    """
    inverses = np.stack([facts[:, 2], facts[:, 1] + relations, facts[:, 0]], 1)
    return np.concatenate([facts, inverses])


class Answers:
    """The right answers to each (entity, relation, ?), of facts with their inverses."""

    def __init__(self, facts: np.ndarray, entities: int):
        self.entities = entities
        keys = _to_keys(facts)
        self.order = keys.argsort(kind="stable")
        self.keys, self.tails = keys[self.order], facts[self.order, 2]

    def mask(self, queries: np.ndarray, is_selected: np.ndarray | None = None) -> Tensor:
        """Which entities are right answers to queries (entity, relation, ...): (queries, entities).

        With `is_selected`, by the facts for which it is true.
        """
        keys = _to_keys(queries)
        starts, stops = (np.searchsorted(self.keys, keys, side) for side in ("left", "right"))
        rows, places = _expand(starts, stops - starts)
        if is_selected is not None:
            is_present = is_selected[self.order[places]]
            rows, places = rows[is_present], places[is_present]
        mask = torch.zeros(len(queries), self.entities, dtype=torch.bool)
        mask[rows, self.tails[places]] = True
        return mask


def _to_keys(facts: np.ndarray) -> np.ndarray:
    return facts[:, 0] * 2**31 + facts[:, 1]


def _expand(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ranges of places the number of the range of each place, and the places."""
    rows = np.repeat(np.arange(len(starts)), counts)
    return rows, np.arange(len(rows)) + np.repeat(starts - counts.cumsum() + counts, counts)


class Queries(NamedTuple):
    """The inputs of a network for some queries, and the entity that each of its outputs is for.

    `rows` has the query and the entity of each element, where every query has a neighbourhood of its own; the last
    elements, one for each query, stand for all entities outside. None where all queries share the graph.
    """

    inputs: tuple
    rows: Tensor | None
    entities: int

    def to_scores(self, outputs: Tensor) -> Tensor:
        """(queries, entities), from the outputs of the network."""
        values = outputs[..., 0]
        if self.rows is None:
            return values
        query, entity = self.rows
        outside = values[len(query) :]
        scores = outside[:, None].repeat(1, self.entities)
        return scores.index_put((query, entity), values[: len(query)])


class MessageGraph:
    """The facts that a network sees, with their inverses, and the inputs for queries (entity, relation, ?).

    Queries share the graph and have batch axes over it, or each has its own neighbourhood, all of them side by side as
    one graph: the entities within `hops` facts of the query's entity, at most `bound`; of the entities of the last hop
    those with most facts to the ones before, ties in the order of the entities. Neighbourhoods are taken where the
    graph has more than `bound` entities, or where most of it is outside.

    >>> graph = MessageGraph(np.array([[0, 0, 1], [1, 0, 2]]), entities=3, relations=1)
    >>> marks, degrees, relations, (support, values) = graph.ask(np.array([[0, 0]])).inputs
    >>> support.index                    # heads, tails, and relations, of which the last is the inverse
    tensor([[0, 1, 1, 2],
            [1, 2, 0, 1],
            [0, 0, 1, 1]])
    """

    def __init__(self, facts: np.ndarray, entities: int, relations: int, hops: int = 5, bound: int = 4096):
        self.facts = add_inverses(facts, relations)
        self.entities, self.relations, self.hops, self.bound = entities, relations, hops, bound

    @classmethod
    def of(cls, net: "QueryNet", graph: KnowledgeGraph, *facts: np.ndarray) -> "MessageGraph":
        """The message graph of some facts, with neighbourhoods as far as the network sees."""
        entities, relations = len(graph.entities), len(graph.relations)
        return cls(np.concatenate(facts), entities, relations, net.config.depth, net.config.entities)

    @cached_property
    def has_neighbourhoods(self) -> bool:
        """Whether each query sees a neighbourhood of its own, which costs less where most of the graph is outside."""
        sample = self.facts[:: max(1, len(self.facts) // SAMPLE), 0]
        counts = np.ones(len(self.facts), dtype=bool)
        return self.entities > self.bound or self._find_neighbourhoods(sample, counts).mean() < SMALL

    def ask(self, queries: np.ndarray, values: Tensor | None = None) -> Queries:
        """The inputs for queries (entity, relation, ...), of the dtype and on the device of the values.

        `values` has a number for each fact, or for each fact and each inverse: 1 for those that count, 0 for those
        that are hidden; by default all count. A hidden fact takes part in no sum, no degree and no neighbourhood.
        """
        values = torch.ones(len(self.facts)) if values is None else values
        values = values.repeat(len(self.facts) // max(1, len(values)))
        degrees = self._count(values)[:, None]
        if self.has_neighbourhoods:
            return self._ask_in_neighbourhoods(queries, values, degrees)
        heads, places = np.unique(queries[:, 0], return_inverse=True)
        marks = values.new_zeros(len(queries), len(heads), 1)
        marks[np.arange(len(queries)), places, 0] = 1 + torch.from_numpy(queries[:, 1]).to(values)
        marked = Support(torch.from_numpy(heads)[None], (self.entities,)).to(values.device)
        facts = self.support.to(values.device), values[:, None]
        return Queries(((marked, marks), degrees, self._name_relations(queries, values), facts), None, self.entities)

    def _count(self, values: Tensor) -> Tensor:
        """How many facts each entity is the tail of."""
        tails = torch.from_numpy(self.facts[:, 2].copy()).to(values.device)
        return values.new_zeros(self.entities).index_add(0, tails, values)

    @cached_property
    def support(self) -> Support:
        """The facts as index tuples (head, tail, relation)."""
        sizes = (self.entities, self.entities, 2 * self.relations)
        return Support(torch.from_numpy(self.facts[:, [0, 2, 1]].T.copy()), sizes)

    def _name_relations(self, queries: np.ndarray, like: Tensor) -> Tensor:
        """For each query and each relation: its number, and that of the one that is asked for."""
        number, query = torch.arange(2 * self.relations), torch.from_numpy(queries[:, 1])[:, None]
        return torch.stack(torch.broadcast_tensors(number, query), -1).to(like)

    def _ask_in_neighbourhoods(self, queries: np.ndarray, values: Tensor, degrees: Tensor) -> Queries:
        number, relations = len(queries), 2 * self.relations
        counts = values.detach().cpu().numpy() != 0
        is_inside = self._find_neighbourhoods(queries[:, 0], counts)
        query, entity = is_inside.nonzero()
        place = np.zeros(is_inside.shape, dtype=np.int64)
        place[query, entity] = np.arange(len(query))
        head, fact = self._find_facts(entity)
        tails = self.facts[fact, 2]
        is_present = is_inside[query[head], tails] & counts[fact]
        head, fact, tails = head[is_present], fact[is_present], tails[is_present]
        tail = place[query[head], tails]
        relation = query[head] * relations + self.facts[fact, 1]
        size = len(query) + number
        index = torch.from_numpy(np.stack([head, tail, relation]))
        support = Support(index, (size, size, number * relations)).to(values.device)
        marked = Support(torch.from_numpy(place[np.arange(number), queries[:, 0]])[None], (size,)).to(values.device)
        marks = 1 + torch.from_numpy(queries[:, 1])[:, None].to(values)
        names = self._name_relations(queries, values).flatten(0, 1)
        rows = torch.from_numpy(np.stack([query, entity])).to(values.device)
        facts = support, values[torch.from_numpy(fact).to(values.device), None]
        degrees = torch.cat([degrees[rows[1]], degrees.new_zeros(number, 1)])
        return Queries(((marked, marks), degrees, names, facts), rows, self.entities)

    @cached_property
    def _by_head(self) -> tuple[np.ndarray, np.ndarray]:
        """The facts in the order of their heads, and where those of each entity begin."""
        heads = self.facts[:, 0]
        return heads.argsort(kind="stable"), np.searchsorted(np.sort(heads), np.arange(self.entities + 1))

    def _find_facts(self, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The facts that leave each of some entities: the place of the entity, and the fact."""
        order, pointers = self._by_head
        rows, places = _expand(pointers[entities], pointers[entities + 1] - pointers[entities])
        return rows, order[places]

    def _find_neighbourhoods(self, heads: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Which entities are in the neighbourhood of each head, (heads, entities)."""
        is_inside = np.zeros((len(heads), self.entities), dtype=bool)
        query, entity = np.arange(len(heads)), heads
        is_inside[query, entity] = True
        for _ in range(self.hops):
            rows, fact = self._find_facts(entity)
            rows, tails = rows[counts[fact]], self.facts[fact[counts[fact]], 2]
            is_new = ~is_inside[query[rows], tails]
            keys, links = np.unique(query[rows][is_new] * self.entities + tails[is_new], return_counts=True)
            query, entity = np.divmod(keys, self.entities)
            room = self.bound - is_inside.sum(1)
            order = np.lexsort((-links, query))
            starts = np.searchsorted(query[order], np.arange(len(heads)))
            is_chosen = np.arange(len(order)) - starts[query[order]] < room[query[order]]
            query, entity = query[order][is_chosen], entity[order][is_chosen]
            is_inside[query, entity] = True
        return is_inside
