"""Learning to count: triangles, cycles of 4, 5 and 6 nodes, K_4 and chordal cycles; writes benchmarks/counting.md.

    .venv/bin/python benchmarks/counting.py                         # two days of one core, resumable
    .venv/bin/python benchmarks/counting.py --seconds 20 --seeds 1  # less time for each network

Graphs of 10 to 30 nodes, half of them G(n, p) with p from 0.1 to 0.5, half random 3- to 5-regular. All networks learn
the six counts at once, in standard deviations of the training set, by the same loop, for the same processor time. The
learning rate of each is the best of three on other graphs.
"""

import json
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from cyclopts import App
from results_page import PAGE, bold_best, make_table, write_results
from torch import Tensor, nn

from einnet import EinNet
from einnet.nn import pad

PATTERNS = ("triangles", "4-cycles", "5-cycles", "6-cycles", "K_4", "chordal cycles")
NUMBERS = (10, 100, 1_000, 5_000)
RATES = (1e-3, 3e-3, 1e-2)
TEST, VALID, BATCH, WIDTH = 1_000, 250, 32, 64
SCALE = 100.0  # of sums over nodes
UNABLE = {  # 1-WL counts forests, 2-FWL cycles up to 7 but no K_4: Arvind et al. 2020, On Weisfeiler-Leman invariance
    "GIN": PATTERNS,
    "GINE": PATTERNS,
    "transformer": ("K_4",),
    "PPGN": ("K_4",),
    "order 2": ("K_4",),
}

app = App(help=__doc__)


def draw_graph(generator: np.random.Generator) -> np.ndarray:
    """The matrix of a random graph."""
    n = int(generator.integers(10, 31))
    if generator.random() < 0.5:
        upper = np.triu(generator.random((n, n)) < generator.uniform(0.1, 0.5), 1)
        return (upper | upper.T).astype(float)
    degree = int(generator.integers(3, 6))
    n += n * degree % 2
    return nx.to_numpy_array(nx.random_regular_graph(degree, n, seed=int(generator.integers(2**31))))


def count_patterns(a: np.ndarray) -> np.ndarray:
    """How many subgraphs of a graph each pattern has, in the order of PATTERNS.

    Sources: Harary, Manvel 1971, On the number of cycles in a graph (up to 5); a 6-cycle is two paths of length 3
    between opposite nodes without a common inner node.
    """
    degree, square = a.sum(0), a @ a
    cube = square @ a
    closed = cube.diagonal()
    triangles = closed.sum() / 6
    four = ((square**2).sum() - (2 * degree**2 - degree).sum()) / 8
    five = ((square * cube).sum() - 5 * closed.sum() - 5 * (closed * (degree - 2)).sum()) / 10
    return np.array([triangles, four, five, _count_six_cycles(a), _count_complete(a), _count_chordal(a, square)])


def _count_six_cycles(a: np.ndarray) -> float:
    n, different = len(a), 1 - np.eye(len(a))
    total = 0.0
    for i in range(n):  # paths i, k, l, j
        first = a[i][:, None] * a * different[i][None, :]  # (k, l), l is not i
        paths = np.einsum("kl,lj,jk->jkl", first, a, different)
        paths[i] = 0
        rows, columns = paths.sum(2), paths.sum(1)
        pairs = paths.sum((1, 2)) ** 2 - (rows**2 + columns**2 + 2 * rows * columns).sum(1)
        total += (pairs + (paths**2 + paths * paths.transpose(0, 2, 1)).sum((1, 2))).sum()
    return total / 12


def _count_complete(a: np.ndarray) -> float:
    return sum(np.einsum("j,k,l,jk,jl,kl->", r, r, r, a, a, a, optimize=True) for r in a) / 24


def _count_chordal(a: np.ndarray, square: np.ndarray) -> float:
    return (a * square * (square - 1)).sum() / 4


