"""Sparse types on a mesh: each process has the entries whose first index is in its rows, as of a dense `aH`.

All processes know all index tuples; values, their gradients and all that is computed from them are cut. A join runs at
the process that has the rows of its output, which fetches the rows of the operands that it needs; a sum without index
runs over the entries that each process has.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import TORCH, TorchBackend
from einnet.nn.semiring import SemiringBackend
from einnet.nn.sharded.backend import ShardedBackend
from einnet.nn.sharded.call import Input, number_of, read_blocks, refuse
from einnet.nn.sharded.fetch import Fetch, fetch_rows
from einnet.nn.sharded.grid import Grid
from einnet.nn.sparse.backend import SparseBackend
from einnet.nn.sparse.inputs import read_tensors
from einnet.nn.sparse.join import join, match
from einnet.nn.sparse.matches import Matches
from einnet.nn.sparse.storage import as_sparse
from einnet.nn.sparse.support import Support
from einnet.plan import Result, Step
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["SparseShardedBackend", "make_sharded_backend", "read_cut", "take_entries"]

Tuple = tuple[str, ...]
JOINS = 1024  # that are kept with a support


def find_ranges(grid: Grid, size: int) -> list[tuple[int, int]]:
    """The rows of each process of the group, of so many in all."""
    return [grid.range_of(size, (0, 1), place) for place in grid.coordinates]


class CutSupport:
    """A support with the entries of this process, one with those of all, and the places there of each process's own.

    All processes make it together; `counts` are their numbers of entries.
    """

    def __init__(self, own: Support, counts: Sequence[int], grid: Grid):
        axes = len(own.sizes)
        parts = grid.send_parts([own.index.flatten()] * len(counts), [axes * n for n in counts])
        starts = [start for start, _ in find_ranges(grid, own.sizes[0])]
        order = sorted(range(len(counts)), key=lambda k: (starts[k], counts[k]))
        self.own, self.global_support = own, Support(torch.cat([parts[k].view(axes, -1) for k in order], 1), own.sizes)
        self.ranges, first = [(0, 0)] * len(counts), 0
        for k in order:
            self.ranges[k] = first, (first := first + counts[k])
        self.grid = grid
        self.joins: dict[Hashable, Any] = {}  # the same at all processes

    @staticmethod
    def of(
        supports: Sequence[Support], grid: Grid, names: Sequence[str], values: Sequence[Tensor]
    ) -> list["CutSupport"]:
        """Those of supports of which each process has the entries of its rows; kept with them.

        Raises `ShapeError` at all processes for entries of other rows, and for values of other batches.
        """
        rests = number_of([(*x.shape[:-2], x.shape[-1], str(x.dtype)) for x in values])
        numbers, key = [], ("cut", id(grid))
        for s in supports:
            start, stop = grid.range_of(s.sizes[0], (0, 1))
            outside = int(((s.index[0] < start) | (s.index[0] >= stop)).sum())
            numbers.append([s.entries, outside, int(key in s._cache), rests, *s.sizes])
        width = max(map(len, numbers))
        table = torch.tensor([[*row, *[0] * (width - len(row))] for row in numbers], device=supports[0].device)
        cuts = []
        for s, name, rows in zip(supports, names, torch.stack(grid.gather(table, (0, 1)), 1).tolist(), strict=True):
            if any(row[3] != rests for row in rows):
                shapes = ", ".join(str(tuple(x.shape)) for x in values)
                raise ShapeError(
                    "sparse inputs have other batch axes, features or dtypes at other processes, here values of shape "
                    f"{shapes}: every process needs its entries of the same samples"
                )
            if any(row[4:] != rows[0][4:] for row in rows):
                raise ShapeError(f"the support of {name} has other sizes at other processes, here {s.sizes}")
            if number := max(row[1] for row in rows):
                raise ShapeError(
                    f"{name} has {number} entries at a process that has other rows: cut it by "
                    "einnet.distributed.take_block"
                )
            if not all(row[2] for row in rows):
                s._cache.pop(key, None)
            cuts.append(s.cache(key, lambda s=s, rows=rows: CutSupport(s, [row[0] for row in rows], grid)))
        return cuts


class Join:
    """What a process does for a join: the rows that it fetches of each operand, and the matches of these.

    Dense values are of one axis, which is cut as the rows of sparse ones, or of none; then all processes have them.
    """

    def __init__(self, backend: "SparseShardedBackend", tuples: Sequence[Tuple], types: Sequence[Any], axes: Any):
        self.tuples, sizes = tuples, [[backend.sizes[axes[i]] for i in t] for t in tuples]
        cuts = [None if t is None else backend.cuts[t.axes] for t in types]
        self.is_dense = [c is None and len(t) > 0 for c, t in zip(cuts, tuples, strict=True)]
        if any(dense and len(t) > 1 for dense, t in zip(self.is_dense, tuples, strict=True)):
            equation = f"{','.join(map(''.join, tuples[:-1]))}->{''.join(tuples[-1])}"
            raise EinNetError(f"'{equation}', of sparse values and dense ones of two axes, cannot be sharded yet")
        self.is_total = not tuples[-1]  # the sum of what the processes find with their entries of an operand
        local = next(k for k, c in enumerate(cuts) if c is not None) if self.is_total else len(tuples) - 1
        self.supports = [None if c is None else c.own if k == local else c.global_support for k, c in enumerate(cuts)]
        if self.is_dense[local]:
            own = torch.arange(*backend.grid.range_of(sizes[local][0], (0, 1)), device=backend.unsharded.device)
            self.supports[local] = Support(own[None], sizes[local])
        matches = match(tuples[:-1], tuples[-1], self.supports)
        rows, positions = list(matches.rows), list(matches.positions)
        self.fetches: dict[int, Fetch] = {}
        for k, t in enumerate(tuples):
            if k != local and t:
                need, positions[k] = positions[k].unique(return_inverse=True)
                cut, rows[k] = cuts[k], len(need)
                ranges = find_ranges(backend.grid, sizes[k][0]) if cut is None else cut.ranges
                self.fetches[k] = Fetch(backend.grid, ranges, need)
                if cut is None:
                    self.supports[k] = Support(need.new_empty(1, 0), sizes[k])  # of which `join` reads the sizes
        self.matches = Matches(torch.stack(positions), rows, matches.identity)

    def run(self, operands: Sequence[Tensor], algebra: Any) -> Tensor:
        """The block of the output of this process; without axes its part of the sum."""
        values = []
        for k, x in enumerate(operands):
            x = x.transpose(-1, -2) if self.is_dense[k] else x
            values.append(fetch_rows(x, self.fetches[k]) if k in self.fetches else x)
        y = join(self.tuples[:-1], self.tuples[-1], self.supports, values, self.matches, algebra)
        return y.transpose(-1, -2) if self.is_dense[-1] else y


class SparseShardedBackend(ShardedBackend):
    """Blocks of dense tensors, and the entries of sparse ones that this process has."""

    def __init__(
        self, grid: Grid, sizes: Mapping[str, int], cuts: Mapping[Tuple, CutSupport], local: TorchBackend = TORCH
    ):
        super().__init__(grid, sizes, local)
        self.cuts, self.supports = cuts, {axes: cut.own for axes, cut in cuts.items()}
        self.unsharded = SparseBackend(self.supports)

    def in_semiring(self, name: str) -> "SparseShardedBackend":
        return SparseShardedBackend(self.grid, self.sizes, self.cuts, SemiringBackend(name))

    def count_cells(self, symmetry: Symmetry) -> int:
        return self.cuts[symmetry.axes].global_support.entries if symmetry.is_sparse else super().count_cells(symmetry)

    def join(self, step: Step, operands: Sequence[Tensor]) -> Tensor:
        if not step.is_join:
            return super().join(step, operands)
        return self._join_entries(step.tuples, step.supports, step.axes, operands)

    def expand(self, compact: Tensor, result: Result, shape: Sequence[int]) -> Tensor:
        if result.is_sparse or result.compact == result.output:
            return compact
        if result.support is None:
            return super().expand(compact, result, shape)
        return self._join_entries((result.compact, result.output), (None, result.support), result.axes, [compact])

    def _join_entries(self, tuples: Any, types: Any, axes: Any, operands: Sequence[Tensor]) -> Tensor:
        names = dict(axes)
        key = ("join", tuples, types, tuple(names[i] for t in tuples for i in t))
        join = self.cache(key, lambda: Join(self, tuples, types, names))
        y = join.run(operands, self.algebra)
        return self._finish(y, (), {}, (), (0, 1)) if join.is_total else y

    def cache(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, kept with these supports; all processes keep the same, as they may make it together."""
        first, *rest = self.cuts.values()
        key = (key, *self.cuts, *map(id, rest), *self.sizes.items())
        if key not in first.joins:
            with torch.inference_mode(False):
                value = make(), rest  # which must not be another object with one of these numbers
            while len(first.joins) >= JOINS:
                first.joins.pop(next(iter(first.joins)))
            first.joins[key] = value
        return first.joins[key][0]


