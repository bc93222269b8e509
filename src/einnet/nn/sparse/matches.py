"""Matches of a term: the assignments of its indices for which each sparse tuple is an entry of its support.

They are found by a join on the supports. It starts from one tuple and adds, for each partial match, the
tuple with the fewest entries that continue it; tuples whose indices are all known are looked up. A chunk
of partial matches is continued before the next one, so that memory is bounded.
"""

import weakref
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from einnet.checks import check_limit
from einnet.errors import EinNetError, ShapeError
from einnet.nn.sparse.support import Lookup, Support, guard

__all__ = ["Matches", "Order", "find_matches"]

Tuple = tuple[str, ...]
CHUNK = 2**16  # partial matches that are continued at once; they stay in the cache
_MATCHES: "weakref.WeakValueDictionary[int, Matches]" = weakref.WeakValueDictionary()  # by the identity of positions


@dataclass(frozen=True)
class Order:
    """Matches in the order of one tuple: where each of its rows begins, and the positions of all other tuples.

    Positions are None where they count 0, 1, 2, ... to the number of rows.
    """

    pointers: Tensor
    positions: list[Tensor | None]
    _chunks: dict[int, list[tuple[slice, slice, Tensor]]] = field(default_factory=dict, repr=False)

    @cached_property
    def counter(self) -> Tensor:
        """0, 1, 2, ... to the number of matches."""
        return torch.arange(int(self.pointers[-1]), dtype=self.pointers.dtype, device=self.pointers.device)

    @cached_property
    def is_identity(self) -> bool:
        """Whether each row has one match."""
        return len(self.pointers) == len(self.counter) + 1 and torch.equal(self.pointers[:-1], self.counter)

    @cached_property
    def longest(self) -> int:
        """The largest number of matches of a row."""
        return int(self.pointers.diff().max()) if len(self.pointers) > 1 else 0

    def chunks(self, length: int) -> list[tuple[slice, slice, Tensor]]:
        """Chunks of so many matches: the matches, their rows, and where each of these rows begins in the chunk."""
        if length not in self._chunks:
            number, pointers = int(self.pointers[-1]), self.pointers
            starts = torch.arange(0, number, length, device=pointers.device, dtype=pointers.dtype)
            stops = (starts + length).clamp(max=number)
            first = torch.searchsorted(pointers, starts, right=True) - 1
            last = torch.searchsorted(pointers, stops)
            self._chunks[length] = [
                (slice(start, stop), slice(i, j), (pointers[i : j + 1] - start).clamp_(0, stop - start))
                for start, stop, i, j in zip(*(x.tolist() for x in (starts, stops, first, last)), strict=True)
            ]
        return self._chunks[length]


class Matches:
    """For each match the row of each operand's value, and of the output last: `positions` of (tuples + 1, matches).

    A sparse tuple's rows are the entries of its support, a dense one's the cells of its axes, flattened;
    `rows` has the number of rows of each.
    """

    def __init__(self, positions: Tensor, rows: Sequence[int], identity: int | None = None):
        self.positions, self.rows = positions, tuple(rows)
        self.identity = identity  # a tuple whose rows are the matches, one by one
        self._orders: dict[int, Order] = {}
        _MATCHES[id(positions)] = self

    def __repr__(self) -> str:
        return f"Matches({len(self):,} of {', '.join(f'{n:,}' for n in self.rows[:-1])} -> {self.rows[-1]:,} rows)"

    def __len__(self) -> int:
        return self.positions.shape[1]

    @staticmethod
    def of(positions: Tensor, rows: Sequence[int]) -> "Matches":
        """The matches with these positions; those that have this tensor, with their orders, if there are any."""
        matches = _MATCHES.get(id(positions))
        return matches if matches is not None and matches.positions is positions else Matches(positions, rows)

    def order(self, target: int) -> Order:
        """The matches sorted by their rows of the tuple `target`; computed once."""
        if target not in self._orders:
            self._orders[target] = self._sort(target)
        return self._orders[target]

    def _sort(self, target: int) -> Order:
        is_small = max(*self.rows, len(self)) < 2**31
        dtype = torch.int32 if is_small else torch.int64  # half the memory
        keys = self.positions[target]
        if target == self.identity:
            permutation = None
            pointers = torch.arange(len(self) + 1, dtype=dtype, device=keys.device)
        else:
            pointers = find_starts(keys, self.rows[target]).to(dtype)
            permutation = sort_keys(keys, self.rows[target])
        positions: list[Tensor | None] = []
        for k, row in enumerate(self.positions):
            column = None
            if k == self.identity:
                column = None if permutation is None else permutation.to(dtype)
            elif k != target:
                column = (row if permutation is None else row[permutation]).to(dtype)
                if len(column) == self.rows[k] and bool((column[1:] > column[:-1]).all()):
                    column = None
            positions.append(column)
        return Order(pointers, positions)


