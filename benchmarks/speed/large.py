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

__all__ = ["make_tables", "measure"]

N, HEADS, HIDDEN, DEPTH, FEATURES = 1500, 32, 64, 4, 16
CHUNKS = 8


def run_step() -> tuple[float, float]:
    """Seconds of a step of AdamW, and the peak GiB of this process."""
    net = EinNet("aaH", FEATURES, FEATURES, HEADS, HIDDEN, DEPTH, checkpoint_activations=True, chunks=CHUNKS)
    optimizer = torch.optim.AdamW(net.parameters())
    x = torch.randn(N, N, FEATURES)
    start = time.perf_counter()
    loss = (net(x) - x.transpose(0, 1)).square().mean()
    loss.backward()
    optimizer.step()
    return time.perf_counter() - start, getrusage(RUSAGE_SELF).ru_maxrss / 2**20


def measure(progress: Callable[[list], Any]) -> dict[str, float]:
    (command,) = progress([[sys.executable, __file__]])
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def make_tables(results: dict[str, float]) -> list[str]:
    return [
        f'A step of AdamW of `EinNet("aaH", {FEATURES}, {FEATURES}, heads={HEADS}, hidden={HIDDEN}, depth={DEPTH}, '
        f"checkpoint_activations=True, chunks={CHUNKS})` on a relation of {N:,} elements, single precision, takes "
        f"{results['seconds']:.0f} s; the process takes at most {results['gib']:.1f} GiB."
    ]


if __name__ == "__main__":
    seconds, gib = run_step()
    print(json.dumps({"seconds": seconds, "gib": gib}))
