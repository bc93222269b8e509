"""How often the network is right, for several numbers of players and cards; an answer with its hands."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from einnet.nn import EinNet
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.console import make_console
from einnet.tasks.poker.hands import card_name, deals, winners
from einnet.tasks.poker.network import SEEDS, choose_winners, encode_cards
from einnet.tasks.report import Results, make_table

__all__ = ["accuracy", "compute_metrics", "measure", "print_answer"]

TEST = 2000  # fresh deals of each kind
KINDS = [(players, 5) for players in range(2, 10)] + [(players, 7) for players in range(2, 8)]


def measure(net: EinNet) -> Results:
    """The accuracy on fresh deals, in numbers, as a table and as a picture."""
    metrics = compute_metrics(net)
    picture = "fresh deals whose set of winners is exactly right", partial(_draw_accuracy, metrics)
    return Results(metrics, [_make_table(metrics)], {"accuracy.png": picture})


@torch.no_grad()
def accuracy(net: EinNet, dealt: np.ndarray, won: np.ndarray) -> float:
    """The share of deals whose set of winners is right, all of it."""
    parts = torch.from_numpy(dealt).split(500)
    chosen = torch.cat([choose_winners(net(encode_cards(part)).squeeze(-1)) for part in parts])
    return float((chosen.numpy() == won).all(1).mean())


def compute_metrics(net: EinNet, number: int = TEST) -> dict[str, Any]:
    """The accuracy on fresh deals of 2 to 9 players with 5 cards, and of 2 to 7 with 7."""
    shares = {}
    for players, cards in KINDS:
        dealt = deals(number, players, cards, SEEDS["test"])
        shares[f"{players} players, {cards} cards"] = accuracy(net, dealt, winners(dealt))
    return {"deals": number, "parameters": sum(p.numel() for p in net.parameters()), "accuracy": shares}


def _make_table(metrics: Mapping[str, Any]) -> Table:
    """The share of deals that are right, for each number of players and cards."""
    title = f"the exact set of winners, {metrics['deals']:,} fresh deals each; {metrics['parameters']:,} parameters"
    table = make_table(title, ["deal"], ["right"])
    for kind, share in metrics["accuracy"].items():
        table.add_row(kind, f"{share:.1%}")
    return table


def _draw_accuracy(metrics: Mapping[str, Any], picture: Path) -> None:
    """Draws the accuracy against the number of players, a line for each number of cards."""
    figure, panel = pyplot().subplots(figsize=(5.6, 3.4), layout="constrained")
    for cards in dict.fromkeys(cards for _, cards in KINDS):
        players = [p for p, c in KINDS if c == cards]
        right = [100 * metrics["accuracy"][f"{p} players, {cards} cards"] for p in players]
        panel.plot(players, right, marker=".", label=f"{cards} cards a player")
    panel.set(xlabel="players", ylabel="deals right, percent", ylim=(0, 101))
    panel.legend()
    save_figure(figure, picture)


def print_answer(hands: np.ndarray, chances: np.ndarray, chosen: np.ndarray, right: np.ndarray) -> None:
    """Each player's hand, the chance of winning that the network gives, and who wins by the rules."""
    table = Table(title_justify="left")
    for column in ("player", "hand", "chance", "network", "by the rules"):
        table.add_column(column, justify="right" if column == "chance" else "left")
    for k, hand in enumerate(hands):
        verdicts = ("wins" if wins[k] else "" for wins in (chosen, right))
        table.add_row(str(k + 1), " ".join(map(card_name, hand)), f"{chances[k]:.1%}", *verdicts)
    make_console().print(table)
