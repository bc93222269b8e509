"""Completion where each process has a block of the relation: the loss on blocks, and ranks.

The numbers are those of one process: all processes draw what one would draw, in rows, and keep what they need.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from einnet.distributed import shard, take_block
from einnet.nn.sharded.grid import Grid
from einnet.nn.sharded.moves import gather, sum_over
from einnet.tasks.kg.ranking import Ranks, rank_scores

if TYPE_CHECKING:
    from einnet.nn import EinNet
    from einnet.tasks.kg.app import KgConfig

__all__ = ["ShardedGraph"]

RANKED = 64  # facts whose scores are gathered at once


class ShardedGraph:
    """The block of a relation that this process has: `facts` are its values at [head, tail, relation]."""

    def __init__(self, facts: Tensor, mesh: Any):
        self.mesh, self.grid, self.entities = mesh, Grid.of(mesh), facts.shape[0]
        self.facts = take_block(facts, "aaH", mesh).clone()
        self.rows = self.grid.range_of(self.entities, (0,))
        self.columns = self.grid.range_of(self.entities, (1,))
        self.triples = facts.nonzero()  # head, tail, relation; every process has all of them

    def shard(self, net: "EinNet") -> "EinNet":
        return shard(net, self.mesh)

    def draw_hidden(self, share: Tensor) -> tuple[Tensor, Tensor]:
        """The facts that are hidden at a step, and the block without them."""
        relations, device = self.facts.shape[2], self.facts.device
        heads, tails, names = self.triples.T
        draws = torch.empty(len(heads), device=device)
        counts = torch.bincount(heads, minlength=self.entities).tolist()
        first = 0
        for number in counts:
            row = torch.rand(self.entities, relations, device=device)  # of the draws for the whole relation
            own = slice(first, first := first + number)
            draws[own] = row[tails[own], names[own]]
        hidden = self.triples[draws < share]
        message_graph = self.facts.clone()
        h, t, r = self._select(hidden, self.rows, self.columns).T
        message_graph[h - self.rows[0], t - self.columns[0], r] = 0
        return hidden, message_graph

    def _select(self, facts: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Of facts [head, tail, relation] those in these rows and columns."""
        h, t, _ = facts.T
        return facts[(h >= rows[0]) & (h < rows[1]) & (t >= columns[0]) & (t < columns[1])]

    def compute_loss(self, net: "EinNet", config: "KgConfig", seed: tuple[int, int]) -> Tensor:
        """This process's part of `completion_loss`; what dropout draws follows from `seed` and the process."""
        filled: Any = config.with_defaults("dense")
        share = filled.mask_low + (filled.mask_high - filled.mask_low) * torch.rand((), device=self.facts.device)
        hidden, message_graph = self.draw_hidden(share)
        torch.manual_seed(hash((*seed, *self.grid.coordinate)) % 2**63)
        tails, heads = net(message_graph).chunk(2, dim=-1)
        everywhere, smoothing = (0, self.entities), filled.label_smoothing
        h, t, r = self._select(hidden, self.rows, everywhere).T
        h = h - self.rows[0]
        by_tail = self._cross_entropy(tails[h, :, r], self.facts[h, :, r], t, self.columns, (1,), smoothing)
        h, t, r = self._select(hidden, everywhere, self.columns).T
        t = t - self.columns[0]
        by_head = self._cross_entropy(heads[:, t, r].T, self.facts[:, t, r].T, h, self.rows, (0,), smoothing)
        h, t, r = self._select(hidden, self.rows, self.columns).T
        h, t = h - self.rows[0], t - self.columns[0]
        logits, names = tails[h, t] + heads[h, t], (0, self.facts.shape[2])
        by_relation = self._cross_entropy(logits, self.facts[h, t], r, names, (), smoothing)
        return ((by_tail + by_head) / 2 + filled.relation_loss * by_relation) / max(len(hidden), 1)

    def _cross_entropy(
        self,
        logits: Tensor,
        right: Tensor,
        truth: Tensor,
        own: tuple[int, int],
        dims: tuple[int, ...],
        smoothing: float,
    ) -> Tensor:
        """This process's share of the sum of the cross-entropies of rows that are cut along some dimensions."""
        is_own = (truth >= own[0]) & (truth < own[1])
        rows, places = is_own.nonzero()[:, 0], truth[is_own] - own[0]
        allowed = (right == 0).index_put((rows, places), torch.ones_like(rows, dtype=torch.bool))
        scores = logits.float().masked_fill(~allowed, -1e4)
        total = gather(scores.logsumexp(1), self.grid, dims).logsumexp(-1)
        chosen = scores.new_zeros(len(truth)).index_put((rows,), scores[rows, places])
        sums = sum_over(torch.stack([chosen, (scores * allowed).sum(1), allowed.sum(1).to(scores)]), self.grid, dims)
        spread = sums[1] / sums[2].detach() - total
        return -((1 - smoothing) * (sums[0] - total) + smoothing * spread).sum() / self.grid.size_of(dims)

    def rank(self, net: "EinNet", facts: np.ndarray, known: np.ndarray) -> Ranks:
        """Filtered ranks of facts [head, relation, tail], where the network sees the block's; at every process."""
        net.device_mesh = self.mesh  # type: ignore[assignment]
        tails, heads = net(self.facts).chunk(2, dim=-1)
        ranks = [
            self._rank_ends(table, facts[:, order], known[:, order], own, columns, is_transposed)
            for table, order, own, columns, is_transposed in (
                (tails, [0, 1, 2], self.rows, self.columns, False),
                (heads, [2, 1, 0], self.columns, self.rows, True),
            )
        ]
        return Ranks(*map(torch.cat, zip(*ranks, strict=True)))

    def _rank_ends(
        self,
        table: Tensor,
        facts: np.ndarray,
        known: np.ndarray,
        own: tuple[int, int],
        columns: tuple[int, int],
        is_transposed: bool,
    ) -> Ranks:
        """Ranks of the last entity of facts [given, relation, asked]."""
        parts = []
        for start in range(0, len(facts), RANKED):
            known_end, r, truth = torch.as_tensor(facts[start : start + RANKED], device=table.device).T
            scores = torch.zeros(len(known_end), self.entities, device=table.device)
            k = ((known_end >= own[0]) & (known_end < own[1])).nonzero()[:, 0]
            place, name = known_end[k] - own[0], r[k]
            rows = table[:, place, name].T if is_transposed else table[place, :, name]
            scores[k, columns[0] : columns[1]] = rows.float()
            right = torch.zeros_like(scores, dtype=torch.bool)
            for row, (g, name_of_row) in enumerate(zip(known_end.tolist(), r.tolist(), strict=True)):
                right[row, known[(known[:, 0] == g) & (known[:, 1] == name_of_row), 2]] = True
            parts.append(rank_scores(self.grid.sum(scores, (0, 1)), right, truth))
        return Ranks(*map(torch.cat, zip(*parts, strict=True)))
