"""Who wins at poker: EinNet, DeepSets, a transformer and an MLP; writes benchmarks/poker.md and a picture.

    .venv/bin/python benchmarks/poker.py                     # a minute and a half for each of fifteen runs

Deals of 4 players with 5 cards; all networks have as many parameters as EinNet (to 10%), the same deals,
batches, optimiser and time, and are selected on the same held-out tenth. The transformer and the MLP see
each deal with players, cards and suits permuted at random. Runs in --out are not trained again. The test
deals are fresh ones.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from cyclopts import run
from results_page import FOLDER, PAGE, bold_best, draw_curves, make_table, write_results
from runs import train_once
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from einnet.tasks.poker.app import PokerConfig
from einnet.tasks.poker.evaluate import accuracy, compute_metrics
from einnet.tasks.poker.hands import deals, winners
from einnet.tasks.poker.network import FEATURES, SEEDS, Winning, encode_cards, make_net

PLAYERS, CARDS, TEST = 4, 5, 10_000
NUMBERS = (500, 5000, 50_000)


class Peer(nn.Module):
    """A network on the same cards, without their pooled counts.

    (batch, players, cards, suits, ranks) to (batch, players, 1).
    """

    def save(self, path: Path) -> None:
        save_file({k: v.contiguous().clone() for k, v in self.state_dict().items()}, path)


def make_perceptron(*widths: int) -> nn.Sequential:
    layers = [[nn.Linear(i, o), nn.ReLU()] for i, o in pairwise(widths)]
    return nn.Sequential(*(module for pair in layers for module in pair))


class DeepSets(Peer):
    """Sums over each player's cards, then over players; the input has `features` numbers for each suit of a card."""

    def __init__(self, width: int, features: int = 13):
        super().__init__()
        self.features = features
        self.card, self.hand = make_perceptron(4 * features, width, width), make_perceptron(width, width, width)
        self.out = nn.Sequential(make_perceptron(2 * width, width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        hands = self.hand(self.card(x[..., : self.features].flatten(-2)).sum(-2))
        total = hands.sum(-2, keepdim=True).expand_as(hands)
        return self.out(torch.cat([hands, total], -1))


class Transformer(Peer):
    """A token for each card, with an embedding of its player and place."""

    def __init__(self, width: int):
        super().__init__()
        width = max(4, width // 4 * 4)
        self.card = nn.Linear(52, width)
        self.place = nn.Parameter(torch.randn(PLAYERS, CARDS, width) / 10)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = (self.card(x[..., :13].flatten(-2)) + self.place).flatten(1, 2)
        return self.out(self.body(tokens).unflatten(1, (PLAYERS, CARDS)).mean(2))


class Perceptron(Peer):
    """The deal as one vector."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(make_perceptron(PLAYERS * CARDS * 52, width, width, width), nn.Linear(width, PLAYERS))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x[..., :13].flatten(1)).unsqueeze(-1)


class Augmented(Winning):
    """Each deal with players, cards of each player, and suits permuted."""

    def logits(self, net: nn.Module, dealt: Tensor) -> Tensor:
        if not net.training:
            return super().logits(net, dealt)
        players = torch.rand(dealt.shape[:2]).argsort(1)
        cards = torch.rand(dealt.shape).argsort(2)
        suits = torch.rand(len(dealt), 4).argsort(1)
        permuted = dealt.gather(1, players.unsqueeze(-1).expand_as(dealt)).gather(2, cards)
        permuted = permuted // 4 * 4 + suits.gather(1, (permuted % 4).flatten(1)).reshape(permuted.shape)
        return super().logits(net, permuted).gather(1, players.argsort(1))


def make_as_large(make: Callable[[int], nn.Module], parameters: int) -> nn.Module:
    """The network with the width that gives the nearest number of parameters."""
    width = min(range(4, 400, 4), key=lambda w: abs(count_parameters(make(w)) - parameters))
    torch.manual_seed(0)
    return make(width)


def count_parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


PEERS: dict[str, tuple[type[Winning], Callable[[int], nn.Module]]] = {
    "DeepSets": (Winning, DeepSets),
    "DeepSets with EinNet's pooled counts as inputs": (Winning, lambda width: DeepSets(width, FEATURES)),
    "transformer, with permuted deals": (Augmented, Transformer),
    "MLP, with permuted deals": (Augmented, Perceptron),
}
RUNS = ("EinNet", "DeepSets", "DeepSets-with-counts", "transformer", "MLP")  # the folders' names
NETWORKS = ("EinNet", *PEERS)


def train(name: str, number: int, minutes: float, out: Path) -> tuple[Winning, int]:
    """A network after its time, and the steps that it made."""
    config = PokerConfig(deals=number)

    def make() -> Winning:
        if name not in PEERS:
            return Winning(config, 0)
        task, network = PEERS[name]
        return task(config, 0, make_as_large(network, count_parameters(make_net(config))))

    run_name = f"{RUNS[NETWORKS.index(name)]}-{number}"
    run = train_once(run_name, "poker", config, minutes, out, lambda _: make, steps=1_000_000, validate_every=200)
    task = make()
    task.net.load_state_dict(load_file(run.best))
    return task, int((run.folder / "log.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")[0])


def main(*, minutes: float = 1.5, out: Path = Path("runs/benchmark-poker"), page: Path = PAGE) -> None:
    """Train all networks on 500, 5,000 and 50,000 deals, and write the tables and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    dealt = deals(TEST, PLAYERS, CARDS, SEEDS["test"])
    won = winners(dealt)
    accuracies: dict[str, list[float]] = {name: [] for name in NETWORKS}
    nets: dict[str, nn.Module] = {}
    for number in NUMBERS:
        for name in NETWORKS:
            task, steps = train(name, number, minutes, out)
            nets[name] = task.net.eval()
            accuracies[name].append(accuracy(nets[name], dealt, won))
            print(f"{name}, {number:,} deals: {accuracies[name][-1]:.4f}, {steps:,} steps", flush=True)
    by_deal = compute_metrics(nets["EinNet"])["accuracy"]
    renamed = dealt // 4 * 4 + torch.tensor([2, 0, 3, 1]).numpy()[dealt % 4]
    with torch.no_grad():
        gap = (
            (nets["EinNet"](encode_cards(dealt[:500])) - nets["EinNet"](encode_cards(renamed[:500]))).abs().max().item()
        )
    parameters = {name: f"{count_parameters(net):,}" for name, net in nets.items()}
    head = ["network", "parameters"]
    rows = [[n, parameters[n], *(f"{100 * x:.2f}" for x in accuracies[n])] for n in NETWORKS]
    lines = [
        "# Poker", "",
        f"`benchmarks/poker.py`: percent of {TEST:,} fresh deals of {PLAYERS} players with {CARDS} cards whose set of "
        f"winners is exactly right, after {minutes:g} minutes each (threads: {torch.get_num_threads()}). "
        "The learning rate, Muon and the weight decay were chosen for EinNet; one seed.", "",
        *make_table([*head, *(f"{n:,} deals" for n in NUMBERS)], rows), "",
        f"EinNet after {NUMBERS[-1]:,} such deals, on others (2,000 of each):", "",
        *make_table(["deal", "percent right"], [[k, f"{100 * v:.2f}"] for k, v in by_deal.items()]), "",
        f"With the suits renamed, the outputs differ by at most {gap:.0e}.", "",
        "![Error by number of deals](poker.svg)",
    ]  # fmt: skip
    columns = [bold_best([f"{100 * accuracies[n][k]:.1f}" for n in NETWORKS]) for k in range(len(NUMBERS))]
    names = [f"**{n}**" if n == "EinNet" else n for n in NETWORKS]
    section = list(zip(names, parameters.values(), *columns, strict=True))
    deal_heads = [f"from {NUMBERS[0]:,} deals", *(f"{n:,}" for n in NUMBERS[1:])]
    write_results("poker", lines, make_table([*head, *deal_heads], section), page)
    curves = {name: (NUMBERS, [1 - v for v in values]) for name, values in accuracies.items()}
    draw_curves(FOLDER / "poker.svg", curves, xlabel="deals to learn from", ylabel="error")


if __name__ == "__main__":
    run(main)
