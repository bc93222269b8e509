"""Equality patterns: the orbits of index tuples under the group of a type, for all sizes at once.

The entries of a coefficient tensor have one index in each of its *slots*. Two entries can be moved
onto each other by the group exactly if the same slots hold equal indices; so an orbit is a set
partition of the slots within each class, nested along dependencies. Size n admits those with at
most n blocks.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import comb, factorial, prod

import numpy as np

from einnet.symmetry import Symmetry

__all__ = ["Slots", "cycle_types", "first_occurrence", "row_numbers"]

Sizes = Mapping[str, int] | None
Bundle = tuple  # the dependent slots that come with a slot: (class, bundle) of each


@dataclass(frozen=True)
class Slots:
    """The index positions of a coefficient: the class of each, and which position its parent has.

    >>> slots = Slots.of([Symmetry("aa"), Symmetry("a")])
    >>> slots.count()
    5
    >>> slots.patterns()              # the number of each slot's block, a row for each pattern
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 1, 0],
           [0, 1, 1],
           [0, 1, 2]], dtype=uint8)
    >>> slots.labels({"a": 2})        # the row at each entry; three different indices need size 3
    array([[[0, 1],
            [2, 3]],
    <BLANKLINE>
           [[3, 2],
            [1, 0]]], dtype=int32)
    """

    classes: tuple[str, ...]
    parents: tuple[int | None, ...]

    @classmethod
    def of(cls, types: Sequence[Symmetry]) -> "Slots":
        """The slots of these types' axes, side by side."""
        classes: list[str] = []
        parents: list[int | None] = []
        for t in types:
            first = len(classes)
            for letter in t.axes:
                parent = t.parent_of(letter)
                parents.append(None if parent is None else first + t.axes.index(parent))
            classes += t.axes
        return cls(tuple(classes), tuple(parents))

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def _outermost_first(self) -> tuple[int, ...]:
        return tuple(sorted(range(len(self)), key=lambda s: len(self._chain(s))))

    def _chain(self, slot: int) -> list[int]:
        """The slot, its parent, the parent's parent, ..."""
        chain = [slot]
        while (parent := self.parents[chain[-1]]) is not None:
            chain.append(parent)
        return chain

    def count(self, sizes: Sizes = None, lengths: Sequence[int] | None = None) -> int:
        """The number of patterns, without making them; with `sizes`, of those that fit.

        With `lengths`, only one slot of each cycle of a permutation of the slots is in `self`, the
        cycles have these lengths, and the patterns that the permutation leaves alone are counted.
        """
        lengths = lengths or [1] * len(self)
        below: dict[int, Bundle] = {}
        for slot in reversed(self._outermost_first):
            children = (s for s in range(len(self)) if self.parents[s] == slot)
            below[slot] = tuple(sorted((self.classes[c], below[c]) for c in children))
        roots = [(self.classes[s], lengths[s], below[s]) for s in range(len(self)) if self.parents[s] is None]
        return _count_all(roots, None if sizes is None else tuple(sorted(sizes.items())))

    def _grow(self, sizes: Sizes) -> Iterator[tuple[int, dict[int, np.ndarray], np.ndarray]]:
        """Slot by slot, the patterns of the slots so far, from those of the slots before.

        Yields the slot, for each earlier slot of its class the number of the new pattern in which
        the two are equal (-1: there is none), under the key -1 the number of that in which it is a
        block of its own, and the patterns, where a block is named by its first slot.
        """
        size = len(self)
        rows = np.zeros((1, size), np.uint8)
        for done, slot in enumerate(self._outermost_first):
            peers = [t for t in self._outermost_first[:done] if self.classes[t] == self.classes[slot]]
            parent = self.parents[slot]
            numbers: dict[int, np.ndarray] = {}
            grown, total, used = [], 0, np.zeros(len(rows), int)
            for t in peers:
                fits = np.ones(len(rows), bool)
                if parent is not None:
                    fits = rows[:, self.parents[t]] == rows[:, parent]  # type: ignore[index]
                first = fits & (rows[:, t] == t)
                used += first
                numbers[t] = np.full(len(rows), -1)
                numbers[t][first] = total + np.arange(first.sum())
                total += int(first.sum())
                grown.append(np.where(np.arange(size) == slot, np.uint8(t), rows[first]))
                for other in peers[: peers.index(t)]:  # t may stand in a block that an earlier slot began
                    joined = fits & (rows[:, t] == other)
                    numbers[t][joined] = numbers[other][joined]
            open_ = np.ones(len(rows), bool) if sizes is None else used < sizes[self.classes[slot]]
            numbers[-1] = np.where(open_, total + np.cumsum(open_) - 1, -1)
            grown.append(np.where(np.arange(size) == slot, np.uint8(slot), rows[open_]))
            rows = np.concatenate(grown)
            yield slot, numbers, rows

    def patterns(self, sizes: Sizes = None) -> np.ndarray:
        """All patterns, in lexicographic order; `uint8` of shape (patterns, slots)."""
        if not len(self):
            return np.zeros((1, 0), np.uint8)
        *_, (_, _, rows) = self._grow(sizes)
        rows = first_occurrence(rows)
        return rows[np.argsort(_keys(rows))]

    def labels(self, sizes: Mapping[str, int], fitting: Sizes = None) -> np.ndarray:
        """The row in `patterns(fitting)` of the entry at each tuple of indices.

        An `int32` array with one axis for each slot. It is grown axis by axis: a new axis is all of
        one pattern, except on its diagonals with the axes before, which are fewer by a factor n.
        """
        labels = np.zeros((), np.int32)
        axes: list[int] = []  # the slots of labels' axes
        for slot, numbers, rows in self._grow(fitting):
            final = np.arange(len(rows), dtype=np.int32)
            if len(axes) == len(self) - 1:
                final = np.argsort(np.argsort(_keys(first_occurrence(rows)))).astype(np.int32)
            n = sizes[self.classes[slot]]
            grown = np.empty((*labels.shape, n), np.int32)
            grown[...] = final[numbers.pop(-1)[labels]][..., None]
            axes.append(slot)
            for t, number in numbers.items():
                name = list(range(len(axes)))
                for one, two in zip(self._chain(slot), self._chain(t), strict=True):
                    name[axes.index(one)] = name[axes.index(two)]
                merged = list(dict.fromkeys(name))
                diagonal = np.einsum(grown, name, merged)  # a view
                diagonal[...] = final[number[np.einsum(labels, name[:-1], merged)]]
            labels = grown
        return np.ascontiguousarray(labels.transpose([axes.index(s) for s in range(len(self))]))

    def blocks(self, pattern: Sequence[int]) -> "Slots":
        """The slots of a tensor that has one index for each block of the pattern."""
        firsts = [list(pattern).index(b) for b in range(max(pattern, default=-1) + 1)]
        parents = [self.parents[s] for s in firsts]
        return Slots(
            tuple(self.classes[s] for s in firsts),
            tuple(None if p is None else int(pattern[p]) for p in parents),
        )


