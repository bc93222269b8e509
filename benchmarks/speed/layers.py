"""Layers side by side: forward and backward, time and memory; run by __main__.py."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from measure import allocated, alternated, ratio, table
from peers import DeepSetsLayer, Dense15, PPGNBlock, Transcription, TransformerLayer
from torch import nn

from einnet.nn import EinLayer, EinLinear, ReferenceBlock

__all__ = ["results", "tables"]

Row = dict[str, Any]
SECONDS = 1.0  # for a comparison
SIZES, WIDTHS = (16, 32, 64, 128, 256), (16, 64, 128)
SETS = (1024, 16384, 65536)
MOST_TOKENS = 64**2  # for the transformer, whose time grows with n^4
ALSO = {("bfloat16", False): (64, 128), ("float32", True): (32, 128), ("bfloat16", True): (128,)}  # with 64 features
MEMORY_AT = ((64, 64), (128, 64))


def reference(features: int, heads: int) -> ReferenceBlock:
    return ReferenceBlock("aaH", heads, features, 8 * heads)


MAKE: dict[str, Callable[[int], nn.Module]] = {
    "EinLayer": lambda f: EinLayer("aaH", f, f // 4),
    "ReferenceBlock": lambda f: reference(f, f // 4),
    "reference, transcribed": lambda f: Transcription(reference(f, f // 4)),
    "reference, half the heads": lambda f: Transcription(reference(f, f // 8)),
    "EinLinear aa": lambda f: EinLinear("aaH -> aaH", f, f),
    "15 terms": lambda f: Dense15(EinLinear("aaH -> aaH", f, f)),
    "EinLinear a": lambda f: EinLinear("aH -> aH", f, f),
    "DeepSets": lambda f: DeepSetsLayer(EinLinear("aH -> aH", f, f)),
    "PPGN": PPGNBlock,
    "transformer": TransformerLayer,
}
SAME = (("ReferenceBlock", "reference, transcribed"), ("EinLinear aa", "15 terms"), ("EinLinear a", "DeepSets"))
OTHERS = tuple(
    ("EinLayer", other) for other in ("reference, transcribed", "reference, half the heads", "PPGN", "transformer")
)
WIDER = ("ReferenceBlock", "reference, transcribed")  # 8 features a head: its state is twice as wide


OURS = {pair[0] for pair in (*SAME, *OTHERS)}


def made(name: str, n: int, features: int, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, torch.Tensor]:
    """The module, with the weights of its kind, and an input in the layout that such layers pass on.

    Ours have each feature as one matrix in memory, the others each cell's features side by side.
    """
    torch.manual_seed(0)
    module = MAKE[name](features).to(dtype)
    torch.manual_seed(1)
    width = 2 * features if name in WIDER else features
    x = torch.randn((n, width) if name in SAME[-1] else (n, n, width)).to(dtype)
    if name in OURS:
        x = x.movedim(-1, 0).contiguous().movedim(0, -1)
    return module, x.requires_grad_()


def a_pass(module: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Forward and backward, gradients of the input and of all weights."""
    gradient = torch.randn_like(x)

    def step() -> None:
        x.grad = None
        module.zero_grad()
        module(x).backward(gradient)

    return step


def compared(pair: tuple[str, str], n: int, features: int, dtype: str, compiled: bool) -> Row:
    """How many times as long the other one takes, and the milliseconds of both."""
    (ours, x), (other, y) = (made(name, n, features, getattr(torch, dtype)) for name in pair)
    if pair in SAME and dtype == "float32":
        assert torch.allclose(ours(x), other(y), rtol=1e-3, atol=1e-4), f"{pair} are not the same function"
    if compiled:
        torch.compiler.reset()
        ours, other = (torch.compile(m, dynamic=False) for m in (ours, other))
    times = alternated([a_pass(ours, x), a_pass(other, y)], SECONDS)
    return {
        "ours": pair[0], "other": pair[1], "n": n, "features": features, "dtype": dtype, "compiled": compiled,
        "ms": [round(median(t) * 1e3, 3) for t in times], "ratio": round(ratio(times[1], times[0]), 3),
    }  # fmt: skip


def cases() -> Iterator[tuple[tuple[str, str], int, int, str, bool]]:
    for pair in (*SAME, *OTHERS):
        sets = pair == SAME[-1]
        for features in WIDTHS:
            for n in SETS if sets else SIZES:
                yield pair, n, features, "float32", False
        for (dtype, compiled), sizes in ALSO.items():
            for n in SETS[-1:] if sets else sizes:
                yield pair, n, 64, dtype, compiled


def fits(pair: tuple[str, str], n: int) -> bool:
    return pair[1] != "transformer" or n * n <= MOST_TOKENS


def results(progress: Callable[[list], Any]) -> dict[str, list[Row]]:
    times = [compared(*case) for case in progress([c for c in cases() if fits(c[0], c[1])])]
    memory = []
    for n, features in MEMORY_AT:
        for ours, other in (*SAME[:2], *OTHERS):
            if fits((ours, other), n):
                mib = [allocated(a_pass(*made(name, n, features))) for name in (ours, other)]
                memory.append({"ours": ours, "other": other, "n": n, "features": features, "mib": mib})
    return {"times": times, "memory": memory}


def tables(found: dict[str, list[Row]]) -> list[str]:
    lines = [
        "Forward and backward; how many times as long the other one takes (median of paired runs in one process). Each "
        "gets the layout that its kind passes from layer to layer: ours a matrix for each feature, the others the "
        "features of a cell side by side.",
        "",
        "### The same function, with the same weights",
        "",
        *_times([r for r in found["times"] if (r["ours"], r["other"]) in SAME]),
        "",
        "### Other layers",
        "",
        "`EinLayer` has a head for four features, as the default. Of the reference layer that with as many heads (and "
        "a state twice as wide, as each of its heads has eight parts), and that with as wide a state.",
        "",
        *_times([r for r in found["times"] if (r["ours"], r["other"]) in OTHERS]),
        "",
        "### Memory",
        "",
        "What the tensors of a pass take at most, single precision, MiB.",
        "",
    ]
    head = ["ours", "other", "n", "features", "ours MiB", "other MiB", "ratio"]
    rows = []
    for r in found["memory"]:
        ours, other = r["mib"]
        rows.append(
            [r["ours"], r["other"], r["n"], r["features"], f"{ours:.0f}", f"{other:.0f}", f"{other / ours:.2f}"]
        )
    return [*lines, *table(head, rows)]


def _times(rows: list[Row]) -> list[str]:
    """A line for each pair, width, type and way; a column for each size."""
    sizes = sorted({r["n"] for r in rows})
    grouped: dict[tuple, dict[int, Row]] = {}
    for r in rows:
        how = ("compiled" if r["compiled"] else "eager", r["dtype"])
        grouped.setdefault((r["ours"], r["other"], r["features"], *how), {})[r["n"]] = r
    head = ["ours", "other", "features", "how", "type", *(f"n = {n:,}" for n in sizes)]

    def cell(row: Row | None) -> str:
        return f"{row['ratio']:.2f} ({row['ms'][0]:.2f} ms)" if row else ""

    return table(head, [[*key, *(cell(by_n.get(n)) for n in sizes)] for key, by_n in grouped.items()])
