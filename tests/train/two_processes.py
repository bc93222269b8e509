"""Trains a small network on the halves of the same batches in one or two processes; writes its weights.

python two_processes.py FOLDER DEVICES [MACHINES] [sharded] [resume]
"""

import sys
from pathlib import Path

import torch

from einnet import EinNet
from einnet.train import Options, Run, Task
from einnet.train.loop import fit

BATCH, N = 8, 5


class SumOfSquares(Task):
    """Learns the sum of a matrix's squared entries; each process has its share of the batch."""

    higher_is_better = False

    def loss(self, step: int) -> torch.Tensor:
        x = torch.randn(BATCH, N, N, 1, generator=torch.Generator().manual_seed(step)).double()
        part = x[self.rank :: self.world_size]
        return (self.net(part) - part.square().sum((1, 2))).square().mean()

    def validate(self, net: EinNet) -> dict[str, float]:
        return {"metric": 0.0}


def make_task() -> Task:
    net = EinNet("aaH -> H", 1, 1, heads=2, hidden=8, depth=2, dropout=0.0).double()
    return SumOfSquares(net, lr=1e-2, weight_decay=0.1)


if __name__ == "__main__":
    out, devices, words = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    numbers = [int(word) for word in words if word.isdigit()]
    options = {"devices": devices, "nodes": numbers[0] if numbers else 1, "sharded": "sharded" in words}
    if resume := "resume" in words:
        run, steps = Run.latest(out, "squares"), 9
    else:
        run, steps = Run.create(out, "squares", {}), 6
    options = Options(steps=steps, precision="32", out=out, **options)
    fit(make_task, run, options, steps=steps, validate_every=3, warmup=1, resume=resume)
    print(run.folder)
