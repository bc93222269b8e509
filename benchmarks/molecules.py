"""logP of 5,000 molecules: EinNet on sparse types and a GINE network; writes benchmarks/molecules.md.

    .venv/bin/python -m pip install -c constraints.txt -e '.[peers]'
    .venv/bin/python benchmarks/molecules_data.py molecules.npz   # half a minute
    .venv/bin/python benchmarks/molecules.py molecules.npz        # 15 minutes

Each network is trained for the same processor time on one thread, from the first batch on; batches, schedule,
loss and optimizer are the same. Width and learning rate of both are chosen by the error on the molecules held
out for that, with one seed; the error on the test molecules is that of other seeds.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from cyclopts import run
from molecules_data import Batch, Molecules
from results_page import PAGE, bold_best, make_table, write_results
from torch import Tensor, nn

from einnet import EinNet

WIDTHS, RATES = (32, 64), (5e-3, 1e-2)
BATCH, PARTITIONS = 64, 3  # batches are made once for each partition, for both networks
DEPTH = 4  # of GINE


class Gine(nn.Module):
    """GINE of PyTorch Geometric (Hu et al. 2020) with residuals, and the sums of all layers' nodes, as in GIN."""

    def __init__(self, atom_features: int, bond_features: int, width: int):
        from torch_geometric.nn import GINEConv, global_add_pool

        super().__init__()
        self.pool = global_add_pool
        self.encoder = nn.Linear(atom_features, width)
        self.layers = nn.ModuleList(
            GINEConv(make_mlp(width, 2 * width, width), train_eps=True, edge_dim=bond_features) for _ in range(DEPTH)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(DEPTH))
        self.decoder = make_mlp(width, width, 1)

    def forward(self, batch: Batch) -> Tensor:
        x = self.encoder(batch.x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + norm(layer(x, batch.index, batch.bonds)).relu()
        return self.decoder(self.pool(x, batch.molecule, len(batch.y)) / SCALE)[:, 0]


class Sparse(nn.Module):
    """EinNet on the disjoint union of the molecules: states of atoms and bonds, and messages along the bonds.

    Norms cost a third of the time, and two layers need none.
    """

    TERMS = ("a0->a0", "a0,[a0a1]->a1", "[a0a1]->[a0a1]", "a0->[a0a1]", "[a0a1]->a0")

    def __init__(self, atom_features: int, bond_features: int, width: int):
        super().__init__()
        options = {"hidden": (width, width // 4), "heads": width // 4, "depth": 2, "terms": self.TERMS}
        self.net = EinNet("aH, [aa]H -> H", (atom_features, bond_features), 1, activation="relu", norm=None, **options)

    def forward(self, batch: Batch) -> Tensor:
        return self.net(batch.union)[:, 0]


SCALE = 20  # about the number of atoms of a molecule
NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {"EinNet": Sparse, "GINE": Gine}


def make_mlp(features: int, inner: int, out: int) -> nn.Sequential:
    norm = [nn.BatchNorm1d(inner)] * (out > 1)
    return nn.Sequential(nn.Linear(features, inner), *norm, nn.ReLU(), nn.Linear(inner, out))


@dataclass(frozen=True)
class Result:
    """The mean absolute error in standard deviations, the molecules seen in training, the number of weights."""

    error: float
    seen: int
    weights: int


def train(name: str, width: int, rate: float, molecules: Molecules, seconds: float, seed: int, part: str) -> Result:
    """Train a network for so many seconds of processor time, and find its error on a part."""
    torch.manual_seed(seed)
    net = NETWORKS[name](molecules.x.shape[1], molecules.bonds.shape[1], width)
    optimizer = torch.optim.Adam(net.parameters(), rate, fused=True)
    start, seen, spent = time.process_time(), 0, 0.0
    partitions: list[list[Batch]] = []
    while spent < seconds:
        if len(partitions) < PARTITIONS:
            partitions.append(split(molecules))
        batches = partitions[int(torch.randint(len(partitions), ()))]
        for k in torch.randperm(len(batches)).tolist():
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, 20 * spent / seconds + 0.01, 1.1 * (1 - spent / seconds))
            optimizer.zero_grad()
            (net(batches[k]) - batches[k].y).abs().mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            seen += BATCH
            spent = time.process_time() - start
            if spent >= seconds:
                break
    return Result(measure_error(net, molecules, part), seen, sum(p.numel() for p in net.parameters()))


def split(molecules: Molecules) -> list[Batch]:
    """The molecules to train with in random batches of one size."""
    numbers = molecules.parts["train"]
    parts = numbers[torch.randperm(len(numbers))].split(BATCH)
    return [molecules.select(part) for part in parts if len(part) == BATCH]


@torch.no_grad()
def measure_error(net: nn.Module, molecules: Molecules, part: str) -> float:
    net.eval()
    batches = [molecules.select(numbers) for numbers in molecules.parts[part].split(BATCH)]
    return float(torch.cat([net(batch) - batch.y for batch in batches]).abs().mean())


def main(
    file: Path,
    *,
    seconds: float = 45,
    seeds: int = 3,
    networks: Sequence[str] = tuple(NETWORKS),
    widths: Sequence[int] = WIDTHS,
    rates: Sequence[float] = RATES,
    page: Path = PAGE,
) -> None:
    """Choose width and rate of each network, train it with `seeds` other seeds, and write the tables."""
    torch.set_num_threads(1)
    molecules, rows, section = Molecules(file), [], []
    for name in networks:
        trials = {}
        for width, rate in product(widths, rates):
            trials[width, rate] = r = train(name, width, rate, molecules, seconds, 0, "valid")
            rows.append([name, width, f"{rate:g}", "valid", f"{r.error:.3f}", f"{r.seen:,}", f"{r.weights:,}"])
            print(*rows[-1], flush=True)
        width, rate = min(trials, key=lambda how: trials[how].error)
        results = [train(name, width, rate, molecules, seconds, seed, "test") for seed in range(1, seeds + 1)]
        for r in results:
            rows.append([name, width, f"{rate:g}", "test", f"{r.error:.4f}", f"{r.seen:,}", f"{r.weights:,}"])
            print(*rows[-1], flush=True)
        section.append(summarize(name, width, rate, results))
    head = ["network", "width", "rate", "part", "error (standard deviations)", "molecules seen", "weights"]
    sizes = ", ".join(f"{len(numbers):,} {part}" for part, numbers in molecules.parts.items())
    lines = [
        "# logP of molecules", "",
        f"`benchmarks/molecules.py`: molecules of molsets ({sizes}), {seconds:g} seconds of processor time on one "
        f"thread, torch {torch.__version__}.", "",
        *make_table(head, rows),
    ]  # fmt: skip
    errors = bold_best([row[1] for row in section], min)
    table = [
        [name, f"{error} ± {spread}", *rest] for (name, _, spread, *rest), error in zip(section, errors, strict=True)
    ]
    write_results("molecules", lines, make_table(["network", "error", "molecules seen", "weights"], table), page)


def summarize(name: str, width: int, rate: float, results: Sequence[Result]) -> list[Any]:
    errors = [r.error for r in results]
    spread = stdev(errors) if len(errors) > 1 else 0.0
    seen = fmean(r.seen for r in results)
    return [
        f"{name}, width {width}, rate {rate:g}",
        f"{fmean(errors):.4f}",
        f"{spread:.4f}",
        f"{seen:,.0f}",
        f"{results[0].weights:,}",
    ]


if __name__ == "__main__":
    run(main)
