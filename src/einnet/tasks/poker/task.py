"""The network that says who wins, and how it learns.

Players may change places, each player's cards may, and suits may be renamed: type
`abcH -> aH; a->b`. The rank is the feature axis: ranks have an order, which the network learns.
"""

import numpy as np
import torch
from torch import Tensor

from einnet.nn import EinNet, EinPool
from einnet.tasks.poker.hands import deals, winners
from einnet.tasks.poker.settings import Settings
from einnet.train.optimizers import MuonAdamW
from einnet.train.task import Task

__all__ = ["FEATURES", "SIGNATURE", "Winning", "cards_of", "chosen", "encoded", "make_net"]

SIGNATURE = "abcH -> aH; a->b"
FEATURES = 3 * 13
SEEDS = {"train": 1, "test": 2}
TIE = 0.01  # in logits
COUNTS = EinPool(["abc->ade", "abc,ade->afg"], "abcH; a->b", scale="sum")
TERMS = [
    "abc->ade",  # over a player's cards and the suits
    "abc->adc",  # over a player's cards
]


def make_net(s: Settings) -> EinNet:
    """What a hand is worth does not depend on the others': its operations stay with one player.

    So suits may even be renamed for each player by itself, which is more than the type asks for.
    """
    return EinNet(SIGNATURE, FEATURES, 1, s.heads, s.hidden, s.depth, terms=TERMS, dropout=s.dropout)


def cards_of(dealt: np.ndarray | Tensor) -> Tensor:
    """Deals (batch, players, cards) as (batch, players, cards, suits, ranks): 1 where the card is."""
    cards = torch.as_tensor(dealt)
    return torch.nn.functional.one_hot(cards % 4 * 13 + cards // 4, 52).float().unflatten(-1, (4, 13))


def encoded(dealt: np.ndarray | Tensor) -> Tensor:
    """The cards, and beside each how many of each rank its player has, and the squares of these numbers.

    The squares, the pooling of order 2 before any weights, tell a pair from two single cards.
    """
    x = cards_of(dealt)
    return torch.cat([x, COUNTS(torch.cat([x] * COUNTS.fan_in, -1))], -1)


def chosen(logits: Tensor) -> Tensor:
    """True for each player said to win: the most probable, and those all but as probable, for ties."""
    return logits > logits.amax(-1, keepdim=True) - TIE


class Winning(Task):
    """Learns who wins from deals with their winners; selects by the share of exact sets of winners."""

    metric = "accuracy"

    def __init__(self, settings: Settings, seed: int, net: EinNet | None = None):
        super().__init__(net or make_net(settings), lr=settings.lr, weight_decay=settings.weight_decay, seed=seed)
        s = settings
        dealt = deals(s.deals, s.players, s.cards, seed * len(SEEDS) + SEEDS["train"])
        won = winners(dealt)
        self.batch, self.held = s.batch, min(2000, s.deals // 10)
        self.register_buffer("deals", torch.from_numpy(dealt), persistent=False)
        self.register_buffer("won", torch.from_numpy(won), persistent=False)

    def loss(self, step: int) -> Tensor:
        """The cross-entropy of the winner; those who share a win are equally right."""
        dealt: Tensor = self.deals  # type: ignore[assignment]
        won: Tensor = self.won  # type: ignore[assignment]
        some = torch.randint(len(dealt) - self.held, (self.batch,), device=dealt.device)
        wanted = won[some].float()
        logits = self.logits(self.net, dealt[some])
        return torch.nn.functional.cross_entropy(logits, wanted / wanted.sum(-1, keepdim=True))

    def logits(self, net: EinNet, dealt: Tensor) -> Tensor:
        """(batch, players)."""
        return net(encoded(dealt)).squeeze(-1)

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        dealt: Tensor = self.deals  # type: ignore[assignment]
        won: Tensor = self.won  # type: ignore[assignment]
        logits = torch.cat([self.logits(net, part) for part in dealt[-self.held :].split(500)])
        return {"accuracy": float((chosen(logits) == won[-self.held :]).all(-1).float().mean())}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.net.parameters(), self.lr, self.weight_decay)
