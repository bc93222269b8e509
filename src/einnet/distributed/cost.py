"""What a sharded network costs: memory of each process, bytes that it sends, time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_count, check_real, check_sizes
from einnet.errors import EinNetError
from einnet.nn import EinLayer, EinLinear, EinNet
from einnet.nn.pooled import PooledMap
from einnet.nn.sharded.call import refuse
from einnet.nn.sharded.contract import Panels
from einnet.nn.sharded.cuts import choose_cut
from einnet.nn.sharded.grid import GridShape, Placement, default_placement
from einnet.nn.state import modules_of
from einnet.plan import Plan, Result, Step

__all__ = ["ShardingCost", "estimate"]


@dataclass(frozen=True)
class ShardingCost:
    """What a step of training costs each of the processes of a mesh, on average; see `estimate`.

    `memory` has the bytes of the activations that are kept for the backward pass, `weights` those of the weights, their
    gradients and the state of Adam; `sent` the bytes that a process sends, of which `sent_by_layer` are those of each
    layer; `flops` the multiplications and additions, and `seconds` the time, if the speeds are known.
    """

    network: str
    sizes: Mapping[str, int]
    mesh: tuple[int, int]
    memory: float
    weights: float
    sent: float
    sent_by_layer: tuple[float, ...]
    flops: float
    bandwidth: float | None = None
    rate: float | None = None

    @property
    def seconds(self) -> float | None:
        """Computing and sending one after the other; less where they overlap."""
        if self.bandwidth is None or self.rate is None:
            return None
        return self.flops / self.rate + self.sent / self.bandwidth

    def table(self) -> str:
        """The numbers as text."""
        sizes = ", ".join(f"{c} = {n:,}" for c, n in self.sizes.items())
        layers = f"{_format_bytes(max(self.sent_by_layer, default=0))} per layer"
        rows = [
            ("memory", f"{_format_bytes(self.memory)} of activations, {_format_bytes(self.weights)} of weights"),
            ("sent", f"{_format_bytes(self.sent)}, {layers}"),
            ("computed", f"{self.flops / 1e12:,.3g} TFLOP"),
        ]
        if self.seconds is not None:
            rows.append(("time", f"{self.seconds:,.3g} s"))
        head = f"{self.network} on {self.mesh[0]} x {self.mesh[1]} processes, {sizes}; each process and step:"
        return "\n".join([head, *(f"  {name:<9} {text}" for name, text in rows)])

    __repr__ = table


def estimate(
    net: EinNet,
    sizes: Mapping[str, int],
    mesh: Sequence[int],
    *,
    batch: int = 1,
    bandwidth: float | None = None,
    rate: float | None = None,
) -> ShardingCost:
    """What a step of training of a sharded `EinNet` costs each process.

    >>> with torch.device("meta"):                               # no memory for weights
    ...     net = EinNet("aaH -> aaH", 4, 1, heads=16, hidden=32, depth=4, checkpoint_activations=True)
    >>> estimate(net, {"a": 20_000}, mesh=(8, 8), bandwidth=25e9, rate=20e12)
    EinNet('aaH -> aaH') on 8 x 8 processes, a = 20,000; each process and step:
      memory    17.8 GB of activations, 813 kB of weights
      sent      93.8 GB, 23.5 GB per layer
      computed  66.5 TFLOP
      time      7.08 s

    Args:
        net: with dense types; it may be on the device "meta".
        sizes: of each axis.
        mesh: the number of processes along each dimension.
        batch: the number of samples.
        bandwidth: bytes that a process sends in a second; rate: operations (FLOP) that it computes in a second. See
            `measure_speed`.

    The activations are those that a forward pass on the device "meta" keeps, divided by the number of processes;
    panels and gradients of one layer come on top. With `checkpoint_activations` they are the states between layers and
    the activations of one layer. Bytes are counted step by step: a product of matrices sends the panels of both, in the
    backward pass once more, and the gradients of the panels. Raises `EinNetError` for other networks.
    """
    if type(net) is not EinNet:
        raise EinNetError(f"the cost is known of EinNet, got {type(net).__name__}")
    refuse(net.types)
    if sparse := [t for t in net.types if t.is_sparse]:
        raise EinNetError(f"the cost of a network with the sparse type '{sparse[0]}' depends on its entries: not known")
    if net.marks.axes:
        raise EinNetError(
            "the cost of a network with marks is not known: it is that of its copies, one after the other"
        )
    known = {c: n for c, n in check_sizes(sizes).items() if c in net.axes.classes}
    if missing := [c for c in net.axes.classes if c not in known]:
        raise EinNetError(f"sizes lacks axis {missing[0]!r}, the axes of '{net.signature}' are {net.axes.classes}")
    shape, batch = _check_mesh(mesh), check_count(batch, "batch", minimum=0)
    bandwidth, rate = _check_speed(bandwidth, "bandwidth"), _check_speed(rate, "rate")
    passes = 1 + net.config.checkpoint_activations + (net.config.chunks > 1)
    counter = Counter(GridShape(shape), known, passes)
    itemsize, number = next(net.parameters()).element_size(), prod(shape)
    layers = tuple(itemsize * batch * counter.count_layer(layer) for layer in net.layers if isinstance(layer, EinLayer))
    maps = (
        itemsize
        * batch
        * sum(Counter(GridShape(shape), known).count_linear(m) for m in net.modules() if isinstance(m, EinLinear))
    )
    weights = itemsize * sum(p.numel() for p in net.parameters())
    iterations = net.config.iterations
    sent = iterations * sum(layers) + maps + 2 * (number - 1) / number * weights
    flops = (passes + 2) * batch * iterations * sum(_count_flops(layer, known) for layer in net.layers) / number
    memory = _count_memory(net, known, batch) / number
    name = f"{type(net).__name__}('{net.signature}')"
    return ShardingCost(name, known, shape, memory, 4.0 * weights, sent, layers, flops, bandwidth, rate)


def _check_mesh(mesh: Any) -> tuple[int, int]:
    """Its rows and columns."""
    if not isinstance(mesh, Sequence) or isinstance(mesh, str):
        raise TypeError(f"mesh must be the numbers of processes along its dimensions, such as (2, 4), got {mesh!r}")
    if len(mesh) not in (1, 2):
        raise EinNetError(f"a state is sharded over a mesh of one or two dimensions, such as (2, 4), got {tuple(mesh)}")
    rows, columns = (check_count(number, "the numbers of the mesh") for number in (*mesh, 1)[:2])
    return rows, columns


def _check_speed(speed: Any, name: str) -> float | None:
    """That of a single process, which sends nothing, is infinite."""
    return speed if speed is None or speed == inf else check_real(speed, name, above=0)


class Counter:
    """Numbers that a process sends in the forward and the backward pass, on average."""

    def __init__(self, grid: GridShape, sizes: Mapping[str, int], passes: int = 1):
        self.grid, self.sizes, self.passes = (
            grid,
            sizes,
            passes,
        )  # forward passes; one of them may be in the backward pass

    def count_layer(self, layer: EinLayer) -> float:
        """Those of the plan for each head, and of the results, which a `PooledLinear` expands."""
        pool = layer.pool
        projections: Any = modules_of(layer.pool_proj, pool.types)
        total = layer.reductions.in_features * self.count_plan(pool.plan, layer.reductions.is_sum)
        for projection in projections:
            for heads, pooled_map in zip(projection.head_slices, projection.maps, strict=True):
                out = projection.out_features + projection.norm
                total += self.count_map(pooled_map, [heads.stop - heads.start] * len(pooled_map.results), out)
        return total

    def count_linear(self, layer: EinLinear) -> float:
        total = 0.0
        for plan, max_plan, width in zip(layer.plans, layer.max_plans, layer.in_features, strict=True):
            total += width * self.count_plan(plan, True)
            total += width * self.count_plan(max_plan, False) if max_plan else 0
        widths = [*layer.widths, *[1] * (len(layer.map_with_bias.results) - len(layer.widths))]
        return total + self.count_map(layer.map_with_bias, widths, layer.out_features)

    def count_plan(self, plan: Plan, is_sum: bool) -> float:
        return sum(self.count_step(step, is_sum) for step in plan.steps)

    def count_map(self, pooled_map: PooledMap, widths: Sequence[int], out: int) -> float:
        """The moves of results to the axes of the output, before they are mapped or after."""
        total = 0.0
        for axis_map, numbers in pooled_map.groups.items():
            if axis_map == pooled_map.full:
                total += sum(widths[k] * self.count_expansion(pooled_map.results[k]) for k in numbers)
            else:
                total += out * self.count_expansion(pooled_map.results[numbers[0]])
        return total

    def count_step(self, step: Step, is_sum: bool) -> float:
        axes = dict(step.axes)
        sizes = {i: self.sizes[axes[i]] for t in step.tuples for i in t}
        if len(step.operands) == 1:
            return self._count_reduction(step, sizes, is_sum)
        cut = choose_cut(step.operands, step.output, tuple(sizes.items()), self.grid.shape)
        total = sum(
            self.count_move([sizes[i] for i in t], default_placement(len(t)), placement)
            for t, placement in zip(step.operands, cut.operands, strict=True)
        )
        total += (self.passes + 2) * self._count_panels(Panels(self.grid, cut, step.operands, sizes))
        return total + self._count_output(step.output, sizes, cut.output, cut.summed, is_sum)

    def _count_reduction(self, step: Step, sizes: Mapping[str, int], is_sum: bool) -> float:
        placement, dims, summed = default_placement(len(step.operands[0])), {}, []
        for index, cutting in zip(step.operands[0], placement, strict=True):
            summed += cutting if index in dims or index not in step.output else ()
            dims.setdefault(index, cutting)
        return self._count_output(step.output, sizes, tuple(dims[i] for i in step.output), summed, is_sum)

    def _count_output(
        self, output: Sequence[str], sizes: Mapping[str, int], placement: Placement, summed: Sequence[int], is_sum: bool
    ) -> float:
        numbers = [sizes[i] for i in output]
        parts = self.grid.size_of(summed)
        block = prod(n / self.grid.size_of(dims) for n, dims in zip(numbers, placement, strict=True))
        sums = 2 * (parts - 1) / parts * block
        if is_sum:
            sums *= self.passes + 1
        else:  # all are gathered, and their gradients added
            sums = self.passes * (parts - 1) * block + parts * sums
        return sums + self.count_move(numbers, placement, default_placement(len(output)))

    def _count_panels(self, panels: Panels) -> float:
        """The pieces that a process receives, those again that the panels of another index come between."""
        total, cut = 0.0, panels.cut
        for t, placement, dims in zip(panels.tuples, cut.operands, panels.dims, strict=True):
            parts = self.grid.size_of(dims)
            own = [n / self.grid.size_of(d) for n, d in zip((panels.sizes[i] for i in t), placement, strict=True)]
            numbers = prod(panels.sizes[i] if i in cut.panels else n for i, n in zip(t, own, strict=True))
            times = 1
            last = max((k for k, i in enumerate(cut.panels) if i in t and len(panels.ranges[k]) > 1), default=-1)
            for k, i in enumerate(cut.panels[: last + 1]):
                times *= len(panels.ranges[k]) if i not in t else 1
            total += times * numbers * (parts - 1) / parts
        return total

    def count_expansion(self, result: Result) -> float:
        """The move of a compact result to the axes of the output."""
        axes, placement = dict(result.axes), default_placement(len(result.axis_map))
        target = tuple(placement[result.axis_map.index(k)] for k in range(len(result.compact)))
        sizes = [self.sizes[axes[i]] for i in result.compact]
        return self.count_move(sizes, default_placement(len(sizes)), target)

    def count_move(self, sizes: Sequence[int], source: Placement, target: Placement) -> float:
        """The numbers that come from another process, and their gradients, which go back."""
        source, target = self.grid.used(source), self.grid.used(target)
        if all(t[: len(s)] == s for s, t in zip(source, target, strict=True)):
            return 0.0
        total = 0
        for place in self.grid.places:
            own, need = self.grid.block(sizes, source, place), self.grid.block(sizes, target, place)
            common = prod(max(0, min(b, d) - max(a, c)) for (a, b), (c, d) in zip(own, need, strict=True))
            total += prod(stop - start for start, stop in need) - common
        return (self.passes + 1) * total / len(self.grid.places)


def _count_flops(layer: nn.Module, sizes: Mapping[str, int]) -> float:
    """Operations of a forward pass: the plan for each head, and the matrices for each cell."""
    if not isinstance(layer, EinLayer):
        return 0.0
    cells = max(prod(sizes[c] for c in t.axes) for t in layer.types)
    matrices = sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    return layer.heads * layer.pool.plan.flops.at(sizes) + 2 * cells * matrices


def _count_memory(net: EinNet, sizes: Mapping[str, int], batch: int) -> float:
    """Bytes of what a forward pass of one process keeps for the backward pass."""
    meta: Any = EinNet(**{k: v for k, v in vars(net.config).items() if k != "checkpoint_activations"}, device="meta")
    dtype = next(net.parameters()).dtype
    meta = meta.to(dtype).train(net.training)
    inputs = [
        torch.empty(batch, *(sizes[c] for c in t.axes), w, device="meta", dtype=dtype)
        for t, w in zip(net.signature.inputs, net.in_features, strict=True)
    ]
    output_sizes = {c: sizes[c] for c in net.signature.output.classes}
    if not net.config.checkpoint_activations:
        return _count_kept(lambda: meta(*inputs, sizes=output_sizes), meta)
    tensors, context = meta.bind(inputs, sizes=output_sizes)
    state = meta.encoder(tensors, context)
    states = state if isinstance(state, tuple) else (state,)
    states_size = sum(x.numel() * x.element_size() for x in states) * len(meta.layers) * net.config.iterations
    rest = _count_kept(lambda: meta.encoder(tensors, context), meta) + _count_kept(
        lambda: meta.decode_state(state, context), meta
    )
    return (
        states_size
        + rest
        + max(_count_kept(lambda layer=layer: layer(state, mask=context), meta) for layer in meta.layers)
    )


def _count_kept(function: Any, module: nn.Module) -> float:
    """Bytes of the storages that autograd keeps, without those of the weights."""
    known = {p.untyped_storage()._cdata for p in module.parameters()}
    storages: dict[int, Any] = {}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage._cdata not in known:
            storages[storage._cdata] = storage
        return x

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        function()
    return float(sum(storage.nbytes() for storage in storages.values()))


def _format_bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:,.3g} {unit}"
    return f"{number / 1e3:,.3g} kB"
