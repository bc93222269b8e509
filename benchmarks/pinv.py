"""Learns the pseudo-inverse with our network and with the reference network; writes benchmarks/pinv.md and a picture.

    .venv/bin/python benchmarks/pinv.py                    # five minutes for each of three runs
    .venv/bin/python benchmarks/pinv.py --minutes 20

The reference network (322,177 parameters) gets the same matrices, the same scaling of its input, the
same batches and the same time; a loss after its last layer only, as it has no other output. Runs
that are there already (in --out) are not trained again. Newton-Schulz is not learned.
"""

import csv
from pathlib import Path

import torch
from cyclopts import run
from runs import trained_once
from torch import Tensor

from einnet import EinNet
from einnet.files import write_whole
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.pinv.app import PinvConfig
from einnet.tasks.pinv.evaluate import PUBLISHED, compute_metrics
from einnet.tasks.pinv.network import TEST, Inverse, error, matrices, norm_bound, residual

STEPS, EVERY = 100_000, 100
MATCH = "newton-schulz products for this error at 8x16"


def reference_inverse(net: EinNet, a: Tensor) -> Tensor:
    scale = norm_bound(a)
    return net((a / scale).unsqueeze(-1)).squeeze(-1) / scale


class ReferenceInverse(Inverse):
    """The same learning, for a network that has an output after its last layer only."""

    def __init__(self, config: PinvConfig, seed: int):
        super().__init__(config, seed)
        net = EinNet("abH -> abH", 1, 1, 32, 128, 6, block="reference")
        super(Inverse, self).__init__(net, lr=1e-3, weight_decay=0.0, seed=seed)
        self.batch = config.batch
        self.register_buffer("examples", matrices("train", 8, 16, config.matrices, seed), persistent=False)
        self.register_buffer("held_out", matrices("valid", 8, 16, 200, seed), persistent=False)

    def loss(self, step: int) -> Tensor:
        a = self.examples[torch.randint(len(self.examples), (self.batch,))]
        return residual(reference_inverse(self.net, a), a).square().mean((-2, -1)).sqrt().mean()

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        return {"error": error(reference_inverse(net, self.held_out), self.held_out)}


def trained(name: str, config: PinvConfig, minutes: float, out: Path, task: type[Inverse], every: int) -> dict:
    """Test errors by size, parameters, the valid error over the time and the conditions of one run."""
    found = trained_once(
        name,
        "pinv",
        config,
        minutes,
        out,
        lambda _: lambda: task(config, 0),
        steps=STEPS,
        validate_every=every,
        clip=0.5,
    )
    net = EinNet.load(found.best)
    with (found.folder / "log.csv").open(newline="") as f:
        curve = [(float(r["seconds"]), float(r["error"]), int(r["step"])) for r in csv.DictReader(f)]
    if task is Inverse:
        return compute_metrics(net) | {"curve": curve}
    a = matrices("test", 8, 16, TEST)
    with torch.no_grad():
        errors = {"sizes": {"8x16": {"error": error(reference_inverse(net, a), a)}}}
    return errors | {"curve": curve, "parameters": sum(p.numel() for p in net.parameters())}


def main(*, minutes: float = 5, out: Path = Path("runs/benchmark-pinv")) -> None:
    """Train the three networks, `minutes` each, and write the table and the picture."""
    ours = trained("ours-1000", PinvConfig(), minutes, out, Inverse, EVERY)
    few = trained("ours-100", PinvConfig(matrices=100), minutes, out, Inverse, EVERY)
    reference = trained("reference", PinvConfig(), minutes, out, ReferenceInverse, 10)
    sizes = list(ours["sizes"])
    steps, products = "newton-schulz, 8 steps", f"newton-schulz, {ours['products']} products"
    rows = [
        ("EinNet, 1,000 matrices", f"{ours['parameters']:,}", [ours["sizes"][s]["error"] for s in sizes]),
        ("EinNet, 100 matrices", f"{few['parameters']:,}", [few["sizes"][s]["error"] for s in sizes]),
        ("reference block, 1,000 matrices, the same time", f"{reference['parameters']:,}",
         [reference["sizes"].get(s, {}).get("error") for s in sizes]),
        ("Newton-Schulz, as many steps as layers (18 products)", "", [ours["sizes"][s][steps] for s in sizes]),
        ("Newton-Schulz, as many products", "", [ours["sizes"][s][products] for s in sizes]),
        ("zero (chance)", "", [ours["sizes"][s]["zero"] for s in sizes]),
        *((f"{name} (published)", "", [None, value, None, None]) for name, value in PUBLISHED),
    ]  # fmt: skip
    lines = [
        "# The pseudo-inverse", "",
        f"`benchmarks/pinv.py`: mean absolute entry of F(A) A^T - I on 100 fresh matrices of each size, trained on "
        f"8 x 16 only, {minutes:g} minutes a run on {torch.get_num_threads()} threads; {ours['curve'][-1][2]:,} steps "
        f"({few['curve'][-1][2]:,} with 100 matrices, {reference['curve'][-1][2]:,} of the reference). "
        f"The network has {ours['products']} products of two matrices; Newton-Schulz, from the "
        f"same bound of the norm, needs {ours[MATCH]} for the same error at 8 x 16.", "",
        f"| what | parameters | {' | '.join(sizes)} |", "|---" * (2 + len(sizes)) + "|",
    ]  # fmt: skip
    for name, parameters, values in rows:
        cells = ["" if v is None else f"{v:.2g}" for v in values]
        lines.append(f"| {name} | {parameters} | {' | '.join(cells)} |")
    lines += ["", "![Valid error against time](pinv.svg)"]
    folder = Path(__file__).parent
    with write_whole(folder / "pinv.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    curves(folder / "pinv.svg", {"EinNet": ours, "EinNet, 100 matrices": few, "reference block": reference})
    print("\n".join(lines))


def curves(picture: Path, runs: dict[str, dict]) -> None:
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for name, found in runs.items():
        seconds, errors, _ = zip(*found["curve"], strict=True)
        panel.loglog(seconds, errors, label=name)
    panel.set(xlabel="seconds", ylabel="valid error")
    panel.legend()
    save_figure(figure, picture)
    plt.close(figure)


if __name__ == "__main__":
    run(main)