def make_sharded_backend(
    mesh: DeviceMesh, sizes: Mapping[str, int], cuts: Mapping[Tuple, CutSupport]
) -> ShardedBackend:
    grid = Grid.of(mesh)
    return SparseShardedBackend(grid, sizes, cuts) if cuts else ShardedBackend(grid, sizes)


def read_cut(
    signature: Signature,
    types: Sequence[Symmetry],
    inputs: Sequence[Any],
    mesh: DeviceMesh,
    sizes: Mapping[str, int] | None = None,
) -> tuple[list[Tensor], list[tuple[int, ...]], dict[Tuple, CutSupport]]:
    """What this process has of each input, the shapes of the whole tensors, and the supports of sparse types."""
    refuse(types)
    named: list[Input] = list(zip(range(1, len(inputs) + 1), signature.inputs, inputs, strict=True))
    dense, sparse = ([item for item in named if item[1].is_sparse == kind] for kind in (False, True))
    known = dict(sizes or {})
    tensors, shapes = read_blocks(dense, mesh)
    for (_, t, _), shape in zip(dense, shapes, strict=True):
        known = dict(zip(t.axes, shape[-1 - len(t.axes) :], strict=False)) | known
    values, value_shapes, supports = read_tensors([t for _, t, _ in sparse], [x for _, _, x in sparse], known)
    names = [f"the input of type '[{''.join(axes)}]'" for axes in supports]
    cuts = CutSupport.of(list(supports.values()), Grid.of(mesh), names, values) if supports else []
    order = sorted(range(len(named)), key=lambda k: [*dense, *sparse][k][0])
    tensors, shapes = [*tensors, *values], [*shapes, *value_shapes]
    return [tensors[k] for k in order], [shapes[k] for k in order], dict(zip(supports, cuts, strict=True))


def take_entries(
    x: Any, symmetry: Symmetry, grid: Grid, sizes: Mapping[str, int] | None = None
) -> tuple[Support, Tensor]:
    """The entries of this process, of a sparse tensor in any form that every process has whole."""
    support, values = as_sparse(x, symmetry, sizes)
    start, stop = grid.range_of(support.sizes[0], (0, 1))

    def make() -> tuple[Support, Tensor]:
        places = ((support.index[0] >= start) & (support.index[0] < stop)).nonzero()[:, 0]
        return Support(support.index[:, places], support.sizes), places

    own, places = support.cache(("rows", start, stop), make)
    return own, values.index_select(-2, places)
