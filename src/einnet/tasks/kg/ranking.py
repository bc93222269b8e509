"""Filtered ranks: where does the true entity stand among all that could fill the gap?"""

from typing import NamedTuple

from torch import Tensor

from einnet.errors import EinNetError

__all__ = ["HITS", "Ranks", "rank_scores"]

HITS = (1, 3, 10)


class Ranks(NamedTuple):
    """Ranks of the true entities, one for each tail query and then one for each head query."""

    pessimistic: Tensor
    realistic: Tensor

    def select(self, is_selected: Tensor) -> "Ranks":
        return Ranks(self.pessimistic[is_selected], self.realistic[is_selected])

    def metrics(self) -> dict[str, dict[str, float]]:
        """MRR and Hits@k, heads and tails averaged, by tie policy."""
        return {
            ties: {"mrr": float((1 / x).mean()), **{f"hits@{k}": float((x <= k).double().mean()) for k in HITS}}
            for ties, x in self._asdict().items()
        }


def rank_scores(scores: Tensor, right: Tensor, truth: Tensor) -> Ranks:
    """The ranks of the true entities, one in each row of scores, where other `right` ones are left out."""
    if (bad := ~scores.isfinite()).any():
        row = int(bad.any(1).nonzero()[0])
        raise EinNetError(
            f"the scores for fact {row} (answer {int(truth[row])}) are not finite: the network has diverged; train it "
            "again with a lower learning rate or --precision 32"
        )
    score = scores.gather(1, truth[:, None])
    is_candidate = ~right.scatter(1, truth[:, None], True)  # the true entity itself is counted below
    above = ((scores > score) & is_candidate).sum(1).cpu()
    equal = ((scores == score) & is_candidate).sum(1).cpu()
    return Ranks((1 + above + equal).double(), 1 + above + equal.double() / 2)  # no double on Apple's GPUs
