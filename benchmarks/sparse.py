"""Layers of sparse types and of PyTorch Geometric, triangles, and ragged and padded sets; writes sparse.md.

    .venv/bin/python -m pip install -c constraints.txt -e '.[peers]'
    .venv/bin/python benchmarks/sparse.py                          # ten minutes, 8 GB
    .venv/bin/python benchmarks/sparse.py --edges 10000 100000     # two minutes

Forward and backward, to inputs and weights, single precision, two threads. Times: medians, candidates in turn in
one process; what a support keeps from the first call is made before, and its time is given apart. Memory: the
largest that a pass allocates for tensors, without its outputs and the gradients of its inputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from cyclopts import run
from measure import compute_ratio, measure_allocated_mib, measure_seconds, time_in_turns
from results_page import PAGE, bold_best, make_table, write_results
from rich.progress import track
from torch import Tensor, nn

from einnet import EinPool
from einnet.nn import EinLayer, pad
from einnet.nn.channels import HeadLinear, Linear
from einnet.nn.pooled import PooledLinear
from einnet.nn.sparse import Support

FEATURES = 64
DEGREE = 10  # of random graphs: entries for each node
TRIANGLE = "[ab],[bc]->[ac]"
Pass = Callable[[], object]
Candidate = tuple[str, int, nn.Module, Callable[..., Sequence[Tensor]], Sequence[Tensor]]  # see `measure_passes`


class GineLayer(nn.Module):
    """GINEConv of PyTorch Geometric with a perceptron, and a residual; with `updates_edges` one for edges too."""

    def __init__(self, hidden: int, updates_edges: bool):
        from torch_geometric.nn import GINEConv

        super().__init__()
        self.convolution = GINEConv(make_mlp(hidden), edge_dim=FEATURES)
        self.edges = make_mlp(hidden) if updates_edges else None

    def forward(self, x: Tensor, index: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
        nodes = x + self.convolution(x, index, edges)
        return (nodes,) if self.edges is None else (nodes, edges + self.edges(edges))


def make_mlp(hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU(), nn.Linear(hidden, FEATURES))


def count_multiplications(layer: EinLayer) -> list[int]:
    """Of the matrix products of a layer, for a cell of each of its types; pooling does few more."""
    sizes = [0] * len(layer.types)
    for modules in (layer.in_proj, layer.pool_proj, layer.out_proj):
        for k, module in enumerate(modules.children()):
            assert isinstance(module, HeadLinear | Linear | PooledLinear)
            sizes[k] += module.weight.numel()
    return sizes


def make_pass(call: Callable[..., Sequence[Tensor]], module: nn.Module, inputs: Sequence[Tensor]) -> Pass:
    """A forward and backward pass; `call` gives the outputs."""
    leaves = [*module.parameters(), *inputs]

    def run_pass() -> None:
        for leaf in leaves:
            leaf.grad = None
        outputs = call(*inputs)
        torch.autograd.backward(outputs, [torch.ones((), dtype=y.dtype).expand_as(y) for y in outputs])

    return run_pass


def measure_memory(run_pass: Pass, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> float:
    """MiB of a pass beyond its outputs and the gradients of its inputs."""
    return measure_allocated_mib(run_pass) - sum(x.nbytes for x in (*inputs, *outputs)) / 2**20


def make_graph(edges: int) -> Support:
    """Each node sends edges to random nodes and receives one back for each: a symmetric support."""
    number, rng = edges // DEGREE, np.random.default_rng(0)
    pairs = rng.integers(number, size=(2, int(edges * 0.55)))
    pairs = np.unique(np.sort(pairs[:, pairs[0] != pairs[1]], 0), axis=1)
    pairs = pairs[:, rng.permutation(pairs.shape[1])[: edges // 2]]
    return Support(torch.from_numpy(np.concatenate([pairs, pairs[::-1]], 1)), (number, number))


@dataclass(frozen=True)
class Row:
    """One candidate: its seconds, of its first call too, the ratio to the first candidate's, and MiB."""

    name: str
    number: int  # of edges, triangles or cells
    seconds: float
    first: float
    ratio: float
    mib: float

    @property
    def microseconds(self) -> str:
        return f"{self.seconds / self.number * 1e6:.2f}"


