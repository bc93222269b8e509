"""Puzzles with exactly one solution, of any box size: a random full grid, then cells dug in random order.

Random puzzles are mostly easy. Harder ones are found near them: some cells are filled again and others dug, and the
puzzle that needs the most guesses is changed next.
"""

import random
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from math import ceil

import numpy as np

from einnet.tasks.parallel import map_in_processes
from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.search import Search, SearchError

__all__ = [
    "MAX_DUG_SIDE", "add_givens", "count_guesses", "generate_puzzles", "make_full_grid", "make_puzzle", "vary_puzzle",
]  # fmt: skip

MAX_DUG_SIDE = 12  # of boards that are dug until no given can go; larger ones keep a share of their cells
GIVENS = 0.55
REFILLED = 27  # one cell of so many is filled again to change a puzzle
GUESSES = 4  # for each cell, before a grid is begun again; without a wrong one it takes about two thirds


def make_full_grid(layout: Layout, rng: random.Random) -> np.ndarray:
    """A random full grid: cells filled by search with random guesses, begun again where that takes long."""
    while True:
        search = Search(layout, rng, GUESSES * layout.n**2)
        board = np.zeros((layout.n, layout.n), int)
        board[0] = rng.sample(range(1, layout.n + 1), layout.n)
        start = search.start(board)
        try:
            return search.board(next(search.solve(start or [])))
        except SearchError:
            continue


def make_puzzle(layout: Layout, rng: random.Random, givens: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A puzzle and its only solution; cells are dug while the solution stays the only one.

    `givens` is the smallest number of cells to leave; 0 digs until no cell can go. A cell may go if
    no solution has another symbol there.

    >>> dug, solution = make_puzzle(Layout.of(4), random.Random(0))
    >>> int((dug > 0).sum()) < 10, bool((solution > 0).all())
    (True, True)
    """
    solution = make_full_grid(layout, rng)
    order = list(range(layout.n**2))
    rng.shuffle(order)
    return _dig(solution, solution, layout, order, givens), solution


def _dig(board: np.ndarray, solution: np.ndarray, layout: Layout, order: list[int], givens: int) -> np.ndarray:
    """The board without the givens that can go, tried in an order."""
    dug = board.copy()
    for cell in order:
        if np.count_nonzero(dug) <= givens:
            break
        dug.flat[cell] = 0
        if _has_another(dug, cell, int(solution.flat[cell]), layout):
            dug.flat[cell] = solution.flat[cell]
    return dug


def count_guesses(puzzle: np.ndarray) -> int:
    """The grade of a puzzle: the guesses after which a plain solver knows all its solutions; 0 where none is needed."""
    search = Search(Layout.of(len(puzzle)))
    deque(search.solve(search.start(puzzle) or []), maxlen=0)
    return search.guesses


def vary_puzzle(layout: Layout, rng: random.Random, givens: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Puzzles with one solution in common, each a change to the hardest before it; the first as by `make_puzzle`.

    >>> puzzles = [puzzle for puzzle, _ in islice(vary_puzzle(Layout.of(9), random.Random(0)), 6)]
    >>> list(map(count_guesses, puzzles))
    [10, 0, 4, 0, 0, 2]
    """
    hardest, solution = make_puzzle(layout, rng, givens)
    yield hardest, solution
    grade = count_guesses(hardest)
    while True:
        old, blank = (np.flatnonzero(part).tolist() for part in (hardest, hardest == 0))
        new = rng.sample(blank, ceil(layout.n**2 / REFILLED))
        rng.shuffle(old)
        board = hardest.copy()
        board.flat[new] = solution.flat[new]
        puzzle = _dig(board, solution, layout, old + new, givens)
        yield puzzle, solution
        if (guesses := count_guesses(puzzle)) >= grade:
            hardest, grade = puzzle, guesses


def _has_another(board: np.ndarray, cell: int, value: int, layout: Layout) -> bool:
    """Whether some solution does not have this value in the cell."""
    search = Search(layout)
    start = search.start(board, excluded=(cell, value))
    return start is not None and any(True for _ in search.solve(start))


def generate_puzzles(
    layout: Layout, number: int, seed: int, processes: int | None = None, variations: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Puzzles from which no given can be taken away, and their solutions; the same for the same seed.

    So many variations of a puzzle follow each other, on the whole harder and harder. Boards of a side above 12 keep
    55% of their cells. Puzzles are made in processes of their own unless `processes` is 1.
    """
    make = partial(_make_numbered_puzzles, layout, seed, variations)
    jobs = range(-(-number // variations))
    boards = list(map(make, jobs)) if processes == 1 else map_in_processes(make, jobs, processes, "puzzles")
    puzzles, solutions = zip(*islice(chain.from_iterable(boards), number), strict=True)
    return np.stack(puzzles), np.stack(solutions)


def _make_numbered_puzzles(
    layout: Layout, seed: int, variations: int, number: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    givens = 0 if layout.n <= MAX_DUG_SIDE else ceil(GIVENS * layout.n**2)
    return list(islice(vary_puzzle(layout, random.Random(f"{seed} {number}"), givens), variations))


def add_givens(puzzles: np.ndarray, solutions: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """The puzzles, each with 0 to `limit` further givens.

    >>> puzzles, solutions = generate_puzzles(Layout.of(4), 3, seed=0, processes=1)
    >>> added = add_givens(puzzles, solutions, 5, seed=0)
    >>> ((added > 0).sum((1, 2)) - (puzzles > 0).sum((1, 2))).tolist()
    [5, 3, 3]
    """
    rng = np.random.default_rng(seed)
    flat = puzzles.reshape(len(puzzles), -1)
    numbers = rng.integers(0, limit + 1, len(flat))
    places = np.where(flat > 0, 2, rng.random(flat.shape)).argsort(1).argsort(1)
    return np.where(places < numbers[:, None], solutions.reshape(flat.shape), flat).reshape(puzzles.shape)