class Graphs:
    """Random graphs and their counts, which are stored in a file."""

    def __init__(self, seed: int, number: int, folder: Path):
        file = folder / f"graphs-{seed}-{number}.npz"
        generator = np.random.default_rng(seed)
        self.matrices = [draw_graph(generator) for _ in range(number)]
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(file, counts=np.stack([count_patterns(a) for a in self.matrices]))
        self.counts = torch.from_numpy(np.load(file)["counts"]).float()

    def __len__(self) -> int:
        return len(self.matrices)

    def take(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """The matrices (batch, n, n), padded, and the mask of their nodes."""
        graphs = [torch.from_numpy(self.matrices[k]).float().unsqueeze(-1) for k in numbers.tolist()]
        x, mask = pad(graphs, "aaH")
        return x.squeeze(-1), mask if isinstance(mask, Tensor) else mask["a"]


class PaddedEinNet(nn.Module):
    """An EinNet on padded graphs."""

    def __init__(self, **options: Any):
        super().__init__()
        self.net = EinNet("aaH -> H", 1, len(PATTERNS), normalize=None, **options)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.net(x.unsqueeze(-1) / 4, mask=mask) / SCALE


class Ppgn(nn.Module):
    """Maron et al. 2019: perceptrons of each cell, a matrix product, the input again; sums read by a perceptron."""

    def __init__(self, width: int = 32, depth: int = 3):
        super().__init__()
        self.blocks = nn.ModuleList()
        for k in range(depth):
            features = 2 if k == 0 else width
            left, right = (nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width)) for _ in "lr")
            self.blocks.append(nn.ModuleList([left, right, nn.Linear(features + width, width)]))
        self.decoder = make_mlp(2 * width, WIDTH, len(PATTERNS))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        cells = (mask[:, :, None] & mask[:, None, :]).unsqueeze(-1)
        y = torch.stack([x, torch.eye(x.shape[1]).expand_as(x)], -1) * cells
        for left, right, mix in self.blocks:
            product = ((left(y) * cells).movedim(-1, 1) @ (right(y) * cells).movedim(-1, 1)).movedim(1, -1)
            y = mix(torch.cat([y, product / 4], -1)).relu() * cells
        diagonal = y.diagonal(dim1=1, dim2=2).sum(-1)
        return self.decoder(torch.cat([diagonal, y.sum((1, 2)) - diagonal], -1) / SCALE)


class MessagePassing(nn.Module):
    """GIN or GINE of PyTorch Geometric with batch norms and residuals; edges have one constant feature."""

    def __init__(self, has_edges: bool, depth: int = 4):
        from torch_geometric.nn import GINConv, GINEConv

        super().__init__()
        self.has_edges, self.encoder = has_edges, nn.Linear(1, WIDTH)
        make = (
            (lambda m: GINEConv(m, train_eps=True, edge_dim=1)) if has_edges else (lambda m: GINConv(m, train_eps=True))
        )
        self.layers = nn.ModuleList(make(make_mlp(WIDTH, 2 * WIDTH, WIDTH)) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(depth))
        self.decoder = make_mlp(WIDTH, WIDTH, len(PATTERNS))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        number = mask.flatten().cumsum(0) - 1
        graph, i, j = x.nonzero().T
        index = torch.stack([number[graph * x.shape[1] + i], number[graph * x.shape[1] + j]])
        edges = (torch.ones(index.shape[1], 1),) if self.has_edges else ()
        y = self.encoder(torch.ones(int(mask.sum()), 1))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            y = y + norm(layer(y, index, *edges)).relu()
        sums = y.new_zeros(len(x), WIDTH).index_add(0, mask.nonzero()[:, 0], y)
        return self.decoder(sums / SCALE)


class NodeTransformer(nn.Module):
    """Attention over nodes, whose features are the degree and how often walks of up to 8 steps return."""

    def __init__(self, depth: int = 4, steps: int = 8):
        super().__init__()
        self.steps, self.encoder = steps, nn.Linear(steps + 1, WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.decoder = make_mlp(WIDTH, WIDTH, len(PATTERNS))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        degree = x.sum(-1)
        walk, power, features = x / degree.clamp(min=1).unsqueeze(-1), torch.eye(x.shape[1]).expand_as(x), [degree / 8]
        for _ in range(self.steps):
            power = power @ walk
            features.append(power.diagonal(dim1=1, dim2=2))
        y = self.encoder(torch.stack(features, -1))
        for layer in self.layers:
            y = layer(y, src_key_padding_mask=~mask)
        return self.decoder((y * mask.unsqueeze(-1)).sum(1) / SCALE)


def make_mlp(*widths: int) -> nn.Sequential:
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


MODELS: dict[str, Callable[[], nn.Module]] = {
    "order 2": lambda: PaddedEinNet(order=2),
    "order 5": lambda: PaddedEinNet(order=5),
    "one mark": lambda: PaddedEinNet(order=2, marks=1, heads=4, hidden=16),
    "PPGN": Ppgn,
    "GIN": lambda: MessagePassing(False),
    "GINE": lambda: MessagePassing(True),
    "transformer": NodeTransformer,
}
OWN = ("order 2", "order 5", "one mark")


def draw_batches(number: int) -> Iterator[Tensor]:
    while True:
        yield from torch.randperm(number).split(BATCH)


def learn(
    model: str, train: Graphs, valid: Graphs, seconds: float, rate: float, seed: int
) -> Callable[[Graphs], Tensor]:
    """Trains a network for so many seconds of the processor; a function that gives its counts."""
    start = time.process_time()
    torch.manual_seed(seed)
    net, best, weights, check = MODELS[model](), float("inf"), {}, seconds / 20
    center, spread = train.counts.mean(0), train.counts.std(0).clamp(min=1e-6)
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.01)

    @torch.no_grad()
    def predict(graphs: Graphs) -> Tensor:
        net.eval()
        parts = [net(*graphs.take(k)) for k in torch.arange(len(graphs)).split(BATCH)]
        net.train()
        return torch.cat(parts) * spread + center

    for numbers in draw_batches(len(train)):
        spent = time.process_time() - start
        if spent > check or spent >= seconds:
            error = ((predict(valid) - valid.counts) / spread).abs().mean().item()
            if error < best:
                best, weights = error, deepcopy(net.state_dict())
            check = spent + seconds / 20
        if spent >= seconds:
            break
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 20 * spent / seconds + 0.01, 1.1 * (1 - spent / seconds))
        loss = (net(*train.take(numbers)) - (train.counts[numbers] - center) / spread).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    net.load_state_dict(weights or net.state_dict())
    return predict


