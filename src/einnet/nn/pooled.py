"""The linear map that follows pooling, applied before the pooled results are broadcast.

A sum over an axis has one value for each row; mapping it before it is broadcast to all cells costs n times less.
As the map is linear and a root mean square is a sum of squares, both the map and the norm commute with the
expansion of compact results (broadcast, permutation, embedding on a diagonal).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.nn.backend import TORCH, TorchBackend, align, run_upcast, to_channels_last, upcast
from einnet.nn.channels import add_all, inverse_root_mean, make_dropout, map_channels, rms_normalize
from einnet.plan import Result
from einnet.plan.kernel import Expansion

__all__ = ["AxisMap", "PooledLinear", "PooledMap", "concat_features", "slice_evenly"]

AxisMap = tuple[int, ...]  # see `Result.axis_map`
Parts = Mapping[AxisMap, Tensor]
Pool = Callable[[slice], Sequence[Tensor]]


class PooledMap:
    """How the results of plans become one output of `out` features, given one matrix for all of them.

    `columns` has the columns of the matrix that each result takes. Results of one axis map are concatenated and
    mapped together. Those that have fewer axes than the output are mapped before they are broadcast, unless they
    have so few features that it costs less to broadcast these.

    `shape` has the sizes of the output's axes. A back end with supports gathers values at the entries of a sparse
    output, which has its features last.
    """

    def __init__(self, results: Sequence[Result], columns: Sequence[range], out: int):
        self.results, self.axis_maps = list(results), [r.axis_map for r in results]
        self.full = tuple(range(len(self.axis_maps[0])))
        self.rank = None if results[0].support is not None else len(self.full)
        by_map: dict[AxisMap, list[int]] = {}
        for k, axis_map in enumerate(self.axis_maps):
            by_map.setdefault(axis_map, []).append(k)
        width = {m: sum(len(columns[k]) for k in numbers) for m, numbers in by_map.items()}
        is_full = {m: sorted(m) == list(self.full) or 4 * width[m] <= out for m in by_map}
        self.groups = {m: numbers for m, numbers in by_map.items() if not is_full[m]}
        if full := sorted(k for m, numbers in by_map.items() if is_full[m] for k in numbers):
            self.groups[self.full] = full
        self.is_full = list(self.groups) == [self.full]
        self.nested = nest(self.groups)
        self.first = {m: numbers[0] for m, numbers in by_map.items()}  # a result of each axis map
        self.expansions = {m: Expansion.of(m) for m in {*self.axis_maps, *self.groups}}
        self.ranks = {m: self.rank if m == self.full else count_axes(m) for m in self.groups}
        self.runs = {m: merge_ranges([columns[k] for k in numbers]) for m, numbers in self.groups.items()}

    def concat(self, results: Sequence[Tensor], shape: Sequence[int], backend: TorchBackend) -> Parts:
        """The results of each axis map side by side."""
        parts = {}
        for axis_map, numbers in self.groups.items():
            group = [results[k] for k in numbers]
            if axis_map == self.full:
                group = [self._expand(results[k], self.axis_maps[k], shape, backend) for k in numbers]
            parts[axis_map] = concat_features(group, self.ranks[axis_map] or 0)
        return parts

    def map(self, parts: Parts, weight: Tensor, bias: Tensor | None = None) -> Parts:
        """What `concat` gave, times its columns of the matrix."""
        return {m: map_channels(x, select_columns(weight, self.runs[m]), bias, self.ranks[m]) for m, x in parts.items()}

    def square(self, parts: Parts) -> Parts:
        """The sum of the squares of each cell's features."""
        return {m: upcast(x).square().sum(-1 - (self.ranks[m] or 0), keepdim=True) for m, x in parts.items()}

    def add(self, parts: Parts, shape: Sequence[int], backend: TorchBackend) -> Tensor:
        """The sum of parts, with all axes of the output; a part of few axes is added to one of more axes first."""
        left = dict(parts)
        for axis_map, larger in self.nested:
            if (backend.is_union and not count_axes(axis_map)) or (backend.is_sharded and count_axes(axis_map)):
                continue  # each sample has a value of its own; blocks of other axes are of other elements
            names = [larger[axis_map.index(k)] for k in range(1 + max((-1, *axis_map)))]
            left[larger] = left[larger] + align(left.pop(axis_map), names, range(count_axes(larger)))
        total = add_all([self._expand(x, axis_map, shape, backend) for axis_map, x in left.items()])
        is_expanded_view = len(left) == 1 and any(k < 0 for axis_map in left for k in axis_map)
        return total.contiguous() if is_expanded_view else total

    def _expand(self, x: Tensor, axis_map: AxisMap, shape: Sequence[int], backend: TorchBackend) -> Tensor:
        if self.rank is not None and not (backend.is_union or backend.is_sharded):
            return self.expansions[axis_map].apply(x, shape, backend)
        return x if axis_map == self.full else backend.expand(x, self.results[self.first[axis_map]], shape)


