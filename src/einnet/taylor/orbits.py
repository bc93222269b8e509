"""Orbits of a permutation group given by generators, and checks of permutations."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from einnet.errors import EinNetError

__all__ = ["as_permutations", "check_permutation", "list_cycles", "number_orbits"]


def number_orbits(images: Iterable[np.ndarray], size: int) -> np.ndarray:
    """The number of each point's orbit, in the order of first occurrence.

    `images` gives, for each generator, where it takes each of the `size` points.

    >>> number_orbits([np.array([1, 0, 2, 4, 3])], 5)
    array([0, 0, 1, 2, 2], dtype=int32)
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    columns = np.stack([np.asarray(g, np.int32).ravel() for g in images] or [np.arange(size, dtype=np.int32)], axis=1)
    starts = np.arange(size + 1) * columns.shape[1]
    graph = csr_array((np.ones(columns.size, np.int8), columns.ravel(), starts), shape=(size, size))
    components = connected_components(graph, directed=True, connection="weak")[1]
    _, first, inverse = np.unique(components, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int32)[inverse]


def list_cycles(permutation: Sequence[int]) -> list[list[int]]:
    """The cycles of a permutation, fixed points among them.

    >>> list_cycles([1, 2, 0, 3])
    [[0, 1, 2], [3]]
    """
    cycles: list[list[int]] = []
    seen: set[int] = set()
    for point in range(len(permutation)):
        if point not in seen:
            cycles.append([])
        while point not in seen:
            seen.add(point)
            cycles[-1].append(point)
            point = permutation[point]
    return cycles


def as_permutations(generators: Any, name: str) -> tuple[tuple[int, ...], ...]:
    """Permutations in one-line notation, checked: g[i] is where point i goes."""
    try:
        arrays = [np.asarray(g) for g in generators]
    except (TypeError, ValueError):
        arrays = []
    if not arrays:
        raise EinNetError(
            f"{name} must be a list of permutations such as [[1, 2, 0]], got {generators!r}; "
            "the trivial group on n points is [list(range(n))]"
        )
    if all(g.ndim == 0 for g in arrays):
        raise EinNetError(f"{name} must be a list of permutations, got one: write [{list(generators)}]")
    for k, g in enumerate(arrays):
        check_permutation(g, f"{name}[{k}]", arrays[0].size)
    return tuple(tuple(g.tolist()) for g in arrays)


def check_permutation(g: np.ndarray, name: str, size: int) -> None:
    """Raises unless g is a permutation of so many points."""
    if g.ndim != 1 or not np.issubdtype(g.dtype, np.integer):
        raise EinNetError(
            f"{name} must list where each point goes, as whole numbers such as [1, 2, 0], got {_shorten(g)}"
        )
    if g.size != size:
        raise EinNetError(f"{name} moves {g.size} points, the first generator {size}: all act on the same points")
    missing = np.setdiff1d(np.arange(size), g)
    if missing.size:
        raise EinNetError(
            f"{name} is not a permutation of 0 to {size - 1}: nothing goes to {', '.join(map(str, missing[:5]))} "
            f"in {_shorten(g)}"
        )


def _shorten(g: Sequence | np.ndarray) -> str:
    text = str(np.asarray(g).tolist())
    return text if len(text) <= 60 else text[:57] + "..."
