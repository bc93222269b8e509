"""Puzzles with exactly one solution, of any box size: a random full grid, then cells dug in random order."""

import random

import numpy as np

from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.search import Search, SearchError

__all__ = ["full_grid", "puzzle"]

GUESSES = 4  # for each cell, before a grid is begun anew; without a wrong one it takes about two thirds


def full_grid(layout: Layout, rng: random.Random) -> np.ndarray:
    """A random full grid: cells filled by search with random guesses, begun anew where that takes long."""
    while True:
        search = Search(layout, rng, GUESSES * layout.n**2)
        board = np.zeros((layout.n, layout.n), int)
        board[0] = rng.sample(range(1, layout.n + 1), layout.n)
        start = search.start(board)
        try:
            return search.board(next(search.solved(start or [])))
        except SearchError:
            continue


def puzzle(layout: Layout, rng: random.Random, givens: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A puzzle and its only solution; cells are dug while the solution stays the only one.

    `givens` is the smallest number of cells to leave; 0 digs until no cell can go. A cell may go if
    no solution has another symbol there.

    >>> dug, solution = puzzle(Layout.of(4), random.Random(0))
    >>> int((dug > 0).sum()) < 10, bool((solution > 0).all())
    (True, True)
    """
    solution = full_grid(layout, rng)
    dug = solution.copy()
    order = list(range(layout.n**2))
    rng.shuffle(order)
    left = layout.n**2
    for cell in order:
        if left <= givens:
            break
        value = int(dug.flat[cell])
        dug.flat[cell] = 0
        if _has_another(dug, cell, value, layout):
            dug.flat[cell] = value
        else:
            left -= 1
    return dug, solution


def _has_another(board: np.ndarray, cell: int, value: int, layout: Layout) -> bool:
    """Whether some solution does not have this value in the cell."""
    search = Search(layout)
    start = search.start(board)
    if start is None or not search.restrict(start, cell, ~(1 << (value - 1))):
        return False
    return any(True for _ in search.solved(start))
