"""Why was this fact predicted? The facts that its score depends on, found by gradient, confirmed by deletion.

The *score* of an answer is the logarithm of its odds against all other candidates. A known fact is a
cell of the network's input with the value 1; to delete the fact is to set the cell to 0, and what the
score loses by that is the fact's *change*. It is the integral of the score's derivative with respect
to the cell, over its values from 0 to 1. A pass for each fact would take long, so the facts are cut
into a few groups at random, the cells of a group go from 0 to 1 together, and a few derivatives on
the way give an *estimate* for all its facts at once: integrated gradients. (The derivative at 1 alone
says little: the network normalises its state, so it hardly depends on whether a cell is 1 or 0.9.) The
facts with the largest estimates are deleted one at a time, and the network runs again: this gives the
changes. What all supporting facts are worth together is measured too. Facts that stand in for one another
have small changes, each alone, and can be missed.

Source of the estimate: Sundararajan et al., Axiomatic Attribution for Deep Networks (2017), section 3;
by groups of facts as above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn import EinNet
from einnet.nn.modes import evaluating
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.predict import answers

__all__ = ["Deletion", "Explanation", "explained"]

TRIED = 60  # facts that are deleted one at a time, at least
GROUPS, VALUES = 8, (0.25, 0.75)  # of the estimate: groups of facts, values of their cells
Triple = tuple[str, str, str]
Cell = tuple[int, int, int]  # head, tail, relation


@dataclass(frozen=True)
class Deletion:
    """What the deletion of facts does to an answer.

    `change` is the score with the facts minus the score without them, positive if they support the
    answer; `rank` is that without them; `estimate` is what the change was expected to be, the sum over the facts.
    """

    facts: tuple[Triple, ...]
    estimate: float
    change: float
    rank: int

    def as_json(self) -> dict[str, Any]:
        facts = [dict(zip(("head", "relation", "tail"), fact, strict=True)) for fact in self.facts]
        return {"facts": facts, "estimate": self.estimate, "change": self.change, "rank": self.rank}


@dataclass(frozen=True)
class Explanation:
    """A fact, the score and the rank of its `asked` end ("head" or "tail"), and what supports it.

    `known` is the split that has the fact, if one that is shown does: it was hidden from the network
    then. `support` has a deletion for each supporting fact, the most important first; `together` is
    that of all of them at once, None where there are none.
    """

    fact: Triple
    asked: str
    known: str | None
    score: float
    rank: int
    candidates: int
    support: tuple[Deletion, ...]
    together: Deletion | None

    @property
    def probability(self) -> float:
        """The share of the answer among all candidates."""
        return float(torch.tensor(self.score, dtype=torch.float64).sigmoid())

    def as_json(self) -> dict[str, Any]:
        return {
            "fact": dict(zip(("head", "relation", "tail"), self.fact, strict=True)),
            "asked": self.asked,
            "known": self.known,
            "probability": self.probability,
            "score": self.score,
            "rank": self.rank,
            "candidates": self.candidates,
            "support": [d.as_json() for d in self.support],
            "together": self.together and self.together.as_json(),
        }


def explained(
    net: EinNet, graph: KnowledgeGraph, relation: str, head: str | None, tail: str | None, top: int = 10
) -> Explanation:
    """Explains the first new answer to (head, relation, ?) or to (?, relation, tail); with both names, that tail.

    The network sees the facts of train and valid, without the explained one. The candidates are, as in
    `answers`, all entities but the other known answers. At most `top` supporting facts are given.
    """
    asked = "head" if head is None else "tail"
    if head is None or tail is None:
        new = [a.entity for a in answers(net, graph, relation, head, tail) if a.known is None]
        if not new:
            raise EinNetError("every entity is a known answer already: explain one of them with --head and --tail")
        head, tail = head or new[0], tail or new[0]
    question = _Question(net, graph, (graph.entity(head), graph.entity(tail), graph.relation(relation)), asked)
    with evaluating(net):
        return question.explanation(top)


class _Question:
    """An answer, the message graph that it is asked of, and the other candidates."""

    def __init__(self, net: EinNet, graph: KnowledgeGraph, cell: Cell, asked: str):
        self.net, self.graph, self.cell, self.asked = net, graph, cell, asked
        self.known = next((s for s in ("train", "valid") if graph.tensor(getattr(graph, s))[cell]), None)
        self.shown = torch.as_tensor(graph.tensor(graph.train, graph.valid)).to(next(net.parameters()))
        self.shown[cell] = 0
        h, t, r = cell
        self.others = (self.shown[h, :, r] if asked == "tail" else self.shown[:, t, r]) == 0
        self.others[t if asked == "tail" else h] = False
        if not self.others.any():
            raise EinNetError("all other entities are known answers: there is none to rank this one against")

    def explanation(self, top: int) -> Explanation:
        estimates = self.estimates()
        largest = estimates.abs().flatten().topk(min(max(TRIED, 4 * top), int(self.shown.sum()))).indices
        cells = [tuple(k) for k in torch.stack(torch.unravel_index(largest, estimates.shape), 1).tolist()]
        with torch.no_grad():
            score, rank = self.score(self.shown)
        tried = [(k, self.deletion([k], estimates, score)) for k in cells if self.shown[k]]
        support = sorted((pair for pair in tried if pair[1].change > 0), key=lambda pair: -pair[1].change)[:top]
        together = self.deletion([k for k, _ in support], estimates, score) if support else None
        return Explanation(
            self.named(self.cell), self.asked, self.known, float(score), rank, 1 + int(self.others.sum()),
            tuple(d for _, d in support), together,
        )  # fmt: skip

    def estimates(self, groups: int = GROUPS, values: Sequence[float] = VALUES) -> Tensor:
        """The estimate for each fact: the mean derivative of the score while the cells of its group go from 0 to 1."""
        facts = self.shown.nonzero()
        group = torch.zeros_like(self.shown).long()
        chance = torch.randperm(len(facts), generator=torch.Generator().manual_seed(0)).to(group.device)
        group[tuple(facts.T)] = 1 + chance % groups
        total = torch.zeros_like(self.shown)
        for k, value in product(range(1, min(groups, len(facts)) + 1), values):
            x = torch.where(group == k, value, self.shown).requires_grad_()
            with torch.enable_grad():
                (derivative,) = torch.autograd.grad(self.score(x)[0], x)
            total += derivative * (group == k) / len(values)
        return total

    @torch.no_grad()
    def deletion(self, cells: Sequence[Cell], estimates: Tensor, score: Tensor) -> Deletion:
        """What it does to the answer to delete the facts of these cells."""
        x = self.shown.clone()
        x[tuple(zip(*cells, strict=True))] = 0
        less, rank = self.score(x)
        estimate = sum(float(estimates[k]) for k in cells)
        return Deletion(tuple(map(self.named, cells)), estimate, float(score - less), rank)

    def score(self, x: Tensor) -> tuple[Tensor, int]:
        """The score of the answer and its rank, all equals before it, where the network sees x."""
        h, t, r = self.cell
        tails, heads = self.net(x).chunk(2, dim=-1)
        mine, all_ = (tails[h, t, r], tails[h, :, r]) if self.asked == "tail" else (heads[h, t, r], heads[:, t, r])
        others = all_[self.others]
        return mine - others.logsumexp(0), 1 + int((others >= mine).sum())

    def named(self, cell: Cell) -> Triple:
        h, t, r = cell
        return self.graph.entities[h], self.graph.relations[r], self.graph.entities[t]
