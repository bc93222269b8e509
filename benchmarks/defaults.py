"""The problems on which the defaults of `EinNet` were chosen, with its former defaults and peers; writes defaults.md.

    .venv/bin/python benchmarks/defaults.py                  # ten minutes of one core
    .venv/bin/python benchmarks/defaults.py --problems gap   # one of them, without the file

Each network is trained for the same processor time on one thread: AdamW, gradients clipped to norm 1, a warm-up over
the first 5% and a cosine. The error is the mean absolute one in standard deviations, of closures the share of wrong
pairs. `counts=True` is what `einnet.fit` passes where samples have several sizes. The problems of
benchmarks/first_problems are others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from cyclopts import App
from results_page import make_table
from timed import train_for
from torch import Tensor, nn

from einnet import EinNet

SAMPLES, TEST, SETS, NODES = 4000, 500, 25, 20
app = App(help=__doc__)


@dataclass(frozen=True)
class Problem:
    """Inputs of the types of the signature, the sizes of the samples as a mask, and targets of one feature."""

    signature: str
    inputs: Sequence[Tensor]
    present: Tensor
    targets: Tensor
    batch: int = 16
    is_binary: bool = False


def draw_sizes(smallest: int, largest: int) -> Tensor:
    return torch.arange(largest) < torch.randint(smallest, largest + 1, (SAMPLES, 1))


def make_sets(measure: Callable[[Tensor], Tensor]) -> Problem:
    """Sets of 5 to 25 numbers of random mean and spread, and a function of their values."""
    present = draw_sizes(5, SETS)
    x = torch.randn(SAMPLES, SETS) * (0.5 * torch.randn(SAMPLES, 1)).exp() + torch.randn(SAMPLES, 1)
    targets = torch.stack([measure(row[mask]) for row, mask in zip(x, present, strict=True)]).unsqueeze(-1)
    return Problem("aH -> H", [x.unsqueeze(-1)], present, targets, batch=32)


def make_graphs(measure: Callable[[Tensor, Tensor], Tensor], density: float) -> Problem:
    """Graphs of 8 to 20 nodes with three colours, and a function of all adjacency matrices and masks."""
    present = draw_sizes(8, NODES)
    edges = (torch.rand(SAMPLES, NODES, NODES) < density * (0.25 + 0.75 * torch.rand(SAMPLES, 1, 1))).float().triu(1)
    edges = (edges + edges.mT) * present[:, None] * present[:, :, None]
    colours = nn.functional.one_hot(torch.randint(3, (SAMPLES, NODES)), 3) * present.unsqueeze(-1)
    return Problem("aH, aaH -> H", [colours.float(), edges.unsqueeze(-1)], present, measure(edges, present)[:, None])


def count_squares(edges: Tensor, present: Tensor) -> Tensor:
    """The root of the number of cycles of four nodes."""
    degree = edges.sum(-1)
    walks = torch.matrix_power(edges, 4).diagonal(dim1=1, dim2=2).sum(-1)
    return ((walks - 2 * degree.square().sum(-1) + degree.sum(-1)) / 8).sqrt()


def count_components(edges: Tensor, present: Tensor) -> Tensor:
    return (present / find_paths(edges).sum(-1)).sum(-1)


def find_paths(edges: Tensor) -> Tensor:
    """1 for each pair of nodes that a path connects, or equal ones."""
    return (torch.matrix_power(edges + torch.eye(edges.shape[-1]), NODES) > 0).float()


def make_relations(is_directed: bool) -> Problem:
    """Relations of 12 elements: their transitive closure, or without direction the eccentricity of each element."""
    n = 12
    edges = (torch.rand(SAMPLES, n, n) < 0.05 + 0.08 * torch.rand(SAMPLES, 1, 1)).float() * (1 - torch.eye(n))
    present = torch.ones(SAMPLES, n, dtype=torch.bool)
    if is_directed:
        closure = find_paths(edges) * (1 - torch.eye(n))
        return Problem("aaH -> aaH", [edges.unsqueeze(-1)], present, closure.unsqueeze(-1), is_binary=True)
    edges = edges.maximum(edges.mT)
    spheres = [(torch.matrix_power(edges + torch.eye(n), k) > 0).sum(-1) for k in range(1, 8)]
    radius = torch.stack([b > a for a, b in pairwise(spheres)]).float().sum(0)
    return Problem("aaH -> aH", [edges.unsqueeze(-1)], present, radius.unsqueeze(-1))


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "90% quantile": lambda: make_sets(lambda x: x.quantile(0.9)),
    "gap": lambda: make_sets(lambda x: x.sort().values.diff().max()),
    "sum of sines": lambda: make_sets(lambda x: (2 * x).sin().sum()),
    "squares": lambda: make_graphs(count_squares, 0.4),
    "components": lambda: make_graphs(count_components, 0.14),
    "eccentricity": lambda: make_relations(is_directed=False),
    "closure": lambda: make_relations(is_directed=True),
}


class DeepSets(nn.Module):
    """Sum, mean and largest value of a perceptron of the elements, and a perceptron."""

    def __init__(self, width: int = 128):
        super().__init__()
        self.encoder = make_mlp(1, width, width)
        self.decoder = make_mlp(3 * width, width, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        present, y = mask.unsqueeze(-1), self.encoder(x)
        total = (y * present).sum(1)
        largest = y.masked_fill(~present, -torch.inf).amax(1)
        return self.decoder(torch.cat([total / 10, total / present.sum(1), largest], -1))


class Gin(nn.Module):
    """Four layers of sums over neighbours, and for an output without axes their sum."""

    def __init__(self, features: int, has_axis: bool, width: int = 64):
        super().__init__()
        self.features, self.has_axis = features, has_axis
        self.encoder = nn.Linear(max(features, 1), width)
        self.layers = nn.ModuleList(make_mlp(width, width, width) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.decoder = make_mlp(width, width, 1)

    def forward(self, *inputs: Tensor, mask: Tensor) -> Tensor:
        edges, present = inputs[-1][..., 0], mask.unsqueeze(-1)
        x = self.encoder(inputs[0] if self.features else torch.ones_like(edges[..., :1]))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + norm(layer(x + edges @ (x * present))).relu()
        return self.decoder(x if self.has_axis else (x * present).sum(1) / 10)


def make_mlp(features: int, width: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, out))


def make_networks(problem: Problem) -> dict[str, tuple[Callable[[], nn.Module], float]]:
    """What makes each network, and its learning rate."""
    widths = [x.shape[-1] for x in problem.inputs]
    networks: dict[str, tuple[Callable[[], nn.Module], float]] = {
        "former defaults": (lambda: EinNet(problem.signature, widths, 1, 16, 64, 4, decoder_hidden=0), 1e-3),
        "EinNet": (lambda: EinNet(problem.signature, widths, 1, counts=True), 5e-3),
    }
    if problem.signature == "aH -> H":
        networks["peer"] = (DeepSets, 2e-3)
    elif not problem.is_binary:
        networks["peer"] = (lambda: Gin(widths[0] if len(widths) > 1 else 0, "-> aH" in problem.signature), 3e-3)
    return networks


def train(net: nn.Module, problem: Problem, rate: float, seconds: float) -> tuple[float, int]:
    """The error after so many seconds of processor time, and the number of steps."""
    y = problem.targets if problem.is_binary else (problem.targets - problem.targets.mean()) / problem.targets.std()
    compute_loss = nn.functional.binary_cross_entropy_with_logits if problem.is_binary else nn.functional.mse_loss

    def draw_loss() -> Tensor:
        k = torch.randint(SAMPLES - TEST, (problem.batch,))
        return compute_loss(net(*(x[k] for x in problem.inputs), mask=problem.present[k]), y[k])

    steps = train_for(seconds, net, rate, draw_loss)
    net.eval()
    with torch.no_grad():
        outputs = net(*(x[-TEST:] for x in problem.inputs), mask=problem.present[-TEST:])
    error = (outputs > 0) != (y[-TEST:] > 0.5) if problem.is_binary else (outputs - y[-TEST:]).abs()
    return error.float().mean().item(), steps


@app.default
def main(*, problems: tuple[str, ...] = tuple(PROBLEMS), seconds: float = 10, seed: int = 0) -> None:
    """Train all networks on the problems."""
    torch.set_num_threads(1)
    rows = []
    for name in problems:
        torch.manual_seed(seed)
        problem = PROBLEMS[name]()
        results = {}
        for label, (make, rate) in make_networks(problem).items():
            torch.manual_seed(seed)
            error, steps = train(make(), problem, rate, seconds)
            results[label] = f"{error:.3f} ({steps:,})"
            print(name, label, results[label], flush=True)
        rows.append(
            [name, f"`{problem.signature}`", *(results.get(k, "") for k in ("former defaults", "EinNet", "peer"))]
        )
    head = ["problem", "type", "former defaults", "EinNet", "DeepSets, GIN"]
    text = [f"Error, and the number of steps, after {seconds:g} s of processor time on one thread.", ""]
    if problems == tuple(PROBLEMS):
        Path(__file__).with_suffix(".md").write_text(
            "\n".join([*text, *make_table(head, rows)]) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    app()
