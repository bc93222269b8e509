"""A task that is trained in a moment."""

import csv
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from einnet import EinNet
from einnet.train import Run, Task

__all__ = ["Mean", "same_tensors", "same_weights", "steps_in_log"]


class Mean(Task):
    """Learns the mean of a set."""

    metric, higher_is_better = "error", False

    def __init__(self):
        super().__init__(EinNet("aH -> H", 1, 1, heads=2, hidden=4, depth=1), lr=1e-2, weight_decay=0.0)

    def loss(self, step: int) -> Tensor:
        x = torch.randn(8, 5, 1)
        return (self.net(x) - x.mean(-2)).square().mean()

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        x = torch.randn(64, 5, 1, generator=torch.Generator().manual_seed(0))
        return {"error": float((net(x) - x.mean(-2)).square().mean())}


def steps_in_log(run: Run) -> list[int]:
    with (run.folder / "log.csv").open(newline="") as f:
        return [int(row["step"]) for row in csv.DictReader(f)]


def same_tensors(left: Path, right: Path) -> bool:
    """Whether the tensors are equal bit by bit; the order of the entries in the header of a safetensors file may differ."""
    return same_weights(load_file(left), load_file(right))


def same_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
