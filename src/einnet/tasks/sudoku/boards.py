"""Boards of any box size: reading, writing, and the rules.

A board is an array of n x n whole numbers, 0 for a blank; a box has `height` rows and `width`
columns, n = height * width symbols: 1 to 9, then A, B, C, ...
"""

import gzip
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from math import isqrt
from pathlib import Path

import numpy as np

from einnet.errors import DataError
from einnet.limits import limits

__all__ = ["Layout", "clash", "follows_rules", "format_board", "read_board", "read_file", "read_puzzles"]

SYMBOLS = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANKS = ".0"


@dataclass(frozen=True)
class Layout:
    """The shape of a box.

    >>> Layout.of(9), Layout.of(6), Layout.of(16).n
    (Layout(height=3, width=3), Layout(height=2, width=3), 16)
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if _height(self.n) != self.height:
            raise DataError(f"boxes are as near to a square as can be, never higher than wide; got {self}")

    @classmethod
    @cache
    def of(cls, n: int) -> "Layout":
        """The box for n symbols that is nearest to a square, never higher than wide."""
        height = _height(n)
        if height is None:
            raise DataError(f"a board has boxes of two rows or more, so its side is 4, 6, 8, 9, ... 35; got {n}")
        return cls(height, n // height)

    @property
    def n(self) -> int:
        """The side of the board, and the number of symbols."""
        return self.height * self.width

    @cached_property
    def units(self) -> np.ndarray:
        """The cells (by number, row by row) of each row, column and box: (3 n, n)."""
        cells = np.arange(self.n**2).reshape(self.n, self.n)
        boxes = cells.reshape(self.n // self.height, self.height, self.n // self.width, self.width)
        boxes = boxes.transpose(0, 2, 1, 3).reshape(self.n, self.n)
        return np.concatenate([cells, cells.T, boxes])

    @cached_property
    def units_of(self) -> np.ndarray:
        """The numbers of the row, the column and the box of each cell: (n n, 3)."""
        return np.stack([np.nonzero((self.units == cell).any(1))[0] for cell in range(self.n**2)])

    @cached_property
    def peers(self) -> list[list[int]]:
        """The other cells in a unit with each cell."""
        return [sorted(set(self.units[u].ravel().tolist()) - {cell}) for cell, u in enumerate(self.units_of)]


def _height(n: int) -> int | None:
    return next((h for h in range(isqrt(max(n, 0)), 1, -1) if n % h == 0), None) if n <= len(SYMBOLS) else None


def read_board(text: str, where: str = "the puzzle") -> np.ndarray:
    """A board from one line: a symbol for each cell, row by row, `.` or `0` for a blank.

    >>> read_board("1...", "row 7")
    Traceback (most recent call last):
    einnet.errors.DataError: row 7 has 4 cells: a board of side n has n * n cells, 81 for the usual one
    >>> read_board("1..2" + "." * 12)[0]
    array([1, 0, 0, 2])
    """
    text = "".join(text.split())
    n = isqrt(len(text))
    if n * n != len(text) or n < 4:
        raise DataError(f"{where} has {len(text)} cells: a board of side n has n * n cells, 81 for the usual one")
    if _height(n) is None:
        raise DataError(f"{where}: boards have boxes of two rows or more, so the side is 4, 6, 8, 9, ... 35; got {n}")
    known = {s: k for case in (SYMBOLS, SYMBOLS.lower()) for k, s in enumerate(case[:n], start=1)}
    known |= dict.fromkeys(BLANKS, 0)
    for place, symbol in enumerate(text):
        if symbol not in known:
            raise DataError(
                f"{where} has {symbol!r} in row {place // n + 1}, column {place % n + 1}: symbols of a {n}x{n} board "
                f"are {SYMBOLS[0]} to {SYMBOLS[n - 1]}, and '.' or '0' for a blank"
            )
    return np.array([known[s] for s in text]).reshape(n, n)


def format_board(board: np.ndarray) -> str:
    """The board as one line.

    >>> format_board(read_board("1..2" + "." * 12))
    '1..2............'
    """
    return "".join("." if v == 0 else SYMBOLS[v - 1] for v in board.ravel().tolist())


def clash(board: np.ndarray) -> str | None:
    """What breaks the rules, in words; None if nothing does (blanks break none).

    >>> clash(read_board("11.." + "." * 12))
    '1 stands twice in row 1'
    """
    layout = Layout.of(len(board))
    for number, unit in enumerate(board.ravel()[layout.units].tolist()):
        for v, times in Counter(unit).items():
            if v and times > 1:
                kind = ("row", "column", "box")[number // layout.n]
                return f"{SYMBOLS[v - 1]} stands twice in {kind} {number % layout.n + 1}"
    return None


def follows_rules(boards: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
    """For each of some boards (number, n, n) whether it is full, by the rules, and has the puzzle's givens."""
    units = Layout.of(boards.shape[1]).units
    right = (np.sort(boards.reshape(len(boards), -1)[:, units], -1) == np.arange(1, boards.shape[1] + 1)).all((1, 2))
    return right & ((puzzles == 0) | (puzzles == boards)).all((1, 2))