class PooledLinear(nn.Module):
    """Norm and linear map of pooled results: from `heads` features of each result of a plan to `out_features`.

    With `norm`, the results of a cell are first divided by their root mean square over all results, and multiplied by
    a learned gain, which is a factor of the columns of the matrix.

    Args:
        results: those of the plan of the pooling that have the output's type.
        heads: features of each result.
        out_features: of the output.
        norm: whether to normalize.
        dropout: the probability of dropping a feature of a result while training.
        shared: a number for each result; results of one number have the same weights.
        chunks: in how many parts of the heads the pooling is asked for.

    Shapes: `forward(pool, shape)`, where `pool(heads)` gives the compact results of a slice of the heads, features
    first, and `shape` the sizes of the output's axes; to (batch..., axes..., out_features). For a sparse output
    `forward(pool, shape, backend)` has the back end with its support. `weight` is
    (out_features, results * heads), the results in the order of the plan's terms; `bias` is (out_features,),
    `gain` (results * heads,).
    """

    def __init__(
        self,
        results: Sequence[Result],
        heads: int,
        out_features: int,
        *,
        bias: bool = True,
        norm: bool = False,
        dropout: float = 0.0,
        shared: Sequence[int] | None = None,
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.heads, self.out_features, self.norm = heads, out_features, norm
        self.shared = range(len(results)) if shared is None else shared
        self.total = heads * len(results)
        self.head_slices = slice_evenly(heads, chunks)
        self.maps = [self._make_map(results, s.stop - s.start) for s in self.head_slices]
        self.in_features = heads * (1 + max(self.shared))
        self.weight = nn.Parameter(torch.empty(out_features, self.in_features, device=device, dtype=dtype))
        self.gain = nn.Parameter(torch.empty(self.in_features, device=device, dtype=dtype)) if norm else None
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features, device=device, dtype=dtype))
        self.dropout = make_dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.in_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        if self.gain is not None:
            nn.init.ones_(self.gain)

    def _make_map(self, results: Sequence[Result], heads: int) -> PooledMap:
        columns = [range(heads * k, heads * (k + 1)) for k in self.shared]
        return PooledMap(results, columns, self.out_features)

    @property
    def weights(self) -> tuple[Tensor, Tensor | None]:
        """The matrix, with the gain of the norm as a factor of its columns, and the bias."""
        return self.weight if self.gain is None else self.weight * self.gain, self.bias

    def forward(self, pool: Pool, shape: Sequence[int], backend: TorchBackend = TORCH) -> Tensor:
        (weight, _), rank = self.weights, self.maps[0].rank
        if len(self.maps) == 1 and self.maps[0].is_full:
            y = run_upcast(self._map_full, [weight, *pool(self.head_slices[0])], shape, backend)
        else:
            y = self._map_parts(weight, pool, shape, backend)
        y = y.half() if weight.dtype == torch.float16 else y
        return to_channels_last(y, rank)

    def _map_parts(self, weight: Tensor, pool: Pool, shape: Sequence[int], backend: TorchBackend) -> Tensor:
        """The results of each axis map, mapped before they are broadcast, added up; the output, channels first."""
        sums: list[Tensor] = []
        for heads, pooled_map in zip(self.head_slices, self.maps, strict=True):
            partial = self._pool_part(weight, pool, heads, pooled_map, shape, backend)
            sums = [a + b for a, b in zip(sums, partial, strict=True)] if sums else partial
        total, *squares = sums
        bias = None
        if self.bias is not None:
            bias = self.bias.view(-1, *[1] * (self.maps[0].rank or 0)).to(total.dtype)
        if squares:
            scale = inverse_root_mean(squares[0], self.total).to(total.dtype)
            return total * scale if bias is None else torch.addcmul(bias, total, scale)
        return total if bias is None else total + bias

    def _map_full(self, tensors: Sequence[Tensor], shape: Sequence[int], backend: TorchBackend) -> Tensor:
        """The same where all results have all axes: here it costs less to normalize them than the output.

        `tensors` are the matrix and the results.
        """
        weight, *results = tensors
        pooled_map = self.maps[0]
        x = pooled_map.concat(results, shape, backend)[pooled_map.full]
        if self.norm:
            x = rms_normalize(x, -1 - (pooled_map.rank or 0))
        x = self.dropout(x)
        bias = self.bias
        if bias is not None and bias.dtype != weight.dtype:  # in single precision
            bias = bias.to(weight.dtype)
        return pooled_map.map({pooled_map.full: x}, weight, bias)[pooled_map.full]

    def _pool_part(
        self,
        weight: Tensor,
        pool: Pool,
        heads: slice,
        pooled_map: PooledMap,
        shape: Sequence[int],
        backend: TorchBackend,
    ) -> list[Tensor]:
        """What some heads add to the output before the norm and the bias, and to the sum of squares.

        With several parts, each is pooled again in the backward pass.
        """
        if len(self.maps) > 1:
            weight = weight.unflatten(1, (-1, self.heads))[:, :, heads].flatten(1)

        def run() -> list[Tensor]:
            return run_upcast(self._map_results, [weight, *pool(heads)], pooled_map, shape, backend)

        return run() if len(self.maps) == 1 else checkpoint(run, use_reentrant=False)

    def _map_results(
        self, tensors: Sequence[Tensor], pooled_map: PooledMap, shape: Sequence[int], backend: TorchBackend
    ) -> list[Tensor]:
        weight, *results = tensors
        parts = pooled_map.concat(results, shape, backend)
        sums = [pooled_map.map({m: self.dropout(x) for m, x in parts.items()}, weight)]
        if self.norm:
            sums.append(pooled_map.square(parts))
        return [pooled_map.add(p, shape, backend) for p in sums]

    def extra_repr(self) -> str:
        return f"heads={self.heads}, results={len(self.shared)}, out_features={self.out_features}, norm={self.norm}"