def measure_passes(candidates: Sequence[Candidate], seconds: float) -> list[Row]:
    """A row for each (name, number, module, call, inputs)."""
    passes = [make_pass(call, module, inputs) for _, _, module, call, inputs in candidates]
    first = [measure_seconds(p)[0] for p in passes]
    times = time_in_turns(passes, seconds)
    rows = []
    for k, (name, number, _, call, inputs) in enumerate(candidates):
        mib = measure_memory(passes[k], inputs, call(*inputs))
        rows.append(Row(name, number, median(times[k]), first[k], compute_ratio(times[k], times[0]), mib))
    return rows


def compare_layers(edges: int, seconds: float, device: str = "cpu", peers: bool = True) -> list[Row]:
    """`EinLayer` of nodes and edges and GINE layers with as many multiplications."""
    support = make_graph(edges).to(device)
    nodes, entries = support.sizes[0], support.entries
    inputs = [torch.randn(n, FEATURES, device=device, requires_grad=True) for n in (nodes, entries)]
    layer = EinLayer(("aH", "[aa]H"), FEATURES, device=device)
    total = sum(m * n for m, n in zip(count_multiplications(layer), (nodes, entries), strict=True))

    def run_layer(x: Tensor, edges: Tensor) -> list[Tensor]:
        y, (_, values) = layer(x, (support, edges))
        return [y, values]

    candidates: list[Candidate] = [("EinLayer", entries, layer, run_layer, inputs)]
    for name, updates_edges in (("GINEConv", False), ("GINEConv, edges too", True)) if peers else ():
        cells = nodes + entries * updates_edges
        hidden = round((total - entries * FEATURES**2) / (2 * FEATURES * cells))  # GINEConv maps the features of edges
        peer = GineLayer(hidden, updates_edges).to(device)
        candidates.append((name, entries, peer, lambda x, v, peer=peer: peer(x, support.index, v), inputs))
    return measure_passes(candidates, seconds)


def make_geometric_graph(edges: int) -> Support:
    """Points in a square, in the order of small squares, joined so near that there are as many triangles as edges."""
    from scipy.spatial import KDTree

    number, rng = round(edges / DEGREE_OF_TRIANGLES), np.random.default_rng(0)
    points = rng.random((number, 2))
    cells = max(1, int(number**0.5 / 4))
    points = points[np.lexsort((points[:, 1], (points[:, 0] * cells).astype(int)))]
    pairs = KDTree(points).query_pairs((DEGREE_OF_TRIANGLES / (np.pi * number)) ** 0.5, output_type="ndarray").T
    return Support(torch.from_numpy(np.concatenate([pairs, pairs[::-1]], 1)).long(), (number, number))


DEGREE_OF_TRIANGLES = 5.1  # of a random geometric graph with as many triangles as edges


def measure_triangles(edges: int, seconds: float) -> Row:
    """The sum over triangles at each edge."""
    support, pool = make_geometric_graph(edges), EinPool([TRIANGLE], normalize=None)
    ones = EinPool([TRIANGLE], normalize=None)((support, torch.ones(support.entries, 2)))[1]
    triangles = round(float(ones.double().sum()) / 6)
    support = Support(support.index, support.sizes)  # nothing is known of it
    values = torch.randn(support.entries, 2 * FEATURES, requires_grad=True)
    name = f"{support.entries // 2:,}"
    return measure_passes([(name, triangles, pool, lambda v: [pool((support, v))[1]], [values])], seconds)[0]


def compare_sets(number: int, largest: int, seconds: float) -> list[Row]:
    """Sets of 1 to `largest` elements, their sizes evenly spread on a logarithmic scale: ragged, and padded."""
    sizes = np.geomspace(1, largest, number).round().astype(int)
    samples = [torch.randn(n, FEATURES) for n in sizes]
    padded, mask = pad(samples, "aH")
    positions = torch.cat([torch.arange(n) for n in sizes])
    support = Support(torch.stack([torch.repeat_interleave(torch.from_numpy(sizes)), positions]), padded.shape[:2])
    layer = EinLayer("[ab]H; a->b", FEATURES)
    dense = EinLayer("abH; a->b", FEATURES, terms=[term.dense for term in layer.pool.plan.terms])
    dense.load_state_dict(layer.state_dict())

    def run_ragged(x: Tensor) -> list[Tensor]:
        return [layer((support, x))[1]]

    def run_padded(x: Tensor) -> list[Tensor]:
        return [dense(x, {"b": mask["a"]})]

    values = torch.cat(samples)
    torch.testing.assert_close(run_padded(padded)[0][mask["a"]], run_ragged(values)[0], rtol=1e-3, atol=1e-3)
    candidates = [
        ("ragged", len(values), layer, run_ragged, [values.requires_grad_()]),
        ("padded", padded.shape[0] * padded.shape[1], dense, run_padded, [padded.requires_grad_()]),
    ]
    return measure_passes(candidates, seconds)


