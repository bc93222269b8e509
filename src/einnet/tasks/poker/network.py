"""The network that says who wins, and how it learns.

Players may change places, each player's cards may, and suits may be renamed: type
`abcH -> aH; a->b`. The rank is the feature axis: ranks have an order, which the network learns.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import Buffer

from einnet.nn import EinNet, EinPool
from einnet.tasks.poker.hands import deals, draw_rare_deals, winners
from einnet.train.optimizers import MuonAdamW
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.poker.app import PokerConfig

__all__ = ["FEATURES", "SIGNATURE", "Winning", "choose_winners", "encode_cards", "make_net", "one_hot_cards"]

SIGNATURE = "abcH -> aH; a->b"
FEATURES = 3 * 13
SEEDS = {"train": 1, "test": 2}
TIE = 0.01  # in logits
COUNTS = EinPool(["abc->ade", "abc,ade->afg"], "abcH; a->b", normalize=None)
TERMS = [
    "abc->ade",  # over a player's cards and the suits
    "abc->adc",  # over a player's cards
]


def make_net(config: "PokerConfig") -> EinNet:
    """The network; its operations stay with one player, since no hand changes what another is worth.

    So suits may even be renamed for each player by itself, which is more than the type asks for.
    """
    options = {"heads": config.heads, "hidden": config.hidden, "depth": config.depth, "dropout": config.dropout}
    return EinNet(SIGNATURE, FEATURES, 1, **options, terms=TERMS, decoder_hidden=0)


def one_hot_cards(dealt: np.ndarray | Tensor) -> Tensor:
    """Deals (batch, players, cards) as (batch, players, cards, suits, ranks): 1 where the card is."""
    cards = torch.as_tensor(dealt)
    return torch.nn.functional.one_hot(cards % 4 * 13 + cards // 4, 52).float().unflatten(-1, (4, 13))


def encode_cards(dealt: np.ndarray | Tensor) -> Tensor:
    """The cards, each with how many of each rank its player has, and the squares of these numbers.

    The squares, the pooling of order 2 before any weights, tell a pair from two single cards.
    """
    x = one_hot_cards(dealt)
    return torch.cat([x, COUNTS(torch.cat([x] * COUNTS.fan_in, -1))], -1)


def choose_winners(logits: Tensor) -> Tensor:
    """True for each player said to win: the most probable, and those all but as probable, for ties."""
    return logits > logits.amax(-1, keepdim=True) - TIE


class Winning(Task):
    """Learns who wins from deals with their winners; selects by the share of exact sets of winners."""

    metric = "accuracy"

    def __init__(self, config: "PokerConfig", seed: int, net: EinNet | None = None):
        super().__init__(net or make_net(config), lr=config.lr, weight_decay=config.weight_decay, seed=seed)
        source = config.players, config.cards, seed * len(SEEDS) + SEEDS["train"]
        self.batch, self.held_out = config.batch, min(2000, config.deals // 10)
        rare = draw_rare_deals(int(config.rare * (config.deals - self.held_out)), *source)
        dealt = np.concatenate([rare, deals(config.deals - len(rare), *source)])
        self.deals, self.won = Buffer(torch.from_numpy(dealt)), Buffer(torch.from_numpy(winners(dealt)))

    def loss(self, step: int) -> Tensor:
        """The cross-entropy of the winner; those who share a win are equally right."""
        batch = torch.randint(len(self.deals) - self.held_out, (self.batch,), device=self.deals.device)
        target = self.won[batch].float()
        logits = self.logits(self.net, self.deals[batch])
        return torch.nn.functional.cross_entropy(logits, target / target.sum(-1, keepdim=True))

    def logits(self, net: EinNet, dealt: Tensor) -> Tensor:
        """(batch, players)."""
        return net(encode_cards(dealt)).squeeze(-1)

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        logits = torch.cat([self.logits(net, part) for part in self.deals[-self.held_out :].split(500)])
        is_right = (choose_winners(logits) == self.won[-self.held_out :]).all(-1)
        return {"accuracy": float(is_right.float().mean())}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.net.parameters(), self.lr, self.weight_decay)
