"""A training step of a large relation; run by __main__.py, which runs this file in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from resource import RUSAGE_SELF, getrusage
from typing import Any

import torch

from einnet import EinNet

__all__ = ["results", "tables"]

N, HEADS, HIDDEN, DEPTH, FEATURES = 1500, 32, 64, 4, 16
CHUNKS = 8


def step() -> tuple[float, float]:
    """Seconds of a step of AdamW, and the largest GiB of this process."""
    net = EinNet("aaH", FEATURES, FEATURES, HEADS, HIDDEN, DEPTH, recompute=True, chunks=CHUNKS)
    optimizer = torch.optim.AdamW(net.parameters())
    x = torch.randn(N, N, FEATURES)
    start = time.perf_counter()
    loss = (net(x) - x.transpose(0, 1)).square().mean()
    loss.backward()
    optimizer.step()
    return time.perf_counter() - start, getrusage(RUSAGE_SELF).ru_maxrss / 2**20


def results(progress: Callable[[list], Any]) -> dict[str, float]:
    (command,) = progress([[sys.executable, __file__]])
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def tables(found: dict[str, float]) -> list[str]:
    return [
        f'A step of AdamW of `EinNet("aaH", {FEATURES}, {FEATURES}, heads={HEADS}, hidden={HIDDEN}, depth={DEPTH}, '
        f"recompute=True, chunks={CHUNKS})` on a relation of {N:,} things, single precision, takes "
        f"{found['seconds']:.0f} s; the whole process is at most {found['gib']:.1f} GiB large."
    ]


if __name__ == "__main__":
    seconds, gib = step()
    print(json.dumps({"seconds": seconds, "gib": gib}))
