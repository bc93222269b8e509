"""Sets of 5 to 20 numbers, and what sorting, counting and voting say about them; tested at 100; writes sets.md.

    .venv/bin/python benchmarks/sets.py                  # 10 minutes of one core
    .venv/bin/python benchmarks/sets.py --problems mode --seconds 60

1,000 sets, and the same processor time on one thread for each network: AdamW, a warm-up over the first 5% and a cosine.
The error is the mean absolute one, in standard deviations of the targets of the test (of "distinct" those of its sets
too: the number grows with the size, and none of the networks is told so).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from cyclopts import App
from results_page import make_table
from set_transformer import SetTransformer
from timed import train_for
from torch import Tensor, nn

from einnet import EinNet

SAMPLES, TEST, LARGE, BATCH, WIDTH = 1000, 500, 100, 32, 64
app = App(help=__doc__)


def draw_sets(kind: str, samples: int, smallest: int, largest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers (samples, elements, features), which of them are present, and the targets."""
    mask = torch.arange(largest) < torch.randint(smallest, largest + 1, (samples, 1))
    if kind in ("mode", "distinct"):  # whole numbers below 10, some more often than others
        shares = torch.rand(samples, 10).pow(3) + 0.01
        numbers = torch.multinomial(shares, largest, replacement=True)
        counts = nn.functional.one_hot(numbers, 10).mul(mask.unsqueeze(-1)).sum(1)
        target = (counts > 0).sum(1) if kind == "distinct" else counts.argmax(1)
        return nn.functional.one_hot(numbers, 10).float(), mask, target.float().unsqueeze(-1)
    x = torch.randn(samples, largest) * (0.5 * torch.randn(samples, 1)).exp() + torch.randn(samples, 1)
    rows = [row[present] for row, present in zip(x, mask, strict=True)]
    measures: dict[str, Callable[[Tensor], Tensor]] = {
        "maximum": torch.max, "median": lambda r: r.quantile(0.5), "third smallest": lambda r: r.sort().values[2],
    }  # fmt: skip
    return x.unsqueeze(-1), mask, torch.stack([measures[kind](r) for r in rows]).unsqueeze(-1)


PROBLEMS = ("maximum", "median", "mode", "distinct", "third smallest")


class Sets(nn.Module):
    def __init__(self, features: int, **options):
        super().__init__()
        self.net = EinNet("aH -> H", features, 1, **options)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.net(x, mask=mask)


class DeepSets(nn.Module):
    """Mean and largest value of a perceptron's features, read by a perceptron (Zaheer et al. 2017)."""

    def __init__(self, features: int):
        super().__init__()
        self.encoder, self.decoder = make_mlp(features, WIDTH, WIDTH), make_mlp(2 * WIDTH, WIDTH, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y, present = self.encoder(x), mask.unsqueeze(-1)
        mean = (y * present).sum(1) / present.sum(1)
        return self.decoder(torch.cat([mean, y.masked_fill(~present, -torch.inf).amax(1)], -1))


class Pna(nn.Module):
    """Four aggregators and three scalers of PyTorch Geometric (Corso et al. 2020)."""

    def __init__(self, features: int):
        from torch_geometric.nn.aggr import DegreeScalerAggregation

        super().__init__()
        degrees = torch.zeros(21, dtype=torch.long).index_fill(0, torch.arange(5, 21), 100)
        self.encoder = make_mlp(features, WIDTH, WIDTH)
        scalers = ["identity", "amplification", "attenuation"]
        self.pool = DegreeScalerAggregation(["mean", "min", "max", "std"], scalers, degrees)
        self.decoder = make_mlp(12 * WIDTH, WIDTH, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        sample = mask.nonzero()[:, 0]
        return self.decoder(self.pool(self.encoder(x)[mask], sample, dim_size=len(x)))


def make_mlp(features: int, width: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, out))


MIX = {"sum": 6, "max": 5, "logsumexp": 5}
NETWORKS: dict[str, tuple[Callable[[int], nn.Module], float]] = {
    "EinNet, sums": (Sets, 5e-3),
    "EinNet, sums, maxima, logsumexp": (lambda f: Sets(f, reduction=MIX), 5e-3),
    "EinNet, sums, attention": (lambda f: Sets(f, reduction={"sum": 8, "attention": 8}), 5e-3),
    "DeepSets": (DeepSets, 2e-3),
    "Set Transformer": (partial(SetTransformer, out_features=1, width=WIDTH), 1e-3),
    "PNA": (Pna, 2e-3),
}


def train(net: nn.Module, data: tuple[Tensor, Tensor, Tensor], rate: float, seconds: float) -> int:
    """The number of steps in so many seconds of processor time."""
    x, mask, y = data

    def draw_loss() -> Tensor:
        k = torch.randint(len(x), (BATCH,))
        return nn.functional.smooth_l1_loss(net(x[k], mask[k]), y[k])

    return train_for(seconds, net, rate, draw_loss)


def test(net: nn.Module, data: tuple[Tensor, Tensor, Tensor], mean: Tensor, spread: Tensor) -> float:
    x, mask, targets = data
    with torch.no_grad():
        error = net(x, mask) * spread + mean - targets
    return (error.abs().mean() / targets.std()).item()


@app.default
def main(
    *,
    problems: tuple[str, ...] = PROBLEMS,
    networks: tuple[str, ...] = tuple(NETWORKS),
    seconds: float = 20,
    seed: int = 0,
) -> None:
    """Train the networks on the problems."""
    torch.set_num_threads(1)
    rows = []
    for name in problems:
        torch.manual_seed(seed)
        x, mask, targets = draw_sets(name, SAMPLES, 5, 20)
        mean, spread = targets.mean(), targets.std()
        tests = [draw_sets(name, TEST, 5, 20), draw_sets(name, TEST, LARGE, LARGE)]
        for label in networks:
            make, rate = NETWORKS[label]
            torch.manual_seed(seed)
            net = make(x.shape[-1])
            steps = train(net, (x, mask, (targets - mean) / spread), rate, seconds)
            net.eval()
            errors = [f"{test(net, data, mean, spread):.3f}" for data in tests]
            rows.append([name, label, *errors, f"{steps:,}", f"{sum(p.numel() for p in net.parameters()):,}"])
            print(*rows[-1], sep=" | ", flush=True)
    head = ["target", "network", "5 to 20 elements", "100 elements", "steps", "weights"]
    if (problems, networks) == (PROBLEMS, tuple(NETWORKS)):
        text = [f"Mean absolute error in standard deviations, after {seconds:g} s of processor time on one thread.", ""]
        page = "\n".join([*text, *make_table(head, rows)]) + "\n"
        Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    app()