def read_file(path: Path | str) -> tuple[np.ndarray, np.ndarray | None]:
    """Puzzles (number, n, n) and, where the lines are `puzzle,solution`, their solutions; gz or plain text.

    Empty lines and lines that begin with # are passed over. Raises `DataError` that names file and
    line for a line that cannot be read, or that is of another size or kind than the first.
    """
    return _read_lines(_read_numbered_lines(path), str(path))


def read_puzzles(text: str | None) -> np.ndarray:
    """The puzzles (number, n, n) of a line of cells, of a file, or of standard input for None.

    A file, or standard input, may also hold one board with a row on each line, where a row is not a board of its own.
    """
    if text is not None and not text.strip():
        raise DataError("expected a puzzle or a file, got an empty text (without one, standard input is read)")
    if text is None:
        source, lines = "standard input", list(_number_lines(_standard_input()))
    elif os.path.exists(text):  # False for a text that can be no name
        source, lines = text, list(_read_numbered_lines(text))
    elif "/" in text or text.endswith((".txt", ".csv", ".gz")):
        raise DataError(f"no file at {text}")
    else:
        return read_board(text)[None]
    rows = ["".join(line.split()) for _, line in lines]
    is_square = bool(rows) and all(len(row) == len(rows) and "," not in row for row in rows)
    is_board = isqrt(len(rows)) ** 2 == len(rows) and _height(isqrt(len(rows)))  # a row alone
    if is_square and _height(len(rows)) and not is_board:
        return read_board("".join(rows), source)[None]
    return _read_lines(lines, source)[0]


def _standard_input() -> str:
    try:
        return "" if sys.stdin is None else sys.stdin.read().removeprefix("\ufeff")
    except ValueError as error:
        raise DataError(f"standard input cannot be read: {error}") from None


def _read_lines(lines: Iterable[tuple[int, str]], source: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The same from numbered lines; `source` names them in messages."""
    puzzles, solutions, numbers = [], [], []
    for number, line in lines:
        where = f"{source}, line {number}"
        parts = [read_board(part, where) for part in line.split(",")]
        if len(parts) > 2 or (puzzles and len(parts) != 1 + bool(solutions)):
            raise DataError(f"{where}: expected one puzzle, or puzzle,solution, as in the lines before")
        side = len((puzzles or parts)[0])
        if sides := [len(p) for p in parts if len(p) != side]:
            raise DataError(f"{where}: the board's side is {sides[0]}, before it was {side}")
        numbers.append(number)
        puzzles.append(parts[0])
        solutions += parts[1:]
    if not puzzles:
        raise DataError(f"{source} has no puzzle")
    if not solutions:
        return np.stack(puzzles), None
    is_right = follows_rules(np.stack(solutions), np.stack(puzzles))
    if not is_right.all():
        raise DataError(f"{source}, line {numbers[int(np.argmin(is_right))]}: the solution breaks a rule or the givens")
    return np.stack(puzzles), np.stack(solutions)


def _read_numbered_lines(path: Path | str) -> Iterator[tuple[int, str]]:
    """The lines of a file, gz or plain text, that say something, with their numbers."""
    path = Path(path)
    try:
        limit = limits().expansion * path.stat().st_size + 2**20
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as f:
            content = f.read(limit + 1)
        if len(content) > limit:
            raise DataError(f"{path} expands to more than {limits().expansion} times its size: no file of puzzles")
        text = content.decode("utf-8-sig")
    except DataError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    yield from _number_lines(text)


def _number_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a text that say something, with their numbers."""
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line and not line.startswith("#"):
            yield number, line
