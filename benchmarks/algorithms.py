"""Learned algorithms: trained on 4 to 16 elements, tested on 16, 64 and 256, with peers; writes algorithms.md.

    .venv/bin/python benchmarks/algorithms.py                            # an hour of one core
    .venv/bin/python benchmarks/algorithms.py --problems "shortest paths" --seconds 300 --networks "hard minima"

1,000 samples, and the same processor time on one thread for each network: AdamW, gradients clipped to norm 1, a warm-up
over the first 5% and a cosine. The loss is the mean absolute error, of shortest and bottleneck paths relative to the
length, or the cross-entropy. The share of right outputs: lengths within 2%, the rank, the number after rounding;
"balanced": the mean of the shares of pairs that are, and are not.
"""

from pathlib import Path

import torch
from algorithms_data import PROBLEMS, Data, Problem
from algorithms_networks import NETWORKS
from cyclopts import App
from results_page import make_table
from timed import train_for
from torch import Tensor, nn

SAMPLES, SIZES, BATCH = 1000, range(4, 17), 16
USES = {"hard minima": ["shortest paths"], "hard minmax": ["bottleneck paths", "reachability"]}
TESTS = {16: 64, 64: 16, 256: 2}  # samples of each size
app = App(help=__doc__)


def compute_loss(problem: Problem, outputs: Tensor, data: Data) -> Tensor:
    y, targets = outputs[data.counts], data.targets[data.counts]
    if problem.is_binary:
        return nn.functional.binary_cross_entropy_with_logits(y, targets)
    error = (y - targets).abs()
    return (error / targets.abs() if problem.measure == "within 2%" else error).mean()


def train(net: nn.Module, problem: Problem, rate: float, seconds: float) -> int:
    """The number of steps in so many seconds of processor time."""
    numbers = list(SIZES) if problem.output else list(SIZES[::2])  # matchings are of an even number
    parts = [problem.make(SAMPLES // len(numbers), n) for n in numbers]

    def draw_loss() -> Tensor | None:
        data = parts[int(torch.randint(len(parts), ()))]
        data = data.select(torch.randint(len(data.nodes), (BATCH,)))
        return compute_loss(problem, net(data.nodes, data.pairs), data) if data.counts.any() else None

    return train_for(seconds, net, rate, draw_loss, weight_decay=0)


def test(net: nn.Module, problem: Problem, n: int) -> float:
    """The share of right outputs."""
    torch.manual_seed(10_000 + n)
    data = problem.make(TESTS[n], n)
    net.eval()
    with torch.no_grad():
        outputs = torch.cat([net(x, p) for x, p in zip(data.nodes.split(4), data.pairs.split(4), strict=True)])
    right = problem.find_right(outputs, data).float()
    if problem.measure != "balanced":
        return right.mean().item()
    is_true = data.targets[data.counts] > 0.5
    return (right[is_true].mean() + right[~is_true].mean()).item() / 2


@app.default
def main(
    *,
    problems: tuple[str, ...] = tuple(PROBLEMS),
    networks: tuple[str, ...] = tuple(NETWORKS),
    seconds: float = 60,
    seed: int = 0,
) -> None:
    """Train the networks on the problems."""
    torch.set_num_threads(1)
    page = Path(__file__).with_suffix(".md")
    rows = read_rows(page)
    for name in problems:
        problem = PROBLEMS[name]
        for label in networks:
            make, rate = NETWORKS[label]
            if name not in USES.get(label, PROBLEMS):
                continue
            torch.manual_seed(seed)
            net = make(problem.output)
            steps = train(net, problem, rate, seconds)
            shares = [f"{100 * test(net, problem, n):.1f}" for n in TESTS]
            weights = sum(p.numel() for p in net.parameters())
            rows[name, label] = [*shares, f"{seconds:g}", f"{steps:,}", f"{weights:,}"]
            print(name, label, *rows[name, label], sep=" | ", flush=True)
            write_rows(page, rows)


def read_rows(page: Path) -> dict[tuple[str, str], list[str]]:
    """The rows of the page, by problem and network."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {(c[0], c[1]): c[2:] for c in cells[2:]}


def write_rows(page: Path, rows: dict[tuple[str, str], list[str]]) -> None:
    places = {pair: k for k, pair in enumerate((p, n) for p in PROBLEMS for n in NETWORKS)}
    table = [[*pair, *rows[pair]] for pair in sorted(rows, key=places.__getitem__)]
    head = ["problem", "network", *(f"n = {n}, %" for n in TESTS), "seconds", "steps", "weights"]
    text = ["Share of right outputs after some seconds of processor time on one thread.", ""]
    page.write_text("\n".join([*text, *make_table(head, table)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