def measure(model: str, number: int, seed: int, seconds: float, rate: float | None, folder: Path) -> dict[str, Any]:
    """The error of each pattern on test graphs, in standard deviations of the test graphs' counts; stored."""
    file = folder / f"{model.replace(' ', '-')}-{number}-{seed}-{seconds:g}-{rate or 'best'}.json"
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    if rate is None:  # chosen on the graphs to choose with, by an eighth of the time
        trials = {r: measure(model, number, 99, seconds / 8, r, folder)["valid"] for r in RATES}
        rate = min(trials, key=trials.__getitem__)
    train, valid = Graphs(1_000 + seed, number, folder), Graphs(1, VALID, folder)
    predict = learn(model, train, valid, seconds, rate, seed)
    test = Graphs(2, TEST, folder)
    errors = ((predict(test) - test.counts).abs().mean(0) / test.counts.std(0)).tolist()
    error = ((predict(valid) - valid.counts).abs().mean(0) / valid.counts.std(0)).mean().item()
    result = {"model": model, "number": number, "seed": seed, "rate": rate, "valid": error, "errors": errors}
    file.write_text(json.dumps(result), encoding="utf-8")
    return result


@app.default
def main(
    *,
    seconds: float = 300,
    seeds: int = 5,
    models: tuple[str, ...] = tuple(MODELS),
    numbers: tuple[int, ...] = NUMBERS,
    stored: Path = Path("runs/counting"),
    page: Path = PAGE,
) -> None:
    """Measure what was not measured yet, and write the tables."""
    stored.mkdir(parents=True, exist_ok=True)
    means: dict[tuple[str, int], np.ndarray] = {}
    for number in numbers:
        for model in models:
            runs = [
                measure(model, number, seed, seconds, None, stored) for seed in range(seeds if number < 1_000 else 1)
            ]
            means[model, number] = np.mean([r["errors"] for r in runs], 0)
    lines = ["# Learning to count", "", __doc__.split("\n\n")[-1].strip().replace("\n", " "), ""]
    lines += [f"{seconds:g} s of one core; mean absolute error in standard deviations of the test graphs' counts.", ""]
    for number in numbers:
        columns = [bold_best([f"{means[m, number][k]:.3f}" for m in models], min) for k in range(len(PATTERNS))]
        rows = [
            [
                f"**{m}**" if m in OWN else m,
                *(c[i] + " †" * (p in UNABLE.get(m, ())) for c, p in zip(columns, PATTERNS, strict=True)),
            ]
            for i, m in enumerate(models)
        ]
        lines += [f"## {number:,} training graphs", "", *make_table(["network", *PATTERNS], rows), ""]
    lines.append(
        "† it cannot count this on all graphs, by a theorem (Arvind et al. 2020, On Weisfeiler-Leman invariance)."
    )
    largest = max(numbers)
    section = make_table(["network", *(f"{n:,}" for n in numbers)], [
        [f"**{m}**" if m in OWN else m, *(f"{means[m, n].mean():.3f}" for n in numbers)] for m in models
    ])  # fmt: skip
    write_results("counting", lines, [*section, "", f"Largest error of a pattern, {largest:,} graphs: " + ", ".join(
        f"{m} {means[m, largest].max():.3f}" for m in models)], page)  # fmt: skip


if __name__ == "__main__":
    app()
