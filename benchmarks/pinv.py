"""Learns the pseudo-inverse with EinNet and with the reference network; writes benchmarks/pinv.md and a picture.

    .venv/bin/python benchmarks/pinv.py                    # five minutes for each of three runs
    .venv/bin/python benchmarks/pinv.py --minutes 20

The reference network (322,177 parameters) gets the same matrices, the same scaling of its input, the
same batches and the same time, but a loss after its last layer only. Runs in --out are not trained
again. Newton-Schulz is not learned.
"""

import csv
from functools import partial
from pathlib import Path

import torch
from cyclopts import run
from results_page import FOLDER, PAGE, bold_best, draw_curves, make_table, write_results
from runs import train_once
from torch import Tensor

from einnet.nn import Network, ReferenceNet
from einnet.tasks.pinv.app import PinvConfig
from einnet.tasks.pinv.evaluate import PUBLISHED, compute_metrics
from einnet.tasks.pinv.network import TEST, Inverse, error, matrices, norm_bound, residual

STEPS, INTERVAL = 100_000, 100
MATCH = "newton-schulz products for this error at 8x16"


def invert_by_reference(net: Network, a: Tensor) -> Tensor:
    scale = norm_bound(a)
    return net((a / scale).unsqueeze(-1)).squeeze(-1) / scale


class ReferenceInverse(Inverse):
    """The same learning, for a network that has an output after its last layer only."""

    def __init__(self, config: PinvConfig, seed: int):
        super().__init__(config, seed)
        net = ReferenceNet("abH -> abH", 1, 1, heads=32, hidden=128, depth=6)
        super(Inverse, self).__init__(net, lr=1e-3, weight_decay=0.0, seed=seed)
        self.batch = config.batch
        self.register_buffer("examples", matrices("train", 8, 16, config.matrices, seed), persistent=False)
        self.register_buffer("held_out", matrices("valid", 8, 16, 200, seed), persistent=False)

    def loss(self, step: int) -> Tensor:
        a = self.examples[torch.randint(len(self.examples), (self.batch,))]
        return residual(invert_by_reference(self.net, a), a).square().mean((-2, -1)).sqrt().mean()

    @torch.no_grad()
    def validate(self, net: Network) -> dict[str, float]:
        return {"error": error(invert_by_reference(net, self.held_out), self.held_out)}


def train(name: str, config: PinvConfig, minutes: float, out: Path, task: type[Inverse], interval: int) -> dict:
    """Test errors by size, parameters, and the valid error over the time of one run."""
    make = partial(task, config, 0)
    run = train_once(name, "pinv", config, minutes, out, lambda _: make, steps=STEPS, validate_every=interval, clip=0.5)
    net = Network.load(run.best)
    with (run.folder / "log.csv").open(newline="", encoding="utf-8") as f:
        curve = [(float(r["seconds"]), float(r["error"]), int(r["step"])) for r in csv.DictReader(f)]
    if task is Inverse:
        return compute_metrics(net) | {"curve": curve}
    a = matrices("test", 8, 16, TEST)
    with torch.no_grad():
        errors = {"sizes": {"8x16": {"error": error(invert_by_reference(net, a), a)}}}
    return errors | {"curve": curve, "parameters": sum(p.numel() for p in net.parameters())}


def main(*, minutes: float = 5, out: Path = Path("runs/benchmark-pinv"), page: Path = PAGE) -> None:
    """Train the three networks, `minutes` each, and write the tables and the picture."""
    many = train("einnet-1000", PinvConfig(), minutes, out, Inverse, INTERVAL)
    few = train("einnet-100", PinvConfig(matrices=100), minutes, out, Inverse, INTERVAL)
    reference = train("reference", PinvConfig(), minutes, out, ReferenceInverse, 10)
    steps = [r["curve"][-1][2] for r in (many, few, reference)]
    lines = [
        "# The pseudo-inverse", "",
        f"`benchmarks/pinv.py`: mean absolute entry of F(A) A^T - I on 100 fresh matrices of each size, trained on "
        f"8 x 16 only, {minutes:g} minutes a run on {torch.get_num_threads()} threads; {steps[0]:,} steps "
        f"({steps[1]:,} with 100 matrices, {steps[2]:,} of the reference). The network has {many['products']} products "
        f"of two matrices; Newton-Schulz, from the same bound of the norm, needs {many[MATCH]} for the same error at "
        "8 x 16.", "",
        *tabulate(list(many["sizes"]), many, few, reference, ""), "",
        "![Valid error against time](pinv.svg)",
    ]  # fmt: skip
    sizes = ["8x16", *(s for s in many["sizes"] if s != "8x16")]
    write_results("pinv", lines, tabulate(sizes, many, few, reference, " \\[3]"), page)
    runs = {"EinNet": many, "EinNet, 100 matrices": few, "reference block": reference}
    curves = {name: list(zip(*run["curve"], strict=True))[:2] for name, run in runs.items()}
    draw_curves(FOLDER / "pinv.svg", curves, xlabel="seconds", ylabel="valid error")


def tabulate(sizes: list[str], many: dict, few: dict, reference: dict, source: str) -> list[str]:
    """The error of each method at each size, and the published ones at 8 x 16."""
    by_size, products = many["sizes"], f"newton-schulz, {many['products']} products"
    rows = [
        ("EinNet, 1,000 matrices", many["parameters"], {s: by_size[s]["error"] for s in sizes}),
        ("EinNet, 100 matrices", few["parameters"], {s: few["sizes"][s]["error"] for s in sizes}),
        *((f"{name} (published){source}", "", {"8x16": value}) for name, value in PUBLISHED),
        ("reference block, 1,000 matrices, the same time", reference["parameters"],
         {"8x16": reference["sizes"]["8x16"]["error"]}),
        ("zero (chance)", "", {s: by_size[s]["zero"] for s in sizes}),
        ("Newton-Schulz, as many steps as layers (18 products)", "",
         {s: by_size[s]["newton-schulz, 8 steps"] for s in sizes}),
        (f"Newton-Schulz, as many products ({many['products']})", "", {s: by_size[s][products] for s in sizes}),
    ]  # fmt: skip
    columns = [bold_best([f"{r[s]:.2g}" if s in r else "" for _, _, r in rows], min) for s in sizes]
    cells = zip(*columns, strict=True)
    names = [(name, f"{number:,}" if number else "") for name, number, _ in rows]
    return make_table(["what", "parameters", *sizes], [[*n, *c] for n, c in zip(names, cells, strict=True)])


if __name__ == "__main__":
    run(main)
