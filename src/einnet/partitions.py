"""Partitions: the orbits of index tuples under the group of a type, for all sizes at once.

The entries of a coefficient tensor have one index in each of its *slots*. The group maps two entries to each other
exactly if the same slots have equal indices; so an orbit is a set partition of the slots of each letter, nested along
dependencies. For size n it has at most n blocks.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import comb, perm, prod

import numpy as np

from einnet.symmetry import Symmetry

__all__ = ["Slots", "add_slot", "count_fixed", "cycle_types", "first_occurrence", "row_numbers", "sort_keys"]

Sizes = Mapping[str, int] | None
Bundle = tuple  # the dependent slots that come with a slot: (class, bundle) of each


@dataclass(frozen=True)
class Slots:
    """The index positions of a coefficient: the class of each, and the position of its parent.

    >>> slots = Slots.of([Symmetry("aa"), Symmetry("a")])
    >>> slots.count()
    5
    >>> slots.partitions()            # the number of each slot's block, a row for each partition
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
        """The slots of the axes of these types, one type after the other."""
        parents: list[int | None] = []
        for t in types:
            first = len(parents)
            above = map(t.parent_of, t.axes)
            parents += [None if parent is None else first + t.axes.index(parent) for parent in above]
        return cls(tuple(c for t in types for c in t.axes), tuple(parents))

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def outermost_first(self) -> tuple[int, ...]:
        """The slots, parents first."""
        return tuple(sorted(range(len(self)), key=lambda s: len(self._chain(s))))

    def peers(self, done: int) -> list[int]:
        """The slots of the same class as this one of `outermost_first`, before it."""
        letter = self.classes[self.outermost_first[done]]
        return [t for t in self.outermost_first[:done] if self.classes[t] == letter]

    def _chain(self, slot: int) -> list[int]:
        """The slot, its parent, the parent's parent, ..."""
        parent = self.parents[slot]
        return [slot] if parent is None else [slot, *self._chain(parent)]

    def count(self, sizes: Sizes = None, lengths: Sequence[int] | None = None) -> int:
        """The number of partitions, without listing them; with `sizes`, of those that fit.

        With `lengths`, each slot stands for a cycle of this length: partitions that the permutation fixes are counted.
        """
        lengths = lengths or [1] * len(self)
        below: dict[int, Bundle] = {}
        for slot in reversed(self.outermost_first):
            children = (s for s in range(len(self)) if self.parents[s] == slot)
            below[slot] = tuple(sorted((self.classes[c], below[c]) for c in children))
        roots = [(self.classes[s], lengths[s], below[s]) for s in range(len(self)) if self.parents[s] is None]
        return _count_all(roots, None if sizes is None else tuple(sorted(sizes.items())))

    def partitions(self, sizes: Sizes = None) -> np.ndarray:
        """All partitions, in lexicographic order; `uint8` of shape (partitions, slots)."""
        return self._stages(sizes)[-1].partitions if len(self) else np.zeros((1, 0), np.uint8)

    def labels(self, sizes: Mapping[str, int], fitting: Sizes = None) -> np.ndarray:
        """The row in `partitions(fitting)` of the entry at each tuple of indices.

        An `int32` array with one axis for each slot, built axis by axis: along a new axis all entries have one
        partition, except on the diagonals with the axes before.
        """
        labels = np.zeros((), np.int32)
        for stage in self._stages(fitting):
            more = np.empty((*labels.shape, sizes[self.classes[stage.slot]]), np.int32)
            more[...] = stage.alone[labels][..., None]
            for axes, different, merged in stage.diagonals:
                diagonal = np.einsum(more, axes, different)  # a view
                diagonal[...] = merged[np.einsum(labels, axes[:-1], different)]
            labels = more
        if self.outermost_first != tuple(range(len(self))):
            labels = labels.transpose(np.argsort(self.outermost_first)).copy()
        return labels

    def _stages(self, sizes: Sizes) -> tuple["_Stage", ...]:
        counts = Counter(self.classes)
        fitting = None if sizes is None else tuple((c, min(sizes[c], counts[c])) for c in sorted(counts))
        return _stages(self, fitting) if len(self) <= 9 else _stages.__wrapped__(self, fitting)

    def blocks(self, partition: Sequence[int]) -> "Slots":
        """The slots of a tensor that has one index for each block of the partition."""
        firsts = [list(partition).index(b) for b in range(max(partition, default=-1) + 1)]
        parents = (None if (p := self.parents[s]) is None else int(partition[p]) for s in firsts)
        return Slots(tuple(self.classes[s] for s in firsts), tuple(parents))


