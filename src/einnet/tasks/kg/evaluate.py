"""Filtered ranking: where does the true entity stand among all that could fill the gap?

For a fact (h, r, t) the tails are ranked for (h, r, ?) and the heads for (?, r, t); other entities
that are known to be right, in any split, are left out. Ties count in two ways: *pessimistic*, all
equals stand before the true entity, and *realistic*, half of them do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn import EinNet
from einnet.nn.modes import evaluating
from einnet.tasks.kg.data import KnowledgeGraph

__all__ = ["Ranks", "evaluate", "rank", "score_tables"]

FOLDS = 10
HITS = (1, 3, 10)


@dataclass(frozen=True)
class Ranks:
    """Ranks of the true entities, one for each tail query and then one for each head query."""

    pessimistic: Tensor
    realistic: Tensor

    def metrics(self) -> dict[str, dict[str, float]]:
        """MRR and Hits@k, heads and tails averaged, by tie policy."""
        return {"pessimistic": _metrics(self.pessimistic), "realistic": _metrics(self.realistic)}

    @classmethod
    def joined(cls, parts: Sequence["Ranks"]) -> "Ranks":
        return cls(torch.cat([p.pessimistic for p in parts]), torch.cat([p.realistic for p in parts]))


def score_tables(net: EinNet, shown: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [head, tail, relation] of tails, and those of heads.

    The network gives each cell (h, t) and relation r two logits: the softmax of one over tails
    answers (h, r, ?), that of the other over heads (?, r, t).
    """
    x = torch.as_tensor(shown, dtype=next(net.parameters()).dtype, device=next(net.parameters()).device)
    with evaluating(net), torch.no_grad():
        tails, heads = net(x).float().chunk(2, dim=-1)
    return tails.log_softmax(1), heads.log_softmax(0)


def rank(tables: tuple[Tensor, Tensor], facts: np.ndarray, known: Tensor) -> Ranks:
    """Filtered ranks of facts; `known` is true at [head, tail, relation] of every known fact."""
    h, r, t = torch.as_tensor(facts, device=known.device).T
    tails, heads = tables
    queries = [(tails[h, :, r], known[h, :, r], t), (heads[:, t, r].T, known[:, t, r].T, h)]
    pessimistic, realistic = [], []
    for scores, others, truth in queries:
        if (bad := ~scores.isfinite()).any():
            row = int(bad.any(1).nonzero()[0])
            raise EinNetError(
                f"the scores for fact {row} (head {int(h[row])}, relation {int(r[row])}, tail "
                f"{int(t[row])}) are not finite: the network has diverged; train it again with a lower "
                "learning rate or --precision 32"
            )
        mine = scores.gather(1, truth[:, None])
        others = others.scatter(1, truth[:, None], True)  # the true entity itself is counted below
        above = ((scores > mine) & ~others).sum(1)
        equal = ((scores == mine) & ~others).sum(1)
        pessimistic.append(1 + above + equal)
        realistic.append(1 + above + equal / 2)
    return Ranks(torch.cat(pessimistic).double(), torch.cat(realistic).double())


def evaluate(net: EinNet, graph: KnowledgeGraph) -> dict[str, dict]:
    """Metrics: split, then message graph, then tie policy, then name.

    The message graph is what the network sees: the training facts, or those and the valid facts.
    For the valid split the second is taken in ten folds, each ranked while the others are shown,
    so that no fact is shown to itself.
    """
    known = torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test), device=_device(net)) > 0

    def ranked(facts: np.ndarray, *shown: np.ndarray) -> Ranks:
        return rank(score_tables(net, graph.tensor(*shown)), facts, known)

    fold = np.random.default_rng(0).permutation(len(graph.valid)) % FOLDS
    folds = [ranked(graph.valid[fold == k], graph.train, graph.valid[fold != k]) for k in np.unique(fold)]
    return {
        "test": {
            "train": ranked(graph.test, graph.train).metrics(),
            "train+valid": ranked(graph.test, graph.train, graph.valid).metrics(),
        },
        "valid": {
            "train": ranked(graph.valid, graph.train).metrics(),
            "train+valid": Ranks.joined(folds).metrics(),
        },
    }


def _metrics(ranks: Tensor) -> dict[str, float]:
    return {"mrr": float((1 / ranks).mean()), **{f"hits@{k}": float((ranks <= k).double().mean()) for k in HITS}}


def _device(net: EinNet) -> torch.device:
    return next(net.parameters()).device
