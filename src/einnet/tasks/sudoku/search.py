"""Exact solving: the solutions of a board, as many as one asks for.

Candidates of a cell are the bits of a whole number. A cell with one candidate takes it from its peers; a symbol that
one cell of a unit alone can take goes there; a symbol that only cells of another unit too can take goes nowhere else in
that one. What is then left is tried on the cell with the fewest candidates.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from math import inf

import numpy as np

from einnet.errors import EinNetError
from einnet.tasks.sudoku.boards import Layout

__all__ = ["SECONDS", "Candidates", "Search", "SearchError", "solutions"]

SECONDS = 60.0  # after which a puzzle is given up
STORED = 2**17  # results of `find_locked`: all that occur at 9x9
Candidates = list[int]


class SearchError(EinNetError):
    """A search that was given up: the board may have more solutions, or none."""


def solutions(board: np.ndarray, limit: int = 2, guesses: int = 20_000) -> list[np.ndarray]:
    """Up to `limit` solutions: none for an unsolvable board, one exactly for a proper puzzle.

    >>> from einnet.tasks.sudoku.boards import read_board
    >>> len(solutions(read_board("12.." + "34.." + "." * 8), limit=100))
    12

    Raises `SearchError` after so many guesses (proper puzzles need a few dozens).
    """
    search = Search(Layout.of(len(board)), guesses=guesses)
    start = search.start(board)
    return [search.board(c) for c in islice(search.solve(start), limit)] if start is not None else []


class Search:
    """Solves boards of one layout; with a random generator, guesses in random order; with a limit of guesses."""

    def __init__(self, layout: Layout, rng: random.Random | None = None, guesses: int | None = None):
        self.layout, self.rng, self.limit = layout, rng, guesses
        self.units = layout.units.tolist()
        self.units_of = layout.units_of.tolist()
        self._find_locked = _make_finder(layout)
        self.guesses, self.deadline = 0, inf  # a time of `time.monotonic`

    def start(self, board: np.ndarray, excluded: tuple[int, int] | None = None) -> Candidates | None:
        """The candidates once the givens are in; None if they contradict each other.

        `excluded` is a cell and a symbol that it is not to have.
        """
        candidates = [(1 << self.layout.n) - 1] * self.layout.n**2
        demands = [(cell, 1 << (value - 1)) for cell, value in enumerate(board.ravel().tolist()) if value]
        if excluded is not None:
            cell, value = excluded
            demands.insert(0, (cell, ~(1 << (value - 1))))
        return candidates if all(self.restrict(candidates, *demand) for demand in demands) else None

    def board(self, candidates: Candidates) -> np.ndarray:
        """The settled cells; 0 elsewhere."""
        values = [c.bit_length() if c & (c - 1) == 0 else 0 for c in candidates]
        return np.array(values).reshape(self.layout.n, self.layout.n)

    def restrict(self, candidates: Candidates, cell: int, allowed: int) -> bool:
        """Keeps only allowed candidates of a cell, with all that follows at once; False at a contradiction."""
        todo = [(cell, allowed)]
        while todo:
            cell, allowed = todo.pop()
            before = candidates[cell]
            candidates[cell] = left = before & allowed
            if left == before:
                continue
            if not left:
                return False
            if left & (left - 1) == 0:
                todo += [(peer, ~left) for peer in self.layout.peers[cell] if candidates[peer] & left]
            for unit in self.units_of[cell]:
                for removed in _bits(before & ~left):
                    places = [c for c in self.units[unit] if candidates[c] & removed]
                    if not places:
                        return False
                    if len(places) == 1 and candidates[places[0]] != removed:
                        todo.append((places[0], removed))
                    elif 1 < len(places) <= self.layout.width:
                        todo += [(c, ~removed) for c in self.find_locked(unit, places) if candidates[c] & removed]
        return True

    def find_locked(self, unit: int, places: Sequence[int]) -> list[int]:
        """The cells that cannot have a symbol that a unit has in one of these places: the rest of another unit."""
        return self._find_locked(unit, *places)

    def solve(self, candidates: Candidates) -> Iterator[Candidates]:
        """All completions; raises `SearchError` at the limit of guesses or of time."""
        if not (guesses := self._list_guesses(candidates)):
            yield candidates
        while guesses:
            parent, cell, choice = guesses.pop()
            self.spend_guess()
            longer = list(parent)
            if self.restrict(longer, cell, choice):
                more = self._list_guesses(longer)
                guesses += more
                if not more:
                    yield longer

    def _list_guesses(self, candidates: Candidates) -> list[tuple[Candidates, int, int]]:
        """The choices for the cell with the fewest candidates, the last one first; none if no cell is open."""
        open_cells = [(c.bit_count(), cell) for cell, c in enumerate(candidates) if c & (c - 1)]
        if not open_cells:
            return []
        _, cell = min(open_cells)
        choices = list(_bits(candidates[cell]))
        if self.rng is not None:
            self.rng.shuffle(choices)
        return [(candidates, cell, choice) for choice in reversed(choices)]

    def spend_guess(self) -> None:
        """Counts a guess; raises `SearchError` if none is left, or no time."""
        if self.guesses == self.limit:
            raise SearchError(f"{self.limit:,} guesses do not decide the board: no proper puzzle, or very hard")
        if time.monotonic() > self.deadline:
            raise SearchError("the time for the board is over: no proper puzzle, or very hard")
        self.guesses += 1


@cache
def _make_finder(layout: Layout) -> Callable[..., list[int]]:
    """The function of `Search.find_locked` for all searches on a layout, which stores its results."""
    units, units_of = layout.units.tolist(), list(map(set, layout.units_of.tolist()))

    @lru_cache(maxsize=STORED)
    def find(unit: int, *places: int) -> list[int]:
        shared = set.intersection(*(units_of[cell] for cell in places)) - {unit}
        return [cell for line in shared for cell in units[line] if cell not in places]

    return find


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest
