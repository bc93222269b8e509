"""What plain singles solve of a Sudoku, for comparison."""

import numpy as np

from einnet.tasks.sudoku.boards import Layout

__all__ = ["fill_singles", "share_solved_by_singles"]


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
