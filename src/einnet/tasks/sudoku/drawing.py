"""Boards as text and as pictures, with the steps at which cells got their digits."""

from pathlib import Path

import numpy as np
from rich.text import Text

from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.symbols import Symbols, symbols_of_side

__all__ = ["draw_steps", "format_grid", "format_steps"]


def format_grid(board: np.ndarray, puzzle: np.ndarray, symbols: Symbols | None = None) -> Text:
    """A board as text, with lines around boxes; givens bold.

    >>> board = np.array([[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]])
    >>> print(format_grid(board, board))
    1 2 | 3 4
    3 4 | 1 2
    ----+----
    2 1 | 4 3
    4 3 | 2 1
    """
    names = (".", *(symbols or symbols_of_side(len(board))))
    cells = [[names[v] for v in row] for row in board.tolist()]
    return _join_cells(cells, puzzle)


def format_steps(settled: np.ndarray, puzzle: np.ndarray) -> Text:
    """For each blank cell the step at which its digit last changed."""
    cells = [["" if g else str(t) for t, g in zip(*rows, strict=True)] for rows in zip(settled, puzzle, strict=True)]
    return _join_cells(cells, puzzle)


def _join_cells(cells: list[list[str]], puzzle: np.ndarray) -> Text:
    layout = Layout.of(len(puzzle))
    width = max(len(c) for row in cells for c in row)
    line = "+".join("-" * ((width + 1) * layout.width + (0 < k < layout.height - 1)) for k in range(layout.height))
    text = Text()
    for r, row in enumerate(cells):
        if r and r % layout.height == 0:
            text.append(line + "\n")
        for c, cell in enumerate(row):
            style = "bold" if puzzle[r, c] else ""
            text.append(("| " if c and c % layout.width == 0 else "") + cell.rjust(width), style)
            text.append(" " if c < len(row) - 1 else "\n")
    text.rstrip()
    return text


def draw_steps(
    board: np.ndarray, settled: np.ndarray, puzzle: np.ndarray, picture: Path, symbols: Symbols | None = None
) -> None:
    """Draws the board, each blank cell coloured by the step at which its digit last changed."""
    symbols = symbols or symbols_of_side(len(board))
    n, layout = len(board), Layout.of(len(board))
    figure, panel = pyplot().subplots(figsize=(0.45 * n + 1.6, 0.45 * n + 0.4), layout="constrained")
    blanks = np.ma.masked_array(settled, puzzle > 0)
    image = panel.imshow(blanks, cmap="viridis_r", alpha=0.6)
    figure.colorbar(image, label="settled at step", shrink=0.7)
    for (r, c), value in np.ndenumerate(board):
        if value:
            panel.text(c, r, symbols[value - 1], ha="center", va="center", weight="bold" if puzzle[r, c] else "normal")
    for k in range(n + 1):
        panel.axhline(k - 0.5, color="black", lw=1.6 if k % layout.height == 0 else 0.3)
        panel.axvline(k - 0.5, color="black", lw=1.6 if k % layout.width == 0 else 0.3)
    panel.set(xticks=[], yticks=[], xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
    save_figure(figure, picture)
