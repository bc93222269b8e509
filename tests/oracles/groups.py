"""Groups listed element by element, orbits by union-find, and the counts that follow from either."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from math import lcm

import numpy as np

Permutation = tuple[int, ...]


def compose(g: Sequence[int], h: Sequence[int]) -> Permutation:
    """First h, then g."""
    return tuple(g[i] for i in h)


def power(g: Sequence[int], times: int) -> Permutation:
    result = tuple(range(len(g)))
    for _ in range(times):
        result = compose(g, result)
    return result


def elements(generators: Sequence[Sequence[int]], out_generators: Sequence[Sequence[int]] | None = None) -> set:
    """All pairs (what is done to the input, what is done to the output) that the generators make."""
    outs = out_generators or [(0,)] * len(generators)
    pairs = [(tuple(g), tuple(h)) for g, h in zip(generators, outs, strict=True)]
    pairs_reached = {(tuple(range(len(generators[0]))), tuple(range(len(outs[0]))))}
    new = list(pairs_reached)
    while new:
        reached = {(compose(g, x), compose(h, y)) for g, h in pairs for x, y in new}
        new = list(reached - pairs_reached)
        pairs_reached |= reached
    return pairs_reached


def count_fixed(g: Sequence[int]) -> int:
    return sum(g[i] == i for i in range(len(g)))


def cycle_lengths(g: Sequence[int]) -> list[int]:
    left, lengths = set(range(len(g))), []
    while left:
        start = point = left.pop()
        lengths.append(1)
        while (point := g[point]) != start:
            left.remove(point)
            lengths[-1] += 1
    return lengths


def count_fixed_multisets(g: Sequence[int], k: int) -> int:
    """Multisets of k points that g keeps: each cycle in full, any number of times."""
    ways = [1] + [0] * k
    for length in cycle_lengths(g):
        for total in range(length, k + 1):
            ways[total] += ways[total - length]
    return ways[k]


def burnside(group: set, k: int, commutative: bool) -> int:
    """The number of orbits of (output, k operands): the mean number of points that are fixed."""
    fixed = sum(
        count_fixed(h) * (count_fixed_multisets(g, k) if commutative else count_fixed(g) ** k) for g, h in group
    )
    assert fixed % len(group) == 0
    return fixed // len(group)


def number_parameters(
    generators: Sequence[Sequence[int]], out_generators: Sequence[Sequence[int]] | None, k: int, commutative: bool
) -> np.ndarray:
    """The parameter of each entry of the coefficient, numbered by first occurrence, by union-find."""
    moves = [[h] * (h is not None) + [g] * k for g, h in zip(generators, out_generators or [None] * len(generators), strict=True)]  # fmt: skip
    shape = tuple(len(move) for move in moves[0])
    root = {cell: cell for cell in product(*map(range, shape))}

    def find(cell: tuple) -> tuple:
        while root[cell] != cell:
            root[cell] = root[root[cell]]
            cell = root[cell]
        return cell

    first = 0 if out_generators is None else 1
    for cell in root:
        for move in moves:
            root[find(cell)] = find(tuple(m[i] for m, i in zip(move, cell, strict=True)))
        if commutative:
            root[find(cell)] = find((*cell[:first], *sorted(cell[first:])))
    numbers: dict[tuple, int] = {}
    labels = [numbers.setdefault(find(cell), len(numbers)) for cell in root]
    return np.array(labels).reshape(shape)


def evaluate_series(coefficients: Sequence[np.ndarray], x: np.ndarray, out_rank: int):
    """The series with these coefficients at one x, operand by operand."""
    total = 0
    for coefficient in coefficients:
        while np.ndim(coefficient) > out_rank:
            coefficient = coefficient @ x
        total = total + coefficient
    return total


def matrix_elements(generators: Sequence[np.ndarray], maximum: int = 5000) -> list[np.ndarray]:
    """All elements of a finite matrix group."""
    by_key = {_key(np.eye(len(generators[0]))): np.eye(len(generators[0]))}
    new = list(by_key.values())
    while new:
        reached = {_key(m): m for m in (np.asarray(g) @ x for g in generators for x in new)}
        new = [m for key, m in reached.items() if key not in by_key]
        by_key |= reached
        assert len(by_key) <= maximum
    return list(by_key.values())


def _key(matrix: np.ndarray) -> bytes:
    return (np.round(matrix, 6) + 0.0).tobytes()


def kronecker(matrix: np.ndarray, k: int) -> np.ndarray:
    """How a group element acts on the k-th tensor power."""
    result = np.eye(1)
    for _ in range(k):
        result = np.kron(result, matrix)
    return result


def zero_sums(n: int, powers: Sequence[int]) -> list[tuple[int, ...]]:
    return [e for e in product(sorted(set(powers)), repeat=n) if sum(e) == 0]


def monomial_orbits(exponents: Sequence[tuple[int, ...]], generators: Sequence[Sequence[int]]) -> Counter:
    """How many monomials are in each orbit; an orbit is named by its least element."""
    group = [g for g, _ in elements(generators)]
    return Counter(min(compose(e, g) for g in group) for e in exponents)


def face_turns() -> Iterator[Permutation]:
    """The six quarter turns of Rubik's cube on its 48 stickers, from where the stickers are in space."""
    stickers = [
        (place, (axis, sign))
        for place in product((-1, 0, 1), repeat=3)
        for axis in range(3)
        for sign in (-1, 1)
        if place[axis] == sign and np.count_nonzero(place) > 1
    ]
    number = {s: k for k, s in enumerate(stickers)}
    for axis, sign in product(range(3), (-1, 1)):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        turn = []
        for place, (faces, side) in stickers:
            if place[axis] == sign:
                moved = list(place)
                moved[one], moved[two] = -place[two], place[one]
                normal = [0, 0, 0]
                normal[faces] = side
                normal[one], normal[two] = -normal[two], normal[one]
                faces = int(np.flatnonzero(normal)[0])
                place, side = tuple(moved), normal[faces]
            turn.append(number[place, (faces, side)])
        yield tuple(turn)


def order_of(g: Sequence[int]) -> int:
    return lcm(*cycle_lengths(g))