def slice_evenly(number: int, parts: int) -> list[slice]:
    """Slices of so many things in parts of nearly the same length.

    >>> slice_evenly(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(*bounds) for bounds in pairwise(number * k // parts for k in range(parts + 1))]


def merge_ranges(columns: Sequence[range]) -> list[range]:
    """Neighbouring ranges made one.

    >>> merge_ranges([range(0, 4), range(4, 8), range(12, 16)])
    [range(0, 8), range(12, 16)]
    """
    runs: list[range] = []
    for r in columns:
        if runs and runs[-1].stop == r.start:
            runs[-1] = range(runs[-1].start, r.stop)
        else:
            runs.append(r)
    return runs


def select_columns(weight: Tensor, runs: Sequence[range]) -> Tensor:
    """The columns of a matrix in these ranges; the matrix itself where they are all."""
    if len(runs) > 1:
        return torch.cat([weight[:, r.start : r.stop] for r in runs], 1)
    return weight if len(runs[0]) == weight.shape[1] else weight[:, runs[0].start : runs[0].stop]


def count_axes(axis_map: AxisMap) -> int:
    """The number of axes of a compact result with this axis map."""
    return len({k for k in axis_map if k >= 0})


def nest(axis_maps: Iterable[AxisMap]) -> list[tuple[AxisMap, AxisMap]]:
    """Axis maps with a larger one, but not that of the output, that has all their axes on the same diagonals."""
    known = sorted(axis_maps, key=count_axes)
    numbers = [count_axes(m) for m in known]
    by_diagonals: dict[tuple[int, ...], list[int]] = {}
    for k, axis_map in enumerate(known):
        by_diagonals.setdefault(tuple(map(axis_map.index, axis_map)), []).append(k)
    nested = {}
    for group in by_diagonals.values():
        for place, k in enumerate(group):
            for j in group[place + 1 :]:
                if len(known[j]) > numbers[j] > numbers[k] and _contains(known[j], known[k]):
                    nested[k] = known[j]
                    break
    return [(known[k], nested[k]) for k in sorted(nested)]


def _contains(larger: AxisMap, axis_map: AxisMap) -> bool:
    return all(m >= 0 for m, k in zip(larger, axis_map, strict=True) if k >= 0)


def concat_features(parts: Sequence[Tensor], rank: int) -> Tensor:
    """Channels-first tensors side by side along the features, their batch axes broadcast against each other."""
    if len(parts) == 1:
        return parts[0]
    batches = [x.shape[: x.dim() - rank - 1] for x in parts]
    if all(b == batches[0] for b in batches):
        return torch.cat(list(parts), -1 - rank)
    batch = torch.broadcast_shapes(*batches)
    return torch.cat([x.expand(*batch, *x.shape[x.dim() - rank - 1 :]) for x in parts], -1 - rank)