def main(
    *,
    edges: tuple[int, ...] = (10_000, 100_000, 1_000_000),
    sets: int = 64,
    largest: int = 5000,
    seconds: float = 3.0,
    threads: int = 2,
    page: Path = PAGE,
) -> None:
    """Measure all, and write the tables."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers = [compare_layers(n, seconds) for n in track(edges, "layers")]
    triangles = [measure_triangles(n, seconds) for n in track(edges, "triangles")]
    ragged = compare_sets(sets, largest, seconds)
    head = ["edges", "layer", "seconds", "of EinLayer", "first call (s)", "MiB", "of EinLayer"]
    layer_rows = [
        [f"{r.number:,}", r.name, f"{r.seconds:.3g}", f"{r.ratio:.2f}", f"{r.first:.2g}", f"{r.mib:,.0f}",
         f"{r.mib / rows[0].mib:.2f}"]
        for rows in layers for r in rows
    ]  # fmt: skip
    triangle_head = ["edges", "triangles", "seconds", "microseconds a triangle", "first call (s)", "MiB"]
    triangle_rows = [
        [r.name, f"{r.number:,}", f"{r.seconds:.3g}", r.microseconds, f"{r.first:.2g}", f"{r.mib:,.0f}"]
        for r in triangles
    ]
    set_rows = [[r.name, f"{r.number:,}", f"{r.seconds:.3g}", r.microseconds, f"{r.mib:,.0f}"] for r in ragged]
    lines = [
        "# Sparse and ragged types", "",
        f"`benchmarks/sparse.py`: {FEATURES} features, forward and backward, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}. Memory is beyond outputs and gradients of inputs.", "",
        '## `EinLayer(("aH", "[aa]H"), 64)` and GINE layers with as many multiplications', "",
        f"Random graphs, {DEGREE} edges for each node, each direction counted.", "",
        *make_table(head, layer_rows), "",
        f"## Triangles, `{TRIANGLE}`", "",
        "Random geometric graphs; each edge and each triangle counted once.", "",
        *make_table(triangle_head, triangle_rows), "",
        f"## {sets} sets of 1 to {largest:,} elements", "",
        "`[ab]H; a->b` and `abH; a->b` with a mask, made by `einnet.nn.pad`; the outputs are the same.", "",
        *make_table(["sets", "cells", "seconds", "microseconds a cell", "MiB"], set_rows),
    ]  # fmt: skip
    write_results("sparse", lines, summarize(layers, triangles, ragged), page)


def summarize(layers: Sequence[Sequence[Row]], triangles: Sequence[Row], ragged: Sequence[Row]) -> list[str]:
    """The table of the page of results."""
    rows = []
    for own, *peers in layers:
        what = f"{own.number:,} edges"
        rows.append([f"{what}, time", *compare([own.seconds, *(r.seconds for r in peers)], "s", "{:.2g}")])
        rows.append([f"{what}, memory", *compare([own.mib, *(r.mib for r in peers)], "MiB", "{:,.0f}")])
    rows += [[f"a triangle, of {r.number:,}", f"{r.microseconds} us", "", ""] for r in triangles]
    own, peer = ragged
    what = f"sets of {own.number:,} elements, {peer.number:,} padded"
    rows.append([f"{what}, time", *compare([own.seconds, peer.seconds], "s", "{:.2g}")])
    rows.append([f"{what}, memory", *compare([own.mib, peer.mib], "MiB", "{:,.0f}")])
    return make_table(["what", "EinNet", "GINE, and with a map of edges; padded", "ratio"], rows)


def compare(values: Sequence[float], unit: str, form: str) -> list[str]:
    own, *peers = bold_best([form.format(v) for v in values], min)
    return [f"{own} {unit}", f"{', '.join(peers)} {unit}", ", ".join(f"{v / values[0]:.2g}" for v in values[1:])]


if __name__ == "__main__":
    run(main)
