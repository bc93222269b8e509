"""Theorem 3 literally: all terms of an order, those without a fitting split, the maximal classes of them.

Rows hold the index of each position, output first; nothing is shared with `einnet.operations.hypergraph`.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, permutations

from einnet import Symmetry, linear_terms

Row = tuple[int, ...]


def all_terms(symmetry: Symmetry, order: int) -> set[Row]:
    """Every valid term of the order, one of each set that renaming and reordering operands join."""
    rank = len(symmetry.axes)
    rows: list[Row] = [()]
    for position in range(rank * (order + 1)):
        rows = [(*row, index) for row in rows for index in range(max(row, default=-1) + 2)]
        rows = [row for row in rows if _is_valid(row, symmetry, position + 1)]
    return {canonical(row, rank, order) for row in rows}


def _is_valid(row: Row, symmetry: Symmetry, length: int) -> bool:
    """Each index has one class, and a dependent one the same parent everywhere, in the full tuples of the row."""
    rank = len(symmetry.axes)
    classes: dict[int, str] = {}
    parents: dict[int, int] = {}
    for position in range(length):
        letter, start = symmetry.axes[position % rank], position // rank * rank
        if classes.setdefault(row[position], letter) != letter:
            return False
        above = symmetry.parent_of(letter)
        place = start + symmetry.axes.index(above) if above else length
        if place < length and parents.setdefault(row[position], row[place]) != row[place]:
            return False
    return True


def number_indices(row: tuple) -> Row:
    names: dict = {}
    return tuple(names.setdefault(i, len(names)) for i in row)


def canonical(row: tuple, rank: int, order: int) -> Row:
    output, *operands = (row[rank * k : rank * (k + 1)] for k in range(order + 1))
    return min(number_indices(output + sum(selection, ())) for selection in permutations(operands))


def splits(row: Row, symmetry: Symmetry, order: int) -> bool:
    """Theorem 1: some operands, two to order - 1, meet the rest in indices that fit into one tuple."""
    rank = len(symmetry.axes)
    tuples = [row[rank * k : rank * (k + 1)] for k in range(order + 1)]
    classes = {v: letter for t in tuples for v, letter in zip(t, symmetry.axes, strict=True)}
    parents = {
        v: t[symmetry.axes.index(above)]
        for t in tuples
        for v, letter in zip(t, symmetry.axes, strict=True)
        if (above := symmetry.parent_of(letter))
    }
    for size in range(2, order):
        for selection in combinations(range(1, order + 1), size):
            inside = {v for k in selection for v in tuples[k]}
            outside = {v for k in range(order + 1) if k not in selection for v in tuples[k]}
            needed = inside & outside
            for v in inside & outside:
                while v in parents:
                    needed.add(v := parents[v])
            if Counter(classes[v] for v in needed) <= Counter(symmetry.axes):
                return True
    return False


def one_step_below(row: Row, symmetry: Symmetry, order: int) -> Iterator[Row]:
    """The terms that one order-1 operation, before an operand or after the output, makes of this one."""
    rank = len(symmetry.axes)
    for term in linear_terms(symmetry, symmetry):
        for side in range(order + 1):
            outer, inner = (term.output, term.operands[0]) if side else (term.operands[0], term.output)
            merged: dict = {}

            def find(x, merged=merged):
                while x in merged:
                    x = merged[x]
                return x

            for index, left in zip(outer, row[rank * side : rank * (side + 1)], strict=True):
                if find(index) != find(left):
                    merged[find(index)] = find(left)
            tuples = [row[rank * k : rank * (k + 1)] for k in range(order + 1)]
            tuples[side] = inner
            yield canonical(tuple(find(v) for t in tuples for v in t), rank, order)


def maximal_classes(symmetry: Symmetry, order: int) -> list[set[Row]]:
    """The terms without a fitting split that lie below no others, in classes that order-1 operations join."""
    rows = {row for row in all_terms(symmetry, order) if order < 3 or not splits(row, symmetry, order)}
    below: dict[Row, set[Row]] = {}
    for row in rows:
        seen, front = {row}, [row]
        while front:
            for lower in one_step_below(front.pop(), symmetry, order):
                if lower not in seen:
                    seen.add(lower)
                    front.append(lower)
        below[row] = seen & rows
    above = {row: {right for right in rows if row in below[right]} for row in rows}
    classes = {frozenset(below[row] & above[row]) for row in rows if above[row] <= below[row]}
    return [set(c) for c in classes]
