"""A training step of a large relation; run by __main__.py, which runs this file in a process of its own."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import grown, resident, table

from einnet import EinNet

__all__ = ["results", "tables"]

N, HEADS, HIDDEN, DEPTH, FEATURES = 1500, 32, 64, 4, 16
CASES = [{"recompute": True, "chunks": 8, "dtype": d} for d in ("float32", "bfloat16")]


def step(recompute: bool, chunks: int, dtype: str) -> tuple[float, float]:
    """Seconds of a step of AdamW, and the largest GiB of this process."""
    net = EinNet("aaH", FEATURES, FEATURES, HEADS, HIDDEN, DEPTH, recompute=recompute, chunks=chunks)
    optimizer = torch.optim.AdamW(net.parameters())
    x = torch.randn(N, N, FEATURES)
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
        loss = (net(x) - x.transpose(0, 1)).square().mean()
    loss.backward()
    optimizer.step()
    return time.perf_counter() - start, resident("VmHWM") / 2**20


def results(progress: Callable[[list], Any]) -> list[dict[str, Any]]:
    rows = []
    for case in progress(CASES):
        both = grown(__file__, json.dumps(case))
        rows.append(case | {"seconds": both // 1000, "gib": both % 1000})
    return rows


def tables(found: list[dict[str, Any]]) -> list[str]:
    rows = [[r["dtype"], r["chunks"], f"{r['gib']:.1f}", f"{r['seconds']:.0f}"] for r in found]
    return [
        f'One step of AdamW of `EinNet("aaH", {FEATURES}, {FEATURES}, heads={HEADS}, hidden={HIDDEN}, depth={DEPTH}, '
        f"recompute=True, chunks=...)` on one relation of {N:,} things; the largest size of the whole process.",
        "",
        *table(["type", "chunks", "GiB", "seconds"], rows),
    ]


if __name__ == "__main__":
    seconds, gib = step(**json.loads(sys.argv[1]))
    print(round(seconds) * 1000 + gib)