@dataclass(frozen=True, eq=False)
class _Stage:
    """The partitions with one more slot, from those of the slots before."""

    slot: int
    alone: np.ndarray  # for each partition before: the new one in which the slot is a block of its own
    diagonals: tuple[tuple[list[int], list[int], np.ndarray], ...]  # axes, different axes, the new one if equal
    partitions: np.ndarray


@lru_cache(maxsize=128)
def _stages(slots: Slots, sizes: tuple[tuple[str, int], ...] | None) -> tuple[_Stage, ...]:
    """The stages for the slots in turn, parents first; the last has the partitions in order."""
    order = slots.outermost_first
    rows = np.zeros((1, len(slots)), np.uint8)  # blocks, named by their first slot
    stages = []
    for done, slot in enumerate(order):
        before, (rows, numbers) = rows, add_slot(slots, done, rows, None if sizes is None else dict(sizes))
        final, partitions = np.arange(len(rows), dtype=np.int32), rows
        if done + 1 == len(order):
            partitions = first_occurrence(rows)
            sort = np.argsort(sort_keys(partitions))
            final[sort] = np.arange(len(rows))
            partitions = partitions[sort]
        diagonals = []
        for t in slots.peers(done):
            axes = list(range(done + 1))
            for left, right in zip(slots._chain(slot), slots._chain(t), strict=True):
                axes[order.index(left)] = axes[order.index(right)]
            merged = final[numbers[before[:, t], np.arange(len(before))]]
            diagonals.append((axes, list(dict.fromkeys(axes)), merged))
        partitions.flags.writeable = False
        stages.append(_Stage(slot, final[numbers[slot]], tuple(diagonals), partitions))
    return tuple(stages)


def add_slot(slots: Slots, done: int, rows: np.ndarray, sizes: Sizes = None) -> tuple[np.ndarray, np.ndarray]:
    """The partitions with one more slot, the next of `outermost_first`; blocks are named by their first slot.

    Also, of shape (slots, rows before), the number of the new row in which the slot joins or begins a block, or -1.
    """
    slot = slots.outermost_first[done]
    parent = slots.parents[slot]
    blocks = np.array([slot, *slots.peers(done)])
    is_possible = rows.T[blocks] == blocks[:, None]
    if parent is not None:
        is_possible[1:] &= rows.T[[slots.parents[t] for t in blocks[1:]]] == rows[:, parent]
    is_possible[0] = sizes is None or is_possible[1:].sum(0) < sizes[slots.classes[slot]]
    places, numbers_before = np.nonzero(is_possible)
    more = rows[numbers_before]
    more[:, slot] = blocks[places]
    numbers = np.full((len(slots), len(rows)), -1)
    numbers[blocks[places], numbers_before] = np.arange(len(more))
    return more, numbers


def _count_all(items: list[tuple[str, int, Bundle]], sizes: tuple[tuple[str, int], ...] | None) -> int:
    """The number of partitions of slots of several classes, a product."""
    total = 1
    for letter in sorted({c for c, _, _ in items}):
        of_letter = Counter((length, bundle) for c, length, bundle in items if c == letter)
        slots = sum(length * k for (length, _), k in of_letter.items())
        blocks = slots if sizes is None else min(dict(sizes)[letter], slots)
        total *= _count(tuple(sorted(of_letter.items())), blocks, sizes)
    return total


@lru_cache(maxsize=2**16)
def _count(items: tuple, blocks: int, sizes: tuple[tuple[str, int], ...] | None) -> int:
    """The number of partitions of cycles of slots into at most `blocks` blocks that the permutation fixes.

    The block of the first cycle has an orbit of d blocks, d dividing the length of the cycle; another
    cycle whose length d divides may take part, in d ways. Within one block the d-th power of the
    permutation acts, on shorter cycles; the dependent slots in it are partitioned separately.
    """
    if not items:
        return 1
    ((length, bundle), k), *tail = items
    rest = [((length, bundle), k - 1), *tail]
    total = 0
    divisors = [d for d in range(1, min(length, blocks) + 1) if length % d == 0]
    for d in divisors:
        for numbers in product(*(range(k + 1) if n % d == 0 else (0,) for (n, _), k in rest)):
            chosen = list(zip(rest, numbers, strict=True))  # how many cycles of each kind join the first
            ways = d ** sum(numbers) * prod(comb(k, c) for (_, k), c in chosen)
            members = [((length, bundle), 1), *((item, c) for (item, _), c in chosen)]
            inner = [(letter, n // d, below) for (n, slots), c in members for letter, below in slots * c]
            left = tuple((item, k - c) for (item, k), c in chosen if k > c)
            left_slots = sum(n * k for (n, _), k in left)
            total += ways * _count_all(inner, sizes) * _count(left, min(blocks - d, left_slots), sizes)
    return total


def cycle_types(k: int, longest: int | None = None) -> Iterator[tuple[tuple[int, ...], int]]:
    """The cycle lengths of the permutations of k elements, and the number of permutations that have them.

    >>> list(cycle_types(3))
    [((3,), 2), ((2, 1), 3), ((1, 1, 1), 1)]
    """
    if k == 0:
        yield (), 1
    for first in range(min(k, longest or k), 0, -1):
        for rest, number in cycle_types(k - first, first):
            yield (first, *rest), number * perm(k, first) // (first * (rest.count(first) + 1))


def count_fixed(
    output: Symmetry, operands: Sequence[Symmetry], groups: Sequence[Hashable], sizes: Sizes = None
) -> Iterator[tuple[int, int, list[Symmetry]]]:
    """For Burnside's lemma, for each kind of reorderings of the operands within groups: their number, the number of
    partitions that each fixes, and the types of the output and of the cycles.
    """
    members = Counter(groups)
    for choice in product(*(tuple(cycle_types(n)) for n in members.values())):
        cycles = [(groups.index(g), n) for g, (lengths, _) in zip(members, choice, strict=True) for n in lengths]
        types = [output, *(operands[k] for k, _ in cycles)]
        by_slot = [n for t, n in zip(types, (1, *(n for _, n in cycles)), strict=True) for _ in t.axes]
        yield prod(times for _, times in choice), Slots.of(types).count(sizes, by_slot), types


def first_occurrence(rows: np.ndarray) -> np.ndarray:
    """The rows with their values renamed 0, 1, 2, ... in the order of first occurrence.

    >>> first_occurrence(np.array([[5, 3, 5], [2, 2, 0]]))
    array([[0, 1, 0],
           [0, 0, 1]], dtype=uint8)
    """
    first = np.zeros(rows.shape, int)  # the first slot with the same value
    for s, column in enumerate(rows.T):
        first[:, s] = (rows.T[: s + 1] == column).argmax(0)
    numbers = (first == np.arange(rows.shape[1])).cumsum(1, np.uint8) - np.uint8(1)
    return np.take_along_axis(numbers, first, 1)


def row_numbers(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The number of each row in `among`, whose rows are sorted; -1 if it is not one of them."""
    keys, known = sort_keys(rows), sort_keys(among)
    numbers = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[numbers] == keys, numbers, -1)


def sort_keys(rows: np.ndarray) -> np.ndarray:
    """A value for each row that sorts as the rows do: its bytes."""
    if not rows.shape[1]:
        return np.zeros(len(rows), "S1")
    return np.ascontiguousarray(rows, np.uint8).view(f"S{rows.shape[1]}").ravel()
