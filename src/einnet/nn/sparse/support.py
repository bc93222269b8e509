"""Supports: the index tuples at which a sparse tensor has values, and lookups of entries by their indices."""

import weakref
from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from einnet.checks import check_count
from einnet.errors import EinNetError, ShapeError

__all__ = ["Lookup", "Support", "guard"]

KEY_BOUND = 2**62  # of the keys that stand for several indices
CACHE_SIZE = 256  # of results that a support keeps


class Support:
    """The index tuples at which a sparse tensor has values: `index` of shape (axes, entries), in the user's order.

    Two inputs share a support if they hold the same object. What is computed from a support is kept with it, and the
    index is not copied. Do not change its index afterwards; make a new `Support`.

    >>> edges = Support(torch.tensor([[0, 1, 2], [1, 2, 0]]), (3, 3))
    >>> edges
    Support(3 entries of 3 x 3)
    >>> edges.is_symmetric()
    False

    The last `receivers` entries get values and contribute none: nothing but themselves is computed from their values.

    Raises `ShapeError` for indices out of range and for entries that occur twice.
    """

    def __init__(self, index: Tensor, sizes: Sequence[int], receivers: int = 0):
        if not isinstance(index, Tensor) or index.dtype not in (torch.int64, torch.int32):
            got = f"a tensor of {index.dtype}" if isinstance(index, Tensor) else type(index).__name__
            raise TypeError(f"the index of a support must be a tensor of torch.int64, got {got}")
        self.sizes = tuple(check_count(n, "the size of an axis", minimum=0) for n in sizes)
        self.index, self.receivers = index.long().contiguous(), receivers
        self._cache: dict[Hashable, Any] = {}
        if index.dim() != 2 or not self.sizes or len(index) != len(self.sizes):
            expected = f"({len(self.sizes)}, entries), one row for each axis"
            raise ShapeError(f"the index of a support must have the shape {expected}, got {tuple(index.shape)}")
        if index.is_meta:
            raise EinNetError("the index of a support must have data, got one on the meta device: pass index.cpu()")
        self._check_range()
        self._check_unique()

    def __repr__(self) -> str:
        return f"Support({self.entries:,} entries of {' x '.join(map(str, self.sizes))})"

    def __reduce__(self):
        return Support, (self.index, self.sizes, self.receivers)  # without the cache

    @property
    def entries(self) -> int:
        """The number of entries."""
        return self.index.shape[1]

    @property
    def device(self) -> torch.device:
        return self.index.device

    def to(self, device: torch.device | str) -> "Support":
        """The support on a device; the same object at each call."""
        device = torch.device(device)
        if device == self.device or (device.index is None and device.type == self.device.type):
            return self
        return self.cache(("to", device), lambda: Support(self.index.to(device), self.sizes, self.receivers))

    @property
    def is_complete(self) -> bool:
        """Whether it has all indices of one axis, in their order."""
        if len(self.sizes) != 1 or self.receivers or self.entries != self.sizes[0]:
            return False
        places = torch.arange(self.entries, device=self.device)
        return self.cache("complete", lambda: torch.equal(self.index[0], places))

    def is_symmetric(self) -> bool:
        """Whether the support has with each entry (i, j) the entry (j, i)."""
        if len(self.sizes) != 2:
            raise ShapeError(f"only a support of two axes can be symmetric, got {self!r}")
        rows, columns = self.index
        return self.cache("symmetric", lambda: bool((self.lookup((0, 1)).ranges((columns, rows))[1] == 1).all()))

    def diagonal(self, names: Sequence[str]) -> Tensor:
        """Whether the indices of an entry agree on axes of one name, (entries, 1)."""
        pairs = [(names.index(name), k) for k, name in enumerate(names)]
        return self.cache(
            ("diagonal", *pairs),
            lambda: torch.stack([self.index[j] == self.index[k] for j, k in pairs]).all(0)[:, None],
        )

    def find_diagonal(self, names: Sequence[str]) -> Tensor:
        """The entries whose indices agree on axes of one name."""
        pairs = [(names.index(name), k) for k, name in enumerate(names)]
        return self.cache(("on diagonal", *pairs), lambda: self.diagonal(names)[:, 0].nonzero()[:, 0])

    def lookup(self, axes: tuple[int, ...], pattern: tuple[int, ...] | None = None) -> "Lookup":
        """The entries by their indices at `axes`; of those entries whose indices agree where `pattern` does."""
        axes_of_pattern = tuple(range(len(self.sizes))) if pattern is None else pattern
        return self.cache((axes, axes_of_pattern), lambda: Lookup(self, axes, axes_of_pattern))

    def cache(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, computed once; the oldest results are dropped."""
        if key not in self._cache:
            with torch.inference_mode(False):  # it may be used in training later
                value = make()
            while len(self._cache) >= CACHE_SIZE:
                self._cache.pop(next(iter(self._cache)), None)
            self._cache[key] = value
        return self._cache[key]

    def _check_range(self) -> None:
        for axis, (row, size) in enumerate(zip(self.index, self.sizes, strict=True)):
            outside = ((row < 0) | (row >= size)).nonzero()
            if len(outside):
                entry = int(outside[0])
                raise ShapeError(
                    f"indices of axis {axis} of a support must be from 0 to {size - 1}, got {int(row[entry])} at entry "
                    f"{entry}: correct the index, or pass a larger size"
                )

    def _check_unique(self) -> None:
        lookup = self.lookup(tuple(range(len(self.sizes))))
        repeated = (lookup.keys[1:] == lookup.keys[:-1]).nonzero()
        if len(repeated):
            first, second = lookup.entries(repeated[0] + torch.tensor([0, 1], device=self.device)).tolist()
            raise ShapeError(
                f"the entries of a support must differ, got {tuple(self.index[:, first].tolist())} at entries {first} "
                f"and {second} ({len(repeated):,} repeated entries in all): add their values up, for example with "
                f"torch.sparse_coo_tensor(index, values).coalesce(), or remove one of them"
            )


class Lookup:
    """Entries of a support in the order of their indices at some axes, found by these indices."""

    def __init__(self, support: Support, axes: tuple[int, ...], pattern: tuple[int, ...]):
        index, equal = support.index, [(k, pattern.index(p)) for k, p in enumerate(pattern) if pattern.index(p) < k]
        subset = torch.stack([index[k] == index[j] for k, j in equal]).all(0).nonzero()[:, 0] if equal else None
        self.sizes = [support.sizes[k] for k in axes]
        self.ranks: dict[int, Tensor] = {}  # of the keys before an axis, where the keys would grow too large
        columns = [index[k] if subset is None else index[k][subset] for k in axes]
        self.length = support.entries if subset is None else len(subset)
        self.is_unique = len(set(axes)) == len(set(pattern))
        keys = self._encode(columns, is_new=True) if axes else index.new_zeros(self.length)
        is_sorted = bool((keys[1:] >= keys[:-1]).all())
        self.keys, order = (keys, None) if is_sorted else keys.sort(stable=True)
        self.order = order if subset is None else subset if order is None else subset[order]
        self.pointers = self._make_pointers()

    def entries(self, places: Tensor) -> Tensor:
        """The numbers of the entries at places of the order."""
        return places if self.order is None else self.order[places]

    def ranges(self, columns: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """For each index tuple the first place of its entries, and their number."""
        keys = self._encode(columns)
        if self.pointers is not None:
            starts = self.pointers[keys]
            return starts, self.pointers[keys + 1] - starts
        starts = torch.searchsorted(self.keys, keys)
        if self.is_unique:
            matches = self.keys[starts.clamp(max=self.length - 1)] == keys if self.length else torch.zeros_like(starts)
            return starts, matches.long()
        return starts, torch.searchsorted(self.keys, keys, right=True) - starts

    def _encode(self, columns: Sequence[Tensor], is_new: bool = False) -> Tensor:
        """One key for each index tuple; -1 for some that the support lacks."""
        keys, bound, absent = columns[0].contiguous(), self.sizes[0], None
        for axis, (column, size) in enumerate(zip(columns[1:], self.sizes[1:], strict=True)):
            if bound * size > KEY_BOUND:
                if is_new:
                    self.ranks[axis] = keys.unique()
                ranks = self.ranks[axis]
                places = torch.searchsorted(ranks, keys).clamp(max=max(len(ranks) - 1, 0))
                lacks = ranks[places] != keys if len(ranks) else torch.ones_like(keys, dtype=torch.bool)
                keys, bound, absent = places, len(ranks), lacks if absent is None else absent | lacks
            keys, bound = keys * size + column, bound * size
        return keys if absent is None else keys.masked_fill(absent, -1)

    def _make_pointers(self) -> Tensor | None:
        """The places at which the entries of each key begin, where there are not many more keys than entries."""
        if self.ranks or not self.sizes or prod(self.sizes) > 4 * self.length + 1024:
            return None
        counts = torch.bincount(self.keys, minlength=prod(self.sizes))
        return torch.nn.functional.pad(counts.cumsum(0), (1, 0))


def guard(key: Hashable, supports: Sequence[Support]) -> list[weakref.ref]:
    """Weak references to the other supports, which drop the first one's result as soon as one of them is gone."""
    owner = weakref.ref(supports[0])

    def drop(_: weakref.ref) -> None:
        if (support := owner()) is not None:
            support._cache.pop(key, None)

    return [weakref.ref(s, drop) for s in supports[1:] if s is not supports[0]]
