"""What the poker task shows: accuracy for several numbers of players and cards, and an answer with its hands."""

from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from einnet.nn import EinNet
from einnet.tasks.poker.hands import card_name, deals, winners
from einnet.tasks.poker.task import SEEDS, chosen, encoded

__all__ = ["accuracy", "measured", "print_answer", "print_measured"]

TEST = 2000  # fresh deals of each kind
KINDS = [(players, 5) for players in range(2, 10)] + [(players, 7) for players in range(2, 8)]


@torch.no_grad()
def accuracy(net: EinNet, dealt: np.ndarray, won: np.ndarray) -> float:
    """The share of deals whose set of winners is right, all of it."""
    parts = torch.from_numpy(dealt).split(500)
    said = torch.cat([chosen(net(encoded(part)).squeeze(-1)) for part in parts])
    return float((said.numpy() == won).all(1).mean())


def measured(net: EinNet, number: int = TEST) -> dict[str, Any]:
    """The accuracy on fresh deals of 2 to 9 players with 5 cards, and of 2 to 7 with 7."""
    found = {}
    for players, cards in KINDS:
        dealt = deals(number, players, cards, SEEDS["test"])
        found[f"{players} players, {cards} cards"] = accuracy(net, dealt, winners(dealt))
    return {"deals": number, "parameters": sum(p.numel() for p in net.parameters()), "accuracy": found}


def print_measured(metrics: dict[str, Any]) -> None:
    table = Table(
        title=f"the exact set of winners, {metrics['deals']:,} fresh deals each; {metrics['parameters']:,} parameters",
        title_justify="left",
    )
    table.add_column("deal")
    table.add_column("right", justify="right")
    for kind, share in metrics["accuracy"].items():
        table.add_row(kind, f"{share:.1%}")
    Console().print(table)


def print_answer(hands: np.ndarray, chances: np.ndarray, said: np.ndarray, right: np.ndarray) -> None:
    """Each player's hand, the chance of winning that the network gives, and who wins by the rules."""
    table = Table(title_justify="left")
    for column in ("player", "hand", "chance", "network", "by the rules"):
        table.add_column(column, justify="right" if column == "chance" else "left")
    for k, hand in enumerate(hands):
        cells = (" ".join(map(card_name, hand)), f"{chances[k]:.1%}", *("wins" if x[k] else "" for x in (said, right)))
        table.add_row(str(k + 1), *cells)
    Console().print(table)