def _count_all(items: list[tuple[str, int, Bundle]], sizes: tuple[tuple[str, int], ...] | None) -> int:
    """Patterns of slots of several classes: a product, as classes do not mix."""
    total = 1
    for letter in sorted({c for c, _, _ in items}):
        mine = Counter((length, bundle) for c, length, bundle in items if c == letter)
        most = sum(length * k for (length, _), k in mine.items())
        blocks = most if sizes is None else min(dict(sizes)[letter], most)
        total *= _count(tuple(sorted(mine.items())), blocks, sizes)
    return total


@lru_cache(maxsize=2**16)
def _count(items: tuple, blocks: int, sizes: tuple[tuple[str, int], ...] | None) -> int:
    """Partitions of cycles of slots into at most `blocks` blocks that the cycles' permutation keeps.

    The block of the first cycle has an orbit of d blocks, d dividing the cycle's length; each other
    cycle whose length d divides may take part, in d ways. Within one block the d-th power of the
    permutation acts, on shorter cycles; the dependent slots in it are partitioned by themselves.
    """
    if not items:
        return 1
    ((length, bundle), k), *others = items
    rest = [((length, bundle), k - 1), *others]
    total = 0
    for d in range(1, min(length, blocks) + 1):
        for ways, taken, inner, left in _choices((length, bundle), rest, d) if length % d == 0 else ():
            most = sum(n * k for (n, _), k in left)
            total += ways * d**taken * _count_all(inner, sizes) * _count(left, min(blocks - d, most), sizes)
    return total


def _choices(first: tuple, rest: list, d: int) -> Iterator[tuple[int, int, list, tuple]]:
    """Which other cycles join the block of the first: in how many ways, how many, what is inside, what is left."""
    for chosen in product(*(range(k + 1) if item[0] % d == 0 else (0,) for item, k in rest)):
        ways = prod(comb(k, c) for (_, k), c in zip(rest, chosen, strict=True))
        members = [(first, 1), *((item, c) for (item, _), c in zip(rest, chosen, strict=True))]
        inner = [(c, length // d, below) for (length, bundle), k in members for c, below in bundle * k]
        left = tuple((item, k - c) for (item, k), c in zip(rest, chosen, strict=True) if k > c)
        yield ways, sum(chosen), inner, left


def cycle_types(k: int, largest: int | None = None) -> Iterator[tuple[tuple[int, ...], int]]:
    """The cycle lengths of the permutations of k things, and how many permutations have them.

    >>> list(cycle_types(3))
    [((3,), 2), ((2, 1), 3), ((1, 1, 1), 1)]
    """
    for lengths in _descending(k, k if largest is None else largest):
        order = prod(length**m * factorial(m) for length, m in Counter(lengths).items())
        yield lengths, factorial(k) // order


def _descending(k: int, largest: int) -> Iterator[tuple[int, ...]]:
    if k == 0:
        yield ()
    for first in range(min(k, largest), 0, -1):
        for rest in _descending(k - first, first):
            yield (first, *rest)


def first_occurrence(rows: np.ndarray) -> np.ndarray:
    """Each row's values renamed 0, 1, 2, ... in the order in which they first occur.

    >>> first_occurrence(np.array([[5, 3, 5], [2, 2, 0]]))
    array([[0, 1, 0],
           [0, 0, 1]], dtype=uint8)
    """
    named = np.zeros(rows.shape, np.uint8)
    used = np.zeros(len(rows), np.uint8)
    for s in range(rows.shape[1]):
        new = np.ones(len(rows), bool)
        for t in range(s):
            same = rows[:, t] == rows[:, s]
            named[same, s] = named[same, t]
            new &= ~same
        named[new, s] = used[new]
        used += new
    return named


def row_numbers(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Where each of `rows` stands in `among`, whose rows are sorted; -1 if nowhere."""
    if not rows.shape[1]:
        return np.zeros(len(rows), int)
    wanted, known = _keys(rows), _keys(among)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, found, -1)


def _keys(rows: np.ndarray) -> np.ndarray:
    """One sortable value for each row: its bytes."""
    return np.ascontiguousarray(rows, np.uint8).view(f"S{rows.shape[1]}").ravel()
