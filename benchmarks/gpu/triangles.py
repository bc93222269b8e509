"""The triangle product next to the plain module, compiled, and cuequivariance-torch; run by __main__.py."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from statistics import median
from typing import Any

import torch
from layers import make_pass
from measure import measure_allocated_mib, time_in_turns
from peers import PlainTriangle
from roofline import measure_copy, measure_product
from scale import Scale, make_row
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from einnet.nn import TriangleMultiplication

__all__ = ["make_tables"]

SINGLE = (256, 512)  # the sizes in single precision
BASELINE = "plain, compiled"


class CuEquivariance(nn.Module):
    """The update by NVIDIA's kernels, with a layer's own weights."""

    def __init__(self, layer: TriangleMultiplication):
        super().__init__()
        self.layer = layer

    def forward(self, z: Tensor) -> Tensor:
        from cuequivariance_torch import triangle_multiplicative_update  # pyright: ignore[reportMissingImports]

        norm, into, out = self.layer.norm, self.layer.in_proj, self.layer.out_proj
        return triangle_multiplicative_update(
            z, direction="outgoing", norm_in_weight=norm.weight, norm_in_bias=norm.bias, p_in_weight=into.weight,
            g_in_weight=into.gate_weight, norm_out_weight=out.norm_weight, norm_out_bias=out.norm_bias,
            p_out_weight=out.weight, g_out_weight=out.gate_weight,
        )  # fmt: skip


def _make_candidates(scale: Scale, dtype: torch.dtype, is_first: bool) -> dict[str, Any]:
    """The same function with the same weights."""
    layer = TriangleMultiplication("outgoing", scale.channels, bias=False)
    nn.init.normal_(layer.out_proj.weight, std=0.1)
    in_chunks = TriangleMultiplication("outgoing", scale.channels, bias=False, chunks=4)
    in_chunks.load_state_dict(layer.state_dict())
    layer, in_chunks = layer.to(scale.device, dtype), in_chunks.to(scale.device, dtype)
    plain = PlainTriangle(layer)
    options = {"dynamic": False, "backend": scale.compiler}
    candidates: dict[str, Any] = {BASELINE: torch.compile(plain, **options), "plain": plain}
    candidates |= {"EinNet": layer, "EinNet, 4 chunks": in_chunks}
    if is_first:
        candidates["EinNet, compiled"] = torch.compile(layer, **options)
    if find_spec("cuequivariance_torch") and scale.device == "cuda":
        candidates["cuequivariance"] = CuEquivariance(layer)
    return candidates


def _measure(scale: Scale, dtype: str, n: int, rates: dict[str, float]) -> Iterator[list]:
    """A row for each candidate."""
    torch.compiler.reset()
    kind = getattr(torch, dtype)
    z = torch.randn(1, n, n, scale.channels, device=scale.device, dtype=kind, requires_grad=True)
    candidates = _make_candidates(scale, kind, n == scale.triangles[0])
    with FlopCounterMode(display=False) as counter:
        candidates["EinNet"](z)
    least = max(counter.get_total_flops() / rates[dtype], 2 * z.nbytes / rates["copy"])  # read the state, write it
    known: dict[str, float] = {}  # the memory of each candidate

    def measure(name: str) -> list[str]:
        step = make_pass(candidates[name], z)
        times = time_in_turns([step, _make_forward(candidates[name], z)], scale.seconds)
        known[name] = measure_allocated_mib(step)
        forward, step_time = median(times[1]), median(times[0])
        share = f"{known[name] / known[BASELINE]:.2f}" if known.get(BASELINE) else ""
        times_ms = [f"{t * 1e3:.3f}" for t in (forward, step_time)]
        return [*times_ms, f"{least / forward:.0%}", f"{known[name]:,.0f}", share]

    for name in scale.take(candidates):
        yield make_row([name, dtype, n], 8, partial(measure, name))


def _make_forward(module: nn.Module, z: Tensor) -> Callable[[], None]:
    def forward() -> None:
        with torch.no_grad():
            module(z)

    return forward


def make_tables(scale: Scale) -> Iterator:
    rates = {d: measure_product(getattr(torch, d), scale.product, scale.device) for d in scale.dtypes}
    rates["copy"] = measure_copy(scale.product // 16, scale.device)
    cases = [(d, n) for d in scale.dtypes for n in scale.triangles if d == scale.dtypes[0] or n in SINGLE]
    speeds = ", ".join(f"{rates[d] / 1e12:,.1f} TFLOP/s in {d}" for d in scale.dtypes)
    yield (
        "Triangle product",
        f'`TriangleMultiplication("outgoing", {scale.channels}, bias=False)`, a batch of one. Roofline: FLOPs at the '
        f"rate of torch.mm ({speeds}), or the state read and written at the rate of a copy "
        f"({rates['copy'] / 1e12:,.2f} TB/s), whichever takes longer. Memory: the peak of forward and backward, and "
        "over that of the plain module compiled.",
        ["module", "type", "n", "forward ms", "forward and backward ms", "roofline, forward", "MiB", "of compiled"],
        (row for dtype, n in scale.take(cases) for row in _measure(scale, dtype, n, rates)),
    )