def find_starts(keys: Tensor, number: int) -> Tensor:
    """The place at which each key below `number` begins if keys are sorted, and where the last one ends."""
    return torch.nn.functional.pad(torch.bincount(keys, minlength=number).cumsum(0), (1, 0))


def sort_keys(keys: Tensor, number: int) -> Tensor | None:
    """The order that sorts keys below `number`, equal ones as they are; None where they are sorted."""
    if bool((keys[1:] >= keys[:-1]).all()):
        return None
    if keys.device.type == "cpu" and number <= 2**16:  # numpy sorts two bytes ten times as fast
        return torch.from_numpy(keys.numpy().astype(np.uint16).argsort(kind="stable"))
    return keys.to(torch.int32 if number < 2**31 else torch.int64).argsort(stable=True)


def find_matches(
    tuples: Sequence[Tuple], supports: Sequence[Support | None], sizes: Mapping[str, int], output: Tuple
) -> Matches:
    """The matches of the term `tuples -> output`; `supports` has None for dense tuples, and the output's last.

    They are kept with the supports.

    >>> edges = Support(torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]]), (3, 3))
    >>> triangles = find_matches([("a", "b"), ("b", "c")], [edges] * 3, {"a": 3, "b": 3, "c": 3}, ("a", "c"))
    >>> triangles.positions.tolist()  # the edges (0, 1) and (1, 2) close to (0, 2), the edge 3
    [[0], [1], [3]]
    """
    names = [*map(tuple, tuples), tuple(output)]
    _check_term(names, supports, sizes)
    sparse = [s for s in supports if s is not None]
    letters = dict.fromkeys(i for t in names for i in t)
    number = {i: n for n, i in enumerate(letters)}
    structure = tuple(tuple(number[i] for i in t) for t in names)
    key = (structure, tuple(sizes[i] for i in letters), tuple(id(s) if s is not None else None for s in supports))
    matches, _ = sparse[0].cache(key, lambda: (Join(names, supports, sizes).run(), guard(key, sparse)))
    return matches


def _check_term(names: Sequence[Tuple], supports: Sequence[Support | None], sizes: Mapping[str, int]) -> None:
    """Raises an error for indices on no sparse tuple and for supports of other sizes."""
    sparse = [(t, s) for t, s in zip(names, supports, strict=True) if s is not None]
    if not sparse:
        raise EinNetError(f"matches need a sparse tuple, got only dense ones in {_to_text(names)}")
    for i in sorted({i for t in names for i in t}.difference(*(t for t, _ in sparse))):
        raise EinNetError(f"index '{i}' of {_to_text(names)} is on no sparse tuple: expand or sum it separately")
    for t, s in sparse:
        if s.sizes != tuple(sizes[i] for i in t):
            raise ShapeError(f"{''.join(t)} has the sizes {[sizes[i] for i in t]}, its support has {list(s.sizes)}")


def _to_text(names: Sequence[Tuple]) -> str:
    *operands, output = map("".join, names)
    return f"the term {','.join(operands)}->{output}"


@dataclass(frozen=True)
class Edge:
    """A sparse tuple of a term: its number, its distinct indices, the axis of each, and which axes agree."""

    number: int
    letters: Tuple
    support: Support
    pattern: tuple[int, ...]

    @staticmethod
    def of(number: int, tup: Tuple, support: Support) -> "Edge":
        letters = tuple(dict.fromkeys(tup))
        return Edge(number, letters, support, tuple(letters.index(i) for i in tup))

    def axis(self, letter: str) -> int:
        return self.pattern.index(self.letters.index(letter))

    def lookup(self, letters: Sequence[str]) -> Lookup:
        return self.support.lookup(tuple(map(self.axis, letters)), self.pattern)


@dataclass(frozen=True)
class Partial:
    """Partial matches: the values of the indices that are still needed, and the entries of the tuples placed so far."""

    length: int
    values: dict[str, Tensor]
    entries: dict[int, Tensor]

    def select(self, rows: Tensor | slice, letters: Set[str] | None = None) -> "Partial":
        """The partial matches at `rows`, with the values of `letters`."""
        values = {i: x[rows] for i, x in self.values.items() if letters is None or i in letters}
        entries = {k: x[rows] for k, x in self.entries.items()}
        columns = [*values.values(), *entries.values()]
        return Partial(len(columns[0]) if columns else self.length, values, entries)


@dataclass(frozen=True)
class Choice:
    """For each partial match the places of the entries with which a tuple continues it."""

    edge: Edge
    lookup: Lookup
    starts: Tensor
    counts: Tensor

    @staticmethod
    def of(edge: Edge, partial: Partial) -> "Choice":
        known = [i for i in edge.letters if i in partial.values]
        lookup = edge.lookup(known or edge.letters)  # lookups that follow are faster for sorted indices
        if known:
            return Choice(edge, lookup, *lookup.ranges([partial.values[i] for i in known]))
        starts = torch.zeros(partial.length, dtype=torch.long, device=edge.support.device)
        return Choice(edge, lookup, starts, starts + lookup.length)

    def extend(self, partial: Partial, rows: Tensor | None, letters: Set[str]) -> Partial:
        """The partial matches at `rows`, each with each of the entries that continue it."""
        starts, counts = (self.starts, self.counts) if rows is None else (self.starts[rows], self.counts[rows])
        parents = torch.repeat_interleave(counts)
        offsets = starts - counts.cumsum(0) + counts
        entries = self.lookup.entries(torch.arange(len(parents), device=parents.device) + offsets[parents])
        before = partial.select(parents if rows is None else rows[parents], letters)
        values = {i: self.edge.support.index[self.edge.axis(i)][entries] for i in self.edge.letters if i in letters}
        return Partial(len(entries), before.values | values, before.entries | {self.edge.number: entries})


class Join:
    """The search for all matches of a term `names` (the output last), with a support for each sparse tuple."""

    def __init__(self, names: Sequence[Tuple], supports: Sequence[Support | None], sizes: Mapping[str, int]):
        self.names, self.sizes = names, sizes
        edges = [Edge.of(k, t, s) for k, (t, s) in enumerate(zip(names, supports, strict=True)) if s is not None]
        own = {i for e in edges if not e.support.is_complete for i in e.letters}
        self.edges = [e for e in edges if not (e.support.is_complete and own.issuperset(e.letters))]
        numbers = {e.number for e in self.edges}
        self.dense = {i for k, t in enumerate(names) if k not in numbers for i in t}

    def run(self) -> Matches:
        """All matches, chunk by chunk."""
        if len(self.edges) == 1:
            return self._read(self.edges[0])
        pieces, number = [], 0
        for partial in self._complete(Partial(1, {}, {}), self.edges):
            number += partial.length
            text = f"{_to_text(self.names)} has {{}} matches or more on these supports"
            check_limit(number, "matches", text, "use supports with fewer entries")
            pieces.append(self._to_positions(partial))
        empty = torch.zeros(len(self.names), 0, dtype=torch.long, device=self.edges[0].support.device)
        return Matches(pieces[0] if len(pieces) == 1 else torch.cat([empty, *pieces], 1), self._count_rows())

    def _read(self, edge: Edge) -> Matches:
        """The matches of one sparse tuple, which has all indices: its entries."""
        lookup = edge.lookup(())
        places = torch.arange(lookup.length, device=edge.support.device)
        entries = lookup.entries(places)
        index = edge.support.index if entries is places else edge.support.index[:, entries]
        values = {i: index[edge.axis(i)] for i in edge.letters}
        positions = self._to_positions(Partial(len(entries), values, {edge.number: entries}))
        has_all = positions.shape[1] == edge.support.entries
        return Matches(positions, self._count_rows(), edge.number if has_all else None)

    def _count_rows(self) -> list[int]:
        """The number of rows of each tuple."""
        entries = {e.number: e.support.entries for e in self.edges}
        return [entries.get(k, prod(self.sizes[i] for i in t)) for k, t in enumerate(self.names)]

    def _to_positions(self, partial: Partial) -> Tensor:
        """The rows of all tuples: entries of sparse ones, flattened indices of dense ones."""
        columns = []
        for k, tup in enumerate(self.names):
            column = partial.entries.get(k)
            if column is None:
                column = torch.zeros_like(next(iter(partial.entries.values())))
                for i in tup:
                    column = column * self.sizes[i] + partial.values[i]
            columns.append(column)
        return self._without_receivers(torch.stack(columns))

    def _without_receivers(self, positions: Tensor) -> Tensor:
        """The matches at which no operand is a receiver, unless the output is at the same entry."""
        output = next((e for e in self.edges if e.number == len(self.names) - 1), None)
        for edge in self.edges:
            if edge.support.receivers and edge is not output:
                is_match = positions[edge.number] < edge.support.entries - edge.support.receivers
                if output is not None and output.support is edge.support:
                    is_match |= positions[edge.number] == positions[-1]
                positions = positions[:, is_match]
        return positions

    def _collect_letters(self, remaining: Sequence[Edge]) -> set[str]:
        return self.dense.union(*(e.letters for e in remaining))

    def _complete(self, partial: Partial, edges: Sequence[Edge]) -> Iterator[Partial]:
        """The matches that continue partial ones."""
        partial, remaining = self._close(partial, edges)
        if partial.length and not remaining:
            yield partial
        if not partial.length or not remaining:
            return
        choices, counts, numbers = _choose(partial, remaining)
        chunk = ((counts.cumsum(0) - counts) // CHUNK).unique_consecutive(return_counts=True)[1].cumsum(0).tolist()
        if len(chunk) > 1:
            for start, stop in zip([0, *chunk], chunk, strict=False):
                yield from self._complete(partial.select(slice(start, stop)), remaining)
            return
        for number, choice in enumerate(choices):
            rows = None if len(choices) == 1 else (numbers == number).nonzero()[:, 0]
            rest = [e for e in remaining if e is not choice.edge]
            yield from self._complete(choice.extend(partial, rows, self._collect_letters(rest)), rest)

    def _close(self, partial: Partial, edges: Sequence[Edge]) -> tuple[Partial, list[Edge]]:
        """The partial matches at which the tuples of known indices are entries of their supports; the other tuples."""
        closing = [e for e in edges if partial.values.keys() >= set(e.letters)]
        remaining = [e for e in edges if e not in closing]
        for number, edge in enumerate(closing):
            choice = Choice.of(edge, partial)
            rows = choice.counts.nonzero()[:, 0]
            entries = choice.lookup.entries(choice.starts[rows])
            selected = partial.select(rows, self._collect_letters([*closing[number + 1 :], *remaining]))
            partial = Partial(len(rows), selected.values, selected.entries | {edge.number: entries})
        return partial, remaining


def _choose(partial: Partial, edges: Sequence[Edge]) -> tuple[list[Choice], Tensor, Tensor]:
    """Tuples that add the same indices, the smallest number of entries for each partial match, and whose it is.

    Of the sets of indices that can be added the one with the fewest continuations is taken.
    """
    groups: dict[frozenset[str], list[Choice]] = {}
    for edge in edges:
        new = frozenset(i for i in edge.letters if i not in partial.values)
        groups.setdefault(new, []).append(Choice.of(edge, partial))
    best = []
    for choices in groups.values():
        counts, numbers = torch.stack([c.counts for c in choices]).min(0)
        best.append((int(counts.sum()), choices, counts, numbers))
    return min(best, key=lambda item: item[0])[1:]
