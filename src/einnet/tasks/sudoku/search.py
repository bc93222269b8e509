"""Exact solving: the solutions of a board, as many as one asks for; and what plain singles solve, for comparison.

Candidates of a cell are the bits of a whole number. A cell with one candidate takes it from its
peers; a symbol that one cell of a unit alone can take goes there; what is then left is tried on the
cell with the fewest candidates.
"""

import random
from collections.abc import Iterator
from itertools import islice

import numpy as np

from einnet.errors import EinNetError
from einnet.tasks.sudoku.boards import Layout

__all__ = ["Search", "SearchError", "fill_singles", "share_solved_by_singles", "solutions"]

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
        self.guesses = 0

    def start(self, board: np.ndarray) -> Candidates | None:
        """The candidates once the givens are in; None if they contradict each other."""
        candidates = [(1 << self.layout.n) - 1] * self.layout.n**2
        for cell, value in enumerate(board.ravel().tolist()):
            if value and not self.restrict(candidates, cell, 1 << (value - 1)):
                return None
        return candidates

    def board(self, candidates: Candidates) -> np.ndarray:
        """The settled cells; 0 elsewhere."""
        values = [c.bit_length() if c & (c - 1) == 0 else 0 for c in candidates]
        return np.array(values).reshape(self.layout.n, self.layout.n)

    def restrict(self, candidates: Candidates, cell: int, allowed: int) -> bool:
        """Keeps only allowed candidates of a cell, with all that follows from singles; False at a contradiction."""
        todo = [(cell, allowed)]
        while todo:
            cell, allowed = todo.pop()
            before = candidates[cell]
            left = before & allowed
            if left == before:
                continue
            if not left:
                return False
            candidates[cell] = left
            if left & (left - 1) == 0:
                todo += [(peer, ~left) for peer in self.layout.peers[cell] if candidates[peer] & left]
            for unit in self.units_of[cell]:
                for removed in _bits(before & ~left):
                    places = [c for c in self.units[unit] if candidates[c] & removed]
                    if not places:
                        return False
                    if len(places) == 1 and candidates[places[0]] != removed:
                        todo.append((places[0], removed))
        return True

    def solve(self, candidates: Candidates) -> Iterator[Candidates]:
        """All completions; raises `SearchError` at the limit."""
        open_cells = [(c.bit_count(), cell) for cell, c in enumerate(candidates) if c & (c - 1)]
        if not open_cells:
            yield candidates
            return
        _, cell = min(open_cells)
        choices = list(_bits(candidates[cell]))
        if self.rng is not None:
            self.rng.shuffle(choices)
        for choice in choices:
            if self.guesses == self.limit:
                raise SearchError(
                    f"{self.limit:,} guesses do not decide the board: it is no proper puzzle, or very hard"
                )
            self.guesses += 1
            longer = list(candidates)
            if self.restrict(longer, cell, choice):
                yield from self.solve(longer)


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest
        number ^= lowest


def fill_singles(puzzles: np.ndarray, hidden: bool = True) -> np.ndarray:
    """The boards (number, n, n) after singles have filled what they can; 0 where a cell stays open.

    A naked single is a cell with one candidate; a hidden single a symbol that has one place in a unit.
    """
    number, n, _ = puzzles.shape
    layout = Layout.of(n)
    boards = puzzles.reshape(number, n * n).copy()
    active = np.arange(number)
    while len(active):
        filled = _fill_once(boards[active], layout, hidden)
        changed = (filled != boards[active]).any(1)
        boards[active] = filled
        active = active[changed]
    return boards.reshape(puzzles.shape)


def _fill_once(boards: np.ndarray, layout: Layout, hidden: bool) -> np.ndarray:
    n = layout.n
    is_value = boards[:, :, None] == np.arange(1, n + 1)  # (board, cell, symbol)
    in_unit = is_value[:, layout.units].any(2)  # (board, unit, symbol)
    candidates = ~in_unit[:, layout.units_of].any(2) & (boards == 0)[:, :, None]
    single = candidates & (candidates.sum(2, keepdims=True) == 1)
    if hidden:
        places = candidates[:, layout.units].sum(2) == 1
        single |= candidates & places[:, layout.units_of].any(2)
    return np.where(single.any(2), single.argmax(2) + 1, boards)


def share_solved_by_singles(puzzles: np.ndarray, solutions: np.ndarray, hidden: bool = True) -> float:
    """The share of boards that singles solve whole."""
    return float((fill_singles(puzzles, hidden) == solutions).all((1, 2)).mean())
