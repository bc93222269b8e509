"""Who wins at poker: our network, DeepSets, a transformer and an MLP; writes benchmarks/poker.md and a picture.

    .venv/bin/python benchmarks/poker.py                     # a minute and a half for each of fifteen runs

Deals of 4 players with 5 cards; all networks have as many parameters as ours (to 10%), the same
deals, batches, optimiser and time, and are selected on the same held-out tenth. The transformer and
the MLP see each deal with players, cards and suits permuted anew. Runs that are there already (in --out)
are not trained again. The test deals are fresh ones.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from cyclopts import run
from runs import trained_once
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from einnet.files import write_whole
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.poker.app import PokerConfig
from einnet.tasks.poker.evaluate import accuracy, compute_metrics
from einnet.tasks.poker.hands import deals, winners
from einnet.tasks.poker.network import FEATURES, SEEDS, Winning, encode_cards, make_net

PLAYERS, CARDS, TEST = 4, 5, 10_000
NUMBERS = (500, 5000, 50_000)


class Peer(nn.Module):
    """A network on the same cards, without our pooling of them: (batch, players, cards, suits, ranks) to
    (batch, players, 1)."""

    def save(self, path: Path) -> None:
        save_file({k: v.contiguous().clone() for k, v in self.state_dict().items()}, path)


def perceptron(*widths: int) -> nn.Sequential:
    layers = [[nn.Linear(i, o), nn.ReLU()] for i, o in pairwise(widths)]
    return nn.Sequential(*(module for pair in layers for module in pair))


class DeepSets(Peer):
    """Sums over each player's cards, then over players; of each card it sees so many features a suit."""

    def __init__(self, width: int, features: int = 13):
        super().__init__()
        self.features = features
        self.card, self.hand = perceptron(4 * features, width, width), perceptron(width, width, width)
        self.out = nn.Sequential(perceptron(2 * width, width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        hands = self.hand(self.card(x[..., : self.features].flatten(-2)).sum(-2))
        others = hands.sum(-2, keepdim=True).expand_as(hands)
        return self.out(torch.cat([hands, others], -1))


class Transformer(Peer):
    """A token for each card, with a place for each player and each card."""

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
    """The whole deal as one vector."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(perceptron(PLAYERS * CARDS * 52, width, width, width), nn.Linear(width, PLAYERS))

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
        moved = dealt.gather(1, players.unsqueeze(-1).expand_as(dealt)).gather(2, cards)
        moved = moved // 4 * 4 + suits.gather(1, (moved % 4).flatten(1)).reshape(moved.shape)
        back = players.argsort(1)
        return super().logits(net, moved).gather(1, back)


def as_large_as(make: Callable[[int], nn.Module], parameters: int) -> nn.Module:
    """The network of the width that comes nearest to so many parameters."""
    size = lambda width: sum(p.numel() for p in make(width).parameters())  # noqa: E731
    width = min(range(4, 400, 4), key=lambda w: abs(size(w) - parameters))
    torch.manual_seed(0)
    return make(width)


def trained(name: str, number: int, minutes: float, out: Path) -> tuple[Winning, int]:
    """A network after its time, and the steps that it made."""
    settings = PokerConfig(deals=number)
    ours = sum(p.numel() for p in make_net(settings).parameters())
    makes: dict[str, Callable[[], Winning]] = {
        "EinNet": lambda: Winning(settings, 0),
        "DeepSets": lambda: Winning(settings, 0, as_large_as(DeepSets, ours)),
        "DeepSets with our inputs": lambda: Winning(settings, 0, as_large_as(lambda w: DeepSets(w, FEATURES), ours)),
        "transformer, augmented": lambda: Augmented(settings, 0, as_large_as(Transformer, ours)),
        "MLP, augmented": lambda: Augmented(settings, 0, as_large_as(Perceptron, ours)),
    }
    run_name = f"{name.split(',')[0]}-{number}".replace(" ", "-")
    found = trained_once(
        run_name, "poker", settings, minutes, out, lambda _: makes[name], steps=1_000_000, validate_every=200
    )
    task = makes[name]()
    task.net.load_state_dict(load_file(found.best))
    return task, _last_step(found.folder)


def _last_step(folder: Path) -> int:
    return int((folder / "log.csv").read_text().splitlines()[-1].split(",")[0])


def main(*, minutes: float = 1.5, out: Path = Path("runs/benchmark-poker")) -> None:
    """Train all networks on 500, 5,000 and 50,000 deals, and write the table and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    dealt = deals(TEST, PLAYERS, CARDS, SEEDS["test"])
    won = winners(dealt)
    names = ("EinNet", "DeepSets", "DeepSets with our inputs", "transformer, augmented", "MLP, augmented")
    rows: dict[str, list[float]] = {}
    sizes, others = {}, {}
    for number in NUMBERS:
        for name in names:
            task, steps = trained(name, number, minutes, out)
            rows.setdefault(name, []).append(accuracy(task.net.eval(), dealt, won))
            sizes[name] = sum(p.numel() for p in task.net.parameters())
            print(f"{name}, {number:,} deals: {rows[name][-1]:.4f}, {steps:,} steps", flush=True)
            if name == "EinNet":
                others = compute_metrics(task.net)["accuracy"]
                renamed = dealt // 4 * 4 + torch.tensor([2, 0, 3, 1]).numpy()[dealt % 4]
                with torch.no_grad():
                    gap = (
                        (task.net(encode_cards(dealt[:500])) - task.net(encode_cards(renamed[:500]))).abs().max().item()
                    )
    lines = [
        "# Poker", "",
        f"`benchmarks/poker.py`: percent of {TEST:,} fresh deals of {PLAYERS} players with {CARDS} cards whose set of "
        f"winners is exactly right, after {minutes:g} minutes each (threads: {torch.get_num_threads()}). "
        "The learning rate, Muon and the weight decay were chosen for EinNet; one seed.", "",
        f"| network | parameters | {' | '.join(f'{n:,} deals' for n in NUMBERS)} |", "|---" * 5 + "|",
        *(f"| {n} | {sizes[n]:,} | {' | '.join(f'{100 * x:.2f}' for x in rows[n])} |" for n in names), "",
        f"EinNet after {NUMBERS[-1]:,} such deals, on others (2,000 of each):", "",
        "| deal | percent right |", "|---|---|", *(f"| {k} | {100 * v:.2f} |" for k, v in others.items()), "",
        f"With the suits renamed, the outputs differ by at most {gap:.0e}.", "",
        "![Error by number of deals](poker.svg)",
    ]  # fmt: skip
    folder = Path(__file__).parent
    with write_whole(folder / "poker.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for name, values in rows.items():
        panel.loglog(NUMBERS, [1 - v for v in values], marker=".", label=name)
    panel.set(xlabel="deals to learn from", ylabel="error")
    panel.legend()
    save_figure(figure, folder / "poker.svg")
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
