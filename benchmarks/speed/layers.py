"""Layers side by side: forward and backward, time and memory; run by __main__.py."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from measure import compute_ratio, measure_allocated_mib, time_in_turns
from peers import DeepSetsLayer, Dense15, PPGNBlock, Transcription, TransformerLayer
from results_page import make_table
from torch import nn

from einnet.nn import EinLayer, EinLinear, ReferenceBlock

__all__ = [
    "SAME",
    "UNLIKE",
    "_tabulate_times",
    "compare",
    "fits",
    "make_layer",
    "make_pass",
    "make_tables",
    "measure",
    "summarize",
]

Row = dict[str, Any]
SECONDS = 1.0  # for a comparison
SIZES, WIDTHS = (16, 32, 64, 128, 256), (16, 64, 128)
SETS = (16, 32, 1024, 16384, 65536)
MAX_TOKENS = 64**2  # for the transformer, whose time grows with n^4
ALSO = {("bfloat16", False): (64, 128), ("float32", True): (32, 128), ("bfloat16", True): (128,)}  # with 64 features
MEMORY_AT = ((64, 64), (128, 64))


def make_reference(features: int, heads: int) -> ReferenceBlock:
    return ReferenceBlock("aaH", heads, features, 8 * heads)


MAKE: dict[str, Callable[[int], nn.Module]] = {
    "EinLayer": lambda f: EinLayer("aaH", f, f // 4),
    "ReferenceBlock": lambda f: make_reference(f, f // 4),
    "reference, transcribed": lambda f: Transcription(make_reference(f, f // 4)),
    "reference, half the heads": lambda f: Transcription(make_reference(f, f // 8)),
    "EinLinear aa": lambda f: EinLinear("aaH -> aaH", f, f),
    "15 terms": lambda f: Dense15(EinLinear("aaH -> aaH", f, f)),
    "EinLinear a": lambda f: EinLinear("aH -> aH", f, f),
    "DeepSets": lambda f: DeepSetsLayer(EinLinear("aH -> aH", f, f)),
    "PPGN": PPGNBlock,
    "transformer": TransformerLayer,
}
SAME = (("ReferenceBlock", "reference, transcribed"), ("EinLinear aa", "15 terms"), ("EinLinear a", "DeepSets"))
UNLIKE = tuple(
    ("EinLayer", peer) for peer in ("reference, transcribed", "reference, half the heads", "PPGN", "transformer")
)
WIDER = ("ReferenceBlock", "reference, transcribed")  # 8 features a head: its state is twice as wide

CHANNELS_FIRST = {pair[0] for pair in (*SAME, *UNLIKE)}


def make_layer(
    name: str, n: int, features: int, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> tuple[nn.Module, torch.Tensor]:
    """The module, with the weights of its kind, and an input in the layout that such layers pass on.

    Channels first for EinNet's layers, channels last for their peers.
    """
    torch.manual_seed(0)
    module = MAKE[name](features).to(device, dtype)
    torch.manual_seed(1)
    width = 2 * features if name in WIDER else features
    x = torch.randn((n, width) if name in SAME[-1] else (n, n, width)).to(device, dtype)
    if name in CHANNELS_FIRST:
        x = x.movedim(-1, 0).contiguous().movedim(0, -1)
    return module, x.requires_grad_()


def make_pass(module: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """Forward and backward, gradients of the input and of all weights."""
    gradient = torch.randn_like(x)

    def step() -> None:
        x.grad = None
        module.zero_grad()
        module(x).backward(gradient)

    return step


def compare(
    pair: tuple[str, str], n: int, features: int, dtype: str, compiled: bool, device: str = "cpu",
    seconds: float = SECONDS,
) -> Row:  # fmt: skip
    """How many times as long the peer takes, and the milliseconds of both."""
    (layer, x), (peer, y) = (make_layer(name, n, features, getattr(torch, dtype), device) for name in pair)
    if pair in SAME and dtype == "float32":
        assert torch.allclose(layer(x), peer(y), rtol=1e-3, atol=1e-4), f"{pair} are not the same function"
    if compiled:
        torch.compiler.reset()
        layer, peer = (torch.compile(m, dynamic=False) for m in (layer, peer))
    times = time_in_turns([make_pass(layer, x), make_pass(peer, y)], seconds)
    return {
        "layer": pair[0], "peer": pair[1], "n": n, "features": features, "dtype": dtype, "compiled": compiled,
        "ms": [round(median(t) * 1e3, 3) for t in times], "ratio": round(compute_ratio(times[1], times[0]), 3),
    }  # fmt: skip


def list_cases() -> Iterator[tuple[tuple[str, str], int, int, str, bool]]:
    for pair in (*SAME, *UNLIKE):
        sets = pair == SAME[-1]
        for features in WIDTHS:
            for n in SETS if sets else SIZES:
                yield pair, n, features, "float32", False
        for (dtype, compiled), sizes in ALSO.items():
            for n in SETS[-1:] if sets else sizes:
                yield pair, n, 64, dtype, compiled


def fits(pair: tuple[str, str], n: int) -> bool:
    return pair[1] != "transformer" or n * n <= MAX_TOKENS


def measure(progress: Callable[[list], Any]) -> dict[str, list[Row]]:
    times = [compare(*case) for case in progress([c for c in list_cases() if fits(c[0], c[1])])]
    memory = []
    for n, features in MEMORY_AT:
        for layer, peer in (*SAME[:2], *UNLIKE):
            if fits((layer, peer), n):
                mib = [measure_allocated_mib(make_pass(*make_layer(name, n, features))) for name in (layer, peer)]
                memory.append({"layer": layer, "peer": peer, "n": n, "features": features, "mib": mib})
    return {"times": times, "memory": memory}


def make_tables(results: dict[str, list[Row]]) -> list[str]:
    lines = [
        "Forward and backward; how many times as long the peer takes (median of paired runs in one process), in "
        "brackets the time of EinNet's layer. Inputs are channels first for EinNet, channels last for the peers.",
        "",
        "### The same function, with the same weights",
        "",
        *_tabulate_times([r for r in results["times"] if (r["layer"], r["peer"]) in SAME]),
        "",
        "### Other layers",
        "",
        "`EinLayer` has a head for four features, the default. The reference layer has as many heads (and a state "
        "twice as wide, as each of its heads has eight parts), or a state as wide.",
        "",
        *_tabulate_times([r for r in results["times"] if (r["layer"], r["peer"]) in UNLIKE]),
        "",
        "### Memory",
        "",
        "Peak memory of the tensors of a pass, single precision, MiB.",
        "",
    ]
    head = ["layer", "peer", "n", "features", "layer MiB", "peer MiB", "ratio"]
    rows = []
    for r in results["memory"]:
        layer, peer = r["mib"]
        rows.append(
            [r["layer"], r["peer"], r["n"], r["features"], f"{layer:.0f}", f"{peer:.0f}", f"{peer / layer:.2f}"]
        )
    return [*lines, *make_table(head, rows)]


def _tabulate_times(rows: list[Row]) -> list[str]:
    """A row for each pair, width, dtype and mode; a column for each size."""
    sizes = sorted({r["n"] for r in rows})
    grouped: dict[tuple, dict[int, Row]] = {}
    for r in rows:
        mode = ("compiled" if r["compiled"] else "eager", r["dtype"])
        grouped.setdefault((r["layer"], r["peer"], r["features"], *mode), {})[r["n"]] = r
    head = ["layer", "peer", "features", "mode", "type", *(f"n = {n:,}" for n in sizes)]

    def cell(row: Row | None) -> str:
        return f"{row['ratio']:.2f} ({row['ms'][0]:.2f} ms)" if row else ""

    return make_table(head, [[*key, *(cell(by_n.get(n)) for n in sizes)] for key, by_n in grouped.items()])


HEADLINES = {  # rows of the page of results: pair, (what, peer), n
    ("EinLinear aa", "15 terms"): (
        'all linear maps of a relation, `EinLinear("aaH -> aaH", 64, 64)`',
        "the same, 15 terms one after the other \\[11]",
        128,
    ),
    ("ReferenceBlock", "reference, transcribed"): (
        "the block of the blog post, `ReferenceBlock`",
        "the same, transcribed with split, cat, einsum",
        128,
    ),
    ("EinLayer", "PPGN"): ('`EinLayer("aaH", 64)`', "PPGN block of the same width \\[12]", 128),
    ("EinLayer", "reference, transcribed"): ("", "the block of the blog post with as many heads", 128),
    ("EinLayer", "transformer"): ("the same, n = 64", "transformer layer over all cells", 64),
    ("EinLinear a", "DeepSets"): (
        'all linear maps of a set, `EinLinear("aH -> aH", 64, 64)`, 65,536 elements',
        "DeepSets layer",
        65536,
    ),
}


def summarize(results: dict[str, list[Row]]) -> list[str]:
    """The table of the page of results: 64 features, single precision, eager and compiled."""
    rows = []
    for (layer, peer), (what, of_peer, n) in HEADLINES.items():
        cases = [r for r in results["times"] if (r["layer"], r["peer"], r["n"], r["features"]) == (layer, peer, n, 64)]
        by_mode = {r["compiled"]: r["ratio"] for r in cases if r["dtype"] == "float32"}
        ratios = [f"{by_mode[c]:.3g}" if c in by_mode else "" for c in (False, True)]
        rows.append([what, of_peer, *(f"**{r}**" if r and float(r) > 1 else r for r in ratios)])
    return make_table(["EinNet", "peer", "time", "time, compiled"], rows)
