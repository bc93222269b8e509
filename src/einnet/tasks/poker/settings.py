"""The numbers of the poker task: the deals, the network's size, how it learns."""

from dataclasses import asdict, dataclass
from typing import Any

from cyclopts import Parameter

from einnet.errors import EinNetError
from einnet.tasks.poker.hands import check_deck
from einnet.train.options import check_counts, check_positive

__all__ = ["Settings"]


@Parameter(name="*", group="Deals and network")
@dataclass(frozen=True)
class Settings:
    """Deals and network."""

    deals: int = 5000
    "Deals to learn from; a tenth of them held out to select on."
    players: int = 4
    "Players of a deal; the same trained network runs with other numbers too."
    cards: int = 5
    "Cards of each player, 5 to 7; the best five count."
    hidden: int = 32
    "State of each player's card and suit."
    heads: int = 16
    "Features given to each pooling operation."
    depth: int = 2
    "Layers."
    dropout: float = 0.1
    "Probability of dropping a pooled value, and a value of an update, while learning."
    batch: int = 128
    "Deals at a step."
    lr: float = 3e-3
    "Peak learning rate."
    weight_decay: float = 0.2
    "Decoupled, as in AdamW."

    def __post_init__(self) -> None:
        check_counts(self, "deals", "players", "cards", "hidden", "heads", "depth", "batch")
        check_positive(self, "lr")
        check_deck(self.players, self.cards)
        if self.deals < 10:
            raise EinNetError(f"--deals must be 10 or more, a tenth of them to select on; got {self.deals}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
