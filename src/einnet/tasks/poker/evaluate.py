"""How often the network is right, for several numbers of players and cards; an answer with its hands."""

import json
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
from einnet.tasks.poker.hands import CATEGORIES, card_name, classify_hands, deals, draw_rare_deals, winners
from einnet.tasks.poker.network import SEEDS, choose_winners, encode_cards
from einnet.tasks.report import Results, make_table

__all__ = ["accuracy", "compute_metrics", "correct_chances", "measure", "print_answer", "read_measured"]

TEST = 2000  # fresh deals of each kind
SUMMARIZED = "4 players, 5 cards"  # of the summary
KINDS = [(players, 5) for players in range(2, 10)] + [(players, 7) for players in range(2, 8)]


def measure(net: EinNet) -> Results:
    """The accuracy on fresh deals, in numbers, as a table and as a picture."""
    metrics = compute_metrics(net)
    picture = "fresh deals whose set of winners is exactly right", partial(_draw_accuracy, metrics)
    report = [_make_table(metrics), _make_table_by_hand(metrics), _summarize(metrics)]
    return Results(metrics, report, {"accuracy.png": picture})


def _summarize(metrics: Mapping[str, Any]) -> str:
    """What was reached, compared with chance, and where the network is surest without being right."""
    accuracy, by_hand = metrics["accuracy"], metrics["by hand"]
    kind = SUMMARIZED if SUMMARIZED in accuracy else next(iter(accuracy))
    worst = max(by_hand, key=lambda category: by_hand[category]["chance"] - by_hand[category]["right"])
    row = by_hand[worst]
    guess = 1 / int(kind.split()[0])
    reached = f"EinNet names exactly the winners of {accuracy[kind]:.1%} of deals of {kind}, a guess of {guess:.0%}"
    return f"{reached}; least to be trusted with {worst}: right in {row['right']:.0%}, {row['chance']:.0%} sure."


@torch.no_grad()
def accuracy(net: EinNet, dealt: np.ndarray, won: np.ndarray) -> float:
    """The share of deals whose set of winners is right, all of it."""
    return float((choose_winners(_compute_logits(net, dealt)).numpy() == won).all(1).mean())


def _compute_logits(net: EinNet, dealt: np.ndarray) -> torch.Tensor:
    return torch.cat([net(encode_cards(part)).squeeze(-1) for part in torch.from_numpy(dealt).split(500)])


def compute_metrics(net: EinNet, number: int = TEST) -> dict[str, Any]:
    """The accuracy on fresh deals of 2 to 9 players with 5 cards, and of 2 to 7 with 7; by the hand that wins."""
    shares = {}
    for players, cards in KINDS:
        dealt = deals(number, players, cards, SEEDS["test"])
        shares[f"{players} players, {cards} cards"] = accuracy(net, dealt, winners(dealt))
    parameters = sum(p.numel() for p in net.parameters())
    return {"deals": number, "parameters": parameters, "accuracy": shares, "by hand": _measure_by_hand(net, number)}


@torch.no_grad()
def _measure_by_hand(net: EinNet, number: int) -> dict[str, dict[str, float]]:
    """For each category of the better of two hands, categories being equally frequent: how often the network is right,
    and which probability it gives on average to its answer. Where it knows what it does not know, the two are equal.
    """
    dealt = draw_rare_deals(number, 2, 5, SEEDS["test"])
    won, logits = winners(dealt), _compute_logits(net, dealt)
    best = classify_hands(dealt)[np.arange(number), won.argmax(1)]
    is_right, chance = (choose_winners(logits).numpy() == won).all(1), logits.softmax(-1).amax(-1).numpy()
    rows_of = {category: best == category for category in CATEGORIES if category in best}
    return {
        category: {
            "deals": int(rows.sum()),
            "right": float(is_right[rows].mean()),
            "chance": float(chance[rows].mean()),
        }
        for category, rows in rows_of.items()
    }


def _make_table(metrics: Mapping[str, Any]) -> Table:
    """The share of deals that are right, for each number of players and cards."""
    title = f"the exact set of winners, {metrics['deals']:,} fresh deals each; {metrics['parameters']:,} parameters"
    table = make_table(title, ["deal"], ["right"])
    for kind, share in metrics["accuracy"].items():
        table.add_row(kind, f"{share:.1%}")
    return table


def _make_table_by_hand(metrics: Mapping[str, Any]) -> Table:
    """How often the network is right, and how sure it is, by the hand that wins."""
    title = f"{metrics['deals']:,} fresh deals of two players, with all kinds of hands equally frequent"
    table = make_table(title, ["best hand"], ["deals", "right", "how sure"])
    for category, row in metrics["by hand"].items():
        table.add_row(category, str(row["deals"]), f"{row['right']:.1%}", f"{row['chance']:.1%}")
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


def read_measured(metrics: Path, category: str) -> dict[str, Any] | None:
    """What a run measured on deals whose best hand is of this category; None if it did not."""
    try:
        return {"best hand": category, **json.loads(metrics.read_text(encoding="utf-8"))["by hand"][category]}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def correct_chances(chances: np.ndarray, measured: Mapping[str, Any] | None) -> np.ndarray:
    """The chances, mixed with equal ones such that on the measured deals the network is as sure as it is right.

    >>> correct_chances(np.array([0.0, 1.0]), {"right": 0.6, "chance": 0.9}).round(3).tolist()  # surer than right
    [0.375, 0.625]
    >>> correct_chances(np.array([0.1, 0.9]), {"right": 0.95, "chance": 0.9}).tolist()
    [0.1, 0.9]
    """
    if measured is None or measured["chance"] <= max(measured["right"], 0.5):
        return chances
    doubt = min((measured["chance"] - measured["right"]) / (measured["chance"] - 0.5), 1)  # 0.5: equal ones of two
    return (1 - doubt) * chances + doubt / len(chances)


def print_answer(
    hands: np.ndarray, chances: np.ndarray, chosen: np.ndarray, right: np.ndarray, measured: Mapping[str, Any] | None
) -> None:
    """Each player's hand, the chance of winning, who wins by the network and by the rules, and how far to trust it."""
    table = Table(title_justify="left")
    for column in ("player", "hand", "chance", "network", "by the rules"):
        table.add_column(column, justify="right" if column == "chance" else "left")
    for k, hand in enumerate(hands):
        verdicts = ("wins" if wins[k] else "" for wins in (chosen, right))
        table.add_row(str(k + 1), " ".join(map(card_name, hand)), f"{chances[k]:.1%}", *verdicts)
    console = make_console()
    console.print(table)
    if measured is None:
        console.print("The chances are the network's own: its run has not measured how often it is right.")
    else:
        console.print(
            f"Best hand: {measured['best hand']}. On fresh deals with such a best hand this network is right in "
            f"{measured['right']:.0%} and {measured['chance']:.0%} sure; the chances above allow for that."
        )
