"""Layers next to their peers, eager and compiled; run by __main__.py."""

from collections.abc import Iterator
from functools import partial
from statistics import median

import torch
from layers import SAME, UNLIKE, compare, fits, make_layer, make_pass
from measure import measure_allocated_mib, time_in_turns
from roofline import count_flops, measure_product
from scale import Scale, make_row

from einnet.nn import EinLayer

__all__ = ["make_tables"]

FEATURES = 64
COMPILED = (("EinLayer", "reference, transcribed"), ("EinLayer", "PPGN"), ("EinLinear aa", "15 terms"))
ELEMENTS = 256  # of a set for each of a relation


def _compare(scale: Scale, pair: tuple[str, str], n: int, dtype: str, compiled: bool) -> list[str]:
    result = compare(pair, n, FEATURES, dtype, compiled, scale.device, scale.seconds)
    own, peer = (measure_allocated_mib(make_pass(*_make(scale, name, n, dtype))) for name in pair)
    return [*(f"{t:.3f}" for t in result["ms"]), f"{result['ratio']:.2f}", f"{own:,.0f}", f"{peer:,.0f}"]


def _make_comparison(scale: Scale, pair: tuple[str, str], n: int, dtype: str, compiled: bool) -> list:
    n = n * ELEMENTS if pair == SAME[-1] else n
    head = [*pair, "compiled" if compiled else "eager", dtype, f"{n:,}"]
    return make_row(head, 10, partial(_compare, scale, pair, n, dtype, compiled))


def _make(scale: Scale, name: str, n: int, dtype: str) -> tuple:
    return make_layer(name, n, FEATURES, getattr(torch, dtype), scale.device)


def _measure_share(scale: Scale, dtype: str, n: int, rates: dict[str, float]) -> list[str]:
    """The rate of the default layer over that of torch.mm."""
    layer, x = _make(scale, "EinLayer", n, dtype)
    assert isinstance(layer, EinLayer)
    (times,) = time_in_turns([make_pass(layer, x)], scale.seconds)
    rate = 3 * count_flops(layer, n) / median(times)
    return [f"{median(times) * 1e3:.3f}", f"{rate / 1e12:.2f}", f"{rate / rates[dtype]:.0%}"]


def make_tables(scale: Scale) -> Iterator:
    rates = {d: measure_product(getattr(torch, d), scale.product, scale.device) for d in scale.dtypes}
    cases = [(d, n) for d in scale.dtypes for n in scale.layers]
    yield (
        "Share of the roofline",
        f'`EinLayer("aaH", {FEATURES})`, forward and backward (counted as twice the forward pass), over torch.mm of '
        f"{scale.product:,} x {scale.product:,}.",
        ["type", "n", "ms", "TFLOP/s", "of torch.mm"],
        (make_row(case, 5, partial(_measure_share, scale, *case, rates)) for case in scale.take(cases)),
    )
    eager = [(pair, n, d, False) for d, n in cases for pair in (*SAME, *UNLIKE) if fits(pair, n)]
    compiled = [(pair, n, scale.dtypes[0], True) for n in scale.compiled for pair in COMPILED]
    pairs = eager if scale.device == "cpu" else [*eager, *compiled]
    yield (
        "Layers side by side",
        f"Forward and backward, {FEATURES} features; n is the size of a relation, or of a set. Ratio: how many times "
        "as long the peer takes. Memory: the peak of the eager pass.",
        ["layer", "peer", "mode", "type", "n", "layer ms", "peer ms", "ratio", "layer MiB", "peer MiB"],
        (_make_comparison(scale, *case) for case in scale.take(pairs)),
    )
