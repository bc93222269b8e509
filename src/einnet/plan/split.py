"""How a term with sparse operands splits: some operands become one value on the index tuples of a single tuple.

A set of operands can be contracted alone if the indices that it shares with the rest are at most one, or one tuple, of
an operand or the output, has all of them, or they fit a dense type; see `find_split`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from einnet.symmetry import Symmetry

__all__ = ["Split", "find_split"]

Tuple = tuple[str, ...]
Frame = tuple[Tuple, Symmetry | None]  # a tuple, and the type on whose support it lies; None for a dense one


@dataclass(frozen=True)
class Split:
    """Operands to contract alone, and where their value lies: on the entries of a support, or dense."""

    members: tuple[int, ...]
    output: Tuple
    support: Symmetry | None


def find_split(operands: Sequence[Frame], output: Frame, is_dense: Callable[[Collection[str]], bool]) -> Split | None:
    """The fewest operands that can be contracted alone, with the fewest indices; None for a term that does not split.

    `is_dense` says whether indices fit a dense type.

    >>> edges = Symmetry("[aa]")
    >>> chain = [(("a",), None), (("a", "b"), edges), (("b", "c"), edges)]
    >>> find_split(chain, (("c",), None), lambda indices: False)
    Split(members=(0, 1), output=('b',), support=None)
    >>> cycle = [(("a", "b"), edges), (("b", "c"), edges), (("c", "d"), edges)]
    >>> find_split(cycle, (("a", "d"), edges), lambda indices: False) is None
    True
    """
    if len(operands) < 3:
        return None
    sets = [set(t) for t, _ in operands]
    uses = Counter(i for t in (*sets, set(output[0])) for i in t)

    def find_boundary(members: tuple[int, ...]) -> Tuple:
        inside = Counter(i for k in members for i in sets[k])
        return tuple(i for i in inside if inside[i] < uses[i])

    holders = [tuple(k for k, t in enumerate(sets) if i in t) for i, number in uses.items() if number == 2]
    for members in holders:  # two operands that alone have an index: quick to find in a long term
        if len(members) == 2 and len(boundary := find_boundary(members)) < 2:
            return Split(members, boundary, None)
    candidates: dict[tuple[int, ...], Tuple] = {}
    for separator in _separators([*operands, output], is_dense):
        for members in _inner_parts(sets, set(output[0]), separator):
            candidates[members] = boundary = find_boundary(members)
            if len(members) == 2 and len(boundary) < 2:
                return Split(members, boundary, None)
    if not candidates:
        return None
    members = min(candidates, key=lambda m: (len(m), len(candidates[m]), m))
    return Split(members, *_place(candidates[members], [*operands, output]))


def _separators(frames: Sequence[Frame], is_dense: Callable[[Collection[str]], bool]) -> Iterator[frozenset[str]]:
    """The index sets in which a boundary may lie: of each tuple, then the pairs and larger sets of a dense type."""
    yield from dict.fromkeys(frozenset(t) for t, _ in frames)
    indices = tuple(dict.fromkeys(i for t, _ in frames for i in t))
    for number in range(2, len(indices)):
        sets = [frozenset(s) for s in combinations(indices, number) if is_dense(s)]
        if not sets:
            return
        yield from sets


def _inner_parts(
    operands: Sequence[set[str]], output: set[str], separator: frozenset[str]
) -> Iterator[tuple[int, ...]]:
    """The sets of operands that meet each other, and nothing else, outside the separator; the single ones in pairs."""
    parts: list[tuple[set[int], set[str]]] = []
    for k, indices in enumerate([output, *operands], start=-1):
        members, indices = {k}, indices - separator
        for part in [p for p in parts if p[1] & indices]:
            parts.remove(part)
            members, indices = members | part[0], indices | part[1]
        parts.append((members, indices))
    inner = [tuple(sorted(members)) for members, _ in parts if -1 not in members]
    yield from (m for m in inner if 1 < len(m) < len(operands))
    yield from ((k, m) for (k,), (m,) in combinations((m for m in inner if len(m) == 1), 2))


def _place(boundary: Tuple, frames: Sequence[Frame]) -> Frame:
    """Where a value with these indices lies: dense, or on the smallest sparse tuple that has them."""
    sparse = [f for f in frames if f[1] is not None and set(boundary) <= set(f[0])]
    return min(sparse, key=lambda f: len(f[0])) if len(boundary) > 1 and sparse else (boundary, None)
