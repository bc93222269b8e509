"""How near the default layer of `aa` comes to what the machine can do; run by __main__.py."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from layers import make_pass
from measure import time_in_turns
from results_page import make_table
from torch.profiler import ProfilerActivity, profile

from einnet.nn import EinLayer

__all__ = ["count_flops", "make_tables", "measure", "measure_copy", "measure_product"]

N, FEATURES, HEADS = 128, 64, 16
ROUNDS = 20
PRODUCTS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm")


def count_flops(layer: EinLayer, n: int) -> int:
    """Multiplications and additions of one forward pass: the plan's, and those of the linear maps."""
    plan, f, h = layer.pool.plan, layer.features, layer.heads
    pooled = h * plan.flops.at({"a": n})
    fan_out = sum(2 * h * n ** len(r.compact) * 2 * f for r in plan.results)  # applied to the compact results
    return pooled + 2 * n**2 * (f * h * plan.input_count + 2 * f * f) + fan_out


def measure_product(dtype: torch.dtype, size: int = 2048, device: str = "cpu") -> float:
    """FLOPs a second of torch.mm."""
    a, b = torch.randn(2, size, size).to(device, dtype)
    (times,) = time_in_turns([lambda: a @ b], 2.0)
    return 2 * size**3 / median(times)


def measure_copy(mib: int = 256, device: str = "cpu") -> float:
    """Bytes a second of a copy, read and written."""
    a, b = torch.randn(2, mib * 2**18, device=device)
    (times,) = time_in_turns([lambda: a.copy_(b)], 2.0)
    return 2 * a.nbytes / median(times)


def measure(progress: Callable[[list], Any]) -> dict[str, Any]:
    rows = [measure_layer(dtype) for dtype in progress(["float32", "bfloat16"])]
    return {"rows": rows, "copy": measure_copy()}


def measure_layer(dtype: str) -> dict[str, Any]:
    kind = getattr(torch, dtype)
    layer = EinLayer("aaH", FEATURES, HEADS).to(kind)
    x = torch.randn(N, N, FEATURES, dtype=kind, requires_grad=True)
    step = make_pass(layer, x)

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    times = time_in_turns([step, forward], 4.0)
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiled:
        start = time.perf_counter()
        for _ in range(ROUNDS):
            step()
        wall = time.perf_counter() - start
    events = profiled.key_averages()
    products = [e for e in events if e.key in PRODUCTS]
    seconds = sum(e.self_cpu_time_total for e in products) * 1e-6
    flops = sum(e.flops for e in products)
    slowest = sorted(events, key=lambda e: -e.self_cpu_time_total)[:8]
    return {
        "dtype": dtype,
        "mm": measure_product(kind),
        "step_ms": median(times[0]) * 1e3,
        "forward_ms": median(times[1]) * 1e3,
        "step_rate": 3 * count_flops(layer, N) / median(times[0]),
        "forward_rate": count_flops(layer, N) / median(times[1]),
        "product_rate": flops / seconds,
        "product_share_of_time": seconds / wall,
        "operations": [(e.key, e.self_cpu_time_total * 1e-6 / wall) for e in slowest],
    }


def make_tables(results: dict[str, Any]) -> list[str]:
    head = ["type", "torch.mm", "forward", "of torch.mm", "forward and backward", "of torch.mm"]
    head += ["matrix products of the layer", "of torch.mm", "share of the time"]
    rows: list[Sequence[str]] = []
    for r in results["rows"]:
        cells = [r["dtype"], _show_rate(r["mm"]), f"{r['forward_ms']:.1f} ms", _show_share(r["forward_rate"], r["mm"])]
        cells += [f"{r['step_ms']:.1f} ms", _show_share(r["step_rate"], r["mm"])]
        cells += [
            _show_rate(r["product_rate"]),
            _show_share(r["product_rate"], r["mm"]),
            f"{r['product_share_of_time']:.0%}",
        ]
        rows.append(cells)
    lines = [
        f'`EinLayer("aaH", {FEATURES}, {HEADS})`, n = {N}: FLOPs of its plan and linear maps divided by the time '
        "(the backward pass counted twice), compared with `torch.mm` of 2,048 x 2,048; then the layer's matrix "
        "products alone, by the profiler.",
        "",
        *make_table(head, rows),
        "",
        f"A copy moves {results['copy'] / 1e9:.1f} GB a second, read and written. Shares of the time:",
        "",
    ]
    for r in results["rows"]:
        lines.append(f"- {r['dtype']}: " + ", ".join(f"{name} {share:.0%}" for name, share in r["operations"]))
    return lines


def _show_rate(flops: float) -> str:
    return f"{flops / 1e9:.0f} GFLOP/s"


def _show_share(part: float, total: float) -> str:
    return f"{part / total:.0%}"
