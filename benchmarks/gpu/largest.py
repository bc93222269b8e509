"""The largest relations that train; run by __main__.py."""

import time
from collections.abc import Iterator
from functools import partial

import torch
from measure import measure_allocated_mib
from scale import Scale, make_row
from torch import nn

from einnet import EinNet
from einnet.nn import TriangleMultiplication

__all__ = ["make_tables"]

STEP = 20.0  # seconds; a larger one is not tried


def _make_cases(scale: Scale) -> dict[str, tuple[nn.Module, int]]:
    """Each module with its number of features."""
    options = {"heads": scale.heads, "hidden": 2 * scale.heads, "depth": scale.depth}
    net = EinNet("aaH", 16, 16, **options, checkpoint_activations=True, chunks=8)
    triangle = TriangleMultiplication("outgoing", scale.channels, chunks=4)
    written = ", ".join(f"{name}={value}" for name, value in options.items())
    return {
        f'EinNet("aaH", 16, 16, {written}, checkpoint_activations=True, chunks=8)': (net, 16),
        f'TriangleMultiplication("outgoing", {scale.channels}, chunks=4)': (triangle, scale.channels),
    }


def _try_sizes(scale: Scale, name: str, module: nn.Module, features: int) -> Iterator[list]:
    """A row for each size, until a step needs more memory than there is, or too much time."""
    module.to(scale.device, torch.bfloat16)
    optimizer = torch.optim.AdamW(module.parameters())

    def step(n: int) -> None:
        x = torch.randn(n, n, features, device=scale.device, dtype=torch.bfloat16)
        optimizer.zero_grad()
        module(x).float().square().mean().backward()
        optimizer.step()

    def measure(n: int) -> list[str]:
        step(n)
        start = time.perf_counter()
        mib = measure_allocated_mib(lambda: step(n))
        return [f"{time.perf_counter() - start:.3f}", f"{mib / 1024:.2f}"]

    for n in scale.take(scale.largest):
        row = make_row([f"`{name}`", f"{n:,}"], 4, partial(measure, n))
        yield row
        if not row[-1] or float(str(row[2])) > STEP:
            return


def make_tables(scale: Scale) -> Iterator:
    yield (
        "Largest relations",
        "A step of AdamW in bfloat16 at growing sizes.",
        ["module", "n", "seconds", "GiB"],
        (row for name, case in _make_cases(scale).items() for row in _try_sizes(scale, name, *case)),
    )
