"""Trains a small network on the halves of the same batches in one or two processes; writes its weights.

python two_processes.py FOLDER DEVICES [MACHINES]
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
    out, devices = Path(sys.argv[1]), int(sys.argv[2])
    nodes = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    run = Run.create(out, "squares", {})
    fit(
        make_task,
        run,
        Options(steps=6, devices=devices, nodes=nodes, precision="32", out=out),
        steps=6,
        every=6,
        warmup=1,
    )
    print(run.folder)
